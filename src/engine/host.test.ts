import { describe, expect, test } from 'vitest';
import { EngineError } from '../lib/errors.ts';
import type { EngineEvent } from '../lib/events.ts';
import type { Model, WeightEdit } from '../lib/family.ts';
import type { FileRef, GraphSpec, ModelManifest } from '../lib/manifest.ts';
import type { Placement } from '../lib/placement.ts';
import { float32 } from '../lib/tensor.ts';
import type { Tensor } from '../lib/tensor.ts';
import type { Checkpoint } from './checkpoint.ts';
import { Host } from './host.ts';
import type { World } from './host.ts';
import type { GraphSource, GraphToLoad, KeptTensor, Runtime } from './ort.ts';

const file = (path: string): FileRef => ({ path, bytes: 1, sha256: '0'.repeat(64) });

const spec = (name: string, keep: string[]): GraphSpec => ({
  inputs: ['x'],
  outputs: ['y'],
  keep,
  variants: [
    {
      precision: 'fp32',
      graph: file('net.onnx'),
      weights: [{ ...file(`${name}.bin`), location: 'w' }],
      needs: { providers: ['wasm'], features: [], bufferBytes: 0, memoryBytes: 1000 },
      error: null,
    },
  ],
});

const MANIFEST: ModelManifest = {
  schema: 1,
  id: 'toy',
  family: 'f',
  title: 'Toy',
  description: 'd',
  license: 'l',
  source: { repo: 'r', revision: '1' },
  config: {},
  files: { tokenizer: file('tokenizer.json') },
  graphs: {
    encoder: spec('encoder', ['y']),
    denoiser: spec('denoiser', []),
    decoder: spec('decoder', []),
  },
};

const placement = (residency: 'all' | 'one'): Placement => ({
  graphs: Object.fromEntries(
    Object.entries(MANIFEST.graphs).map(([name, { variants }]) => [
      name,
      { provider: 'wasm', variant: variants[0]!, why: '' },
    ]),
  ),
  residency,
  threads: 1,
  notices: [],
});

/** Adds 1 to its input; remembers all that is asked of it. */
class FakeRuntime implements Runtime {
  readonly build = 'wasm';
  readonly threads = 1;
  readonly log: string[] = [];
  readonly weights: string[] = [];
  readonly kept: FakeKept[] = [];
  running = 0;
  during: () => void = () => undefined;
  heapBytes = (): number | null => null;

  async load({ name, spec, variant }: GraphToLoad, source: GraphSource): ReturnType<Runtime['load']> {
    this.log.push(`load ${name}`);
    for (const file of variant.weights) {
      const bytes = await source.weights(file);
      if (bytes instanceof Uint8Array) this.weights.push(new TextDecoder().decode(bytes));
    }
    return {
      run: async (feeds) => {
        this.log.push(`run ${name}`);
        this.running += 1;
        await Promise.resolve();
        expect(this.running).toBe(1); // sessions must never overlap
        this.during();
        this.running -= 1;
        const { x } = feeds;
        const given = 'data' in x! ? x : await x!.read();
        const y = float32(
          Float32Array.from(given.data as Float32Array, (v) => v + 1),
          given.dims,
        );
        if (!spec.keep.includes('y')) return { y };
        const kept = new FakeKept(y, `${name}.y`, this.log);
        this.kept.push(kept);
        return { y: kept };
      },
      release: async () => void this.log.push(`release ${name}`),
    };
  }
}

class FakeKept implements KeptTensor {
  readonly dtype = 'float32';
  readonly dims: readonly number[];
  readonly #value: Tensor;
  readonly #name: string;
  readonly #log: string[];
  disposed = false;

  constructor(value: Tensor, name: string, log: string[]) {
    this.#value = value;
    this.#name = name;
    this.#log = log;
    this.dims = value.dims;
  }

  async read(): Promise<Tensor> {
    return this.#value;
  }

  async leaveGpu(): Promise<void> {
    this.#log.push(`${this.#name} leaves the GPU`);
  }

  dispose(): void {
    this.disposed = true;
  }
}

const WORLD: World = {
  read: async ({ path }) => new TextEncoder().encode(path),
  weights: async () => null,
  asset: async (path) => new TextEncoder().encode(path),
  open: async () => ({ channels: [], sampleRate: 1 }),
  latentsOf: async () => null,
  lora: async () => new Uint8Array(),
};

function hostWith(residency: 'all' | 'one' = 'all') {
  const runtime = new FakeRuntime();
  return { runtime, host: new Host(MANIFEST, {}, placement(residency), runtime, WORLD) };
}

const one = { x: float32(Float32Array.of(1), [1]) };
const ignore = (): void => undefined;

