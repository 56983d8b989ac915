import { ALL_FORMATS, BufferSource, Input } from 'mediabunny';
import { describe, expect, it } from 'vitest';
import { sine } from '../../scripts/golden/signals.ts';
import { sourceOf } from '../lib/audio/bytes.ts';
import type { SongTags } from '../lib/audio/fields.ts';
import { readTags } from '../lib/audio/tags.ts';
import { encode } from './export-encode.ts';
import type { FileFormat } from './export-formats.ts';

const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 255, 0, 1);
const TAGS: SongTags = {
  title: '夜曲 <b>bold</b> & "quotes"',
  artist: 'Jürgen 🎷',
  genre: 'slow jazz',
  bpm: 96,
  key: 'F# minor',
  lyrics: '[verse]\nEin Licht — 你好\n\n[chorus]\nla la',
  cover: { type: 'image/png', bytes: PNG },
  settings: { cadenza: 1, title: 'x', task: { prompt: 'naïve "jazz" ♯', seeds: [2 ** 52] } },
};
const pcm = { sampleRate: 48_000, channels: [sine(1, 440, 48_000, 0.5), sine(1, 660, 48_000, 0.25)] };

const FILES: readonly FileFormat[] = [
  { format: 'wav', depth: 'int16' },
  { format: 'wav', depth: 'int24' },
  { format: 'wav', depth: 'float32' },
  { format: 'flac', depth: 'int16' },
  { format: 'flac', depth: 'int24' },
  { format: 'mp3', kbps: 192 },
  { format: 'm4a', kbps: 160 },
]; // Opus is the browser's: e2e

describe('encode', () => {
  it.each(FILES)('%o carries every fact there and back', async (file) => {
    const shares: number[] = [];
    const bytes = await encode(pcm, file, TAGS, (share) => shares.push(share));
    expect(await readTags(sourceOf(bytes))).toEqual(TAGS);
    if (file.format !== 'wav') expect(shares.at(-1)).toBe(1);
    // Read by another hand, too.
    const input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
    expect(await input.computeDuration()).toBeCloseTo(1, 0.5);
    const theirs = await input.getMetadataTags();
    expect(theirs.title).toBeDefined();
    if (file.format !== 'wav') {
      expect(theirs).toMatchObject({ title: TAGS.title, artist: TAGS.artist, lyrics: TAGS.lyrics });
      expect(theirs.images?.[0]?.data).toEqual(PNG);
    }
    input.dispose();
  });

  it('writes nothing that is empty', async () => {
    const none: SongTags = {
      ...TAGS,
      title: '',
      artist: '',
      genre: '',
      bpm: null,
      key: '',
      lyrics: '',
      cover: null,
    };
    for (const file of FILES) {
      const bytes = await encode(pcm, file, { ...none, settings: undefined }, () => undefined);
      const found = await readTags(sourceOf(bytes));
      expect(found, file.format).toMatchObject({ ...none, settings: undefined });
    }
  });
});
