import { describe, expect, test } from 'vitest';
import type { GraphSpec, ModelManifest, Variant } from './manifest.ts';
import { NO_WISH, place, threadsOf } from './placement.ts';
import type { Capabilities, Gpu, Wish } from './placement.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'];

const gpu = (vendor: string, changes: Partial<Gpu> = {}): Gpu => ({
  adapter: { vendor, architecture: '', device: '', description: '' },
  software: false,
  features: FEATURES,
  maxBufferBytes: 4 * GIB,
  maxBindingBytes: 2 * GIB,
  selfCheck: { fp32: 'passed', fp16: 'passed' },
  ...changes,
});

const machine = (gpu: Gpu | null, changes: Partial<Capabilities> = {}): Capabilities => ({
  gpu,
  gpuAbsent: gpu ? '' : 'this browser has no WebGPU',
  jspi: true,
  simd: true,
  isolated: true,
  cores: 8,
  memoryBytes: 8 * GIB,
  ...changes,
});

const variant = (precision: Variant['precision'], needs: Partial<Variant['needs']>): Variant => ({
  precision,
  graph: { path: `${precision}.onnx`, bytes: 1, sha256: '0'.repeat(64) },
  weights: [],
  needs: { providers: ['webgpu', 'wasm'], features: [], bufferBytes: 0, memoryBytes: MIB, ...needs },
  error: null,
});

const graph = (...variants: Variant[]): GraphSpec => ({ inputs: [], outputs: [], keep: [], variants });

const model = (graphs: Record<string, GraphSpec>): ModelManifest => ({
  schema: 1,
  id: 'm',
  family: 'f',
  title: 'M',
  description: 'd',
  license: 'l',
  source: { repo: 'r', revision: '1' },
  config: {},
  files: {},
  graphs,
});

const F16 = { providers: ['webgpu'], features: ['shader-f16'] } as const;

/** As the embedded model: one copy of weights, fp16 or widened. */
const NANO = model({
  denoiser: graph(
    variant('fp16', { ...F16, memoryBytes: 20 * MIB, bufferBytes: 4 * MIB }),
    variant('fp32', { memoryBytes: 40 * MIB, bufferBytes: 8 * MIB }),
  ),
  vocoder: graph(variant('fp32', { memoryBytes: 10 * MIB })),
});

/** As the 3.5B model: a ladder of precisions. */
const LARGE = model({
  denoiser: graph(
    variant('fp16', { ...F16, memoryBytes: 5 * GIB, bufferBytes: 64 * MIB }),
    variant('q8', { memoryBytes: 3 * GIB, bufferBytes: 64 * MIB }),
    variant('q4f16', { ...F16, memoryBytes: 1.8 * GIB, bufferBytes: 32 * MIB }),
    variant('q4f32', { memoryBytes: 1.9 * GIB, bufferBytes: 32 * MIB }),
  ),
  text_encoder: graph(
    variant('fp16', { ...F16, memoryBytes: 0.5 * GIB }),
    variant('fp32', { memoryBytes: GIB, bufferBytes: 800 * MIB }),
  ),
});

/** Browsers and machines as reported by their users or measured: what matters is the record, not the name. */
const MACHINES: Record<string, Capabilities> = {
  'Intel Arc': machine(gpu('intel', { maxBindingBytes: 2 * GIB - 4 })),
  'AMD discrete': machine(gpu('amd'), { memoryBytes: 16 * GIB }),
  'AMD integrated': machine(gpu('amd', { maxBufferBytes: 2 * GIB, maxBindingBytes: 128 * MIB }), {
    memoryBytes: 4 * GIB,
  }),
  Apple: machine(gpu('apple'), { jspi: false }),
  NVIDIA: machine(gpu('nvidia'), { cores: 24, memoryBytes: 16 * GIB }),
  'older GPU without f16': machine(gpu('nvidia', { features: ['timestamp-query'] })),
  'software adapter': machine(gpu('google', { software: true, features: ['subgroups'] }), { cores: 2 }),
  'Firefox on Linux': machine(null, { gpuAbsent: 'the browser offers no WebGPU adapter for this GPU' }),
  'Safari 17': machine(null, { jspi: false, memoryBytes: 2 * GIB }),
  'no threads': machine(null, { isolated: false }),
  'fp16 wrong': machine(gpu('x', { selfCheck: { fp32: 'passed', fp16: 'wrong' } })),
  'all wrong': machine(gpu('x', { selfCheck: { fp32: 'wrong', fp16: 'passed' } })),
  'no driver': machine(gpu('x', { selfCheck: { fp32: 'failed', fp16: 'untested' } })),
};

