import { expect, test } from 'vitest';
import { LANGUAGES } from './language.ts';
import { complete, TEXT, type Translation } from './text.ts';

type Leaf = readonly [path: string, word: unknown];

const leaves = (value: unknown, path = ''): Leaf[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, part]) => leaves(part, `${path}.${key}`))
    : [[path, value]];

/** Shares of the words that each language has at least; the rest is said in English. */
const LEAST: Readonly<Record<string, number>> = { de: 0.6, ar: 0.5, fr: 0.4, es: 0.4, ja: 0.4, zh: 0.4 };

const tables = Object.entries(LANGUAGES).flatMap(([id, { load }]) => (load ? [{ id, load }] : []));

test('there are six languages beside English, one of them from right to left', () => {
  expect(tables).toHaveLength(6);
  expect(Object.values(LANGUAGES).filter(({ dir }) => dir === 'rtl')).toHaveLength(1);
});

test.each(tables)('$id says what English says, with as many arguments or fewer', async ({ id, load }) => {
  const words: Translation = await load();
  const english = new Map(leaves(TEXT));
  const mine = leaves(words);
  for (const [path, word] of mine) {
    expect(english.has(path), `${path} is no word of the app`).toBe(true);
    expect(typeof word, path).toBe(typeof english.get(path));
    if (typeof word === 'function')
      expect(word.length, path).toBeLessThanOrEqual((english.get(path) as () => string).length);
    else expect(String(word).trim() !== '' || english.get(path) === '', path).toBe(true);
  }
  const share = mine.length / english.size;
  console.log(`${id}: ${mine.length} of ${english.size} words, ${(100 * share).toFixed(0)}%`);
  expect(share).toBeGreaterThanOrEqual(LEAST[id] ?? 1);
  const whole = new Map(leaves(complete(words)));
  expect([...whole.keys()].sort()).toEqual([...english.keys()].sort());
});
