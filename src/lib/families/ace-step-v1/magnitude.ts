/**
 * From a mel to the magnitudes it was summed from: step 1 of nano's vocoder (training/nano/vocoder.py,
 * linear_magnitude).
 */
import { MEL, melBands } from '../../audio/mel.ts';

/** Bins that a band can reach, 0 Hz to 16 kHz; all others have magnitude 0. */
export const USED = Math.floor((MEL.maxHz * MEL.fft) / MEL.sampleRate) + 1;

const UPDATES = 30;
/** Keeps quotients finite. */
const TINY = 1e-12;

/**
 * Non-negative least squares for one frame: x >= 0 with W x near m = exp(mel), by multiplicative updates
 * x <- x · W'm / W'Wx from x = W'm / W'W1.
 *
 * A bin lies on the falling side of one band and the rising side of the next, so bins fall into segments between band
 * centres, and one pass over them both updates x and sums the bands of the updated x.
 */
export class MagnitudeSolver {
  /** Segment s holds bins from[s] … from[s+1]: falling in band s - 1, rising in band s. */
  private readonly from = new Int32Array(MEL.bands + 2);
  private readonly falling = new Float64Array(USED);
  private readonly rising = new Float64Array(USED);
  private readonly x = new Float64Array(USED);
  /** W'm and W'W1. */
  private readonly target = new Float64Array(USED);
  private readonly ones = new Float64Array(USED);
  /** Bands -1 … 128; the outer two are always met by weight 0. */
  private bands = new Float64Array(MEL.bands + 2);
  private nextBands = new Float64Array(MEL.bands + 2);

  constructor() {
    const { first, start, values } = melBands();
    const endOf = (band: number): number => first[band]! + start[band + 1]! - start[band]!;
    this.from.set(first);
    this.from[MEL.bands] = endOf(MEL.bands - 2); // a band ends where the next but one begins
    this.from[MEL.bands + 1] = endOf(MEL.bands - 1);
    for (let band = 0; band < MEL.bands; band++) {
      for (let k = first[band]!; k < endOf(band); k++) {
        const side = k < this.from[band + 1]! ? this.rising : this.falling;
        side[k] = values[start[band]! + k - first[band]!]!;
      }
    }
    for (let band = 0; band < MEL.bands; band++) {
      this.bands[band + 1] = values.subarray(start[band]!, start[band + 1]!).reduce((sum, v) => sum + v, 0);
    }
    this.spread(this.ones);
  }

  /**
   * @param mel log-mel, read at `offset` + band · `stride`
   * @returns USED magnitudes; valid until the next call. float64, because neighbours are often equal to 7 digits and
   *   which of them is a peak should not hang on rounding.
   */
  solve(mel: Float32Array, offset: number, stride: number): Float64Array {
    const { x, target, ones, from, falling, rising } = this;
    for (let band = 0; band < MEL.bands; band++) {
      this.bands[band + 1] = Math.exp(mel[offset + band * stride]!);
    }
    this.spread(target);
    for (let k = from[0]!; k < USED; k++) x[k] = Math.max(1e-7, target[k]! / (ones[k]! + TINY));
    for (let update = -1; update < UPDATES; update++) {
      const { bands, nextBands } = this;
      let rise = 0;
      for (let s = 0; s <= MEL.bands; s++) {
        const lower = bands[s]!;
        const upper = bands[s + 1]!;
        const end = from[s + 1]!;
        let fall = rise;
        rise = 0;
        for (let k = from[s]!; k < end; k++) {
          const down = falling[k]!;
          const up = rising[k]!;
          // Round -1 only sums the bands of the start.
          const value = update < 0 ? x[k]! : (x[k]! * target[k]!) / (down * lower + up * upper + TINY);
          x[k] = value;
          fall += down * value;
          rise += up * value;
        }
        nextBands[s] = fall;
      }
      this.bands = nextBands;
      this.nextBands = bands;
    }
    return x;
  }

  /** W'y of the bands y. */
  private spread(into: Float64Array): void {
    const { from, falling, rising, bands } = this;
    for (let s = 0; s <= MEL.bands; s++) {
      for (let k = from[s]!; k < from[s + 1]!; k++) {
        into[k] = falling[k]! * bands[s]! + rising[k]! * bands[s + 1]!;
      }
    }
  }
}