/** machine: [nano denoiser, nano vocoder, large denoiser, large text encoder, residency of large, notice codes]. */
const TABLE: Record<string, readonly [string, string, string, string, 'all' | 'one', readonly string[]]> = {
  'Intel Arc': ['webgpu fp16', 'webgpu fp32', 'webgpu fp16', 'webgpu fp16', 'all', []],
  'AMD discrete': ['webgpu fp16', 'webgpu fp32', 'webgpu fp16', 'webgpu fp16', 'all', []],
  'AMD integrated': ['webgpu fp16', 'webgpu fp32', 'webgpu q8', 'webgpu fp16', 'all', ['memory']],
  Apple: ['webgpu fp16', 'webgpu fp32', 'webgpu fp16', 'webgpu fp16', 'all', []],
  NVIDIA: ['webgpu fp16', 'webgpu fp32', 'webgpu fp16', 'webgpu fp16', 'all', []],
  'older GPU without f16': [
    'webgpu fp32',
    'webgpu fp32',
    'webgpu q8',
    'webgpu fp32',
    'all',
    ['no-gpu-feature'],
  ],
  'software adapter': [
    'wasm fp32',
    'wasm fp32',
    'wasm q8',
    'wasm fp32',
    'one',
    ['software-adapter', 'one-at-a-time'],
  ],
  'Firefox on Linux': [
    'wasm fp32',
    'wasm fp32',
    'wasm q8',
    'wasm fp32',
    'one',
    ['no-webgpu', 'one-at-a-time'],
  ],
  'Safari 17': [
    'wasm fp32',
    'wasm fp32',
    'wasm q4f32',
    'wasm fp32',
    'one',
    ['no-webgpu', 'memory', 'one-at-a-time'],
  ],
  'no threads': [
    'wasm fp32',
    'wasm fp32',
    'wasm q8',
    'wasm fp32',
    'one',
    ['no-webgpu', 'one-at-a-time', 'one-thread'],
  ],
  'fp16 wrong': ['webgpu fp32', 'webgpu fp32', 'webgpu q8', 'webgpu fp32', 'all', ['self-check-fp16']],
  'all wrong': [
    'wasm fp32',
    'wasm fp32',
    'wasm q8',
    'wasm fp32',
    'one',
    ['self-check-fp32', 'one-at-a-time'],
  ],
  'no driver': [
    'wasm fp32',
    'wasm fp32',
    'wasm q8',
    'wasm fp32',
    'one',
    ['self-check-fp32', 'one-at-a-time'],
  ],
};

const shown = (manifest: ModelManifest, name: string, caps: Capabilities, wish?: Wish): string => {
  const { provider, variant } = place(manifest, caps, wish).graphs[name]!;
  return `${provider} ${variant.precision}`;
};

