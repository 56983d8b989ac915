/**
 * Checkpoint + recipe -> weight files, one file at a time. Pure: runs in a browser worker and in Node, and writes the
 * same bytes as export-scripts. Memory: the file in the making (64 MiB, or one larger tensor), the next one where
 * scales follow their codes across the border, and the source bytes of one step. Where a source has to be read from
 * front to back, stream.ts carries the same steps out in that order.
 */
import { EngineError } from '../errors.ts';
import {
  BITS,
  cast,
  firstBroken,
  polyphase,
  quantise,
  SOURCE_BYTES,
  store,
  STORED_BYTES,
  toFloats,
  transpose,
  weightNorm,
} from './numbers.ts';
import type { SourceType } from './numbers.ts';
import { isQuantised, placesOf } from './recipe.ts';
import type { GraphRecipe, Place, PlainParameter, QuantisedParameter, RecipeTensor } from './recipe.ts';

/** A tensor of a checkpoint file; byte range [begin, end) within the file. */
export interface SourceTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Random access to one safetensors file. */
export interface SourceFile {
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /** Bytes [begin, end) of the file; rejects when they cannot be had whole. */
  read(begin: number, end: number): Promise<Uint8Array>;
}

export interface Shard {
  /** Index into recipe.shards. */
  readonly index: number;
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Bytes [begin, end) of a source file. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** Bytes that a step made, for `place` at byte `at` of it. */
export interface Write {
  readonly place: Place;
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** The least that can be converted at once: source bytes that are needed together, and what becomes of them. */
export interface Step {
  readonly ranges: readonly Range[];
  /** `parts` are the bytes of `ranges` in turn. */
  run(parts: readonly Uint8Array[]): readonly Write[];
}

const PIECE = 16 << 20; // source bytes of a step where a tensor can be converted in pieces

/**
 * The weight files of a graph in order, without those in `have`.
 * @throws EngineError 'integrity' naming file and key when the checkpoint lacks a tensor, its shape cannot fit, or a
 * value that is used is infinite or no number.
 */
export async function* convert(
  recipe: GraphRecipe,
  open: (file: string) => Promise<SourceFile>,
  have: ReadonlySet<number> = new Set(),
): AsyncGenerator<Shard> {
  const making = new Map<number, Uint8Array<ArrayBuffer>>();
  const shard = (index: number): Shard => {
    const bytes = making.get(index)!; // only called for keys of `making`
    making.delete(index);
    return { index, path: recipe.shards[index]!.path, bytes };
  };
  for (const tensor of recipe.tensors) {
    const places = placesOf(tensor).filter((place) => !have.has(place.shard));
    if (places.length === 0) continue;
    // Tensors lie in order: whatever comes before this one's first file is finished.
    const first = tensor.data.shard;
    for (const index of [...making.keys()]) if (index < first) yield shard(index);
    for (const { shard: index } of places) {
      if (!making.has(index)) making.set(index, new Uint8Array(recipe.shards[index]!.bytes));
    }
    const file = await open(tensor.file);
    for (const step of stepsOf(tensor, file.tensors)) {
      const parts: Uint8Array[] = [];
      for (const { begin, end } of step.ranges) parts.push(await file.read(begin, end));
      for (const { place, at, bytes } of step.run(parts)) {
        making.get(place.shard)?.set(bytes, place.offset + at); // absent: finished in an earlier try
      }
    }
  }
  for (const index of [...making.keys()]) yield shard(index);
}

/**
 * How a tensor is made, in steps that need nothing of each other.
 * @throws EngineError 'integrity' as `convert`; so do the steps.
 */
export function stepsOf(tensor: RecipeTensor, tensors: ReadonlyMap<string, SourceTensor>): readonly Step[] {
  const sources = tensor.keys.map((key) => find(tensors, tensor, key));
  return unchecked(tensor, sources).map(({ ranges, run }) => ({
    ranges,
    run(parts) {
      parts.forEach((part, i) => refuseBroken(part, ranges[i]!.begin, tensor, sources)); // one part for each range
      return run(parts);
    },
  }));
}

/** Every step of every variant looks at its own source: rounding would hide what is broken (a NaN becomes code 0). */
function refuseBroken(
  part: Uint8Array,
  begin: number,
  tensor: RecipeTensor,
  sources: readonly Found[],
): void {
  const which = sources.findIndex((source) => source.begin <= begin && begin < source.end);
  const source = sources[which]!; // ranges are made of sources
  const at = firstBroken(part, source.dtype);
  if (at < 0) return;
  const element = (begin - source.begin) / SOURCE_BYTES[source.dtype] + at;
  throw new EngineError(
    'integrity',
    `${tensor.file}: ${tensor.keys[which]} is infinite or no number at element ${element}: the file is damaged, or its training failed. Get it again, or take another checkpoint.`,
  );
}

function unchecked(tensor: RecipeTensor, sources: readonly Found[]): readonly Step[] {
  if (tensor.how !== 'copy') return [normed(tensor, sources)];
  if (isQuantised(tensor)) return quantised(tensor, sources);
  return tensor.transpose ? [transposed(tensor, sources)] : copied(tensor, sources);
}

type Found = Omit<SourceTensor, 'dtype'> & { readonly dtype: SourceType };

/** One stretch of whole rows of one source tensor. */
interface Stretch extends Range {
  readonly source: Found;
}

function normed(tensor: RecipeTensor, sources: readonly Found[]): Step {
  const [g, v] = sources;
  if (!g || !v || isQuantised(tensor)) return misfit(tensor, sources);
  return {
    ranges: [g, v],
    run([ofG, ofV]) {
      let w = weightNorm(toFloats(ofG!, g.dtype), toFloats(ofV!, v.dtype)); // one part for each range
      if (tensor.how === 'weight_norm_upsample') {
        const [inputs = 0, outputs = 0, taps = 0] = v.shape;
        w = polyphase(w, inputs, outputs, taps, (tensor.shape[0] ?? 0) / outputs);
      }
      const bytes = store(w, tensor.dtype);
      if (bytes.byteLength !== tensor.data.bytes) misfit(tensor, sources);
      return [{ place: tensor.data, at: 0, bytes }];
    },
  };
}

function transposed(tensor: PlainParameter, sources: readonly Found[]): Step {
  const size = STORED_BYTES[tensor.dtype];
  const [columns = 0, rows = 0] = tensor.shape;
  const all = [...stretches(tensor, sources)];
  if (rows * columns * size !== tensor.data.bytes) misfit(tensor, sources);
  wholeLines(tensor, sources, all, columns, rows);
  return {
    ranges: all,
    run(parts) {
      const whole = new Uint8Array(tensor.data.bytes);
      let at = 0;
      parts.forEach((part, i) => {
        const stored = cast(part, all[i]!.source.dtype, tensor.dtype); // one part for each stretch
        whole.set(stored, at);
        at += stored.byteLength;
      });
      return [{ place: tensor.data, at: 0, bytes: transpose(whole, size, rows, columns) }];
    },
  };
}

function copied(tensor: PlainParameter, sources: readonly Found[]): readonly Step[] {
  const size = STORED_BYTES[tensor.dtype];
  const all = [...stretches(tensor, sources)];
  wholeLines(tensor, sources, all, 1, tensor.data.bytes / size);
  return pieces(all, 1).map(({ begin, end, source, line }) => ({
    ranges: [{ begin, end }],
    run: ([part]) => [
      { place: tensor.data, at: line * size, bytes: cast(part!, source.dtype, tensor.dtype) },
    ],
  }));
}

function quantised(tensor: QuantisedParameter, sources: readonly Found[]): readonly Step[] {
  const [n = 0, k = 0] = tensor.shape;
  const bits = BITS[tensor.dtype];
  const blocks = Math.ceil(k / tensor.block);
  const { scales: scalePlace } = tensor;
  const scaleBytes = STORED_BYTES[scalePlace.dtype];
  const all = [...stretches(tensor, sources)];
  wholeLines(tensor, sources, all, k, n);
  return pieces(all, k).map(({ begin, end, source, line }) => ({
    ranges: [{ begin, end }],
    run([part]) {
      const { codes, scales } = quantise(toFloats(part!, source.dtype), k, bits, tensor.block); // one range
      const stored = cast(new Uint8Array(scales.buffer), 'F16', scalePlace.dtype);
      return [
        { place: tensor.data, at: (line * blocks * tensor.block * bits) / 8, bytes: codes },
        { place: scalePlace, at: line * blocks * scaleBytes, bytes: stored },
      ];
    },
  }));
}

/** Refuses stretches that are not `count` lines of `line` elements in all, or that end inside a line. */
function wholeLines(
  tensor: RecipeTensor,
  sources: readonly Found[],
  all: readonly Stretch[],
  line: number,
  count: number,
): void {
  let lines = 0;
  for (const { source, begin, end } of all) lines += (end - begin) / (line * SOURCE_BYTES[source.dtype]);
  const broken = all.some(
    ({ source, begin, end }) => (end - begin) % (line * SOURCE_BYTES[source.dtype]) !== 0,
  );
  if (broken || lines !== count) misfit(tensor, sources);
}

/** Stretches in pieces that hold whole lines of `line` elements; `line` of a piece counts the lines before it. */
function pieces(all: readonly Stretch[], line: number): readonly (Stretch & { readonly line: number })[] {
  const out: (Stretch & { line: number })[] = [];
  let lines = 0;
  for (const { source, begin, end } of all) {
    const lineBytes = line * SOURCE_BYTES[source.dtype];
    const step = Math.max(1, Math.floor(PIECE / lineBytes)) * lineBytes;
    for (let at = begin; at < end; at += step) {
      const until = Math.min(at + step, end);
      out.push({ source, begin: at, end: until, line: lines });
      lines += (until - at) / lineBytes;
    }
  }
  return out;
}

/** `rows` counts over all keys one after the other. */
function* stretches(tensor: RecipeTensor, sources: readonly Found[]): Generator<Stretch> {
  let before = 0;
  for (const source of sources) {
    const rows = source.shape[0] ?? 1;
    const rowBytes = (source.end - source.begin) / rows;
    const [from, to] = tensor.rows ?? [0, Infinity];
    const begin = Math.max(0, from - before);
    const end = Math.min(rows, to - before);
    before += rows;
    if (begin < end)
      yield { source, begin: source.begin + begin * rowBytes, end: source.begin + end * rowBytes };
  }
}

function find(tensors: ReadonlyMap<string, SourceTensor>, tensor: RecipeTensor, key: string): Found {
  const found = tensors.get(key);
  if (found === undefined) {
    throw new EngineError(
      'integrity',
      `${tensor.file} has no tensor ${key}: it is not the checkpoint of this model.`,
    );
  }
  if (!(found.dtype in SOURCE_BYTES)) {
    const known = Object.keys(SOURCE_BYTES).join(', ');
    throw new EngineError(
      'integrity',
      `${tensor.file}: ${key} has the type ${found.dtype}; ${known} can be converted.`,
    );
  }
  return found as Found; // just checked
}

function misfit(tensor: RecipeTensor, sources: readonly SourceTensor[]): never {
  const have = tensor.keys.map((key, i) => `${key} [${sources[i]?.shape.join(', ') ?? '?'}]`).join(' + ');
  throw new EngineError(
    'integrity',
    `${tensor.file}: ${have} cannot become [${tensor.shape.join(', ')}]: it is not the checkpoint of this model.`,
  );
}
