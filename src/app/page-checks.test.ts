import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { memoryBlobs } from '../storage/blobs.ts';
import { checkNoise, checkStorage, FIRST_NOISE } from './page-checks.ts';

test('the noise that is expected is what torch drew, and it is drawn', () => {
  const golden = JSON.parse(readFileSync(new URL('../lib/random.golden.json', import.meta.url), 'utf8')) as {
    cases: { seed: string; counts: number[]; values: number[][] }[];
  };
  const first = golden.cases[0]!;
  expect([first.seed, first.counts[0]]).toEqual(['0', 16]);
  expect(first.values[0]!.slice(0, 4)).toEqual([...FIRST_NOISE]);
  expect(checkNoise()).toMatchObject({ good: true, detail: '' });
  expect(checkNoise().error).toBeLessThan(1e-7);
});

test('storage that gives back other bytes, or none, is found out; nothing is left in it', async () => {
  const blobs = memoryBlobs();
  expect(await checkStorage(blobs, 1e5)).toMatchObject({ good: true });
  expect((await blobs.usage()).count).toBe(0);
  const lying = { ...memoryBlobs(), open: async () => new Blob(['other bytes']) };
  expect((await checkStorage(lying, 1e5)).good).toBe(false);
  const full = { ...memoryBlobs(), put: () => Promise.reject(new Error('no room at all')) };
  expect(await checkStorage(full, 1e5)).toMatchObject({ good: false, detail: 'no room at all' });
});
