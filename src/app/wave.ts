/** Peaks as the worker made them, at the resolution that a drawing needs. */
import type { Peaks } from '../lib/audio/pcm.ts';

export interface Envelope {
  readonly high: Float32Array;
  readonly low: Float32Array;
  readonly rms: Float32Array;
}

/** The finest level: what a full-width waveform is drawn from. */
export function envelope(peaks: Peaks): Envelope {
  const { max, min, rms } = peaks.levels[0];
  return { high: max, low: min, rms };
}
