/**
 * 8-bit products as WebAssembly computes them fastest. Its MatMulNBits expands codes to float32 first, which costs more
 * than it saves; integer products take half of float32's time and less. So MatMulNBits(x, codes, scales) becomes
 *
 *   m = max |x| of a token;  q = uint8(round(127 x / m) + 128);  y = (q - 128) W8 * scale of the column * m / 127
 *
 * and the stored codes (n, k), which share a scale every 32, become int8 (k, n) with one scale a column.
 * Every token has a scale of its own, because one loud token would take the others' digits. Where the graph asks for
 * exact activations, what the digits left over makes a second row of digits, 254 times finer: 16 bits, at twice the
 * integer product, which is half of what expanding the codes takes.
 */
import { constant, ELEMENT, externalInitializer, intAttribute, node, readGraph, writeGraph } from './onnx.ts';
import type { External, Initializer, Node } from './onnx.ts';

/** Fills `into` from byte `at` of a weight file; gives how many bytes there were. */
export type ReadPiece = (location: string, into: Uint8Array, at: number) => number | Promise<number>;

export interface Int8Graph {
  readonly model: Uint8Array;
  /**
   * The weight files in the form that this model reads, in pieces of any size and order. Runtimes go from file to file,
   * so a matrix is made when it is asked for and the last one is kept: a file made whole would be made again and again.
   * @param stored the files as they are stored; scales may lie in another file than their codes
   */
  weights(stored: ReadPiece): ReadPiece;
}

const BITS = 8;
const EXACT = 1; // accuracy_level of products whose activations need more than 8 bits (export-scripts: variants.py)
const ZERO = 128; // the code of zero
const LARGEST = 127;
const FINER = 2 * LARGEST; // rounding leaves half a step to either side
const MICROSOFT = { domain: 'com.microsoft' };

/** A matrix on its way: codes (n, k / block, block), scales (n, k / block). */
interface Matrix {
  readonly n: number;
  readonly k: number;
  readonly block: number;
  readonly codes: External;
  readonly scales: External;
  /** Activations have 16 bits. */
  readonly exact: boolean;
}

/** The model with its 8-bit products as integer ones; null where it has none. */
export function dynamicInt8(model: Uint8Array): Int8Graph | null {
  const { nodes, initializers } = readGraph(model);
  const stored = new Map(initializers.map((one) => [one.name, one]));
  const matrices: Matrix[] = [];
  const rounded = new Map<string, Rounded>(); // by value: projections of the same value share its digits
  const replaced = new Map<string, Initializer>();
  const out = nodes.flatMap((one): readonly Node[] => {
    const matrix = matrixOf(one, stored);
    const [x = '', codes = '', scales = ''] = one.inputs;
    if (!matrix) return [one];
    matrices.push(matrix);
    const { n, k, exact } = matrix;
    replaced.set(codes, externalInitializer(codes, ELEMENT.int8, [k, n], { ...matrix.codes, length: k * n }));
    const scaleAt = { ...matrix.scales, length: 4 * n };
    replaced.set(scales, externalInitializer(scales, ELEMENT.float32, [n], scaleAt));
    const key = exact ? `${x}/exact` : x;
    const before = rounded.get(key);
    const { digits, size, nodes: making } = before ?? roundedOf(x, exact);
    rounded.set(key, { digits, size, nodes: making });
    const name = (part: string): string => `int8/${codes}/${part}`;
    const factors = [digits, codes, 'int8/step', scales, 'int8/zero'];
    return [
      ...(before ? [] : making),
      node('MatMulIntegerToFloat', factors, [name('product')], MICROSOFT),
      ...(exact ? added(name) : []),
      node('Mul', [name(exact ? 'sum' : 'product'), size], one.outputs),
    ];
  });
  if (matrices.length === 0) return null;
  const constants = [
    constant('int8/last', ELEMENT.int64, [1], BigInt64Array.of(-1n)),
    constant('int8/tiny', ELEMENT.float32, [], Float32Array.of(1e-30)), // a token of zeros stays one
    constant('int8/largest', ELEMENT.float32, [], Float32Array.of(LARGEST)),
    constant('int8/step', ELEMENT.float32, [], Float32Array.of(1 / LARGEST)),
    constant('int8/finer', ELEMENT.float32, [], Float32Array.of(FINER)),
    constant('int8/fine', ELEMENT.float32, [], Float32Array.of(1 / FINER)),
    constant('int8/one', ELEMENT.float32, [], Float32Array.of(1)),
    constant('int8/zero', ELEMENT.uint8, [], Uint8Array.of(ZERO)),
  ];
  return {
    model: writeGraph(model, {
      nodes: out,
      initializers: [...initializers.map((one) => replaced.get(one.name) ?? one), ...constants],
    }),
    weights: (stored) => converted(matrices, stored),
  };
}

function matrixOf(one: Node, stored: ReadonlyMap<string, Initializer>): Matrix | null {
  if (one.op !== 'MatMulNBits' || intAttribute(one, 'bits') !== BITS) return null;
  const [codes, scales] = [stored.get(one.inputs[1] ?? ''), stored.get(one.inputs[2] ?? '')];
  const [k, n, block] = ['K', 'N', 'block_size'].map((name) => intAttribute(one, name));
  // Zero points or half-size activations: not ours for WebAssembly.
  if (!codes?.external || !scales?.external || !k || !n || !block || one.inputs.length > 3) return null;
  if (scales.type !== ELEMENT.float32) return null;
  const exact = intAttribute(one, 'accuracy_level') === EXACT;
  return { n, k, block, codes: codes.external, scales: scales.external, exact };
}

