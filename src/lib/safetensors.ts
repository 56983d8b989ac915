/**
 * Reader of .safetensors files: 8 bytes of header length (little endian), a JSON header that gives every tensor's
 * dtype, shape and byte range, then the data. Files come from strangers, so nothing in them is believed: every
 * range is checked against the file, and nothing is allocated from a claimed size.
 */
import type { ByteSource } from './audio/bytes.ts';
import { EngineError } from './errors.ts';
import { decodeUtf8, encodeUtf8 } from './text/utf8.ts';

const MAX_HEADER = 100_000_000; // bytes; the limit of the reference reader
/** Bytes before the header: its length. */
export const LENGTH_BYTES = 8;

/** Bytes of one element. */
const ELEMENT = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type StoredType = keyof typeof ELEMENT;

/** A tensor as it lies in the file; `bytes` is a view into it. */
export interface StoredTensor {
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface SafetensorsFile {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** What is wrong with a file, for programs; the message says it for people. */
export type Fault =
  | 'not_safetensors'
  | 'truncated'
  | 'header_too_large'
  | 'bad_header'
  | 'bad_dtype'
  | 'bad_shape'
  | 'bad_offsets'
  | 'trailing_data';

/** The cause of an EngineError about a refused file. */
export interface Refusal<F extends string = string> {
  readonly fault: F;
}

/** Where a tensor lies: bytes [begin, end) after the header. */
export interface StoredRange {
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsLayout {
  readonly metadata: ReadonlyMap<string, string>;
  readonly ranges: ReadonlyMap<string, StoredRange>;
}

/** Throws EngineError('integrity') with a Refusal<Fault> as its cause when the file breaks the format. */
export function parseSafetensors(bytes: Uint8Array): SafetensorsFile {
  const start = LENGTH_BYTES + headerLength(bytes.subarray(0, LENGTH_BYTES), bytes.length);
  const data = bytes.subarray(start);
  const { metadata, ranges } = parseLayout(bytes.subarray(LENGTH_BYTES, start), data.length);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { dtype, shape, begin, end }] of ranges) {
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
  }
  return { metadata, tensors };
}

/** Bytes of the JSON header, from the first 8 bytes of a file of `fileBytes`. Throws as parseSafetensors. */
export function headerLength(prefix: Uint8Array, fileBytes: number): number {
  // A renamed archive, as torch.save writes it, claims a length that looks possible.
  if (prefix[0] === 0x50 && prefix[1] === 0x4b && prefix[2] === 3 && prefix[3] === 4) {
    fail('not_safetensors', 'it is a ZIP archive, such as torch.save writes');
  }
  if (prefix.length < LENGTH_BYTES)
    fail('truncated', `it has ${prefix.length} bytes; the format needs 8 at least`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const claimed = view.getBigUint64(0, true); // 64 bits: a Number would round
  if (claimed > BigInt(MAX_HEADER)) {
    fail('header_too_large', `its header claims ${claimed} bytes; ${MAX_HEADER} are allowed`);
  }
  if (LENGTH_BYTES + Number(claimed) > fileBytes)
    fail('truncated', `its header claims ${claimed} bytes, the file has ${fileBytes}`);
  return Number(claimed);
}

/** What the JSON header says of a file with `dataBytes` behind it. Throws as parseSafetensors. */
export function parseLayout(json: Uint8Array, dataBytes: number): SafetensorsLayout {
  const ranges = new Map<string, StoredRange>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, entry] of Object.entries(parseHeader(json))) {
    if (name === '__metadata__') metadata = parseMetadata(entry);
    else ranges.set(name, parseEntry(name, entry, dataBytes));
  }

  // The format has no holes and no overlaps: sorted ranges must meet.
  const sorted = [...ranges].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const [name, { begin, end }] of sorted) {
    if (begin !== at)
      fail('bad_offsets', `${name} begins at byte ${begin}; the tensors before it end at ${at}`);
    at = end;
  }
  if (at !== dataBytes) fail('trailing_data', `${dataBytes - at} bytes follow the last tensor`);
  return { metadata, ranges };
}

/** The layout of a file that is read in pieces. Throws as parseSafetensors. */
export async function readLayout(source: ByteSource): Promise<SafetensorsLayout> {
  const length = headerLength(await source.read(0, Math.min(LENGTH_BYTES, source.size)), source.size);
  const start = LENGTH_BYTES + length;
  return parseLayout(await source.read(LENGTH_BYTES, start), source.size - start);
}

