/** Test signals with known properties, and a relative error. */

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