function converted(matrices: readonly Matrix[], stored: ReadPiece): ReadPiece {
  const whole = async ({ location, offset, length }: External): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = new Uint8Array(length);
    const got = await stored(location, bytes, offset);
    if (got !== length) throw new RangeError(`${location} ends ${length - got} bytes early`);
    return bytes;
  };
  const blocksOf = async ({ scales }: Matrix): Promise<Float32Array> =>
    new Float32Array((await whole(scales)).buffer);
  const columnsOf = async (matrix: Matrix): Promise<Uint8Array> =>
    new Uint8Array(columnScales(matrix, await blocksOf(matrix)).buffer);
  let latest: { readonly of: Matrix; readonly codes: Promise<Uint8Array> } | null = null;
  const codesOf = (matrix: Matrix): Promise<Uint8Array> => {
    if (latest?.of !== matrix) {
      const make = async (): Promise<Uint8Array> => {
        const blocks = await blocksOf(matrix);
        return requantised(matrix, blocks, columnScales(matrix, blocks), await whole(matrix.codes));
      };
      latest = { of: matrix, codes: make() };
    }
    return latest.codes;
  };

  return async (location, into, at) => {
    const got = await stored(location, into, at);
    const overlay = async (place: External, make: () => Promise<Uint8Array>): Promise<void> => {
      const [begin, end] = [Math.max(at, place.offset), Math.min(at + got, place.offset + place.length)];
      if (place.location !== location || begin >= end) return;
      into.set((await make()).subarray(begin - place.offset, end - place.offset), begin - at);
    };
    for (const matrix of matrices) {
      await overlay(matrix.codes, () => codesOf(matrix));
      await overlay({ ...matrix.scales, length: 4 * matrix.n }, () => columnsOf(matrix));
    }
    return got;
  };
}

/** Digits of a value and the sizes of its tokens. */
interface Rounded {
  readonly digits: string;
  readonly size: string;
  readonly nodes: readonly Node[];
}

/** Exact digits are twice as many along the first axis: those of the value, then those of what they left over. */
function roundedOf(x: string, exact: boolean): Rounded {
  const name = (part: string): string => `int8/${x}/${exact ? 'exact/' : ''}${part}`;
  const round = (value: string, digits: string): Node =>
    node('QuantizeLinear', [value, 'int8/one', 'int8/zero'], [digits]);
  const [digits, size, scaled] = [name('digits'), name('size'), name('scaled')];
  const first = exact ? name('first') : digits;
  const nodes = [
    node('Abs', [x], [name('abs')]),
    node('ReduceMax', [name('abs'), 'int8/last'], [name('max')]),
    node('Max', [name('max'), 'int8/tiny'], [size]),
    node('Div', ['int8/largest', size], [name('factor')]),
    node('Mul', [x, name('factor')], [scaled]),
    round(scaled, first),
  ];
  const rest = [
    node('DequantizeLinear', [first, 'int8/one', 'int8/zero'], [name('whole')]),
    node('Sub', [scaled, name('whole')], [name('part')]),
    node('Mul', [name('part'), 'int8/finer'], [name('enlarged')]),
    round(name('enlarged'), name('second')),
    node('Concat', [first, name('second')], [digits], { attributes: { axis: 0 } }),
  ];
  return { digits, size, nodes: exact ? [...nodes, ...rest] : nodes };
}

/** The two halves of a product of exact digits, added up. */
const added = (name: (part: string) => string): readonly Node[] => [
  node('Split', [name('product')], [name('coarse'), name('finer')], {
    attributes: { axis: 0, num_outputs: 2 },
  }),
  node('Mul', [name('finer'), 'int8/fine'], [name('fine')]),
  node('Add', [name('coarse'), name('fine')], [name('sum')]),
];

/** One scale a column: codes reach 128 steps of their own scale, so the largest of those decides. */
function columnScales({ n }: Matrix, blocks: Float32Array): Float32Array {
  const each = blocks.length / n;
  const columns = new Float32Array(n);
  for (let row = 0; row < n; row++) {
    let largest = 0;
    for (let b = row * each; b < (row + 1) * each; b++) largest = Math.max(largest, Math.abs(blocks[b]!));
    columns[row] = (ZERO * largest) / LARGEST;
  }
  return columns;
}

const TILE = 64; // columns at a time: their lines of the transposed matrix stay in the cache

/** Codes (n, k) of blocks -> int8 (k, n) of columns. */
function requantised(
  { n, k, block }: Matrix,
  blocks: Float32Array,
  columns: Float32Array,
  codes: Uint8Array,
): Uint8Array {
  const each = blocks.length / n;
  const to = new Int8Array(n * k);
  for (let first = 0; first < n; first += TILE) {
    const last = Math.min(first + TILE, n);
    for (let b = 0; b < each; b++) {
      const end = Math.min(k, (b + 1) * block);
      for (let row = first; row < last; row++) {
        const column = columns[row]!;
        const factor = column === 0 ? 0 : blocks[row * each + b]! / column;
        const line = row * each * block;
        for (let i = b * block; i < end; i++)
          to[i * n + row] = Math.round((codes[line + i]! - ZERO) * factor);
      }
    }
  }
  return new Uint8Array(to.buffer);
}
