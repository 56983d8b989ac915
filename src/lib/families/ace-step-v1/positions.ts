/**
 * Position tables that the graphs read. They are made here in float64 because graphs would compute them on a GPU whose
 * sines promise nothing at 1000 rad; and because they are the same for every layer.
 */
import { float32, int64, type Tensor } from '../../tensor.ts';

export interface Rope {
  readonly rope_cos: Tensor;
  readonly rope_sin: Tensor;
}

/**
 * Tables (count, size) for positions 0..count-1. Column j holds frequency j mod size/2, yet the graphs rotate pairs of
 * neighbours: no true rotation, but what the reference was trained with. SPEC 1.3.3, 7.2. The sine carries the sign of
 * the pair's first member.
 */
export function ropeTables(count: number, size: number, theta: number): Rope {
  const half = size / 2;
  const frequency = Float64Array.from({ length: half }, (_, j) => theta ** ((-2 * j) / size));
  const cos = new Float32Array(count * size);
  const sin = new Float32Array(count * size);
  for (let p = 0; p < count; p++) {
    for (let j = 0; j < size; j++) {
      const angle = p * frequency[j % half]!;
      cos[p * size + j] = Math.cos(angle);
      sin[p * size + j] = j % 2 === 0 ? -Math.sin(angle) : Math.sin(angle);
    }
  }
  return { rope_cos: float32(cos, [count, size]), rope_sin: float32(sin, [count, size]) };
}

const TIME_FEATURES = 128; // frequencies; cosines first. SPEC 1.3.1

/** (1, 256) features of a timestep in 0..1000. */
export function timeFeatures(timestep: number): Tensor {
  const out = new Float32Array(2 * TIME_FEATURES);
  for (let i = 0; i < TIME_FEATURES; i++) {
    const angle = timestep * Math.exp((-Math.log(10000) * i) / TIME_FEATURES);
    out[i] = Math.cos(angle);
    out[TIME_FEATURES + i] = Math.sin(angle);
  }
  return float32(out, [1, out.length]);
}

/** (1, 2 count - 1, size) sinusoids of the lyric encoder; row r is relative position count - 1 - r. SPEC 2.1. */
export function lyricPositions(count: number, size: number): Tensor {
  const rows = 2 * count - 1;
  const out = new Float32Array(rows * size);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < size; i += 2) {
      const angle = (count - 1 - r) * Math.exp((-i * Math.log(10000)) / size);
      out[r * size + i] = Math.sin(angle);
      out[r * size + i + 1] = Math.cos(angle);
    }
  }
  return float32(out, [1, rows, size]);
}

/**
 * (count, count) bucket of key minus query, as T5 has them: half the buckets for each direction, half of these exact,
 * the others logarithmic up to `maxDistance`. float32 logarithms, because the reference truncates them.
 */
export function relativeBuckets(count: number, buckets: number, maxDistance: number): Tensor {
  const half = buckets / 2;
  const exact = half / 2;
  const span = Math.fround(Math.log(maxDistance / exact));
  const bucketOf = (distance: number): number => {
    if (distance < exact) return distance;
    const share = Math.fround(Math.fround(Math.log(Math.fround(distance / exact))) / span);
    return Math.min(exact + Math.trunc(Math.fround(share * (half - exact))), half - 1);
  };
  const near = Array.from({ length: count }, (_, distance) => BigInt(bucketOf(distance)));
  const ahead = near.map((bucket) => bucket + BigInt(half));
  const out = new BigInt64Array(count * count);
  for (let query = 0; query < count; query++) {
    for (let key = 0; key < count; key++) {
      out[query * count + key] = key > query ? ahead[key - query]! : near[query - key]!;
    }
  }
  return int64(out, [count, count]);
}
