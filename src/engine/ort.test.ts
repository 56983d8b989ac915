import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { NODE_BUILDS } from '../../scripts/lib/node-ort.ts';
import type { FileRef, GraphSpec, Variant, WeightRef } from '../lib/manifest.ts';
import type { Capabilities } from '../lib/placement.ts';
import { NO_WISH } from '../lib/placement.ts';
import { float32 } from '../lib/tensor.ts';
import type { Tensor } from '../lib/tensor.ts';
import { onnxBytes } from './onnx.testing.ts';
import type { TinyModel } from './onnx.testing.ts';
import { asStored, buildFor, openRuntime } from './ort.ts';
import type { GraphToLoad, LoadedGraph } from './ort.ts';

/** Files in memory, as a pack would name them. */
class Files {
  readonly #bytes = new Map<string, Uint8Array<ArrayBuffer>>();

  add(path: string, bytes: Uint8Array<ArrayBuffer>): FileRef {
    this.#bytes.set(path, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { path, bytes: bytes.byteLength, sha256 };
  }

  readonly read = async ({ path }: FileRef): Promise<Uint8Array> => this.#bytes.get(path)!;
}

function graphOf(
  files: Files,
  model: TinyModel,
  { keep = [], weights = [] }: { keep?: string[]; weights?: WeightRef[] } = {},
): GraphToLoad {
  const variant: Variant = {
    precision: 'fp32',
    graph: files.add('net.onnx', onnxBytes(model)),
    weights,
    needs: { providers: ['wasm'], features: [], bufferBytes: 0, memoryBytes: 0 },
    error: null,
  };
  const spec: GraphSpec = {
    inputs: Object.keys(model.inputs),
    outputs: Object.keys(model.outputs),
    keep,
    variants: [variant],
  };
  return { name: 'net', spec, variant, provider: 'wasm' };
}

/** y = x W, z = -y, with W (2, 2) in an external file at byte 4. */
const PRODUCT: TinyModel = {
  nodes: [
    { op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] },
    { op: 'Neg', inputs: ['y'], outputs: ['z'] },
  ],
  inputs: { x: ['rows', 2] },
  outputs: { y: ['rows', 2], z: ['rows', 2] },
  externals: { w: { dims: [2, 2], location: 'w.bin', offset: 4 } },
};

const numbers = (value: unknown): number[] => [...((value as Tensor).data as Float32Array)];

const runtime = openRuntime(NODE_BUILDS, 'wasm', 1);

const load = async (graph: GraphToLoad, files: Files): Promise<LoadedGraph> =>
  (await runtime).load(graph, await asStored(graph.variant, files.read));

