/**
 * A picture of a sound: level over time and frequency, frequency on a logarithmic scale as ears have it.
 */
import { RealFft } from './fft.ts';

/** 93 ms at 44.1 kHz: tells notes apart from the second octave on. */
const SIZE = 4096;
/** A column of a long song is the loudest of this many spectra, so that short sounds between them are not missed. */
const MOST_FRAMES = 3;
/** Level 255 is a full-scale sine; each step below is a part of this range, decibels. */
export const RANGE_DB = 96;
const LOWEST_HZ = 40;
const HIGHEST_HZ = 20_000;

export interface SpectrumScale {
  /** Hertz at the lower edge of row 0 and the upper edge of the last row. */
  readonly low: number;
  readonly high: number;
}

export const scaleOf = (sampleRate: number): SpectrumScale => ({
  low: LOWEST_HZ,
  high: Math.min(HIGHEST_HZ, sampleRate / 2),
});

/** Share of the picture's height, from below, at which a frequency lies. */
export const placeOf = (hz: number, { low, high }: SpectrumScale): number =>
  Math.log(hz / low) / Math.log(high / low);

/** Columns of a spectrogram, made one at a time from whatever samples are at hand. */
export class Spectrogram {
  readonly #fft = new RealFft(SIZE);
  readonly #window: Float64Array;
  /** Bins of each row: [first, last]; the share between two bins where a row is narrower than one. */
  readonly #bins: readonly { readonly first: number; readonly last: number; readonly at: number }[];
  readonly #rate: number;
  /** Power by bin over all columns. */
  readonly #sum = new Float64Array(SIZE / 2 + 1);
  readonly #power = new Float64Array(SIZE / 2 + 1);

  constructor(sampleRate: number, rows: number) {
    this.#rate = sampleRate;
    this.#window = Float64Array.from(
      { length: SIZE },
      (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE),
    );
    const { low, high } = scaleOf(sampleRate);
    const edge = (row: number): number => ((low * (high / low) ** (row / rows)) / sampleRate) * SIZE;
    this.#bins = Array.from({ length: rows }, (_, row) => ({
      first: Math.ceil(edge(row)),
      last: Math.min(SIZE / 2, Math.floor(edge(row + 1))),
      at: Math.min(SIZE / 2 - 1, (edge(row) + edge(row + 1)) / 2),
    }));
  }

  /** Samples that a column of `hop` samples looks at on either side of its middle. */
  static reach(hop: number): number {
    return Math.ceil((SIZE + hop) / 2);
  }

  /**
   * Levels of a column, lowest row first, into `out` from `at` on every `stride` values. `middle` is the column's middle
   * in `channels`; what lies outside of them is silence.
   */
  column(
    channels: readonly Float32Array[],
    middle: number,
    hop: number,
    out: Uint8Array,
    at: number,
    stride: number,
  ): void {
    const frames = Math.min(MOST_FRAMES, Math.max(1, Math.round(hop / SIZE)));
    this.#power.fill(0);
    for (let f = 0; f < frames; f++) {
      const centre = middle + Math.round(((f + 0.5) / frames - 0.5) * hop);
      for (const samples of channels) this.#add(samples, centre - SIZE / 2);
    }
    const full = (SIZE / 4) ** 2; // |X|² of a full-scale sine under a Hann window
    this.#bins.forEach(({ first, last, at: place }, row) => {
      let power = 0;
      if (first <= last) for (let k = first; k <= last; k++) power = Math.max(power, this.#power[k]!);
      else {
        const k = Math.floor(place);
        power = this.#power[k]! + (this.#power[k + 1]! - this.#power[k]!) * (place - k);
      }
      const decibels = 10 * Math.log10(power / full + 1e-12);
      out[at + row * stride] = Math.max(0, Math.min(255, Math.round(255 * (1 + decibels / RANGE_DB))));
    });
  }

  /** The frequency around which most of what was drawn lies, hertz; null for silence. */
  strongest(): number | null {
    let best = 0;
    for (let k = 1; k < this.#sum.length; k++) if (this.#sum[k]! > this.#sum[best]!) best = k;
    return best === 0 ? null : (best * this.#rate) / SIZE;
  }

  /** The loudest of a column's spectra counts, bin by bin, and the louder of its channels. */
  #add(samples: Float32Array, start: number): void {
    const { time, re, im } = this.#fft;
    for (let n = 0; n < SIZE; n++) {
      const i = start + n;
      time[n] = i >= 0 && i < samples.length ? samples[i]! * this.#window[n]! : 0;
    }
    this.#fft.forward();
    for (let k = 0; k < re.length; k++) {
      const power = re[k]! ** 2 + im[k]! ** 2;
      if (power > this.#power[k]!) this.#power[k] = power;
      this.#sum[k]! += power;
    }
  }
}
