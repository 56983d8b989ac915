import { expect, test } from 'vitest';
import { clock, day, fileName, length, plain, size, took } from './format.ts';

test('clock', () => {
  expect([0, 9.99, 60, 152, Number.NaN].map((s) => clock(s))).toEqual([
    '0:00',
    '0:09',
    '1:00',
    '2:32',
    '0:00',
  ]);
  expect([0.3, 33.64, 60.05].map((s) => clock(s, 1))).toEqual(['0:00.3', '0:33.6', '1:00.0']);
});

test('a length is rounded, a position is not', () => {
  expect([11.98, 59.6, 12.2].map(length)).toEqual(['0:12', '1:00', '0:12']);
  expect(clock(11.98)).toBe('0:11');
});

test('work takes seconds, then minutes', () => {
  expect([0.44, 12.4, 125].map(took)).toEqual(['0.4 s', '12 s', '2:05']);
});

test('sizes are decimal and honest', () => {
  expect([0, 999, 38_200_000, 6_100_000_000].map(size)).toEqual(['0 bytes', '999 bytes', '38 MB', '6.1 GB']);
});

test('dates get shorter the nearer they are', () => {
  const now = new Date(2026, 10, 20, 15, 0).getTime();
  const words = { today: 'Today', yesterday: 'Yesterday' };
  const at = (...d: [number, number, number, number?, number?]) => day(new Date(...d).getTime(), now, words);
  expect(at(2026, 10, 20, 14, 20)).toBe('Today 14:20');
  expect(at(2026, 10, 19, 23, 59)).toBe('Yesterday');
  expect(at(2026, 10, 2)).toBe('2 Nov');
  expect(at(2024, 10, 2)).toBe('2 Nov 2024');
});

test('file names survive every system', () => {
  expect(fileName('a/b: "c" <d>|?*\u0000')).toBe('a b c d');
  expect(fileName('...')).toBe('song');
  expect(fileName('x'.repeat(300))).toHaveLength(80);
  expect(fileName('\ud800 lone')).toBe('\ufffd lone');
});

test('plain numbers carry no tail', () => {
  expect([15, 0.65, 0.1 + 0.2].map((v) => plain(v))).toEqual(['15', '0.65', '0.3']);
});