describe('a graph on WebAssembly', () => {
  const files = new Files();
  const stored = Uint8Array.from([
    0,
    0,
    ...new Uint8Array(Uint16Array.of(0x3c00, 0x4000, 0xc200, 0x3800).buffer),
  ]);
  const weights: WeightRef[] = [{ ...files.add('w.f16', stored), location: 'w.bin', widen: 'fp16' }];

  test('runs on weights that are widened while they load', async () => {
    const graph = await load(graphOf(files, PRODUCT, { weights }), files);
    const outputs = await graph.run({
      x: float32(Float32Array.of(1, 2, 3, 4), [2, 2]),
      unasked: float32(Float32Array.of(0), [1]),
    });
    // W = [[1, 2], [-3, 0.5]]
    expect(numbers(outputs.y)).toEqual([-5, 3, -9, 8]);
    expect(outputs.z!.dims).toEqual([2, 2]);
    expect((await runtime).heapBytes()).toBeGreaterThan(2 ** 20);
    await graph.release();
  });

  test('keeps outputs for other graphs until they are disposed of', async () => {
    const graph = await load(graphOf(files, PRODUCT, { weights, keep: ['y'] }), files);
    const { y, z } = await graph.run({ x: float32(Float32Array.of(1, 0), [1, 2]) });
    expect('data' in y!).toBe(false);
    if (!('read' in y!)) throw new Error('y must be a device tensor');
    expect(numbers(await y.read())).toEqual([1, 2]);
    expect(numbers((await graph.run({ x: y })).z)).toEqual([5, -3]);
    expect(numbers(z)).toEqual([-1, -2]);
    y.dispose();
    y.dispose();
    expect(y.disposed).toBe(true);
    await graph.release();
  });

  test('names a missing input, and what was given', async () => {
    const graph = await load(graphOf(files, PRODUCT, { weights }), files);
    await expect(graph.run({ X: float32(Float32Array.of(1, 0), [1, 2]) })).rejects.toMatchObject({
      name: 'bug',
      message: 'net needs the input x; given: X',
    });
    await graph.release();
  });

  test('tells the shapes when a run fails', async () => {
    const graph = await load(graphOf(files, PRODUCT, { weights }), files);
    await expect(graph.run({ x: float32(new Float32Array(3), [1, 3]) })).rejects.toMatchObject({
      name: 'graph',
      message: expect.stringContaining('Running net (fp32 on wasm) with x [1, 3]') as string,
    });
    await graph.release();
  });

  test('refuses a graph whose names are not those of its manifest', async () => {
    const graph = graphOf(files, PRODUCT, { weights });
    const renamed = { ...graph, spec: { ...graph.spec, inputs: ['latents'] } };
    await expect(load(renamed, files)).rejects.toMatchObject({
      name: 'manifest',
      message: 'net (fp32 on wasm) has the inputs x; its manifest says latents.',
    });
  });

  test('refuses bytes that are no graph', async () => {
    const graph = graphOf(files, PRODUCT, { weights });
    files.add('net.onnx', Uint8Array.of(1, 2, 3));
    await expect(load(graph, files)).rejects.toMatchObject({
      name: 'graph',
      message: expect.stringContaining('Loading net (fp32 on wasm)') as string,
    });
  });
});

test('failures of the runtime are told apart by their words', async () => {
  const failing = async (thrown: unknown, heap = { initial: 1, maximum: 65_536 }): Promise<unknown> => {
    const session = {
      create: () => {
        new WebAssembly.Memory(heap);
        return Promise.reject(thrown);
      },
    };
    const module = { ...(await NODE_BUILDS.load('wasm')), InferenceSession: session };
    const broken = await openRuntime({ ...NODE_BUILDS, load: async () => module as never }, 'wasm', 1);
    const files = new Files();
    const graph = graphOf(files, { ...PRODUCT, externals: {} });
    const source = await asStored(graph.variant, files.read);
    return broken.load(graph, source).catch((e: Error) => e.name);
  };
  expect(await failing(new Error('std::bad_alloc'))).toBe('memory');
  expect(await failing(new Error('Failed to allocate memory for buffer of 123 bytes'))).toBe('memory');
  expect(await failing(new RangeError('Array buffer allocation failed'))).toBe('memory');
  expect(await failing(18446240)).toBe('memory');
  expect(await failing(new DOMException('Failed to execute mapAsync', 'AbortError'))).toBe('device-lost');
  expect(await failing(new Error('WebGPU device lost: reset'))).toBe('device-lost');
  expect(await failing(new Error('Could not find an implementation for Foo(1)'))).toBe('graph');
  const trap = new WebAssembly.RuntimeError('table index is out of bounds');
  expect(await failing(trap)).toBe('graph');
  expect(await failing(trap, { initial: 1, maximum: 2 })).toBe('memory');
});

test('a runtime that does not arrive is a network error', async () => {
  const load = (): Promise<never> => Promise.reject(new TypeError('Failed to fetch'));
  await expect(openRuntime({ ...NODE_BUILDS, load }, 'jspi', 1)).rejects.toMatchObject({
    name: 'network',
    message: 'The jspi build of the runtime did not load: Failed to fetch',
  });
});

test('the build follows from what the browser has', () => {
  const gpu = {} as Capabilities['gpu'];
  const caps = { jspi: false, gpu: null } as Capabilities;
  expect(buildFor({ ...caps, jspi: true }, NO_WISH)).toBe('jspi');
  expect(buildFor({ ...caps, gpu }, NO_WISH)).toBe('webgpu');
  expect(buildFor({ ...caps, gpu }, { ...NO_WISH, provider: 'wasm' })).toBe('wasm');
  expect(buildFor(caps, NO_WISH)).toBe('wasm');
});
