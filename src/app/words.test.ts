import { expect, test } from 'vitest';
import { LANGUAGES } from './language.ts';
import { complete, TEXT, type Translation } from './text.ts';

type Leaf = readonly [path: string, word: unknown];

const leaves = (value: unknown, path = ''): Leaf[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, part]) => leaves(part, `${path}.${key}`))
    : [[path, value]];

const tables = Object.entries(LANGUAGES).flatMap(([id, { load }]) => (load ? [{ id, load }] : []));

test('there are six languages beside English, one of them from right to left', () => {
  expect(tables).toHaveLength(6);
  expect(Object.values(LANGUAGES).filter(({ dir }) => dir === 'rtl')).toHaveLength(1);
});

test.each(tables)('$id says what English says, with as many arguments or fewer', async ({ load }) => {
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
  // What a table lacks would be said in English.
  const said = new Set(mine.map(([path]) => path));
  expect([...english.keys()].filter((path) => !said.has(path))).toEqual([]);
  const whole = new Map(leaves(complete(words)));
  expect([...whole.keys()].sort()).toEqual([...english.keys()].sort());
});

test('French sets its high signs and quotation marks off by spaces that do not break', async () => {
  // Of what is put together only the quotation marks are looked at: the other signs are also TypeScript's.
  const loose = leaves(await LANGUAGES.fr.load()).filter(
    ([, word]) =>
      /«(?!\u00a0[^\u00a0]|\\u00a0(?!\\))|(?<!\u00a0|\\u00a0)»/u.test(String(word)) ||
      (typeof word === 'string' && / [;:!?]/u.test(word)),
  );
  expect(loose.map(([path]) => path)).toEqual([]);
});
