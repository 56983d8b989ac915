/** Graphs that change when they load, run by the real runtime. */
import { expect, test } from 'vitest';
import { NODE_BUILDS } from '../../scripts/lib/node-ort.ts';
import { quantise } from '../lib/convert/numbers.ts';
import type { GraphRecipe } from '../lib/convert/recipe.ts';
import { loraEdit } from '../lib/lora-weights.ts';
import type { UsedLora } from '../lib/lora-weights.ts';
import type { Delta, Lora, Matrix } from '../lib/lora.ts';
import type { FileRef, ModelManifest, Precision } from '../lib/manifest.ts';
import { ELEMENT, externalInitializer, node, readGraph, writeGraph } from '../lib/onnx.ts';
import { widenF16 } from '../lib/safetensors.ts';
import { float32 } from '../lib/tensor.ts';
import type { Tensor } from '../lib/tensor.ts';
import { Host } from './host.ts';
import { onnxBytes } from './onnx.testing.ts';
import { openRuntime } from './ort.ts';

// Three modules of 16 outputs stacked into one matrix, as q, k and v are.
const [K, EACH, BLOCK, TOKENS] = [64, 16, 32, 5];
const N = 3 * EACH;
const MODULES = ['a.q', 'a.k', 'a.v'];

/** Repeatable numbers around zero. */
function normal(count: number, seed: number): Float32Array {
  let state = seed;
  const next = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  return Float32Array.from({ length: count }, () => next() + next() + next() - 1.5);
}

const matrix = (rows: number, columns: number, seed: number): Matrix => ({
  rows,
  columns,
  data: normal(rows * columns, seed),
});

/** A model of two products with the same x, y = x W (of that accuracy level) and z = x V, and V's scales in a file of their own. */
function quantisedModel(bits: 4 | 8, level = 0) {
  const precision: Precision = bits === 8 ? 'q8' : 'q4f32';
  const matrices = [normal(N * K, 1), normal(N * K, 2)].map((w) => quantise(w, K, bits, BLOCK));
  const codeBytes = (N * K * bits) / 8;
  const scaleBytes = (4 * N * K) / BLOCK;
  const wide = matrices.map(({ scales }) => widenF16(scales));
  const first = new Uint8Array(2 * codeBytes + scaleBytes);
  first.set(matrices[0]!.codes);
  first.set(new Uint8Array(wide[0]!.buffer), codeBytes);
  first.set(matrices[1]!.codes, codeBytes + scaleBytes);
  const files: Record<string, Uint8Array> = {
    'w.0.bin': first,
    'w.1.bin': new Uint8Array(wide[1]!.buffer.slice(0)),
  };
  const at = (location: string, offset: number, length: number) => ({ location, offset, length });
  const codes = (name: string, offset: number) =>
    externalInitializer(
      name,
      ELEMENT.uint8,
      [N, K / BLOCK, (BLOCK * bits) / 8],
      at('w.0.bin', offset, codeBytes),
    );
  const scales = (name: string, location: string, offset: number) =>
    externalInitializer(name, ELEMENT.float32, [(N * K) / BLOCK], at(location, offset, scaleBytes));
  /** @param accuracy 1: exact activations, 0: as fast as it goes */
  const product = (w: string, y: string, accuracy: number) =>
    node('MatMulNBits', ['x', `${w}_q`, `${w}_s`], [y], {
      domain: 'com.microsoft',
      attributes: { K, N, bits, block_size: BLOCK, accuracy_level: accuracy },
    });
  const bare = onnxBytes({
    nodes: [],
    inputs: { x: [1, 'tokens', K] },
    outputs: { y: [1, 'tokens', N], z: [1, 'tokens', N] },
  });
  files['net.onnx'] = writeGraph(bare, {
    nodes: [product('w', 'y', level), product('v', 'z', 0)],
    initializers: [
      codes('w_q', 0),
      scales('w_s', 'w.0.bin', codeBytes),
      codes('v_q', codeBytes + scaleBytes),
      scales('v_s', 'w.1.bin', 0),
    ],
  });
  const ref = (path: string): FileRef => ({ path, bytes: files[path]!.length, sha256: '0'.repeat(64) });
  const variant = {
    precision,
    graph: ref('net.onnx'),
    weights: ['w.0.bin', 'w.1.bin'].map((path) => ({ ...ref(path), location: path })),
    needs: { providers: ['wasm'], features: [], bufferBytes: 0, memoryBytes: 0 },
    error: null,
  } as const;
  const manifest: ModelManifest = {
    schema: 1, id: 'm', family: 'f', title: 't', description: 'd', license: 'l', source: { repo: '', revision: '' },
    config: {}, files: {}, graphs: { net: { inputs: ['x'], outputs: ['y', 'z'], keep: [], variants: [variant] } },
  }; // prettier-ignore
  const recipe: GraphRecipe = {
    graph: 'net',
    precision,
    file: 'net.onnx',
    shards: variant.weights.map(({ path, bytes }) => ({ path, bytes })),
    tensors: [
      {
        name: 'w',
        file: 'c.safetensors',
        keys: MODULES.map((name) => `${name}.weight`),
        how: 'copy',
        shape: [N, K],
        dtype: bits === 8 ? 'q8' : 'q4',
        block: BLOCK,
        data: { shard: 0, offset: 0, bytes: codeBytes },
        scales: { shard: 0, offset: codeBytes, bytes: scaleBytes, dtype: 'f32' },
      },
    ],
  };
  const expanded = matrices.map(({ codes }, m) =>
    Float32Array.from({ length: N * K }, (_, i) => {
      const code = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i & 1))) & 15;
      return (code - 2 ** (bits - 1)) * wide[m]![Math.floor(i / BLOCK)]!;
    }),
  );
  return { files, manifest, variant, recipe, expanded, scales: wide };
}

