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

test('a song is sent on from its menu: regions as reference into Compose, the whole from the library to a tool', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.make({ seconds: 4, preset: 'Draft' });
  await drag(page, studio, 0.2, 0.35);
  await drag(page, studio, 0.6, 0.8, 'Shift');
  const [a, b, c, d] = (await edges(studio)) as [number, number, number, number];
  const title = await studio.song.getByRole('heading', { level: 2 }).locator('bdi').innerText();
  await studio.song.getByRole('button', { name: TEXT.song.more(title) }).click();
  await page.getByRole('menuitem', { name: TEXT.send.regions(2) }).click();
  const advanced = page.getByRole('complementary', { name: TEXT.advanced.title });
  await expect(advanced).toContainText(TEXT.send.named(title, T.count(2)));
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/sent.png` });
  await page.keyboard.press('Escape');
  await studio.make({ prompt: 'fast techno', seconds: 4, preset: 'Draft' });
  const song = await studio.download();
  expect(song.seconds).toBeGreaterThan(b - a + d - c - 0.01);
  expect(song.seconds).toBeLessThan(b - a + d - c + 0.1); // whole latent frames of 4096 samples

  await studio.go('library');
  const first = page.getByRole('region', { name: TEXT.library.songs }).getByRole('row').first();
  await first.getByRole('button', { name: /^More actions/ }).click();
  const menu = page.getByRole('menu', { name: /^More actions/ });
  await expect(menu.getByRole('group', { name: TEXT.send.title })).toBeVisible();
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/send-menu.png` });
  await menu.getByRole('menuitem', { name: T.tools.retake }).click();
  await expect(studio.song.getByRole('form', { name: T.tools.retake })).toBeVisible();
});

