/** Listening: the queue, loops and comparisons, measured at the audio clock. */
import type { Page } from '@playwright/test';
import { expect, test, TEXT, type Studio } from './fixtures.ts';
import { gains, recordSound, rendered, started } from './sounding.ts';
import { level } from './wav.ts';

const transport = (page: Page) => page.getByRole('region', { name: TEXT.player.region });
const SECONDS = 2;

/** Two short songs in the library; the first one made is the older one. */
async function twoSongs(studio: Studio) {
  await studio.open();
  const first = await studio.makeAndDownload({ seconds: SECONDS, seed: 1, prompt: 'calm piano' });
  const second = await studio.makeAndDownload({ seconds: SECONDS, seed: 2, prompt: 'fast techno, 140 bpm' });
  return { first, second };
}

/** Largest difference between two runs of samples. */
const apart = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? NaN))), 0);

test('one song goes into the next without a gap, to the sample', async ({ studio, page }) => {
  await recordSound(page);
  const { first, second } = await twoSongs(studio);
  await studio.go('library');
  await page.getByRole('button', { name: TEXT.listen.playAll }).click();
  // The newest is first in the list; the other one takes over in the player.
  await expect(transport(page).getByText('Calm piano', { exact: true })).toBeVisible({
    timeout: 15_000,
  });
  await expect(transport(page).getByRole('button', { name: TEXT.player.play, exact: true })).toBeVisible({
    timeout: 15_000,
  });

  const pieces = await started(page);
  expect(pieces.length).toBeGreaterThanOrEqual(2);
  let cursor = pieces[0]!.at;
  for (const { at, frames } of pieces) {
    expect(at, 'each piece begins where the one before ends').toBe(cursor);
    cursor += frames;
  }
  const heard = await rendered(page);
  const both = new Float32Array(second.channels[0]!.length + first.channels[0]!.length);
  both.set(second.channels[0]!);
  both.set(first.channels[0]!, second.channels[0]!.length);
  expect(heard.length).toBe(both.length);
  expect(apart(heard, both), 'what the mixer plays, against the two files end to end').toBe(0);
});

test('a song put next plays after this one; the queue can be changed by hand', async ({ studio, page }) => {
  await twoSongs(studio);
  await studio.go('library');
  for (const words of [TEXT.listen.playNext, TEXT.listen.playLast]) {
    await page.getByRole('button', { name: TEXT.song.more('Calm piano') }).click();
    await page.getByRole('menuitem', { name: words }).click();
  }
  await transport(page)
    .getByRole('button', { name: TEXT.listen.queueOpen(1) })
    .click();
  const queue = page.getByRole('dialog', { name: TEXT.listen.queue });
  await expect(queue.getByRole('listitem')).toHaveCount(1);
  await queue.getByRole('button', { name: TEXT.listen.takeOut('Calm piano') }).click();
  await expect(queue.getByText(TEXT.listen.queueEmpty)).toBeVisible();
});

test('the chosen region loops, to the sample', async ({ studio, page }) => {
  await recordSound(page);
  await studio.open();
  const song = await studio.makeAndDownload({ seconds: 3 });
  const keys = transport(page);
  await page.getByRole('main').focus();
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('i');
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('o');
  await page.keyboard.press('Home');
  await page.keyboard.press('l');
  await expect(keys.getByRole('button', { name: TEXT.player.loop })).toHaveAttribute(
    'title',
    TEXT.listen.loopRegion,
  );
  await page.keyboard.press(' ');
  await expect.poll(async () => (await started(page)).length).toBeGreaterThanOrEqual(4);
  // While it plays: a pause takes back what was started ahead.
  const pieces = await started(page);
  const heard = await rendered(page);
  const [first, ...rounds] = pieces;
  const length = rounds[0]!.frames;
  expect(length).toBeLessThan(first!.frames);
  let cursor = first!.at;
  for (const { at, frames } of pieces) {
    expect(at).toBe(cursor);
    cursor += frames;
  }
  expect(rounds.every(({ frames }) => frames === length)).toBe(true);
  // From the start to the end of the region, and then the region again and again.
  const end = first!.frames;
  const region = song.channels[0]!.subarray(end - length, end);
  expect(apart(heard.subarray(end, end + length), region)).toBe(0);
});

test('the loop goes round without a gap', async ({ studio, page }) => {
  await recordSound(page);
  await studio.open();
  const song = await studio.makeAndDownload({ seconds: 1 });
  const keys = transport(page);
  await keys.getByRole('button', { name: TEXT.player.loop }).click();
  await keys.getByRole('button', { name: TEXT.player.play, exact: true }).click();
  const length = song.channels[0]!.length;
  await expect.poll(async () => (await started(page)).length).toBeGreaterThanOrEqual(4);
  await keys.getByRole('button', { name: TEXT.player.pause, exact: true }).click();
  const pieces = await started(page);
  pieces.forEach(({ at, frames }, i) => {
    expect(frames).toBe(length);
    expect(at - pieces[0]!.at).toBe(i * length);
  });
});