describe('place', () => {
  test.each(Object.keys(TABLE))('%s', (name) => {
    const caps = MACHINES[name]!;
    const large = place(LARGE, caps);
    expect([
      shown(NANO, 'denoiser', caps),
      shown(NANO, 'vocoder', caps),
      shown(LARGE, 'denoiser', caps),
      shown(LARGE, 'text_encoder', caps),
      large.residency,
      large.notices.map(({ code }) => code),
    ]).toEqual(TABLE[name]);
    for (const { text } of large.notices) expect(text).toMatch(/^\S.*\. .*\.$/s); // a reason and a cost
  });

  test('has a row for every machine', () => {
    expect(Object.keys(TABLE)).toEqual(Object.keys(MACHINES));
  });

  test("never looks at the vendor's name", () => {
    for (const caps of Object.values(MACHINES)) {
      const renamed = caps.gpu && { ...caps.gpu, adapter: { ...caps.gpu.adapter, vendor: 'unheard of' } };
      expect(place(LARGE, { ...caps, gpu: renamed })).toEqual(place(LARGE, caps));
    }
  });

  test('says why a step down was taken, per graph', () => {
    const { graphs } = place(LARGE, MACHINES['older GPU without f16']!);
    expect(graphs.denoiser!.why).toContain('lacks shader-f16, which fp16 needs');
    expect(place(NANO, MACHINES.NVIDIA!).graphs.denoiser!.why).toBe('The best variant fits.');
  });

  describe('the user decides', () => {
    const wish = (changes: Partial<Wish>): Wish => ({ ...NO_WISH, ...changes });

    test('wasm on a machine with a GPU', () => {
      expect(shown(NANO, 'denoiser', MACHINES.NVIDIA!, wish({ provider: 'wasm' }))).toBe('wasm fp32');
    });

    test('webgpu on a software adapter, with a warning', () => {
      const caps = MACHINES['software adapter']!;
      const { graphs, notices } = place(NANO, caps, wish({ provider: 'webgpu' }));
      expect(graphs.denoiser!.provider).toBe('webgpu');
      expect(notices.find(({ code }) => code === 'software-adapter')!.text).toMatch(/^You chose webgpu\./);
    });

    test('webgpu against the self-check, with a warning', () => {
      const { graphs, notices } = place(NANO, MACHINES['all wrong']!, wish({ provider: 'webgpu' }));
      expect(graphs.vocoder!.provider).toBe('webgpu');
      expect(notices.find(({ code }) => code === 'self-check-fp32')!.text).toContain('may be noise');
    });

    test('webgpu where there is none is refused with the reason', () => {
      expect(() => place(NANO, MACHINES['Safari 17']!, wish({ provider: 'webgpu' }))).toThrowError(
        expect.objectContaining({
          name: 'unsupported',
          message: expect.stringContaining(
            'denoiser cannot run here with these settings: This browser has no WebGPU',
          ),
        }) as Error,
      );
    });

    test('a precision binds the graphs that come in it', () => {
      const { graphs } = place(LARGE, MACHINES.NVIDIA!, wish({ precision: 'q4f16' }));
      expect(graphs.denoiser!.variant.precision).toBe('q4f16');
      expect(graphs.text_encoder!.variant.precision).toBe('fp16');
    });

    test('a precision that cannot run is refused, not replaced', () => {
      const caps = MACHINES['older GPU without f16']!;
      expect(() => place(NANO, caps, wish({ precision: 'fp16' }))).toThrow(/lacks shader-f16/);
    });

    test('a memory budget makes graphs take turns, then smaller', () => {
      const all = place(LARGE, MACHINES.NVIDIA!, wish({ memoryBytes: 6 * GIB }));
      const turns = place(LARGE, MACHINES.NVIDIA!, wish({ memoryBytes: 5.2 * GIB }));
      expect([all.residency, turns.residency]).toEqual(['all', 'one']);
      expect(turns.graphs.denoiser!.variant.precision).toBe('fp16');
      expect(shown(LARGE, 'denoiser', MACHINES.NVIDIA!, wish({ memoryBytes: 2 * GIB }))).toBe('webgpu q4f16');
      expect(() => place(LARGE, MACHINES.NVIDIA!, wish({ memoryBytes: MIB }))).toThrow(/budget is 1 MiB/);
    });
  });

  test('threads follow isolation, cores and the wish', () => {
    const cases: [Partial<Capabilities>, number | null, number][] = [
      [{ cores: 2 }, null, 2],
      [{ cores: 4 }, null, 4],
      [{ cores: 8 }, null, 4],
      [{ cores: 64 }, null, 8],
      [{ cores: 8 }, 6, 6],
      [{ cores: 8 }, 99, 8],
      [{ cores: 8, isolated: false }, 6, 1],
    ];
    for (const [caps, threads, expected] of cases) {
      expect(threadsOf(machine(null, caps), { ...NO_WISH, threads })).toBe(expected);
    }
  });
});
