/**
 * Fourier transform of real signals, power-of-two sizes: a radix-4 Stockham transform (self-sorting, so no bit
 * reversal) of half the size, then the usual split of an even/odd packed spectrum. float64 throughout.
 *
 * A plan owns its buffers and a transform allocates nothing: fill `time`, call `forward`, read `re` and `im`; or the
 * other way round. Neither direction preserves its input.
 */
import { assert } from '../errors.ts';

export class RealFft {
  readonly size: number;
  /** size samples. */
  readonly time: Float64Array;
  /** size/2 + 1 bins, 0 Hz to Nyquist. */
  readonly re: Float64Array;
  readonly im: Float64Array;

  private readonly scratch: Float64Array;
  /** cos and sin of 2πk/size interleaved, k below size. */
  private readonly turns: Float64Array;

  constructor(size: number) {
    assert(
      size >= 4 && Number.isInteger(Math.log2(size)),
      `FFT size must be a power of two from 4 on (got ${size})`,
    );
    this.size = size;
    this.time = new Float64Array(size);
    this.scratch = new Float64Array(size);
    this.re = new Float64Array(size / 2 + 1);
    this.im = new Float64Array(size / 2 + 1);
    this.turns = new Float64Array(2 * size);
    for (let k = 0; k < size; k++) {
      this.turns[2 * k] = Math.cos((2 * Math.PI * k) / size);
      this.turns[2 * k + 1] = Math.sin((2 * Math.PI * k) / size);
    }
  }

  /** X[k] = Σ x[n] e^(-2πikn/size), k = 0 … size/2. */
  forward(): void {
    const { size, re, im, turns } = this;
    const half = size / 2;
    const z = this.complex(-1);
    re[0] = z[0]! + z[1]!;
    im[0] = 0;
    re[half] = z[0]! - z[1]!;
    im[half] = 0;
    for (let k = 1, m = half - 1; k <= m; k++, m--) {
      // even and odd samples' spectra from the packed one: E = (Z[k] + conj Z[m])/2, O = (Z[k] - conj Z[m])/2i
      const evenRe = 0.5 * (z[2 * k]! + z[2 * m]!);
      const evenIm = 0.5 * (z[2 * k + 1]! - z[2 * m + 1]!);
      const oddRe = 0.5 * (z[2 * k + 1]! + z[2 * m + 1]!);
      const oddIm = 0.5 * (z[2 * m]! - z[2 * k]!);
      const c = turns[2 * k]!;
      const s = turns[2 * k + 1]!;
      const turnedRe = oddRe * c + oddIm * s;
      const turnedIm = oddIm * c - oddRe * s;
      re[k] = evenRe + turnedRe;
      im[k] = evenIm + turnedIm;
      re[m] = evenRe - turnedRe;
      im[m] = turnedIm - evenIm;
    }
  }

  /** x[n] with forward(x) = X: the inverse including its 1/size. Imaginary parts of the first and last bin count as 0. */
  inverse(): void {
    const { size, re, im, time, turns } = this;
    const half = size / 2;
    const scale = 1 / size; // 1/half of the complex transform and 1/2 of the even/odd sums
    time[0] = (re[0]! + re[half]!) * scale;
    time[1] = (re[0]! - re[half]!) * scale;
    for (let k = 1, m = half - 1; k <= m; k++, m--) {
      const evenRe = re[k]! + re[m]!;
      const evenIm = im[k]! - im[m]!;
      const turnedRe = re[k]! - re[m]!;
      const turnedIm = im[k]! + im[m]!;
      const c = turns[2 * k]!;
      const s = turns[2 * k + 1]!;
      const oddRe = turnedRe * c - turnedIm * s;
      const oddIm = turnedIm * c + turnedRe * s;
      time[2 * k] = (evenRe - oddIm) * scale;
      time[2 * k + 1] = (evenIm + oddRe) * scale;
      time[2 * m] = (evenRe + oddIm) * scale;
      time[2 * m + 1] = (oddRe - evenIm) * scale;
    }
    const z = this.complex(1);
    if (z !== time) time.set(z);
  }

  /** Complex transform of `time` read as size/2 interleaved pairs; e^(sign·2πi…). Returns the buffer it ended in. */
  private complex(sign: 1 | -1): Float64Array {
    let from = this.time;
    let to = this.scratch;
    let length = this.size / 2; // of the transforms still to do
    let stride = 1; // how many of them
    while (length >= 4) {
      pass4(from, to, length, stride, sign, this.turns, this.size / length);
      [from, to] = [to, from];
      length /= 4;
      stride *= 4;
    }
    if (length === 2) {
      const n = 2 * stride;
      for (let q = 0; q < n; q++) {
        const a = from[q]!;
        const b = from[q + n]!;
        to[q] = a + b;
        to[q + n] = a - b;
      }
      [from, to] = [to, from];
    }
    return from;
  }
}

/** One radix-4 pass over `stride` interleaved transforms of `length` complex numbers. */
function pass4(
  x: Float64Array,
  y: Float64Array,
  length: number,
  stride: number,
  sign: number,
  turns: Float64Array,
  turnStep: number,
): void {
  const quarter = length / 4;
  const gap = 2 * stride * quarter;
  const row = 2 * stride;
  for (let p = 0; p < quarter; p++) {
    const t = 2 * turnStep * p;
    const c1 = turns[t]!;
    const s1 = sign * turns[t + 1]!;
    const c2 = turns[2 * t]!;
    const s2 = sign * turns[2 * t + 1]!;
    const c3 = turns[3 * t]!;
    const s3 = sign * turns[3 * t + 1]!;
    const first = row * p;
    const last = first + row;
    let out = 4 * first;
    for (let q = first; q < last; q += 2, out += 2) {
      const aRe = x[q]!;
      const aIm = x[q + 1]!;
      const bRe = x[q + gap]!;
      const bIm = x[q + gap + 1]!;
      const cRe = x[q + 2 * gap]!;
      const cIm = x[q + 2 * gap + 1]!;
      const dRe = x[q + 3 * gap]!;
      const dIm = x[q + 3 * gap + 1]!;
      const sumRe = aRe + cRe;
      const sumIm = aIm + cIm;
      const difRe = aRe - cRe;
      const difIm = aIm - cIm;
      const oddRe = bRe + dRe;
      const oddIm = bIm + dIm;
      const turnRe = sign * (dIm - bIm); // i·sign·(b - d)
      const turnIm = sign * (bRe - dRe);
      y[out] = sumRe + oddRe;
      y[out + 1] = sumIm + oddIm;
      const r1 = difRe + turnRe;
      const i1 = difIm + turnIm;
      y[out + row] = r1 * c1 - i1 * s1;
      y[out + row + 1] = r1 * s1 + i1 * c1;
      const r2 = sumRe - oddRe;
      const i2 = sumIm - oddIm;
      y[out + 2 * row] = r2 * c2 - i2 * s2;
      y[out + 2 * row + 1] = r2 * s2 + i2 * c2;
      const r3 = difRe - turnRe;
      const i3 = difIm - turnIm;
      y[out + 3 * row] = r3 * c3 - i3 * s3;
      y[out + 3 * row + 1] = r3 * s3 + i3 * c3;
    }
  }
}
