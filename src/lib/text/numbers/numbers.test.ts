import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { numeralsOf } from './index.ts';
import { toCents, Unsayable, type Currency, type Numerals } from './numerals.ts';

type Kind = 'cardinal' | 'ordinal' | 'decimal' | Currency;

const SAY: Readonly<Record<Kind, (numerals: Numerals, number: string) => string>> = {
  cardinal: (numerals, number) => numerals.cardinal(BigInt(number)),
  ordinal: (numerals, number) => numerals.ordinal(BigInt(number)),
  decimal: (numerals, number) => numerals.decimal(Number(number)),
  USD: (numerals, number) => numerals.currency(Number(number), 'USD'),
  EUR: (numerals, number) => numerals.currency(Number(number), 'EUR'),
  GBP: (numerals, number) => numerals.currency(Number(number), 'GBP'),
};

/** Words, or null where the number cannot be said; anything else that is thrown fails the test. */
function say(language: string, kind: Kind, number: string): string | null {
  try {
    return SAY[kind](numeralsOf(language)!, number);
  } catch (thrown) {
    if (thrown instanceof Unsayable) return null;
    throw thrown;
  }
}

it('says every number of the fixture as num2words does, and refuses what it refuses', () => {
  const packed = readFileSync(new URL('../fixtures/numbers.json.gz', import.meta.url));
  const cases = JSON.parse(gunzipSync(packed).toString()) as [string, Kind, string, string | null][];
  const wrong = cases.filter(([language, kind, number, words]) => say(language, kind, number) !== words);
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(new Set(cases.map(([language]) => language)).size).toBe(13);
});

it('has no Czech numbers, as the reference', () => {
  expect(numeralsOf('cs')).toBeUndefined();
  expect(numeralsOf('toString')).toBeUndefined();
});

it('rounds cents on the exact binary value', () => {
  expect(toCents(1.005)).toEqual({ whole: 1n, cents: 0n }); // 1.00499999999999989…
  expect(toCents(0.125)).toEqual({ whole: 0n, cents: 13n }); // a true half goes up
  expect(toCents(2.675)).toEqual({ whole: 2n, cents: 67n }); // 2.67499999999999982…
  expect(toCents(5e-324)).toEqual({ whole: 0n, cents: 0n });
  expect(toCents(2 ** 60)).toEqual({ whole: 2n ** 60n, cents: 0n });
});