/** A WAV file as any recorder writes it: 16 bit, stereo, a falling tone. */
function toneFile(seconds: number): Buffer {
  const rate = 22_050;
  const frames = Math.round(seconds * rate);
  const file = Buffer.alloc(44 + 4 * frames);
  file.write('RIFF', 0);
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(2, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(4 * rate, 28);
  file.writeUInt16LE(4, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(4 * frames, 40);
  for (let n = 0; n < 2 * frames; n++)
    file.writeInt16LE(Math.round(9000 * Math.sin((2 * Math.PI * 330 * (n >> 1)) / rate)), 44 + 2 * n);
  return file;
}

test('a song is extended on both sides, and its middle is the song', async ({ studio, page }) => {
  await studio.open();
  const before = await studio.makeAndDownload({ seconds: 2 });
  await page.getByRole('main').focus();
  await page.keyboard.press('e');
  const row = studio.song.getByRole('form', { name: T.tools.extend });
  for (const side of ['before', 'after'] as const)
    await row.getByRole('textbox', { name: TEXT.advanced.value(T.amounts[side].label) }).fill('1');
  await run(studio, T.tools.extend, T.run.extend);
  const after = await studio.download();
  expect(after.seconds - before.seconds).toBeGreaterThan(1.8);
  // New music comes in whole latent frames of 4096 samples.
  const at = Math.floor(44_100 / 4096) * 4096;
  const fade = Math.ceil(FADE_SECONDS * 44_100);
  before.channels.forEach((samples, c) =>
    expect(after.channels[c]!.subarray(at + fade, at + samples.length - fade)).toEqual(
      samples.subarray(fade, -fade),
    ),
  );
  for (const part of [
    after.channels[0]!.subarray(0, at),
    after.channels[0]!.subarray(at + before.channels[0]!.length),
  ])
    expect(Math.max(...part), 'new music is heard').toBeGreaterThan(0.01);
});

test('a retake and a reference from a file stand in the lineage, and lead back', async ({ studio, page }) => {
  await studio.open();
  await studio.make({ seconds: 1 });
  await tool(studio, T.tools.retake).click();
  await studio.song.getByRole('form', { name: T.tools.retake }).getByRole('slider').fill('0.5');
  await run(studio, T.tools.retake, T.run.retake);
  const tree = studio.song.getByRole('tree');
  await expect(tree.getByRole('treeitem')).toHaveCount(2);
  await expect(tree.getByRole('treeitem').nth(1)).toContainText(T.made.retake('0.5'));
  await expect(studio.song.getByRole('img', { name: /% new/ })).toBeVisible();
  await tree.getByRole('treeitem').nth(1).press('ArrowUp');
  await page.keyboard.press('Enter');
  await expect(tree.getByRole('treeitem').first()).toHaveAttribute('aria-selected', 'true');

  const choose = async (name: string, buffer: Buffer): Promise<void> => {
    await page.getByLabel(TEXT.sources.file).locator('input').setInputFiles({ name, mimeType: '', buffer });
  };
  await studio.song.getByRole('button', { name: TEXT.sources.open }).click();
  const dialog = page.getByRole('dialog', { name: TEXT.sources.title });
  await choose('nothing.wav', Buffer.alloc(0));
  await expect(dialog.getByRole('alert')).toHaveText(TEXT.sources.empty('nothing.wav'));
  await choose('words.mp3', Buffer.from('this is no sound at all'));
  await expect(dialog.getByRole('alert')).toHaveText(TEXT.sources.unknown('words.mp3'));
  await dialog.getByText(TEXT.sources.uses.reference).click();
  await choose('hum.wav', toneFile(1.2));
  await expect(dialog).toHaveCount(0);
  await expect(studio.song.getByRole('heading', { level: 2 })).toContainText('hum');
  await run(studio, T.tools.audio2audio, T.run.audio2audio);
  await expect(tree.getByRole('treeitem')).toHaveCount(2);
  await expect(tree.getByRole('treeitem').first()).toContainText(TEXT.work.lineage.file('hum.wav'));
  await expect(tree.getByRole('treeitem').nth(1)).toContainText(T.made.audio2audio('0.5'));
});

test('regions are made, moved, taken back and cleared by keys alone', async ({ studio, page }) => {
  await studio.open();
  await studio.make({ seconds: 4 });
  await page.getByRole('main').focus();
  await page.keyboard.press('i');
  const [start, end] = (await edges(studio)) as [number, number];
  const beat = 60 / 96;
  expect([start, end - start]).toEqual([0, expect.closeTo(3 * beat, 3)]);
  const grip = layer(studio).getByRole('slider', { name: T.edge.end(1) });
  await grip.press('ArrowLeft');
  await expect(grip).toHaveAttribute('aria-valuetext', /bar 1/);
  expect((await edges(studio))[1]).toBeCloseTo(2 * beat, 3);
  await page.getByRole('main').focus();
  await page.keyboard.press(']');
  expect((await edges(studio))[0]).toBeCloseTo(beat, 3);
  await page.keyboard.press('Control+z');
  expect((await edges(studio))[0]).toBe(0);
  await page.keyboard.press('Control+Shift+z');
  expect((await edges(studio))[0]).toBeCloseTo(beat, 3);
  await page.keyboard.press('Delete');
  expect(await edges(studio)).toEqual([]);
  await page.keyboard.press('Control+z');
  await page.keyboard.press('Escape');
  expect(await edges(studio)).toEqual([]);
  // The section above the wave is a region too.
  await studio.song.getByRole('group', { name: T.lane }).getByRole('button').first().press('Enter');
  expect(await edges(studio)).toHaveLength(2);
});

test('a remix keeps the song and follows the new words', async ({ studio }) => {
  await studio.open();
  const before = await studio.makeAndDownload({ seconds: 1 });
  await tool(studio, T.tools.remix).click();
  const row = studio.song.getByRole('form', { name: T.tools.remix });
  await expect(row.getByRole('button', { name: T.run.remix })).toHaveAttribute('aria-disabled', 'true');
  await expect(row.getByText(T.needsWords)).toBeVisible();
  await row.getByRole('textbox', { name: T.newStyle }).fill('slow jazz waltz, organ, 96 bpm, A minor');
  await run(studio, T.tools.remix, T.run.remix);
  const after = await studio.download();
  expect(after.channels[0]).toHaveLength(before.channels[0]!.length);
  expect(changed(before, after, 0, before.seconds)).toBeGreaterThan(0);
  await expect(studio.song.getByRole('treeitem').nth(1)).toContainText(T.made.edit('0.2', '0.4'));
});
