import { expect, test, TEXT } from './fixtures.ts';
import { level } from './wav.ts';

/** Pages of 64 KiB that V8 gives a WebAssembly memory: too few for the vocoder of 20 s beside all other graphs. */
const PAGES = 2000;

test.use({
  launchOptions: async ({ launchOptions }, use) => {
    const limit = `--js-flags=--wasm-max-mem-pages=${PAGES}`;
    await use({ ...launchOptions, args: [...(launchOptions.args ?? []), limit] });
  },
});

test('a song that does not fit into memory says so, and a way out makes it', async ({ studio, page }) => {
  await studio.open();
  await studio.start({ seconds: 20, seed: 3 });
  const one = studio.queue.getByRole('button', { name: TEXT.waysOut.one });
  await expect(one).toBeVisible({ timeout: 120_000 });
  await expect(studio.queue).toContainText(TEXT.failures.memory);
  await expect(studio.queue).toContainText(TEXT.safe);
  await one.click();
  await studio.idle();
  expect(level(await studio.download())).toBeGreaterThan(0.01);
  await studio.go('device');
  await expect(page.getByRole('main')).toContainText('MiB');
});
