/** The one loop of the sampler. Every task is a list of segments of the same ODE; see segments.ts. */
import { assert } from '../errors.ts';
import type { Latents } from './latents.ts';
import type { Solver, SolverOptions, Velocity } from './solvers.ts';

export interface Segment {
  /** Falling noise levels; one step between two neighbours. */
  readonly sigmas: Float32Array;
  /** Number of the first velocity call in the whole schedule: guidance intervals count from there. */
  readonly firstCall: number;
  readonly solver: Solver;
  readonly velocity: Velocity;
  /** Latents at sigmas[0], from what the segment before left. */
  begin(x: Latents | null): Latents;
  /** After each step. */
  constrain?(x: Latents, sigma: number): Latents;
  /** Latents to keep when the user stops here; without it the straight line to the predicted data. */
  settle?(x: Latents): Latents;
}

/** A point between two steps: all that the loop itself needs to go on from there. */
export interface Reached {
  /** Index of the segment, and how many of its steps are done. */
  readonly segment: number;
  readonly index: number;
  /** Latents after that step. */
  readonly x: Latents;
}

export interface StepDone {
  /** Counted over all segments, from 1. */
  readonly step: number;
  readonly steps: number;
  readonly sigma: number;
  readonly reached: Reached;
}

/** What the loop tells and asks its owner. */
export interface Watch {
  /** After each step; the loop waits for it. */
  onStep(step: StepDone): void | Promise<void>;
  /** Asked after each step: leave now, and keep what there is. */
  stopped(): boolean;
}

/**
 * Runs the segments in order. Cancelling is the velocity's business: it throws. With `from` the steps up to there are
 * left out; noise and guidance must then stand where they stood (see TorchGenerator.state and Memory), and the
 * latents at the end are bit for bit those of an uninterrupted run.
 */
export async function denoise(
  segments: readonly Segment[],
  options: SolverOptions,
  watch: Watch,
  from: Reached | null = null,
): Promise<Latents> {
  const steps = segments.reduce((n, s) => n + s.sigmas.length - 1, 0);
  let done = 0;
  let x: Latents | null = null;
  for (const [number, segment] of segments.entries()) {
    const { sigmas, solver } = segment;
    if (from && number < from.segment) {
      done += sigmas.length - 1;
      continue;
    }
    const here = from?.segment === number ? from : null;
    let last: Latents | null = null;
    const velocity: Velocity = async (at, where) => (last = await segment.velocity(at, where)).slice();
    x = here ? here.x : segment.begin(x);
    const first = here?.index ?? 0;
    done += first;
    for (let i = first; i + 1 < sigmas.length; i++) {
      const sigma = sigmas[i]!;
      const next = sigmas[i + 1]!;
      const call = segment.firstCall + i * solver.callsPerStep;
      x = await solver.step({ x, sigma, next, call, velocity }, options);
      x = segment.constrain?.(x, next) ?? x;
      const reached = { segment: number, index: i + 1, x };
      await watch.onStep({ step: ++done, steps, sigma: next, reached });
      if (done < steps && watch.stopped()) return settle(segment, x, last, next);
    }
  }
  assert(x !== null, 'a task without segments');
  return x;
}

function settle(segment: Segment, x: Latents, velocity: Latents | null, sigma: number): Latents {
  if (segment.settle) return segment.settle(x);
  assert(velocity !== null, 'a solver that never asked for the velocity');
  const data = new Float32Array(x.length);
  for (let i = 0; i < data.length; i++) data[i] = x[i]! - sigma * velocity[i]!;
  return segment.constrain?.(data, 0) ?? data;
}
