/**
 * Checkpoint + recipe -> weight files, one file at a time. Pure: runs in a browser worker and in Node, and writes the
 * same bytes as export-scripts. Memory: the file in the making (64 MiB, or one larger tensor), the next one where
 * scales follow their codes across the border, and one source tensor in pieces.
 */
import { EngineError } from '../errors.ts';
import {
  BITS,
  cast,
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

const PIECE = 16 << 20; // source bytes read at a time where a tensor can be converted in pieces

/**
 * The weight files of a graph in order, without those in `have`.
 * @throws EngineError 'integrity' naming file and key when the checkpoint lacks a tensor or its shape cannot fit.
 */
export async function* convert(
  recipe: GraphRecipe,
  open: (file: string) => Promise<SourceFile>,
  have: ReadonlySet<number> = new Set(),
): AsyncGenerator<Shard> {
  const making = new Map<number, Uint8Array<ArrayBuffer>>();
  const put = (place: Place, at: number, bytes: Uint8Array): void => {
    making.get(place.shard)?.set(bytes, place.offset + at); // absent: finished in an earlier try
  };
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
    const sources = tensor.keys.map((key) => find(file, tensor, key));
    if (tensor.how !== 'copy') put(tensor.data, 0, await normed(file, tensor, sources));
    else if (isQuantised(tensor)) await quantised(file, tensor, sources, put);
    else if (tensor.transpose) put(tensor.data, 0, await transposed(file, tensor, sources));
    else await copied(file, tensor, sources, put);
  }
  for (const index of [...making.keys()]) yield shard(index);
}

type Put = (place: Place, at: number, bytes: Uint8Array) => void;
type Found = Omit<SourceTensor, 'dtype'> & { readonly dtype: SourceType };

/** One stretch of whole rows of one source tensor. */
interface Stretch {
  readonly source: Found;
  readonly begin: number;
  readonly end: number;
}

async function normed(
  file: SourceFile,
  tensor: RecipeTensor,
  sources: readonly Found[],
): Promise<Uint8Array> {
  const [g, v] = sources;
  if (!g || !v || isQuantised(tensor)) return misfit(tensor, sources);
  const read = async (source: Found): Promise<Float32Array> =>
    toFloats(await file.read(source.begin, source.end), source.dtype);
  let w = weightNorm(await read(g), await read(v));
  if (tensor.how === 'weight_norm_upsample') {
    const [inputs = 0, outputs = 0, taps = 0] = v.shape;
    w = polyphase(w, inputs, outputs, taps, (tensor.shape[0] ?? 0) / outputs);
  }
  const bytes = store(w, tensor.dtype);
  return bytes.byteLength === tensor.data.bytes ? bytes : misfit(tensor, sources);
}

async function transposed(
  file: SourceFile,
  tensor: PlainParameter,
  sources: readonly Found[],
): Promise<Uint8Array> {
  const size = STORED_BYTES[tensor.dtype];
  const [columns = 0, rows = 0] = tensor.shape;
  const whole = new Uint8Array(tensor.data.bytes);
  if (rows * columns * size !== whole.byteLength) misfit(tensor, sources);
  let at = 0;
  for await (const { bytes, dtype } of pieces(file, tensor, sources, columns)) {
    const part = cast(bytes, dtype, tensor.dtype);
    if (at + part.byteLength > whole.byteLength) misfit(tensor, sources);
    whole.set(part, at);
    at += part.byteLength;
  }
  if (at !== whole.byteLength) misfit(tensor, sources);
  return transpose(whole, size, rows, columns);
}

async function copied(
  file: SourceFile,
  tensor: PlainParameter,
  sources: readonly Found[],
  put: Put,
): Promise<void> {
  let at = 0;
  for await (const { bytes, dtype } of pieces(file, tensor, sources, 1)) {
    const part = cast(bytes, dtype, tensor.dtype);
    if (at + part.byteLength > tensor.data.bytes) misfit(tensor, sources);
    put(tensor.data, at, part);
    at += part.byteLength;
  }
  if (at !== tensor.data.bytes) misfit(tensor, sources);
}

async function quantised(
  file: SourceFile,
  tensor: QuantisedParameter,
  sources: readonly Found[],
  put: Put,
): Promise<void> {
  const [n = 0, k = 0] = tensor.shape;
  const bits = BITS[tensor.dtype];
  const blocks = Math.ceil(k / tensor.block);
  const scaleBytes = STORED_BYTES[tensor.scales.dtype];
  let row = 0;
  for await (const { bytes, dtype } of pieces(file, tensor, sources, k)) {
    const { codes, scales } = quantise(toFloats(bytes, dtype), k, bits, tensor.block);
    put(tensor.data, (row * blocks * tensor.block * bits) / 8, codes);
    put(
      tensor.scales,
      row * blocks * scaleBytes,
      cast(new Uint8Array(scales.buffer), 'F16', tensor.scales.dtype),
    );
    row += codes.byteLength / ((blocks * tensor.block * bits) / 8);
    if (row > n) misfit(tensor, sources);
  }
  if (row !== n) misfit(tensor, sources);
}

/** The tensor's source values in pieces that hold whole lines of `line` elements. */
async function* pieces(
  file: SourceFile,
  tensor: RecipeTensor,
  sources: readonly Found[],
  line: number,
): AsyncGenerator<{ readonly bytes: Uint8Array; readonly dtype: SourceType }> {
  for (const { source, begin, end } of stretches(tensor, sources)) {
    const lineBytes = line * SOURCE_BYTES[source.dtype];
    if ((end - begin) % lineBytes !== 0) misfit(tensor, sources);
    const step = Math.max(1, Math.floor(PIECE / lineBytes)) * lineBytes;
    for (let at = begin; at < end; at += step) {
      yield { bytes: await file.read(at, Math.min(at + step, end)), dtype: source.dtype };
    }
  }
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

function find(file: SourceFile, tensor: RecipeTensor, key: string): Found {
  const found = file.tensors.get(key);
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
