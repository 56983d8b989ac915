import { expect, test, TEXT } from './fixtures.ts';
import { level } from './wav.ts';

/**
 * Pages of 64 KiB that V8 gives a WebAssembly memory: 200 MiB. The vocoder of 20 s does not fit beside all other graphs
 * below some 220 MiB, and fits without them from 180.
 */
const PAGES = 3200;

test.use({
  launchOptions: async ({ launchOptions }, use) => {
    const limit = `--js-flags=--wasm-max-mem-pages=${PAGES}`;
    await use({ ...launchOptions, args: [...(launchOptions.args ?? []), limit] });
  },
});

test('a song that does not fit into memory says so, and a way out makes it', async ({ studio, guard }) => {
  guard.allow(/bad_alloc/);
  await studio.open();
  await studio.start({ seconds: 20, seed: 3 });
  const one = studio.queue.getByRole('button', { name: TEXT.waysOut.one });
  await expect(one).toBeVisible({ timeout: 120_000 });
  await expect(studio.queue).toContainText(TEXT.failures.memory);
  await expect(studio.queue).toContainText(TEXT.safe);
  await one.click();
  await expect(one).toHaveCount(0);
  await studio.idle();
  const song = await studio.download();
  expect(song.seconds).toBeCloseTo(20, 0);
  expect(level(song)).toBeGreaterThan(0.01);
});
