/** Working on a song: regions, the tools on them, and what becomes of the sound. */
import type { Locator, Page } from '@playwright/test';
import { expect, test, TEXT } from './fixtures.ts';
import type { Studio } from './fixtures.ts';
import type { Wav } from './wav.ts';

const T = TEXT.work;
/** Of the splice; see lib/audio/splice.ts. */
const FADE_SECONDS = 0.03;

const layer = (studio: Studio): Locator => studio.song.getByRole('group', { name: T.regions, exact: true });
const tool = (studio: Studio, name: string): Locator =>
  studio.song.getByRole('toolbar', { name: T.regions }).getByRole('button', { name, exact: false });

/** Drags on the wave between two shares of the song. */
async function drag(page: Page, studio: Studio, from: number, to: number, key?: 'Shift'): Promise<void> {
  const box = (await layer(studio).boundingBox())!;
  const x = (share: number): number => box.x + share * box.width;
  const y = box.y + box.height / 3;
  if (key) await page.keyboard.down(key);
  await page.mouse.move(x(from), y);
  await page.mouse.down();
  await page.mouse.move(x((from + to) / 2), y, { steps: 3 });
  await page.mouse.move(x(to), y, { steps: 3 });
  await page.mouse.up();
  if (key) await page.keyboard.up(key);
}

/** Runs the tool whose row is open, and stays until its song is in the studio. */
async function run(studio: Studio, name: string, title: string): Promise<void> {
  await studio.song.getByRole('form', { name }).getByRole('button', { name: title, exact: true }).click();
  await expect(studio.cancel).toBeVisible();
  await studio.idle();
  await expect(studio.again, 'the song was made').toHaveCount(0);
}

/** Start and end of the regions as screen readers have them, seconds. */
const edges = (studio: Studio): Promise<readonly number[]> =>
  layer(studio)
    .getByRole('slider')
    .evaluateAll((all) => all.map((one) => Number(one.getAttribute('aria-valuenow'))));

/** Samples that differ, by stretches of the song in seconds. */
function changed(a: Wav, b: Wav, from: number, to: number): number {
  const [first, last] = [Math.ceil(from * a.sampleRate), Math.floor(to * a.sampleRate)];
  let count = 0;
  a.channels.forEach((samples, c) => {
    for (let n = first; n < last; n++) if (samples[n] !== b.channels[c]![n]) count++;
  });
  return count;
}

test('two regions are repainted, and only they sound different', async ({ studio, page }) => {
  await studio.open();
  const before = await studio.makeAndDownload({ seconds: 4 });
  await drag(page, studio, 0.2, 0.35);
  await drag(page, studio, 0.6, 0.8, 'Shift');
  const [a, b, c, d] = (await edges(studio)) as [number, number, number, number];
  await tool(studio, T.tools.repaint).click();
  const row = studio.song.getByRole('form', { name: T.tools.repaint });
  await row.getByRole('slider', { name: T.amounts.repaintVariance.label }).fill('1');
  await run(studio, T.tools.repaint, T.run.repaint);
  const after = await studio.download();

  expect(after.channels[0]).toHaveLength(before.channels[0]!.length);
  for (const [from, to] of [
    [0, a - FADE_SECONDS],
    [b + FADE_SECONDS, c - FADE_SECONDS],
    [d + FADE_SECONDS, before.seconds],
  ] as const)
    expect(changed(before, after, from, to), `unmasked samples ${from} to ${to}`).toBe(0);
  for (const [from, to] of [
    [a, b],
    [c, d],
  ] as const)
    expect(changed(before, after, from, to), `repainted ${from} to ${to}`).toBeGreaterThan(
      (to - from) * before.sampleRate,
    );
});
