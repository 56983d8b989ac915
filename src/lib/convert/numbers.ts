/**
 * Number formats of weight files, byte for byte as export-scripts/export_onnx/numbers.py writes them. So every
 * rounding is spelled out: float64 expressions in the written order, sums from left to right, floor(x + 0.5)
 * instead of rounding, float16 to nearest even and saturating at 65504, the first of equal maxima.
 */
import { assert } from '../errors.ts';
import { widenBF16, widenF16 } from '../safetensors.ts';

export type Stored = 'f32' | 'f16' | 'bf16';
export type Quantised = 'q8' | 'q4';
export type SourceType = 'F32' | 'F16' | 'BF16';

/** Bytes of one element. */
export const STORED_BYTES: Readonly<Record<Stored, number>> = { f32: 4, f16: 2, bf16: 2 };
export const SOURCE_BYTES: Readonly<Record<SourceType, number>> = { F32: 4, F16: 2, BF16: 2 };
export const BITS: Readonly<Record<Quantised, 4 | 8>> = { q8: 8, q4: 4 };

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The float16 pattern nearest to a float32 value; beyond 65504 the largest finite one. */
export function halfOf(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00; // not a number
  if (size >= 0x477ff000) return sign | 0x7bff; // would round to infinity
  if (size >= 0x38800000) {
    const rebased = size - 0x38000000; // exponent bias 127 -> 15
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  if (size < 0x33000000) return sign; // below half of the smallest subnormal
  const shift = 126 - (size >>> 23);
  const mantissa = (size & 0x7fffff) | 0x800000;
  const whole = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (whole + (rest > half || (rest === half && whole & 1) ? 1 : 0));
}

const PATTERNS = Uint16Array.from({ length: 65536 }, (_, pattern) => pattern);
const HALF_VALUE = widenF16(PATTERNS);
const HALF_OF_BF16 = Uint16Array.from(widenBF16(PATTERNS), halfOf);

/** Bytes as 2- or 4-byte elements; copied when they do not lie on a multiple of the size. */
const aligned = (bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> =>
  (bytes.byteOffset % size === 0 ? bytes : bytes.slice()) as Uint8Array<ArrayBuffer>; // none of ours is shared

const halves = (bytes: Uint8Array): Uint16Array<ArrayBuffer> => {
  const at = aligned(bytes, 2);
  return new Uint16Array(at.buffer, at.byteOffset, at.byteLength / 2);
};

/** Little-endian source values as float32; exact. May share memory with `bytes`. */
export function toFloats(bytes: Uint8Array, type: SourceType): Float32Array {
  if (type === 'BF16') return widenBF16(halves(bytes));
  if (type === 'F16') {
    const narrow = halves(bytes);
    const wide = new Float32Array(narrow.length);
    for (let i = 0; i < wide.length; i++) wide[i] = HALF_VALUE[narrow[i]!]!;
    return wide;
  }
  const at = aligned(bytes, 4);
  return new Float32Array(at.buffer, at.byteOffset, at.byteLength / 4);
}

const EXPONENT: Readonly<Record<SourceType, number>> = { F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80 };

/** Index of the first value that is infinite or no number; -1 where there is none. */
export function firstBroken(bytes: Uint8Array, type: SourceType): number {
  const size = SOURCE_BYTES[type];
  const at = aligned(bytes, size);
  const Elements = size === 2 ? Uint16Array : Uint32Array;
  const patterns = new Elements(at.buffer, at.byteOffset, at.byteLength / size);
  const all = EXPONENT[type];
  for (let i = 0; i < patterns.length; i++) if ((patterns[i]! & all) === all) return i;
  return -1;
}

const bytesOf = (array: Float32Array | Uint16Array | Uint32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Float32 values in a stored format. */
export function store(values: Float32Array, to: Stored): Uint8Array {
  if (to === 'f32') return bytesOf(values);
  const out = new Uint16Array(values.length);
  if (to === 'f16') {
    for (let i = 0; i < out.length; i++) out[i] = halfOf(values[i]!);
  } else {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < out.length; i++) out[i] = (bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) >>> 16;
  }
  return bytesOf(out);
}

/** Source values in a stored format, by the shortest way. */
export function cast(bytes: Uint8Array, from: SourceType, to: Stored): Uint8Array {
  if ((from === 'BF16' && to === 'bf16') || (from === 'F32' && to === 'f32')) return bytes;
  if (from === 'BF16' && to === 'f16') {
    const narrow = halves(bytes);
    const out = new Uint16Array(narrow.length);
    for (let i = 0; i < out.length; i++) out[i] = HALF_OF_BF16[narrow[i]!]!;
    return bytesOf(out);
  }
  // F16 -> f16 goes the long way too: an infinity in the source saturates as everywhere else.
  return store(toFloats(bytes, from), to);
}

/** (rows, columns) -> (columns, rows) on elements of 2 or 4 bytes, in tiles that stay in the cache. */
export function transpose(bytes: Uint8Array, size: number, rows: number, columns: number): Uint8Array {
  assert(
    bytes.byteLength === size * rows * columns,
    `${bytes.byteLength} bytes are not ${rows} x ${columns} elements of ${size}`,
  );
  const Elements = size === 2 ? Uint16Array : Uint32Array;
  const source = aligned(bytes, size);
  const from = new Elements(source.buffer, source.byteOffset, rows * columns);
  const to = new Elements(rows * columns);
  const TILE = 32;
  for (let r0 = 0; r0 < rows; r0 += TILE) {
    const r1 = Math.min(r0 + TILE, rows);
    for (let c0 = 0; c0 < columns; c0 += TILE) {
      const c1 = Math.min(c0 + TILE, columns);
      for (let c = c0; c < c1; c++) for (let r = r0; r < r1; r++) to[c * rows + r] = from[r * columns + c]!;
    }
  }
  return bytesOf(to);
}

/** w = g * v / ||v||, the norm over everything but axis 0. g has one value a row of v. */
export function weightNorm(g: Float32Array, v: Float32Array): Float32Array {
  const out = new Float32Array(v.length);
  const n = v.length / g.length;
  for (let row = 0; row < g.length; row++) {
    let sum = 0;
    for (let i = row * n; i < (row + 1) * n; i++) sum += v[i]! * v[i]!;
    const factor = g[row]! / Math.sqrt(sum);
    for (let i = row * n; i < (row + 1) * n; i++) out[i] = v[i]! * factor;
  }
  return out;
}

/**
 * ConvTranspose1d weight (inputs, outputs, taps), stride u, padding (taps - u) / 2 -> Conv1d weight
 * (outputs * u, inputs, 3), padding 1: channel o * u + p of the convolution is sample p of every u of channel o.
 */
export function polyphase(
  w: Float32Array,
  inputs: number,
  outputs: number,
  taps: number,
  u: number,
): Float32Array {
  const phases = new Float32Array(outputs * u * inputs * 3);
  for (let p = 0; p < u; p++) {
    for (let s = -1; s <= 1; s++) {
      const tap = p + Math.floor((taps - u) / 2) - s * u;
      if (tap < 0 || tap >= taps) continue;
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i < inputs; i++) {
          phases[((o * u + p) * inputs + i) * 3 + s + 1] = w[(i * outputs + o) * taps + tap]!;
        }
      }
    }
  }
  return phases;
}

