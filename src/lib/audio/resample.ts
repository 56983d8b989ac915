/**
 * Sample rate conversion by a Hann-windowed sinc, equal to torchaudio's Resample with its defaults
 * (sinc_interp_hann, 6 zero crossings on either side, cut-off at 0.99 of the lower Nyquist frequency).
 *
 * Rates are reduced by their greatest common divisor to o : n. Output m·n + j is Σ_i x[m·o + i] · k_j[i]. Only the taps
 * inside the window are kept (14 of 161 for 44100 → 48000), and a converter can be fed in pieces: the pieces' outputs
 * laid end to end are exactly the whole signal's. Equal rates change nothing.
 */
import { assert } from '../errors.ts';

const ZERO_CROSSINGS = 6;
const ROLLOFF = 0.99;

/** Whole signal at once: ceil(length · to / from) samples. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples;
  const resampler = new Resampler(from, to);
  const head = resampler.push(samples);
  const tail = resampler.end();
  const out = new Float32Array(head.length + tail.length);
  out.set(head);
  out.set(tail, head.length);
  return out;
}

export class Resampler {
  private readonly o: number;
  private readonly n: number;
  /** Taps of a phase, all phases alike. */
  private readonly taps: number;
  /** (n, taps) filter coefficients. */
  private readonly kernel: Float32Array;
  /** First input of phase j, counted from m·o. */
  private readonly first: Int32Array;
  /** Inputs from `start` on that later outputs still need. */
  private held: Float32Array = new Float32Array(0);
  private start = 0;
  private received = 0;
  private made = 0;

  constructor(from: number, to: number) {
    assert(
      Number.isInteger(from) && Number.isInteger(to) && from > 0 && to > 0,
      `sample rates must be whole numbers above 0 (got ${from} and ${to})`,
    );
    const divisor = gcd(from, to);
    const o = from / divisor;
    const n = to / divisor;
    const base = Math.min(o, n) * ROLLOFF;
    const reach = (ZERO_CROSSINGS * o) / base; // half width of the window in inputs
    const taps = Math.floor(2 * reach) + 1;
    this.o = o;
    this.n = n;
    this.taps = taps;
    this.first = new Int32Array(n);
    this.kernel = new Float32Array(n * taps);
    for (let j = 0; j < n; j++) {
      const first = Math.ceil((j * o) / n - reach);
      this.first[j] = first;
      for (let i = 0; i < taps; i++) {
        // torchaudio rounds j/n to float32; without that its outputs differ by 2e-5.
        const t = (-Math.fround(j / n) + (first + i) / o) * base;
        if (Math.abs(t) > ZERO_CROSSINGS) continue;
        const sinc = t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t);
        this.kernel[j * taps + i] = (sinc * Math.cos((Math.PI * t) / ZERO_CROSSINGS / 2) ** 2 * base) / o;
      }
    }
  }

  /** Takes the next inputs; returns the outputs that they complete. */
  push(samples: Float32Array): Float32Array {
    if (this.o === this.n) return samples;
    const held = new Float32Array(this.held.length + samples.length);
    held.set(this.held);
    held.set(samples, this.held.length);
    this.held = held;
    this.received += samples.length;
    // Output q reads up to input floor(q/n)·o + first + taps - 1, which is below q·o/n + taps/2 + 1.
    const ready = Math.floor(((this.received - this.taps / 2 - 2) * this.n) / this.o);
    return this.produce(Math.max(this.made, ready));
  }

  /** The outputs that need silence after the last input. Call once. */
  end(): Float32Array {
    const total = Math.ceil((this.n * this.received) / this.o);
    const held = new Float32Array(this.held.length + this.taps + this.o);
    held.set(this.held);
    this.held = held;
    return this.produce(Math.max(this.made, total));
  }

  private produce(end: number): Float32Array {
    const { o, n, taps, kernel, first, held, start } = this;
    const out = new Float32Array(end - this.made);
    for (let q = this.made, to = 0; q < end; q++, to++) {
      const j = q % n;
      const at = ((q - j) / n) * o + first[j]! - start;
      let sum = 0;
      for (let i = Math.max(0, -at), k = j * taps + i; i < taps; i++, k++) sum += held[at + i]! * kernel[k]!;
      out[to] = sum;
    }
    this.made = end;
    const j = end % n;
    const needed = Math.max(0, ((end - j) / n) * o + first[j]!);
    const drop = Math.min(needed - start, held.length);
    if (drop > 0) {
      this.held = held.slice(drop);
      this.start += drop;
    }
    return out;
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
