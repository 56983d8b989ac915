import { describe, expect, test } from 'vitest';
import { found, rangeOf, type Searched, type Sort } from './search.ts';

const song = (title: string, prompt: string, more: Partial<Searched> = {}): Searched => ({
  title,
  createdAt: title.length,
  seconds: 10,
  seed: 1,
  model: 'nano',
  favourite: false,
  loudness: -14,
  task: {
    prompt,
    lyrics: '[verse]\nHarbour lights',
    score: { bpm: 92, key: 'D major', meter: '', chords: '' },
  },
  ...more,
});

const planned = (bpm: number, key: string) => ({ bpm, key, meter: '4/4', chords: 'Am F', sections: [] });

const SONGS = [
  song('Café noir', 'jazz, piano', { seed: 104827, favourite: true, tags: ['Keep', 'loop'] }),
  song('Rain', 'ambient', { seconds: 150, loudness: -20, plan: planned(60, 'A minor'), stoppedAt: 3 }),
  song('Zebra crossing', 'funk, slap bass', {
    seconds: 90,
    loudness: null,
    plan: planned(118.4, 'F# minor'),
  }),
];

const titles = (query: string, sort: Sort = 'title'): string =>
  found(SONGS, query, sort)
    .map(({ title }) => title.split(' ')[0])
    .join(' ');
const ALL = 'Café Rain Zebra';

describe('what a query finds', () => {
  test.each([
    ['', ALL],
    ['cafe', 'Café'],
    ['JAZZ piano', 'Café'],
    ['jazz bass', ''],
    ['104827', 'Café'],
    ['harbour d major', 'Café'],
    ['"slap bass"', 'Zebra'],
    ['"bass slap"', ''],
    ['"slap ba', 'Zebra'],
    ['-funk', 'Café Rain'],
    ['bpm:90-120', 'Café Zebra'],
    ['bpm:118', 'Zebra'],
    ['bpm:118.0', ''],
    ['bpm:>92', 'Zebra'],
    ['bpm:>=92', 'Café Zebra'],
    ['bpm:<92', 'Rain'],
    ['bpm:..100', 'Café Rain'],
    ['bpm:100-', 'Zebra'],
    ['key:minor', 'Rain Zebra'],
    ['key:"A minor"', 'Rain'],
    ['KEY:"a MINOR"', 'Rain'],
    ['-key:minor', 'Café'],
    ['fav', 'Café'],
    ['is:fav', 'Café'],
    ['-fav', 'Rain Zebra'],
    ['"fav"', ''],
    ['is:unfinished', 'Rain'],
    ['tag:keep', 'Café'],
    ['tag:kee', ''],
    ['length:1:20-2:00', 'Zebra'],
    ['length:>2:00', 'Rain'],
    ['loudness:-16--12', 'Café'],
    ['loudness:<-15', 'Rain'],
    ['seed:104827', 'Café'],
    ['title:rain', 'Rain'],
    ['style:rain', ''],
    ['lyrics:harbour', ALL],
    ['chords:"Am F"', 'Rain Zebra'],
    ['bpm:90-120 key:minor -slow', 'Zebra'],
    // Still being typed, or not a condition: nothing is an error, and nothing is hidden too early.
    ['bpm:', ALL],
    ['key:"', ALL],
    ['-', ALL],
    ['bpm:fast', ''],
    ['constructor:x', ''],
    ['is:nothing', ''],
  ])('%s', (query, expected) => expect(titles(query)).toBe(expected));
});

test.each<[Sort, string]>([
  ['newest', 'Zebra Café Rain'],
  ['oldest', 'Rain Café Zebra'],
  ['title', ALL],
  ['longest', 'Rain Zebra Café'],
  ['shortest', 'Café Zebra Rain'],
  ['slowest', 'Rain Café Zebra'],
  ['loudest', 'Café Rain Zebra'],
])('sorted by %s', (sort, expected) => expect(titles('', sort)).toBe(expected));

test('ranges', () => {
  expect(rangeOf('1:30')).toEqual({ min: 89.5, max: 90.5 });
  expect(rangeOf('0.5..2')).toEqual({ min: 0.5, max: 2 });
  expect(rangeOf('-')).toBeNull();
  expect(rangeOf('')).toBeNull();
  expect(rangeOf('9x')).toBeNull();
});

test('ten thousand songs are searched again in the time of a few frames', () => {
  const lyrics = 'Harbour lights and slow ships on the wáter '.repeat(30);
  const many = Array.from({ length: 10_000 }, (_, i) =>
    song(`Song ${i}`, 'jazz', { task: { ...SONGS[0]!.task, lyrics: `${lyrics}${i}` } }),
  );
  expect(found(many, 'water 9999', 'newest')).toHaveLength(1);
  expect(found(many, 'bpm:92 water', 'title')).toHaveLength(10_000);
});
