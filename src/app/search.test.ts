import { expect, test } from 'vitest';
import { found } from './search.ts';

const song = (
  title: string,
  prompt: string,
  more: Partial<{ seed: number; favourite: boolean; seconds: number }> = {},
) => ({
  title,
  createdAt: title.length,
  seconds: 10,
  seed: 1,
  model: 'nano',
  favourite: false,
  ...more,
  task: {
    prompt,
    lyrics: '[verse]\nHarbour lights',
    score: { bpm: 92, key: 'D major', meter: '', chords: '' },
  },
});

const SONGS = [
  song('Café noir', 'jazz, piano', { seed: 104827, favourite: true }),
  song('Rain', 'ambient', { seconds: 60 }),
  song('Zebra crossing', 'funk, slap bass'),
];

const titles = (
  query: string,
  sort: Parameters<typeof found>[1]['sort'] = 'title',
  favourites = false,
): string[] => found(SONGS, { query, sort, favourites }).map(({ title }) => title);

test('every word must be somewhere: title, style, lyrics, seed, key', () => {
  expect(titles('')).toHaveLength(3);
  expect(titles('cafe')).toEqual(['Café noir']);
  expect(titles('JAZZ piano')).toEqual(['Café noir']);
  expect(titles('jazz bass')).toEqual([]);
  expect(titles('104827')).toEqual(['Café noir']);
  expect(titles('harbour d major')).toHaveLength(3);
});

test('favourites and order', () => {
  expect(titles('', 'title', true)).toEqual(['Café noir']);
  expect(titles('', 'longest')[0]).toBe('Rain');
  expect(titles('', 'newest')).toEqual(['Zebra crossing', 'Café noir', 'Rain']);
  expect(titles('', 'oldest')[0]).toBe('Rain');
});
