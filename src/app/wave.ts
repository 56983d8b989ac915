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

/** Steps of a ruler, seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60] as const;
const MOST_LABELS = 7;

/** Seconds at which a ruler under a song has its labels: few and round. */
export function ruler(seconds: number): readonly number[] {
  const step = STEPS.find((one) => seconds / one <= MOST_LABELS) ?? 60;
  const count = Math.floor(seconds / step - 0.25) + 1;
  return Array.from({ length: Math.max(1, count) }, (_, i) => i * step);
}
