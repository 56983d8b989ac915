import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NO_WISH, place, type Capabilities, type Wish } from '../lib/placement.ts';
import type { Task } from '../lib/task.ts';
import { parseTemplate } from '../lib/template.ts';
import { LIMITS } from './limits.testing.ts';
import { nearestTo, waysOut, type Stuck } from './ways-out.ts';

const GIB = 2 ** 30;
const manifest = parseTemplate(
  JSON.parse(
    readFileSync(new URL('../../public/models/ace-step-v1-3.5b/manifest.json', import.meta.url), 'utf8'),
  ),
);
const caps: Capabilities = {
  gpu: {
    adapter: { vendor: '', architecture: '', device: '', description: '' },
    software: false,
    features: ['shader-f16'],
    maxBufferBytes: 4 * GIB,
    maxBindingBytes: 4 * GIB,
    selfCheck: { fp32: 'passed', fp16: 'passed' },
  },
  gpuAbsent: '',
  jspi: true,
  simd: true,
  isolated: true,
  cores: 8,
  memoryBytes: 16 * GIB,
};
const song = { kind: 'text2music', seconds: 60 } as Task; // as much as is read

const stuck = (wish: Wish, more: Partial<Stuck> = {}): Stuck => ({
  code: 'memory',
  task: song,
  manifest,
  limits: LIMITS,
  caps,
  wish,
  placement: place(manifest, caps, wish),
  ...more,
});

test('out of memory: a smaller precision, one graph at a time, a shorter song, in this order', () => {
  const ways = waysOut(stuck({ ...NO_WISH, precision: 'fp16' }));
  expect(ways.map(({ type }) => type)).toEqual(['precision', 'one', 'shorter']);
  expect(ways).toMatchObject([{ precision: 'q8' }, { type: 'one' }, { task: { seconds: 30 } }]);
});

test('a wish that cannot be met gives way to what is next to it, and keeps what can be kept', () => {
  const small = { ...NO_WISH, memoryBytes: 1.5 * GIB };
  expect(() => place(manifest, caps, { ...small, precision: 'fp32' })).toThrow(/memory budget/);
  const found = nearestTo({ ...small, precision: 'fp32' }, manifest, caps);
  expect(found?.wish).toEqual(small); // the budget stays
  expect(found?.placement.graphs['denoiser']?.variant.precision).not.toBe('fp32');
  const none = { ...caps, gpu: null, gpuAbsent: 'this browser has no WebGPU' };
  expect(nearestTo({ ...NO_WISH, provider: 'webgpu', threads: 2 }, manifest, none)?.wish).toEqual({
    ...NO_WISH,
    threads: 2,
  });
  expect(nearestTo(NO_WISH, manifest, { ...caps, memoryBytes: 1 })).toBeNull();
});

test('every way is one that this device takes, and takes less than before', () => {
  const bytes = (wish: Wish): number =>
    Object.values(place(manifest, caps, wish).graphs).reduce(
      (n, { variant }) => n + variant.needs.memoryBytes,
      0,
    );
  for (const precision of ['fp16', 'q8', 'auto'] as const) {
    const wish = { ...NO_WISH, precision };
    for (const way of waysOut(stuck(wish))) {
      if (way.type === 'precision') expect(bytes(way.wish)).toBeLessThan(bytes(wish));
      if (way.type === 'one') expect(place(manifest, caps, way.wish).residency).toBe('one');
    }
  }
});

test('the ways end: the smallest precision, one at a time already, the shortest song, a song from a sound', () => {
  const smallest = { ...NO_WISH, precision: 'q4f16' } as const;
  const one = waysOut(stuck(smallest)).find(({ type }) => type === 'one');
  const wish = one?.type === 'one' ? one.wish : NO_WISH;
  expect(wish.memoryBytes).not.toBeNull();
  expect(waysOut(stuck(wish, { task: { ...song, seconds: 1 } as Task }))).toEqual([]); // of the limits' least
  const repaint = { kind: 'repaint', seconds: 60 } as Task;
  expect(waysOut(stuck(wish, { task: repaint }))).toEqual([]);
  expect(waysOut(stuck(NO_WISH, { code: 'network' }))).toEqual([]);
  expect(waysOut(stuck(NO_WISH, { code: 'device-lost' })).length).toBeGreaterThan(0);
});