type Model = ReturnType<typeof quantisedModel>;

const runtime = openRuntime(NODE_BUILDS, 'wasm', 1);

async function hostOf({ files, manifest, variant }: Model): Promise<Host> {
  const absent = (): never => {
    throw new Error('not in this test');
  };
  const graphs = { net: { provider: 'wasm', variant, why: '' } } as const;
  const world = {
    read: async ({ path }: FileRef) => files[path]!,
    weights: async () => null,
    asset: absent,
    open: absent,
    latentsOf: absent,
    lora: absent,
  };
  return new Host(manifest, {}, { graphs, residency: 'all', threads: 1, notices: [] }, await runtime, world);
}

const X = normal(TOKENS * K, 3);

async function outputsOf(host: Host): Promise<readonly Float32Array[]> {
  const { y, z } = await host.run('net', { x: float32(X, [1, TOKENS, K]) });
  return [y, z].map((tensor) => (tensor as Tensor).data as Float32Array); // nothing is kept
}

/** x W' with W (N, K). */
function product(w: ArrayLike<number>): Float32Array {
  return Float32Array.from({ length: TOKENS * N }, (_, at) => {
    const [token, n] = [Math.floor(at / N), at % N];
    let sum = 0;
    for (let i = 0; i < K; i++) sum += X[token * K + i]! * w[n * K + i]!;
    return sum;
  });
}

/** rms(a - b) / rms(b) */
function relative(a: Float32Array, b: Float32Array): number {
  const sum = (values: Iterable<number>): number => [...values].reduce((s, v) => s + v * v, 0);
  return Math.sqrt(sum(a.map((v, i) => v - b[i]!)) / sum(b));
}

const loraOf = (deltas: Lora['deltas']): Lora => ({
  deltas, scaleSource: 'alpha', trainedScaleKnown: true, unmatched: [], ignored: [], warnings: [],
}); // prettier-ignore

/** One on two modules, one on a module that the first has too, and a Kronecker product on the third. */
const LORAS: readonly UsedLora[] = [
  {
    strength: 0.7,
    lora: loraOf(
      new Map([
        ['a.q', { scale: 2, factors: { form: 'low-rank', up: matrix(EACH, 3, 11), down: matrix(3, K, 12) } }],
        ['a.v', { scale: 1, factors: { form: 'low-rank', up: matrix(EACH, 2, 13), down: matrix(2, K, 14) } }],
      ]),
    ),
  },
  {
    strength: -1.5,
    lora: loraOf(
      new Map([
        ['a.q', { scale: 0.5, factors: { form: 'low-rank', up: matrix(EACH, 1, 15), down: matrix(1, K, 16) } }],
        ['a.k', { scale: 0.25, factors: { form: 'kronecker', first: () => matrix(2, 4, 17), second: () => matrix(8, 16, 18) } }],
      ]),
    ),
  },
]; // prettier-ignore

/** The deltas added to W element by element: what the side inputs have to equal. */
function merged(w: Float32Array): Float64Array {
  return Float64Array.from(w, (value, at) => {
    const [row, i] = [Math.floor(at / K), at % K];
    const module = MODULES[Math.floor(row / EACH)]!;
    const added = LORAS.map(({ lora, strength }) => {
      const delta = lora.deltas.get(module);
      return delta ? strength * delta.scale * element(delta.factors, row % EACH, i) : 0;
    });
    return added.reduce((sum, v) => sum + v, value);
  });
}

