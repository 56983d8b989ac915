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
/** Short-term loudness: 3 s, every 100 ms (EBU Tech 3341). */
const STEPS_SHORT = 30;
/** Loudness range: of the short-term values 20 LU below their mean and up, from the 10th to the 95th of a hundred (Tech 3342). */
const RANGE_GATE = -20;
const RANGE = [0.1, 0.95] as const;
/** LUFS of mean square 1: makes a full-scale 1 kHz sine in one channel read -3.01. */
const OFFSET = -0.691;
const OVERSAMPLING = 4;

/** What is told of a whole song. */
export interface Meters {
  /** Integrated loudness, LUFS; null for silence. */
  readonly integrated: number | null;
  /** Highest short-term loudness (3 s), LUFS; null for silence. */
  readonly shortTerm: number | null;
  /** Loudness range, LU; null for silence. */
  readonly range: number | null;
  /** dBTP; -Infinity for silence. */
  readonly truePeak: number;
}

/** Integrated loudness, LUFS; null for silence. Sounds shorter than a block count as one. */
export function integratedLoudness(pcm: Pcm): number | null {
  const loudness = new RunningLoudness(pcm.sampleRate);
  loudness.push(pcm.channels);
  return loudness.integrated();
}

/** Loudness of a moment, LUFS: of the whole of a sound, ungated. -Infinity for silence. */
export function momentaryLoudness(pcm: Pcm): number {
  const loudness = new RunningLoudness(pcm.sampleRate);
  loudness.push(pcm.channels);
  return lufs(loudness.mean());
}

/** Highest value between samples too, dBTP; -Infinity for silence. */
export function truePeak({ channels, sampleRate }: Pcm): number {
  const meter = new PeakMeter(sampleRate);
  for (let from = 0; from < (channels[0]?.length ?? 0); from += sampleRate)
    meter.push(channels.map((samples) => samples.subarray(from, from + sampleRate)));
  return meter.end();
}

/** All meters of a song that comes in pieces; it is never in memory as a whole. */
export class LoudnessMeter {
  readonly #loudness: RunningLoudness;
  readonly #peak: PeakMeter;

  constructor(sampleRate: number) {
    this.#loudness = new RunningLoudness(sampleRate);
    this.#peak = new PeakMeter(sampleRate);
  }

  push(channels: readonly Float32Array[]): void {
    this.#loudness.push(channels);
    this.#peak.push(channels);
  }

  end(): Meters {
    const short = this.#loudness.blocks(STEPS_SHORT).filter((power) => lufs(power) > ABSOLUTE_GATE);
    return {
      integrated: this.#loudness.integrated(),
      shortTerm: short.length === 0 ? null : lufs(short.reduce((most, power) => Math.max(most, power), 0)),
      range: rangeOf(short),
      truePeak: this.#peak.end(),
    };
  }
}

/** EBU Tech 3342. `powers` are audible. */
function rangeOf(powers: readonly number[]): number | null {
  if (powers.length === 0) return null;
  const gate = lufs(mean(powers)) + RANGE_GATE;
  const sorted = powers
    .map(lufs)
    .filter((value) => value > gate)
    .sort((a, b) => a - b);
  const [low, high] = RANGE.map((share) => sorted[Math.round((sorted.length - 1) * share)]!);
  return high! - low!;
}

/** Fourfold oversampling of each channel, piece by piece. */
class PeakMeter {
  readonly #rate: number;
  readonly #resamplers: Resampler[] = [];
  #peak = 0;

  constructor(sampleRate: number) {
    this.#rate = sampleRate;
  }