/**
 * Rows of k values -> codes (rows, ceil(k / block), block * bits / 8) and float16 scales (rows, ceil(k / block)).
 * value = (code - 2^(bits-1)) * scale; the value of largest magnitude in a block becomes exactly -2^(bits-1) scales.
 * 4-bit codes lie two in a byte, the first in the low half; a block that is not full is padded with the code of zero.
 */
export function quantise(
  w: Float32Array,
  k: number,
  bits: 4 | 8,
  block: number,
): { readonly codes: Uint8Array; readonly scales: Uint16Array } {
  const rows = w.length / k;
  const blocks = Math.ceil(k / block);
  const zero = 2 ** (bits - 1);
  const top = 2 * zero - 1;
  const padded = block * blocks;
  const codes = new Uint8Array((rows * padded * bits) / 8);
  const scales = new Uint16Array(rows * blocks);
  const line = new Uint8Array(block);
  for (let row = 0; row < rows; row++) {
    for (let b = 0; b < blocks; b++) {
      const at = row * k + b * block;
      const n = Math.min(block, k - b * block);
      let largest = 0;
      let size = 0;
      for (let i = at; i < at + n; i++) {
        const value = w[i]!;
        const magnitude = Math.abs(value);
        if (magnitude > size) {
          size = magnitude;
          largest = value;
        }
      }
      const half = halfOf(Math.fround(largest / -zero));
      const scale = HALF_VALUE[half]!;
      const inverse = scale === 0 ? 0 : 1 / scale;
      scales[row * blocks + b] = half;
      line.fill(zero, n);
      for (let i = 0; i < n; i++) {
        const code = w[at + i]! * inverse + (zero + 0.5);
        line[i] = code < 0 ? 0 : code >= top ? top : code | 0; // cut off: the floor of what is not negative
      }
      let out = ((row * padded + b * block) * bits) / 8;
      // Faster than set() for so few.
      if (bits === 8) for (let i = 0; i < block; i++) codes[out++] = line[i]!;
      else for (let i = 0; i < block; i += 2) codes[out++] = line[i]! | (line[i + 1]! << 4);
    }
  }
  return { codes, scales };
}
