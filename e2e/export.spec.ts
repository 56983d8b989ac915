import { readFileSync } from 'node:fs';
import type { Download, Page } from '@playwright/test';
import { sourceOf } from '../src/lib/audio/bytes.ts';
import { readTags } from '../src/lib/audio/tags.ts';
import { expect, test, TEXT } from './fixtures.ts';
import type { Studio } from './fixtures.ts';
import { level, readWav } from './wav.ts';
import type { Wav } from './wav.ts';

const T = TEXT.exporting;
const PROMPT = 'slow jazz waltz, piano trio, 96 bpm, A minor';
/** Of nano's songs. */
const RATE = 44_100;
const SONG = { prompt: PROMPT, seconds: 2, seed: 7 };

interface Case {
  readonly format: keyof typeof T.formats;
  readonly file: RegExp;
  /** Least correlation with the song, and how far the level may be off. */
  readonly alike: number;
  readonly level: number;
}

/** 32 bits keep every bit, whole numbers all but the dither; the others are heard alike and drawn otherwise. */
const CASES: readonly Case[] = [
  { format: 'wav', file: /\.wav$/, alike: 0.9999, level: 0.001 },
  { format: 'flac', file: /\.flac$/, alike: 0.9999, level: 0.001 },
  { format: 'mp3', file: /\.mp3$/, alike: 0.99, level: 0.03 },
  { format: 'opus', file: /\.opus$/, alike: 0.97, level: 0.05 },
  { format: 'm4a', file: /\.m4a$/, alike: 0.97, level: 0.05 },
];

const dialog = (page: Page) => page.getByRole('dialog', { name: T.title, exact: true });

async function openExport(studio: Studio): Promise<void> {
  await studio.song.getByRole('button', { name: T.open, exact: true }).click();
  await expect(dialog(studio.page)).toBeVisible();
}

async function exportAs(page: Page, format: Case['format']): Promise<Download> {
  await dialog(page).getByRole('radio', { name: T.formats[format] }).check({ force: true });
  const waiting = page.waitForEvent('download');
  await dialog(page)
    .getByRole('button', { name: T.run(T.formats[format]), exact: true })
    .click();
  const download = await waiting;
  await expect(dialog(page)).toHaveCount(0);
  return download;
}

/** A file as the browser itself hears it, at the rate of the song. */
async function decode(page: Page, bytes: Uint8Array): Promise<Wav> {
  const channels = await page.evaluate(
    async ([base64, rate]) => {
      const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
      const buffer = await new OfflineAudioContext(2, 1, rate).decodeAudioData(bytes.buffer);
      return Array.from({ length: buffer.numberOfChannels }, (_, c) => {
        const samples = new Uint8Array(buffer.getChannelData(c).buffer);
        let text = '';
        for (let at = 0; at < samples.length; at += 32_768)
          text += String.fromCharCode(...samples.subarray(at, at + 32_768));
        return btoa(text);
      });
    },
    [Buffer.from(bytes).toString('base64'), RATE] as const,
  );
  const samples = channels.map(
    (text) => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer),
  );
  return { sampleRate: RATE, channels: samples, seconds: samples[0]!.length / RATE };
}

/** Correlation of the middle of both, at the delay where it is highest: encoders put some silence first. */
function alike(song: Wav, other: Wav): number {
  const [a, b] = [song.channels[0]!, other.channels[0]!];
  const [from, length, furthest] = [Math.floor(a.length / 4), 16_384, 4_000];
  let best = -1;
  for (let lag = -furthest; lag <= furthest; lag++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let n = from; n < from + length; n++) {
      const [x, y] = [a[n]!, b[n + lag] ?? 0];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    best = Math.max(best, ab / Math.sqrt(aa * bb || 1));
  }
  return best;
}

test('every format can be exported, heard again, and read with all that belongs to the song', async ({
  studio,
  page,
}) => {
  await studio.open();
  const song = await studio.makeAndDownload(SONG);
  for (const { format, file, alike: least, level: off } of CASES) {
    await openExport(studio);
    const download = await exportAs(page, format);
    expect(download.suggestedFilename()).toMatch(file);
    const bytes = readFileSync(await download.path());
    const heard = await decode(page, bytes);
    expect(Math.abs(heard.seconds - song.seconds), `${format}: length`).toBeLessThan(0.06);
    expect(Math.abs(level(heard) / level(song) - 1), `${format}: level`).toBeLessThan(off);
    expect(alike(song, heard), `${format}: likeness`).toBeGreaterThan(least);
    const tags = await readTags(sourceOf(bytes));
    expect(tags, format).toMatchObject({
      title: 'Slow jazz waltz, piano trio',
      genre: 'slow jazz waltz',
      bpm: 96,
      key: 'A minor',
      settings: { cadenza: 1, task: { prompt: PROMPT, seeds: [7] } },
    });
    expect(tags.cover?.type, format).toBe('image/png');
    expect(tags.cover!.bytes.length, format).toBeGreaterThan(1000);
  }
});

test('a part with fades, another rate and another loudness', async ({ studio, page }) => {
  await studio.open();
  const song = await studio.makeAndDownload(SONG);
  await openExport(studio);
  const box = dialog(page);
  await box.getByRole('radio', { name: T.formats.wav }).check({ force: true });
  await box.getByLabel(T.depth).selectOption('float32');
  await box.getByLabel(T.rate).selectOption('48000');
  await box.getByLabel(T.loudness).selectOption('-23');
  await box.getByLabel(T.seconds(T.start)).fill('0.5');
  await box.getByLabel(T.seconds(T.end)).fill('1.5');
  await box.getByLabel(T.seconds(T.fadeOut)).fill('0.25');
  const bytes = readFileSync(await (await exportAs(page, 'wav')).path());
  const part = readWav(bytes);
  expect(part.sampleRate).toBe(48_000);
  expect(part.seconds).toBeCloseTo(1, 3);
  expect(Math.abs(part.channels[0]!.at(-1)!)).toBeLessThan(1e-3);
  expect(level(part), 'quieter than the song').toBeLessThan(0.7 * level(song));
  expect(level(part)).toBeGreaterThan(0.01);
});
