/**
 * How much a sound differs from the one it was made from, moment by moment, as one hears it: equal samples are no change
 * at all; otherwise the levels in bands a semitone wide are compared, so phases do not count and a new chord does.
 */
import { RealFft } from './fft.ts';
import type { Pcm } from './pcm.ts';

export interface Changed {
  /** Seconds between two values. */
  readonly step: number;
  /** 0 (the same) to 1 (nothing in common). */
  readonly values: Float32Array;
  /** Their mean. */
  readonly share: number;
  /** Share of the song in which every sample is the old one. */
  readonly untouched: number;
}

const STEP_SECONDS = 0.05;
/** 93 ms at 44.1 kHz: semitones are told apart from about 200 Hz on. */
const SIZE = 4096;
const LOWEST_HZ = 60;
const HIGHEST_HZ = 12_000;

/**
 * @param before at the same rate
 * @param at sample of `now` at which `before` begins; what lies beyond its ends is all new
 */
export function changedSince(now: Pcm, before: Pcm, at: number): Changed {
  const length = now.channels[0]?.length ?? 0;
  const known = before.channels[0]?.length ?? 0;
  const step = Math.max(1, Math.round(STEP_SECONDS * now.sampleRate));
  const values = new Float32Array(Math.ceil(length / step));
  const bands = new Bands(now.sampleRate);
  let same = 0;
  for (let i = 0; i < values.length; i++) {
    const [from, to] = [i * step, Math.min(length, (i + 1) * step)];
    const middle = (from + to) / 2 - at;
    if (equal(now, before, from, to, at)) same += to - from;
    else if (middle < 0 || middle >= known) values[i] = 1;
    else values[i] = bands.distance(now, before, Math.round((from + to) / 2) - SIZE / 2, at);
  }
  const share = values.reduce((sum, x) => sum + x, 0) / Math.max(1, values.length);
  return { step: step / now.sampleRate, values, share, untouched: length > 0 ? same / length : 1 };
}

function equal(a: Pcm, b: Pcm, from: number, to: number, at: number): boolean {
  return a.channels.every((samples, c) => {
    const other = b.channels[Math.min(c, b.channels.length - 1)]!;
    for (let n = from; n < to; n++) if (samples[n] !== other[n - at]) return false;
    return true;
  });
}

class Bands {
  readonly #fft = new RealFft(SIZE);
  readonly #window = Float64Array.from(
    { length: SIZE },
    (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE),
  );
  /** First bin of every band, and the end of the last. */
  readonly #edges: readonly number[];

  constructor(sampleRate: number) {
    const edges: number[] = [];
    for (let hz = LOWEST_HZ; hz < Math.min(HIGHEST_HZ, sampleRate / 2); hz *= 2 ** (1 / 12)) {
      const bin = Math.round((hz * SIZE) / sampleRate);
      if (bin !== edges.at(-1)) edges.push(bin);
    }
    this.#edges = edges;
  }

  /** Sum of the level differences over the sum of the higher levels; 0 where both are silent. */
  distance(a: Pcm, b: Pcm, from: number, at: number): number {
    let [differ, most] = [0, 0];
    a.channels.forEach((samples, c) => {
      const x = this.#levels(samples, from);
      const y = this.#levels(b.channels[Math.min(c, b.channels.length - 1)]!, from - at);
      x.forEach((level, k) => {
        differ += Math.abs(level - y[k]!);
        most += Math.max(level, y[k]!);
      });
    });
    return most > 1e-9 ? differ / most : 0;
  }

  #levels(samples: Float32Array, from: number): Float64Array {
    const { time, re, im } = this.#fft;
    for (let n = 0; n < SIZE; n++) time[n] = this.#window[n]! * (samples[from + n] ?? 0);
    this.#fft.forward();
    const levels = new Float64Array(this.#edges.length - 1);
    for (let k = 0; k < levels.length; k++) {
      let power = 0;
      for (let bin = this.#edges[k]!; bin < this.#edges[k + 1]!; bin++)
        power += re[bin]! ** 2 + im[bin]! ** 2;
      levels[k] = Math.sqrt(power);
    }
    return levels;
  }
}