  push(channels: readonly Float32Array[]): void {
    channels.forEach((samples, c) => {
      const resampler = (this.#resamplers[c] ??= new Resampler(this.#rate, OVERSAMPLING * this.#rate));
      this.#peak = Math.max(this.#peak, highest(samples), highest(resampler.push(samples)));
    });
  }

  /** dBTP. */
  end(): number {
    for (const resampler of this.#resamplers) this.#peak = Math.max(this.#peak, highest(resampler.end()));
    return 20 * Math.log10(this.#peak);
  }
}

const lufs = (power: number): number => OFFSET + 10 * Math.log10(power);
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

function highest(samples: Float32Array): number {
  let peak = 0;
  for (let n = 0; n < samples.length; n++) peak = Math.max(peak, Math.abs(samples[n]!));
  return peak;
}

/** K-weighted energy of a sound that comes in pieces, summed over channels, in steps of 100 ms. */
export class RunningLoudness {
  readonly #step: number;
  readonly #rate: number;
  readonly #filters: Filter[] = [];
  readonly #energies: number[] = [];
  #length = 0;

  constructor(sampleRate: number) {
    this.#rate = sampleRate;
    this.#step = Math.round(STEP_SECONDS * sampleRate);
  }

  push(channels: readonly Float32Array[]): void {
    assert(channels.length <= 2, `loudness is for mono and stereo (got ${channels.length} channels)`);
    channels.forEach((samples, c) => {
      const filter = (this.#filters[c] ??= new Filter(this.#rate));
      // Cut where a step of the whole sound ends, wherever the pieces do.
      for (let from = 0, at = this.#length; from < samples.length;) {
        const i = Math.floor(at / this.#step);
        const to = Math.min(samples.length, from + (i + 1) * this.#step - at);
        this.#energies[i] = (this.#energies[i] ?? 0) + filter.energy(samples, from, to);
        at += to - from;
        from = to;
      }
    });
    this.#length += channels[0]?.length ?? 0;
  }

  /** Integrated loudness so far, LUFS; null for silence. */
  integrated(): number | null {
    const audible = this.blocks(STEPS_A_BLOCK).filter((power) => lufs(power) > ABSOLUTE_GATE);
    if (audible.length === 0) return null;
    const gate = lufs(mean(audible)) + RELATIVE_GATE;
    return lufs(mean(audible.filter((power) => lufs(power) > gate)));
  }

  /** Mean square of each run of `steps` whole steps; a sound shorter than one is one. */
  blocks(steps: number): number[] {
    const whole = Math.floor(this.#length / this.#step);
    if (whole < steps) return this.#length === 0 ? [] : [this.mean()];
    return Array.from({ length: whole - steps + 1 }, (_, i) => {
      let sum = 0;
      for (let j = i; j < i + steps; j++) sum += this.#energies[j]!;
      return sum / (steps * this.#step);
    });
  }

  /** Mean square of the whole. */
  mean(): number {
    return this.#energies.reduce((sum, energy) => sum + energy, 0) / Math.max(1, this.#length);
  }
}

/** The two stages of K-weighting for one channel, in direct form II transposed. */
class Filter {
  readonly #shelf: ReturnType<typeof shelf>;
  readonly #high: ReturnType<typeof highPass>;
  #state: [number, number, number, number] = [0, 0, 0, 0];

  constructor(sampleRate: number) {
    this.#shelf = shelf(sampleRate);
    this.#high = highPass(sampleRate);
  }

  /** Energy of the weighted samples [from, to), which follow those of the call before. */
  energy(samples: Float32Array, from: number, to: number): number {
    const { b0, b1, b2, a1, a2 } = this.#shelf;
    const { a1: h1, a2: h2 } = this.#high;
    let [s1, s2, t1, t2] = this.#state; // in locals: the loop runs for every sample of a song
    let sum = 0;
    for (let n = from; n < to; n++) {
      const x = samples[n]!;
      const y = b0 * x + s1;
      s1 = b1 * x - a1 * y + s2;
      s2 = b2 * x - a2 * y;
      const z = y + t1; // numerator 1, -2, 1
      t1 = -2 * y - h1 * z + t2;
      t2 = y - h2 * z;
      sum += z * z;
    }
    this.#state = [s1, s2, t1, t2];
    return sum;
  }
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
