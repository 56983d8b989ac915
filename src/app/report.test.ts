import { describe, expect, test } from 'vitest';
import { NO_WISH, type Capabilities, type Placement } from '../lib/placement.ts';
import type { Precision, Variant } from '../lib/manifest.ts';
import type { Provider } from '../lib/events.ts';
import { abilities, adapterName, ladder, report, summary } from './report.ts';

const CPU: Capabilities = {
  gpu: null,
  gpuAbsent: 'this browser has no WebGPU',
  jspi: false,
  simd: true,
  isolated: true,
  cores: 4,
  memoryBytes: 4e9,
};
const GPU: Capabilities = {
  ...CPU,
  gpu: {
    adapter: { vendor: 'intel', architecture: 'xe-hpg', device: '', description: '' },
    software: false,
    features: ['shader-f16'],
    maxBufferBytes: 4e9,
    maxBindingBytes: 2e9,
    selfCheck: { fp32: 'passed', fp16: 'passed' },
  },
};

const variant = (precision: Precision, memoryBytes: number): Variant => ({
  precision,
  graph: { path: 'g.onnx', bytes: 1, sha256: '' },
  weights: [],
  needs: { providers: ['webgpu', 'wasm'], features: [], bufferBytes: 0, memoryBytes },
  error: null,
});

const placement = (provider: Provider, precision: Precision, threads = 4): Placement => ({
  graphs: {
    small: { provider: 'wasm', variant: variant('fp32', 10), why: 'small' },
    large: { provider, variant: variant(precision, 1000), why: 'large' },
  },
  residency: 'all',
  threads,
  notices: [],
});

describe('the device in words', () => {
  test('the heaviest graph stands for the model', () => {
    expect(summary(placement('webgpu', 'fp16'), GPU)).toMatchObject({
      provider: 'WebGPU',
      precision: 'fp16',
      where: 'intel xe-hpg',
    });
    expect(summary(placement('wasm', 'fp32'), CPU)).toMatchObject({ provider: 'WASM', where: '4 threads' });
  });

  test.each([
    ['webgpu', 'fp16', GPU, 4, ['inUse', 'possible', 'possible', 'possible']],
    ['webgpu', 'q8', GPU, 4, ['possible', 'inUse', 'possible', 'possible']],
    ['wasm', 'fp32', CPU, 4, ['unavailable', 'unavailable', 'inUse', 'possible']],
    ['wasm', 'fp32', { ...CPU, isolated: false }, 1, ['unavailable', 'unavailable', 'unavailable', 'inUse']],
  ] as const)('%s %s has one rung in use', (provider, precision, caps, threads, states) => {
    expect(ladder(placement(provider, precision, threads), caps).map(({ state }) => state)).toEqual(states);
  });

  test('what is missing is marked as such', () => {
    const rows = abilities({ ...CPU, isolated: false }, { threads: 1, kept: false, offline: false });
    const bad = rows.filter(({ good }) => !good).map(({ label }) => label);
    expect(bad).toEqual(expect.arrayContaining(['WebGPU', 'Isolated page', 'Threads used', 'Private files']));
    expect(new Set(rows.map(({ label }) => label)).size).toBe(rows.length);
  });

  test('the report tells all that is needed to help, also when nothing works', () => {
    const text = report({
      caps: GPU,
      placement: placement('webgpu', 'fp16'),
      checks: [{ graph: 'attention', precision: 'fp16', result: 'wrong', error: 0.3, ms: 1, detail: 'off' }],
      memory: null,
      room: null,
      songBytes: 5,
      wish: NO_WISH,
      trouble: '',
      userAgent: 'UA',
      log: ['12:00 host ready'],
    });
    for (const part of [
      'UA',
      'large: webgpu fp16. large',
      'attention fp16: wrong, error 0.3 (off)',
      '12:00 host ready',
    ])
      expect(text).toContain(part);
    expect(
      adapterName({
        ...(GPU.gpu as NonNullable<Capabilities['gpu']>),
        adapter: { vendor: '', architecture: '', device: '', description: '' },
      }),
    ).toBe('');
  });
});
