/**
 * What numeric tests share: golden files of the reference implementation (kept outside the repository, so their tests
 * skip where the files are absent), a safetensors reader, and signals with known properties.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Absolute path of a file of the reference material, or null where it is not installed. */
export function shared(path: string): string | null {
  const full = fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  return existsSync(full) ? full : null;
}

export interface Stored {
  readonly dims: readonly number[];
  /** Every dtype widened to numbers. */
  readonly data: Float32Array | Float64Array;
}

const WIDEN: Readonly<Record<string, (bytes: DataView) => Float32Array | Float64Array>> = {
  F64: (view) => Float64Array.from({ length: view.byteLength / 8 }, (_, i) => view.getFloat64(8 * i, true)),
  F32: (view) => Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true)),
  F16: (view) =>
    Float32Array.from({ length: view.byteLength / 2 }, (_, i) => half(view.getUint16(2 * i, true))),
  I64: (view) =>
    Float64Array.from({ length: view.byteLength / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true))),
};

function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/** All tensors of a .safetensors file, by name. */
export function safetensors(path: string): (name: string) => Stored {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return (name) => {
    const entry = header[name];
    const widen = entry && WIDEN[entry.dtype];
    if (!entry || !widen) throw new Error(`${path} has no readable tensor '${name}'`);
    const [from, to] = entry.data_offsets;
    const view = new DataView(bytes.buffer, bytes.byteOffset + 8 + headerLength + from, to - from);
    return { dims: entry.shape, data: widen(view) };
  };
}

/** Largest absolute difference; NaN and unequal lengths count as infinite. */
export function maxError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const error = Math.abs(a[i]! - b[i]!);
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}

/** Root mean square of a - b over that of b. */
export function relativeRms(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let error = 0;
  let power = 0;
  for (let i = 0; i < a.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    power += b[i]! ** 2;
  }
  return Math.sqrt(error / power);
}

/** Uniform noise in -1..1 (a small linear congruential generator: tests need repeatability, not quality). */
export function noise(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** amplitude · sin(2π·hz·t + phase) */
export function sine(
  seconds: number,
  hz: number,
  sampleRate: number,
  amplitude = 1,
  phase = 0,
): Float32Array {
  const out = new Float32Array(Math.round(seconds * sampleRate));
  for (let n = 0; n < out.length; n++) {
    out[n] = amplitude * Math.sin((2 * Math.PI * hz * n) / sampleRate + phase);
  }
  return out;
}

/** Amplitude of a level in dB. */
export const amplitude = (db: number): number => 10 ** (db / 20);