describe('Host', () => {
  test('loads a graph once, on first use, and tells what it cost', async () => {
    const { host, runtime } = hostWith();
    const events: EngineEvent[] = [];
    const { value } = await host.perform(
      async (model) => {
        await model.run('encoder', one);
        const { y } = await model.run(
          'encoder',
          await model.run('encoder', one).then(({ y }) => ({ x: y! })),
        );
        return 'read' in y! ? (await y.read()).data : null;
      },
      (event) => events.push(event),
    );
    expect(value).toEqual(Float32Array.of(3));
    expect(runtime.log.filter((line) => line.startsWith('load'))).toEqual(['load encoder']);
    expect(events).toEqual([
      {
        type: 'load',
        graph: 'encoder',
        provider: 'wasm',
        dtype: 'fp32',
        ms: expect.any(Number) as number,
        bytes: 1000,
      },
    ]);
  });

  test('runs one graph at a time, whatever the family does', async () => {
    const { host, runtime } = hostWith();
    await host.perform(
      (model) =>
        Promise.all(['encoder', 'denoiser', 'decoder', 'denoiser'].map((name) => model.run(name, one))),
      ignore,
    );
    expect(runtime.log.filter((line) => line.startsWith('run'))).toHaveLength(4);
  });

  test('residency one: the others leave before a graph loads, and take what they made to the CPU', async () => {
    const { host, runtime } = hostWith('one');
    await host.perform(async (model) => {
      const { y } = await model.run('encoder', one);
      await model.run('denoiser', { x: y! });
      await model.run('denoiser', { x: y! });
      await model.done('denoiser');
      await model.run('decoder', one);
    }, ignore);
    expect(runtime.log).toEqual([
      'load encoder',
      'run encoder',
      'encoder.y leaves the GPU',
      'release encoder',
      'load denoiser',
      'run denoiser',
      'run denoiser',
      'release denoiser',
      'load decoder',
      'run decoder',
    ]);
  });

  test('residency all keeps graphs for the next song', async () => {
    const { host, runtime } = hostWith('all');
    for (let song = 0; song < 2; song++) {
      await host.perform(async (model) => {
        await model.run('denoiser', one);
        await model.done('denoiser');
      }, ignore);
    }
    expect(runtime.log).toEqual(['load denoiser', 'run denoiser', 'run denoiser']);
    await host.release();
    expect(runtime.log.at(-1)).toBe('release denoiser');
  });

  test('frees device tensors when the task ends, also by an error', async () => {
    const { host, runtime } = hostWith();
    const fails = host.perform(async (model) => {
      await model.run('encoder', one);
      expect(runtime.kept[0]!.disposed).toBe(false);
      throw new EngineError('graph', 'no');
    }, ignore);
    await expect(fails).rejects.toThrow('no');
    expect(runtime.kept[0]!.disposed).toBe(true);
    expect(host.statistics().find(({ graph }) => graph === 'encoder')).toMatchObject({
      loaded: true,
      liveBytes: 1000,
      peakBytes: 1008,
      runs: 1,
    });
    expect([host.liveBytes, host.peakBytes]).toEqual([1000, 1008]);
    // With every graph in memory the peak is that of all together.
    await host.perform((model) => model.run('denoiser', one), ignore);
    const [live, moved] = [host.liveBytes, 8];
    expect(live).toBeGreaterThan(1000);
    expect(host.peakBytes).toBe(live + moved);
  });

  test('a cancel sent by message is seen before the next run, though runs block', async () => {
    const { host, runtime } = hostWith();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => host.cancel();
    let steps = 0;
    const song = host.perform(async (model) => {
      for (; steps < 100; steps++) {
        await model.run('denoiser', one);
        if (steps === 2) port2.postMessage('cancel');
      }
    }, ignore);
    await expect(song).rejects.toMatchObject({ name: 'cancelled' });
    port1.close();
    expect(steps).toBe(3);
    runtime.log.length = 0;
    await host.perform((model) => model.run('denoiser', one), ignore); // the next song is not cancelled
    expect(runtime.log).toEqual(['run denoiser']);
  });

  test("stop-and-keep is the family's to follow, and ends with the task", async () => {
    const { host } = hostWith();
    const seen: boolean[] = [];
    const song = async (): Promise<void> => {
      await host.perform(async ({ signal }) => {
        seen.push(signal.stopAndKeep);
        host.stopAndKeep();
        seen.push(signal.stopAndKeep);
      }, ignore);
    };
    await song();
    await song();
    expect(seen).toEqual([false, true, false, true]);
  });

  test('steps are saved at the end and when the task is paused, and found again with the time they took', async () => {
    const { host } = hostWith();
    const files: Checkpoint[] = [];
    const save = async (checkpoint: Checkpoint): Promise<void> => void files.push(checkpoint);
    const events: EngineEvent[] = [];
    const steps = async (model: Model, from: number): Promise<void> => {
      model.report({ type: 'stage', stage: 'denoise' });
      for (let step = from; step <= 4; step++) {
        await model.run('denoiser', one);
        if (step === 2) host.pause();
        await model.save({ step, steps: 4 }, () => ({ numbers: { step }, arrays: {} }));
      }
    };
    const paused = host.perform(
      async (model) => {
        expect(await model.saved()).toBeNull();
        await steps(model, 1);
      },
      ignore,
      { found: null, save },
    );
    await expect(paused).rejects.toMatchObject({ name: 'cancelled' });
    expect(files.map(({ at }) => at.step)).toEqual([2]);

    const found = { ...files[0]!, spent: { load: 5, denoise: 10_000, total: 20_000 } };
    const { timings } = await host.perform(
      async (model) => steps(model, (await model.saved())!.numbers['step']! + 1),
      (event) => events.push(event),
      { found, save },
    );
    expect(files.map(({ at }) => at.step)).toEqual([2, 4]);
    expect(events.filter(({ type }) => type === 'saved')).toEqual([
      { type: 'saved', step: 2, steps: 4 },
      { type: 'saved', step: 4, steps: 4 },
    ]);
    expect(timings.denoise).toBeGreaterThan(10_000);
    expect(timings.total).toBeGreaterThan(20_000);
    expect(timings.total).toBeLessThan(30_000);
  });

  test('a full disk costs the checkpoints, not the song, and is told once', async () => {
    const { host } = hostWith();
    const events: EngineEvent[] = [];
    const save = (): Promise<void> => Promise.reject(new EngineError('storage', 'No room.'));
    await host.perform(
      async (model) => {
        for (let i = 0; i < 2; i++)
          await model.save({ step: 1, steps: 1 }, () => ({ numbers: {}, arrays: {} }));
      },
      (event) => events.push(event),
      { found: null, save },
    );
    expect(events).toEqual([
      expect.objectContaining({
        type: 'notice',
        code: 'not-saved',
        text: expect.stringMatching(/^No room\./) as string,
      }),
    ]);
  });

  test('an edit of weights reloads the graphs it touches, and no others', async () => {
    const { host, runtime } = hostWith();
    const edit: WeightEdit = {
      key: 'lora',
      paths: new Set(['encoder.bin']),
      apply: (path, bytes) => new Uint8Array([...bytes, ...new TextEncoder().encode(` edited ${path}`)]),
      graph: (_, model) => ({ model, files: new Map() }),
    };
    const both = async (): Promise<void> => {
      await host.run('encoder', one);
      await host.run('denoiser', one);
    };
    await both();
    await host.adapt(edit);
    await both();
    await host.adapt({ ...edit }); // the same key: the same weights
    await both();
    await host.adapt(null);
    await both();
    expect(runtime.weights).toEqual([
      'encoder.bin',
      'denoiser.bin',
      'encoder.bin edited encoder.bin',
      'encoder.bin',
    ]);
  });

  test('a failed run does not stop later ones', async () => {
    const { host, runtime } = hostWith();
    runtime.during = () => {
      runtime.running = 0;
      throw new EngineError('graph', 'once');
    };
    await expect(host.perform((model) => model.run('denoiser', one), ignore)).rejects.toThrow('once');
    runtime.during = ignore;
    await expect(host.perform((model) => model.run('denoiser', one), ignore)).resolves.toBeDefined();
  });

  test('refuses a second task at once', async () => {
    const { host } = hostWith();
    const first = host.perform((model) => model.run('denoiser', one), ignore);
    await expect(host.perform((model) => model.run('denoiser', one), ignore)).rejects.toMatchObject({
      name: 'bug',
    });
    await first;
  });

  test('times stages without the loading of graphs', async () => {
    const { host } = hostWith();
    const { timings } = await host.perform(async (model) => {
      model.report({ type: 'stage', stage: 'denoise' });
      await model.run('denoiser', one);
      model.report({ type: 'stage', stage: 'sound' });
      await model.run('decoder', one);
      model.report({ type: 'stage', stage: 'denoise' });
    }, ignore);
    expect(Object.keys(timings).sort()).toEqual(['denoise', 'load', 'sound', 'total']);
    const { denoise = 0, sound = 0, load, total } = timings;
    expect(denoise + sound + load).toBeLessThanOrEqual(total + 1e-6);
  });

  test('names what it does not have', async () => {
    const { host } = hostWith();
    await expect(host.run('vocoder', one)).rejects.toThrow(
      'toy has no graph vocoder (it has: encoder, denoiser, decoder)',
    );
    expect(() => host.file('lyric_vocab')).toThrow('toy has no file lyric_vocab (it has: tokenizer)');
    expect(new TextDecoder().decode(await host.file('tokenizer'))).toBe('tokenizer.json');
  });
});