/** What writeSafetensors stores under a name. */
export interface Writable {
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/** A file of these tensors in their order. The header is padded, so that 8-byte values lie at multiples of 8. */
export function writeSafetensors(
  tensors: Readonly<Record<string, Writable>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const about = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  const header = encodeUtf8(JSON.stringify({ ...about, ...Object.fromEntries(entries) }));
  const padded = Math.ceil(header.length / 8) * 8;
  const file = new Uint8Array(LENGTH_BYTES + padded + end).fill(0x20, LENGTH_BYTES, LENGTH_BYTES + padded);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.set(header, LENGTH_BYTES);
  let at = LENGTH_BYTES + padded;
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/** The values of a floating-point tensor as float32. Throws EngineError('integrity') for integer types. */
export function floats(name: string, tensor: StoredTensor): Float32Array {
  const { dtype, bytes } = tensor;
  // Copied, because a view into the file need not be aligned. Not by slice(): a Node Buffer's shares its memory.
  const { buffer } = new Uint8Array(bytes);
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer));
    case 'F16':
      return widenF16(new Uint16Array(buffer));
    case 'BF16':
      return widenBF16(new Uint16Array(buffer));
    default:
      return fail('bad_dtype', `${name} has type ${dtype}; floating-point values are needed`);
  }
}

/** IEEE half-size floats to float32, exactly. */
export function widenF16(halves: Uint16Array): Float32Array {
  const out = new Float32Array(halves.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i]!;
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 31;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      const value = fraction * 2 ** -24; // zero and the subnormal values
      out[i] = sign === 0 ? value : -value;
    } else {
      bits[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
    }
  }
  return out;
}

/** bfloat16 is the upper half of float32. */
export function widenBF16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** The refusal that a thrown error carries, or null. */
export function refusalOf(thrown: unknown): Refusal | null {
  const cause = thrown instanceof EngineError ? thrown.cause : null;
  return typeof cause === 'object' && cause !== null && 'fault' in cause ? (cause as Refusal) : null; // just checked
}

function fail(fault: Fault, what: string): never {
  const cause: Refusal<Fault> = { fault };
  throw new EngineError('integrity', `This is not a sound .safetensors file: ${what}. Get the file again.`, {
    cause,
  });
}

function parseHeader(bytes: Uint8Array): object {
  const text = decodeUtf8(bytes);
  const again = encodeUtf8(text);
  if (again.length !== bytes.length || again.some((b, i) => b !== bytes[i]))
    fail('bad_header', 'its header is not UTF-8');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    fail('bad_header', 'its header is not JSON'); // what JSON.parse says would not help anyone
  }
  if (!isRecord(header)) fail('bad_header', 'its header is not a JSON object');
  return header;
}

function parseMetadata(entry: unknown): Map<string, string> {
  if (!isRecord(entry)) fail('bad_header', '__metadata__ is not a JSON object');
  return new Map(
    Object.entries(entry).map(([key, value]) => {
      if (typeof value !== 'string') fail('bad_header', `__metadata__.${key} is not a string`);
      return [key, value];
    }),
  );
}

function parseEntry(name: string, entry: unknown, dataBytes: number) {
  if (!isRecord(entry)) fail('bad_header', `the entry of ${name} is not a JSON object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENT, dtype)) {
    fail('bad_dtype', `${name} has the unknown type ${JSON.stringify(dtype)}`);
  }
  if (!isSizes(shape))
    fail('bad_shape', `the shape of ${name} is ${JSON.stringify(shape)}; whole numbers are needed`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    fail('bad_offsets', `the byte range of ${name} is ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number]; // length was just checked
  const type = dtype as StoredType; // hasOwn just proved it
  if (end > dataBytes)
    fail('truncated', `${name} ends at byte ${end} of the data; the file has ${dataBytes}`);
  // Exact below 2^53, and any product that is not cannot equal a byte count of this file.
  const size = shape.reduce((n, d) => n * d, ELEMENT[type]);
  if (size !== end - begin) {
    fail('bad_shape', `${name} is ${type}[${shape.join(', ')}], ${size} bytes; its range has ${end - begin}`);
  }
  return { dtype: type, shape, begin, end };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
