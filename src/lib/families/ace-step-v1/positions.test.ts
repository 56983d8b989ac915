import { expect, test } from 'vitest';
import { lyricPositions, relativeBuckets, ropeTables, timeFeatures } from './positions.ts';

test('rope: halves of one table on pairs of neighbours, the sign in the sine', () => {
  const { rope_cos, rope_sin } = ropeTables(3, 4, 100);
  expect(rope_cos.dims).toEqual([3, 4]);
  const angles = [2, 0.2, 2, 0.2]; // position 2, frequencies 1 and 1/10
  angles.forEach((angle, j) => {
    expect(rope_cos.data[8 + j]).toBeCloseTo(Math.cos(angle), 6);
    expect(rope_sin.data[8 + j]).toBeCloseTo((j % 2 ? 1 : -1) * Math.sin(angle), 6);
  });
});

test('time features: cosines first, the slowest almost still', () => {
  const { data, dims } = timeFeatures(1000);
  expect(dims).toEqual([1, 256]);
  expect(data[0]).toBeCloseTo(Math.cos(1000), 6);
  expect(data[128]).toBeCloseTo(Math.sin(1000), 6);
  expect(data[127]).toBeCloseTo(Math.cos(1000 * 10000 ** (-127 / 128)), 6);
});

test('lyric positions fall from the first row to the last, and mirror', () => {
  const { data, dims } = lyricPositions(3, 4);
  expect(dims).toEqual([1, 5, 4]);
  const row = (r: number): number[] => [...data.slice(r * 4, r * 4 + 4)].map(Number);
  expect(row(2)).toEqual([0, 1, 0, 1]);
  expect(row(0)[0]).toBeCloseTo(Math.sin(2), 6);
  expect(row(4).map((v, i) => (i % 2 ? v : -v))).toEqual(row(0));
  expect(lyricPositions(1, 4).dims).toEqual([1, 1, 4]);
});

test('relative buckets: exact near, logarithmic far, one half for each direction', () => {
  const size = 300;
  const { data } = relativeBuckets(size, 32, 128);
  const bucket = (query: number, key: number): number => Number(data[query * size + key]);
  expect([0, 1, 7].map((d) => bucket(d, 0))).toEqual([0, 1, 7]);
  expect([1, 7].map((d) => bucket(0, d))).toEqual([17, 23]);
  // 8 + floor(8 log(d/8) / log(16)), which jumps exactly at 8 16^(k/8)
  expect([8, 11, 12, 15, 16, 22, 23, 127, 128, 299].map((d) => bucket(d, 0))).toEqual([
    8, 8, 9, 9, 10, 10, 11, 15, 15, 15,
  ]);
});
