/**
 * LoRAs beside quantised matrices: W keeps its codes, and the graph gets x A B next to x W, with A and B in a file that
 * it brings along. Nothing is quantised again, so strengths and LoRAs change by loading the graph once more.
 */
import { store } from './convert/numbers.ts';
import { EngineError } from './errors.ts';
import type { EditedGraph } from './family.ts';
import type { Delta, Kronecker } from './lora.ts';
import { constant, ELEMENT, externalInitializer, node, readGraph, withOutputs, writeGraph } from './onnx.ts';
import type { External, Initializer, Node } from './onnx.ts';

/** Rows [from, to) of what `delta` adds to a module, to be added to a parameter from its output `at` on. */
export interface Part {
  readonly delta: Delta;
  readonly strength: number;
  readonly from: number;
  readonly to: number;
  readonly at: number;
}

/** What is added to one quantised parameter (outputs, inputs). */
export interface Addition {
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
  readonly parts: readonly Part[];
}

/**
 * The graph with these additions.
 * @throws EngineError 'manifest' where the graph does not multiply by a parameter that is added to.
 */
export function withSideInputs(model: Uint8Array, additions: readonly Addition[]): EditedGraph {
  const { nodes, initializers } = readGraph(model);
  const types = new Map(initializers.map(({ name, type }) => [name, type]));
  const byCodes = new Map(additions.map((addition) => [`${addition.name}_q`, addition]));
  const file = new SideFile();
  const out: Node[] = [];
  const more: Initializer[] = [];
  for (const one of nodes) {
    const [x = '', codes = '', scales = ''] = one.inputs;
    const addition = one.op === 'MatMulNBits' ? byCodes.get(codes) : undefined;
    const [y] = one.outputs;
    if (!addition || y === undefined) {
      out.push(one);
      continue;
    }
    byCodes.delete(codes);
    // Scales have the type of the activations, and so have the factors beside them.
    const side = new Side(`lora/${addition.name}`, types.get(scales) === ELEMENT.float16, file);
    const sums = sumsOf(addition, x, side);
    const names = [`${side.prefix}/base`, ...sums];
    out.push(withOutputs(one, [names[0]!]), ...side.nodes);
    names.slice(1).forEach((name, i) => {
      const before = i === 0 ? names[0]! : `${side.prefix}/sum${i - 1}`;
      out.push(node('Add', [before, name], [i === sums.length - 1 ? y : `${side.prefix}/sum${i}`]));
    });
    more.push(...side.initializers);
  }
  const [lost] = byCodes.values();
  if (lost) {
    throw new EngineError('manifest', `The graph has no product with ${lost.name}, which its recipe names.`);
  }
  return {
    model: writeGraph(model, { nodes: out, initializers: [...initializers, ...more] }),
    files: new Map([[SIDE_FILE, file.bytes()]]),
  };
}

const SIDE_FILE = 'lora.bin';

/** Values whose sum is added to the product. */
function sumsOf({ outputs, inputs, parts }: Addition, x: string, side: Side): string[] {
  const sums: string[] = [];
  const low = parts.flatMap(({ delta, ...part }) =>
    delta.factors.form === 'low-rank' ? [{ ...part, scale: delta.scale, ...delta.factors }] : [],
  );
  if (low.length > 0) {
    const rank = low.reduce((n, { down }) => n + down.rows, 0);
    const a = new Float32Array(inputs * rank);
    const b = new Float32Array(rank * outputs);
    let first = 0;
    for (const { up, down, scale, strength, from, to, at } of low) {
      for (let r = 0; r < down.rows; r++) {
        for (let i = 0; i < inputs; i++) a[i * rank + first + r] = down.data[r * inputs + i]!;
        for (let o = from; o < to; o++) {
          b[(first + r) * outputs + at + o - from] = strength * scale * up.data[o * up.columns + r]!;
        }
      }
      first += down.rows;
    }
    const reduced = side.op('MatMul', x, side.values('a', [inputs, rank], a));
    sums.push(side.op('MatMul', reduced, side.values('b', [rank, outputs], b)));
  }
  for (const [i, part] of parts.entries()) {
    const { factors } = part.delta;
    if (factors.form === 'kronecker') sums.push(kronecker(`k${i}`, factors, part, x, outputs, side));
  }
  return sums;
}