test('the operating system is told what plays, and its keys are heard', async ({ studio, page }) => {
  await page.addInitScript(() => {
    const handlers: Record<string, MediaSessionActionHandler | null> = {};
    Object.assign(window, { handlers });
    const { setActionHandler } = MediaSession.prototype;
    MediaSession.prototype.setActionHandler = function (action, handler) {
      handlers[action] = handler;
      setActionHandler.call(this, action, handler);
    };
  });
  await studio.open();
  await studio.make({ seconds: SECONDS });
  const ask = (action: MediaSessionAction, more: object = {}) =>
    page.evaluate(
      ([action, more]) => {
        const handlers = Reflect.get(window, 'handlers') as Record<string, MediaSessionActionHandler>;
        handlers[action]!({ action, ...more });
      },
      [action, more] as const,
    );
  await transport(page).getByRole('button', { name: TEXT.player.loop }).click();
  await transport(page).getByRole('button', { name: TEXT.player.play, exact: true }).click();
  const shown = () =>
    page.evaluate(() => {
      const { metadata, playbackState } = navigator.mediaSession;
      return { title: metadata?.title, artwork: metadata?.artwork[0]?.src.slice(0, 22), playbackState };
    });
  await expect.poll(shown).toEqual({
    title: 'Slow jazz waltz, piano trio',
    artwork: 'data:image/png;base64,',
    playbackState: 'playing',
  });
  await ask('pause');
  await expect.poll(async () => (await shown()).playbackState).toBe('paused');
  await ask('seekto', { seekTime: 1.25 });
  const position = transport(page).getByRole('slider', { name: TEXT.player.seek });
  expect(Number(await position.inputValue())).toBeCloseTo(1.25, 2);
  await ask('play');
  await expect.poll(async () => (await shown()).playbackState).toBe('playing');
});

test('two songs are compared in step, at one loudness, and blind', async ({ studio, page }) => {
  await recordSound(page);
  await studio.open();
  const first = await studio.makeAndDownload({ seconds: 3, seed: 1, prompt: 'calm piano' });
  const second = await studio.makeAndDownload({ seconds: 3, seed: 2, prompt: 'fast techno, 140 bpm' });
  const card = studio.song.getByRole('region', { name: TEXT.listen.compare });
  const loudness = studio.song.getByRole('region', { name: TEXT.song.loudness });
  await expect(loudness.getByText(/dBTP/)).toBeVisible();
  await expect(loudness.getByText(/LU$/)).toBeVisible();

  await card.getByRole('button', { name: TEXT.listen.compareStart }).click();
  const keys = transport(page);
  await keys.getByRole('button', { name: TEXT.player.loop }).click();
  await keys.getByRole('button', { name: TEXT.player.play, exact: true }).click();
  await expect.poll(async () => (await started(page)).length).toBeGreaterThanOrEqual(2);
  const [a, b] = await started(page);
  expect(a!.at, 'both begin at the same frame').toBe(b!.at);

  const position = keys.getByRole('slider', { name: TEXT.player.seek });
  const before = await started(page);
  await expect.poll(async () => Number(await position.inputValue())).toBeGreaterThan(0.3);
  await page.keyboard.press('b');
  await expect(card.getByRole('button', { name: /^Hear B/ })).toHaveAttribute('aria-pressed', 'true');
  expect((await started(page)).filter(({ cut }) => cut !== null)).toHaveLength(
    before.filter(({ cut }) => cut !== null).length,
  );
  // What goes to the ears: the lane that is heard, at its matched gain; the other one at 0.
  await expect.poll(async () => (await gains(page))[0]).toBe(0);
  const heardB = (await gains(page))[1]!;
  await page.keyboard.press('b');
  await expect.poll(async () => (await gains(page))[1]).toBe(0);
  const heardA = (await gains(page))[0]!;
  expect(Math.max(heardA, heardB), 'nothing is turned up').toBeLessThanOrEqual(1);
  const shown = await card.getByText(/dB$/).allTextContents();
  expect(shown.map((text) => parseFloat(text.replace('−', '-')))).toEqual([
    expect.closeTo(20 * Math.log10(heardA), 1),
    expect.closeTo(20 * Math.log10(heardB), 1),
  ]);
  expect(level(first)).toBeGreaterThan(0);
  expect(level(second)).toBeGreaterThan(0);

  await card.getByRole('switch', { name: TEXT.listen.blind }).check({ force: true });
  await expect(card.getByText(TEXT.listen.hidden)).toHaveCount(2);
  await expect(card.getByText(/dB$/)).toHaveCount(0);
  await card.getByRole('button', { name: TEXT.listen.choose(2) }).click();
  await expect(card.getByText(/^You chose (Calm piano|Fast techno)/)).toBeVisible();
  await card.getByRole('button', { name: TEXT.listen.compareEnd }).click();
  await expect(card.getByText(TEXT.listen.compareHint)).toBeVisible();
});

