/** Flow-match schedules: which noise levels (sigma, 1 = noise, 0 = data) the sampler visits. SPEC 4, 5.4. */

/** Training steps of the family: timestep = 1000 sigma. */
const TRAIN_STEPS = 1000;

export interface Schedule {
  /** Falling, one more than there are steps; the last is 0. float32 like the reference. */
  readonly sigmas: Float32Array;
  /** sigmaMax shifted once: the level at which audio2audio mixes. sigmas[0] is shifted twice. */
  readonly startSigma: number;
}

export interface ScheduleOptions {
  readonly steps: number;
  /** Timestep shift: above 1 more steps are spent near noise. */
  readonly shift: number;
  /** Below 1 the path starts between data and noise (audio2audio). */
  readonly sigmaMax?: number;
  /** Explicit steps, counted from 1, of a schedule as long as the largest of them; empty = all. */
  readonly ossSteps?: readonly number[];
}

/**
 * The schedule of the reference, quirks included: it shifts sigmas when the scheduler is built AND when the steps
 * are set, and a third time when explicit steps are picked. Trained models expect it. SPEC 4, 5.4, 7.1.
 */
export function flowSchedule({ steps, shift, sigmaMax = 1, ossSteps = [] }: ScheduleOptions): Schedule {
  const startSigma = Math.fround(shifted(Math.fround(sigmaMax), shift));
  if (ossSteps.length > 0) {
    const full = flowSchedule({ steps: Math.max(...ossSteps), shift, sigmaMax }).sigmas;
    return { startSigma, sigmas: withEnd(ossSteps.map((step) => shifted(full[step - 1]!, shift))) };
  }
  const endSigma = Math.fround(shifted(Math.fround(1 / TRAIN_STEPS), shift));
  const stride = steps > 1 ? (endSigma - startSigma) / (steps - 1) : 0;
  const sigmas = Array.from({ length: steps }, (_, i) => shifted(startSigma + i * stride, shift));
  return { startSigma, sigmas: withEnd(sigmas) };
}

/** What the network is told for a sigma: 0..1000, rounded as the reference rounds it. */
export const timestepOf = (sigma: number): number => Math.fround(Math.fround(sigma) * TRAIN_STEPS);

const shifted = (sigma: number, shift: number): number => (shift * sigma) / (1 + (shift - 1) * sigma);

const withEnd = (sigmas: readonly number[]): Float32Array => Float32Array.from([...sigmas, 0]);