function element(factors: Delta['factors'], o: number, i: number): number {
  if (factors.form === 'low-rank') {
    const { up, down } = factors;
    return [...Array(down.rows).keys()].reduce(
      (sum, r) => sum + up.data[o * up.columns + r]! * down.data[r * K + i]!,
      0,
    );
  }
  const [a, b] = [factors.first(), factors.second()];
  return (
    a.data[Math.floor(o / b.rows) * a.columns + Math.floor(i / b.columns)]! *
    b.data[(o % b.rows) * b.columns + (i % b.columns)]!
  );
}

test.each([
  // Codes of 4 bits are expanded to float32; those of 8 meet activations of 8 bits on WebAssembly.
  [4, 1e-5],
  [8, 1.5e-2],
] as const)('LoRAs beside %i-bit weights equal merged ones', async (bits, tolerance) => {
  const model = quantisedModel(bits);
  const host = await hostOf(model);
  const [w, v] = model.expanded.map(product);
  const [y, z] = await outputsOf(host);
  expect(relative(y!, w!)).toBeLessThan(tolerance);
  expect(relative(z!, v!)).toBeLessThan(tolerance);

  const edit = loraEdit([model.recipe], LORAS, 'two');
  expect([...edit.paths]).toEqual(['net.onnx']); // the weights stay as they are
  await host.adapt(edit);
  const [adapted, untouched] = await outputsOf(host);
  const want = product(merged(model.expanded[0]!));
  expect(relative(want, w!)).toBeGreaterThan(0.5); // the LoRAs matter
  expect(relative(adapted!, want)).toBeLessThan(tolerance);
  expect(untouched).toEqual(z);

  await host.adapt(null);
  expect((await outputsOf(host))[0]).toEqual(y);
});

test('activations of exact products keep 16 bits on WebAssembly', async () => {
  const model = quantisedModel(8, 1);
  // What is left to differ is the weights, which get one scale a column: so those are the ones to compare with.
  const wanted = model.expanded.map((w, m) => {
    const scaleAt = (at: number): number => model.scales[m]![Math.floor(at / BLOCK)]!;
    const rounded = w.map((value, at) => {
      const row = at - (at % K);
      const blocks = Array.from({ length: K / BLOCK }, (_, b) => Math.abs(scaleAt(row + b * BLOCK)));
      const step = Math.fround((Math.max(...blocks) * 128) / 127);
      return Math.round(Math.round(value / scaleAt(at)) * (scaleAt(at) / step)) * step;
    });
    return product(rounded);
  });
  const [y, z] = await outputsOf(await hostOf(model));
  expect(relative(y!, wanted[0]!)).toBeLessThan(1e-4);
  expect(relative(z!, wanted[1]!)).toBeGreaterThan(2e-3); // eight bits
});

test('a matrix that is cut over two parameters gets its own rows', async () => {
  const model = quantisedModel(4);
  const [tensor] = model.recipe.tensors;
  // The parameter is the middle and the end of a module of 4 * EACH outputs.
  const cut = { ...tensor!, keys: ['t.weight'], rows: [EACH, EACH + N] as const };
  const factors = { form: 'low-rank', up: matrix(4 * EACH, 2, 21), down: matrix(2, K, 22) } as const;
  const lora = loraOf(new Map([['t', { scale: 1, factors }]]));
  const host = await hostOf(model);
  await host.adapt(loraEdit([{ ...model.recipe, tensors: [cut] }], [{ lora, strength: 1 }], 'cut'));
  const [y] = await outputsOf(host);
  const want = Float64Array.from(model.expanded[0]!, (value, at) => {
    const [o, i] = [Math.floor(at / K) + EACH, at % K];
    return (
      value +
      factors.up.data[o * 2]! * factors.down.data[i]! +
      factors.up.data[o * 2 + 1]! * factors.down.data[K + i]!
    );
  });
  expect(relative(y!, product(want))).toBeLessThan(1e-5);
});

test('a recipe that names what the graph does not multiply by is a fault of the pack', () => {
  const { recipe, files } = quantisedModel(4);
  const other = { ...recipe, tensors: [{ ...recipe.tensors[0]!, name: 'elsewhere' }] };
  const edit = loraEdit([other], LORAS, 'k');
  expect(() => edit.graph('net.onnx', files['net.onnx']!)).toThrow('no product with elsewhere');
});

test('reading and writing a graph changes nothing, and damage is named', () => {
  const model = quantisedModel(8).files['net.onnx']!;
  const again = writeGraph(model, readGraph(model));
  expect(readGraph(again)).toEqual(readGraph(model));
  expect(() => readGraph(model.subarray(0, model.length - 9))).toThrow('not a sound .onnx file');
  expect(() => readGraph(Uint8Array.of(0x3a, 0xff))).toThrow('not a sound .onnx file');
});