test('a song is heard while it is being made, and goes on as the finished one', async ({ studio, page }) => {
  await recordSound(page);
  await studio.open();
  // Presses the button in the moment it comes, and notes what the song's card said.
  await page.evaluate((name) => {
    new MutationObserver((_, observer) => {
      const button = [...document.querySelectorAll('button')].find((one) => one.textContent?.trim() === name);
      if (!button) return;
      observer.disconnect();
      button.click();
    }).observe(document.body, { subtree: true, childList: true });
  }, TEXT.listen.early);
  await studio.start({ seconds: 26 });
  const keys = transport(page);
  await expect(keys.getByText(TEXT.listen.preview)).toBeVisible({ timeout: 120_000 });
  await keys.getByRole('button', { name: TEXT.player.loop }).click(); // a slow machine takes longer than the song
  await expect.poll(async () => (await started(page)).length, { timeout: 30_000 }).toBeGreaterThan(0);
  await expect(studio.cancel, 'the song is still being made').toBeVisible();
  await studio.idle();
  await expect(studio.song.getByRole('button', { name: TEXT.song.download })).toBeVisible();
  await expect(keys.getByRole('button', { name: TEXT.player.pause, exact: true })).toBeVisible();
  // The finished song begins at the frame where the early sound begins to fade.
  const fade = 0.03 * 44_100;
  await expect
    .poll(async () => {
      const pieces = await started(page);
      const cuts = pieces.flatMap(({ cut }) => (cut === null ? [] : [cut - fade]));
      return pieces.some(({ at }) => cuts.some((cut) => Math.abs(cut - at) < 1e-3));
    })
    .toBe(true);
});

/** Picture of the spectrum as it stands on the page: a number for its pixels, and how many colours it has. */
async function spectrumOf(page: Page, studio: Studio) {
  const canvas = studio.song.locator('[data-drawn=true] canvas');
  await expect(canvas).toBeVisible();
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('[data-drawn=true] canvas')!;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set<number>();
    let hash = 0;
    for (let i = 0; i < data.length; i += 4) {
      const colour = (data[i]! << 16) | (data[i + 1]! << 8) | data[i + 2]!;
      colours.add(colour);
      hash = (Math.imul(hash, 31) + colour) | 0;
    }
    return { hash, colours: colours.size };
  });
}

test('the spectrum of a song is drawn and follows the zoom; the strip shows where', async ({
  studio,
  page,
}) => {
  await studio.open();
  await studio.make({ seconds: 2, seed: 1, prompt: 'calm piano' });
  await studio.song.getByRole('radio', { name: TEXT.listen.spectrum }).check({ force: true });
  const first = await spectrumOf(page, studio);
  expect(first.colours, 'a picture, not a plain ground').toBeGreaterThan(50);
  const picture = studio.song.getByRole('img', { name: /^Spectrum of Calm piano/ });
  await expect(picture).toHaveAttribute('aria-label', /0:00 to 0:0[12], 40 Hz to 20 kHz.* Strongest around/);

  await page.getByRole('main').focus();
  for (let press = 0; press < 3; press++) await page.keyboard.press('+');
  const strip = studio.song.getByRole('slider', { name: TEXT.listen.minimap });
  await expect(strip).toBeVisible();
  await expect.poll(async () => (await spectrumOf(page, studio)).hash).not.toBe(first.hash);
  await strip.press('End');
  await expect(strip).toHaveAttribute('aria-valuetext', /to 0:0[12]$/);
  for (let press = 0; press < 3; press++) await page.keyboard.press('-');
  await expect(strip).toHaveCount(0);
  await expect
    .poll(async () => (await spectrumOf(page, studio)).hash, 'the same picture again')
    .toBe(first.hash);

  await studio.make({ seconds: 2, seed: 2, prompt: 'fast techno, 140 bpm' });
  await expect(studio.song.getByRole('img', { name: /^Spectrum of Fast techno/ })).toBeVisible();
  await expect.poll(async () => (await spectrumOf(page, studio)).hash, 'another song').not.toBe(first.hash);
});
