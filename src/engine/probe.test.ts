import { expect, test } from 'vitest';
import { probe } from './probe.ts';

const adapter = (more: object) => ({
  features: new Set(['timestamp-query', 'shader-f16']),
  limits: { maxBufferSize: 100, maxStorageBufferBindingSize: 50 },
  ...more,
});

const withAdapter = (found: object | null) => ({
  gpu: { requestAdapter: async () => found as ReturnType<typeof adapter> | null },
  hardwareConcurrency: 6,
  deviceMemory: 8,
});

test('tells what the adapter is and allows', async () => {
  const info = { vendor: 'intel', architecture: 'xe-2', isFallbackAdapter: false };
  expect(await probe(withAdapter(adapter({ info })))).toMatchObject({
    gpu: {
      adapter: { vendor: 'intel', architecture: 'xe-2', device: '', description: '' },
      software: false,
      features: ['shader-f16', 'timestamp-query'],
      maxBufferBytes: 100,
      maxBindingBytes: 50,
      selfCheck: { fp32: 'untested', fp16: 'untested' },
    },
    gpuAbsent: '',
    simd: true,
    isolated: false,
    cores: 6,
    memoryBytes: 4 * 2 ** 30,
  });
});

test('knows a software adapter in both places where browsers say so', async () => {
  for (const more of [{ info: { isFallbackAdapter: true } }, { info: {}, isFallbackAdapter: true }]) {
    expect((await probe(withAdapter(adapter(more)))).gpu!.software).toBe(true);
  }
});

test.each([
  ['no WebGPU at all', {}, 'this browser has no WebGPU'],
  ['no adapter', withAdapter(null), 'the browser offers no WebGPU adapter for this GPU'],
  [
    'an adapter that throws',
    { gpu: { requestAdapter: () => Promise.reject(new Error('blocked')) } },
    'asking for a WebGPU adapter failed (blocked)',
  ],
])('%s is a reason, not an error', async (_, navigator, reason) => {
  const { gpu, gpuAbsent, memoryBytes } = await probe(navigator);
  expect([gpu, gpuAbsent]).toEqual([null, reason]);
  expect(memoryBytes).toBeGreaterThanOrEqual(2 * 2 ** 30);
});
