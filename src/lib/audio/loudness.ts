/**
 * Loudness as ITU-R BS.1770-4 defines it (EBU R 128 uses the same): K-weighted power in blocks of 400 ms every 100 ms,
 * gated at -70 LUFS and at 10 LU below the mean of what is left; true peak by fourfold oversampling.
 * For mono and stereo, whose channels all weigh 1.
 */
import { assert } from '../errors.ts';
import type { Pcm } from './pcm.ts';
import { Resampler } from './resample.ts';

const STEP_SECONDS = 0.1;
const STEPS_A_BLOCK = 4;
const ABSOLUTE_GATE = -70;
const RELATIVE_GATE = -10;
/** LUFS of mean square 1: makes a full-scale 1 kHz sine in one channel read -3.01. */
const OFFSET = -0.691;
const OVERSAMPLING = 4;

/** Integrated loudness, LUFS; null for silence. Sounds shorter than a block count as one. */
export function integratedLoudness(pcm: Pcm): number | null {
  const audible = blockPowers(pcm).filter((power) => lufs(power) > ABSOLUTE_GATE);
  if (audible.length === 0) return null;
  const gate = lufs(mean(audible)) + RELATIVE_GATE;
  return lufs(mean(audible.filter((power) => lufs(power) > gate)));
}

/** Highest value between samples too, dBTP; -Infinity for silence. */
export function truePeak({ channels, sampleRate }: Pcm): number {
  let peak = 0;
  for (const samples of channels) {
    const resampler = new Resampler(sampleRate, OVERSAMPLING * sampleRate);
    for (let from = 0; from < samples.length; from += sampleRate) {
      const piece = samples.subarray(from, from + sampleRate);
      peak = Math.max(peak, highest(piece), highest(resampler.push(piece)));
    }
    peak = Math.max(peak, highest(resampler.end()));
  }
  return 20 * Math.log10(peak);
}

const lufs = (power: number): number => OFFSET + 10 * Math.log10(power);
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

function highest(samples: Float32Array): number {
  let peak = 0;
  for (let n = 0; n < samples.length; n++) peak = Math.max(peak, Math.abs(samples[n]!));
  return peak;
}

/** K-weighted mean square, summed over channels, of each block. */
function blockPowers({ channels, sampleRate }: Pcm): number[] {
  assert(channels.length <= 2, `loudness is for mono and stereo (got ${channels.length} channels)`);
  const length = channels[0]?.length ?? 0;
  const step = Math.round(STEP_SECONDS * sampleRate);
  const steps = Math.floor(length / step);
  if (steps < STEPS_A_BLOCK) {
    return length === 0
      ? []
      : [channels.reduce((sum, x) => sum + weighted(x, sampleRate, length)[0]! / length, 0)];
  }
  const energies = channels.map((samples) => weighted(samples, sampleRate, step));
  return Array.from({ length: steps - STEPS_A_BLOCK + 1 }, (_, i) => {
    let sum = 0;
    for (const energy of energies) for (let j = 0; j < STEPS_A_BLOCK; j++) sum += energy[i + j]!;
    return sum / (STEPS_A_BLOCK * step);
  });
}

/** Energy of the K-weighted signal in every whole run of `step` samples. */
function weighted(samples: Float32Array, sampleRate: number, step: number): Float64Array {
  const { b0, b1, b2, a1, a2 } = shelf(sampleRate);
  const high = highPass(sampleRate);
  const energy = new Float64Array(Math.floor(samples.length / step));
  // Both filters in direct form II transposed, their state in locals: the loop runs for every sample of a song.
  let s1 = 0;
  let s2 = 0;
  let h1 = 0;
  let h2 = 0;
  for (let i = 0, n = 0; i < energy.length; i++) {
    let sum = 0;
    for (const end = n + step; n < end; n++) {
      const x = samples[n]!;
      const y = b0 * x + s1;
      s1 = b1 * x - a1 * y + s2;
      s2 = b2 * x - a2 * y;
      const z = y + h1; // numerator 1, -2, 1
      h1 = -2 * y - high.a1 * z + h2;
      h2 = y - high.a2 * z;
      sum += z * z;
    }
    energy[i] = sum;
  }
  return energy;
}

// The standard prints coefficients for 48 kHz. These analogue prototypes, bilinearly transformed, give those numbers and
// the right ones at other rates (Mansbridge, Finn, Reiss 2012).
const SHELF = {
  hz: 1681.974450955533,
  q: 0.7071752369554196,
  gain: 3.999843853973347,
  slope: 0.4996667741545416,
};
const HIGH_PASS = { hz: 38.13547087602444, q: 0.5003270373238773 };

/** First stage: a shelf of 4 dB, for the head. Exported for its test against the standard's table. */
export function shelf(sampleRate: number): Record<'b0' | 'b1' | 'b2' | 'a1' | 'a2', number> {
  const k = Math.tan((Math.PI * SHELF.hz) / sampleRate);
  const top = 10 ** (SHELF.gain / 20);
  const middle = top ** SHELF.slope;
  const a0 = 1 + k / SHELF.q + k * k;
  return {
    b0: (top + (middle * k) / SHELF.q + k * k) / a0,
    b1: (2 * (k * k - top)) / a0,
    b2: (top - (middle * k) / SHELF.q + k * k) / a0,
    a1: (2 * (k * k - 1)) / a0,
    a2: (1 - k / SHELF.q + k * k) / a0,
  };
}

/** Second stage: a high pass with numerator 1, -2, 1. */
export function highPass(sampleRate: number): Record<'a1' | 'a2', number> {
  const k = Math.tan((Math.PI * HIGH_PASS.hz) / sampleRate);
  const a0 = 1 + k / HIGH_PASS.q + k * k;
  return { a1: (2 * (k * k - 1)) / a0, a2: (1 - k / HIGH_PASS.q + k * k) / a0 };
}
