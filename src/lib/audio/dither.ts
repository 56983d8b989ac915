/**
 * Whole numbers out of floats. Rounding alone leaves an error that follows the music and is heard as grit in quiet
 * passages; triangular noise of two steps, added first, turns it into a hiss of constant level (Lipshitz, Wannamaker,
 * Vanderkooy 1992: the sum of two uniform values makes mean and power of the error independent of the signal).
 */

/** One step either way, from a generator that starts alike each time: the same sound gives the same file. */
export function triangular(): () => number {
  let state = 1;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 32;
  };
  return () => uniform() + uniform();
}

/** A sample of -1..1 with `dither` steps added, as a whole number of -full..full - 1; what is beyond is clipped. */
export const whole = (x: number, full: number, dither: number): number =>
  Math.max(-full, Math.min(full - 1, Math.round(x * full + dither)));

/** Channels interleaved as integers of `bits`, each sample dithered by its own draw. */
export function quantise(channels: readonly Float32Array[], bits: 16 | 24): Int32Array<ArrayBuffer> {
  const frames = channels[0]?.length ?? 0;
  const full = 2 ** (bits - 1);
  const dither = triangular();
  const out = new Int32Array(frames * channels.length);
  for (let n = 0, to = 0; n < frames; n++) {
    for (const samples of channels) out[to++] = whole(samples[n]!, full, dither());
  }
  return out;
}