/** (W1 x W2) x as two products, without the large matrix: x as (i1, i2), then W2 on the right and W1 on the left. */
function kronecker(
  name: string,
  { first, second }: Kronecker,
  { delta, strength, from, to, at }: Part,
  x: string,
  outputs: number,
  side: Side,
): string {
  const [w1, w2] = [first(), second()];
  const scaled = Float32Array.from(w1.data, (value) => value * strength * delta.scale);
  const turned = (matrix: { rows: number; columns: number; data: ArrayLike<number> }): Float32Array => {
    const out = new Float32Array(matrix.rows * matrix.columns);
    for (let r = 0; r < matrix.rows; r++) {
      for (let c = 0; c < matrix.columns; c++)
        out[c * matrix.rows + r] = matrix.data[r * matrix.columns + c]!;
    }
    return out;
  };
  const swap = { perm: [0, 2, 1] };
  const folded = side.op('Reshape', x, side.sizes(`${name}/in`, [-1, w1.columns, w2.columns]));
  const right = side.op('MatMul', folded, side.values(`${name}/w2`, [w2.columns, w2.rows], turned(w2)));
  const left = side.values(`${name}/w1`, [w1.columns, w1.rows], turned({ ...w1, data: scaled }));
  const both = side.op('MatMul', side.op('Transpose', right, swap), left);
  const whole = w1.rows * w2.rows;
  let y = side.op('Reshape', side.op('Transpose', both, swap), side.sizes(`${name}/out`, [-1, whole]));
  if (from > 0 || to < whole) {
    const [begin, end, axis] = [[from], [to], [1]].map((n, i) => side.sizes(`${name}/rows${i}`, n));
    y = side.op('Slice', y, begin!, end!, axis!);
  }
  if (to - from < outputs) {
    y = side.op('Pad', y, side.sizes(`${name}/pad`, [0, at, 0, outputs - at - (to - from)]));
  }
  return y;
}

/** New nodes beside one product. */
class Side {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  readonly prefix: string;
  readonly #half: boolean;
  readonly #file: SideFile;

  constructor(prefix: string, half: boolean, file: SideFile) {
    this.prefix = prefix;
    this.#half = half;
    this.#file = file;
  }

  /** Adds a node and names its output; a record among the arguments is its attributes. */
  op(op: string, ...args: readonly (string | { readonly perm: readonly number[] })[]): string {
    const output = `${this.prefix}/${this.nodes.length}`;
    const inputs = args.filter((arg) => typeof arg === 'string');
    const attributes = args.find((arg) => typeof arg !== 'string') ?? {};
    this.nodes.push(node(op, inputs, [output], { attributes }));
    return output;
  }

  values(name: string, dims: readonly number[], values: Float32Array): string {
    const [type, format] = this.#half
      ? ([ELEMENT.float16, 'f16'] as const)
      : ([ELEMENT.float32, 'f32'] as const);
    const full = `${this.prefix}/${name}`;
    this.initializers.push(externalInitializer(full, type, dims, this.#file.add(store(values, format))));
    return full;
  }

  sizes(name: string, values: readonly number[]): string {
    const full = `${this.prefix}/${name}`;
    this.initializers.push(
      constant(full, ELEMENT.int64, [values.length], BigInt64Array.from(values, BigInt)),
    );
    return full;
  }
}

/** The external file of all factors, in the making. */
class SideFile {
  readonly #parts: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #end = 0;

  add(bytes: Uint8Array): External {
    const offset = Math.ceil(this.#end / 64) * 64; // as in the weight files
    this.#parts.push({ offset, bytes });
    this.#end = offset + bytes.length;
    return { location: SIDE_FILE, offset, length: bytes.length };
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#end);
    for (const { offset, bytes } of this.#parts) out.set(bytes, offset);
    return out;
  }
}
