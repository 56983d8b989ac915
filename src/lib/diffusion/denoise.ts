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

/** What the loop tells and asks its owner. */
export interface Watch {
  onStep(step: { readonly step: number; readonly steps: number; readonly sigma: number }): void;
  /** Asked after each step: leave now, and keep what there is. */
  stopped(): boolean;
}

/** Runs the segments in order. Cancelling is the velocity's business: it throws. */
export async function denoise(
  segments: readonly Segment[],
  options: SolverOptions,
  watch: Watch,
): Promise<Latents> {
  const steps = segments.reduce((n, s) => n + s.sigmas.length - 1, 0);
  let done = 0;
  let x: Latents | null = null;
  for (const segment of segments) {
    const { sigmas, solver } = segment;
    let last: Latents | null = null;
    const velocity: Velocity = async (at, where) => (last = await segment.velocity(at, where)).slice();
    x = segment.begin(x);
    for (let i = 0; i + 1 < sigmas.length; i++) {
      const sigma = sigmas[i]!;
      const next = sigmas[i + 1]!;
      const call = segment.firstCall + i * solver.callsPerStep;
      x = await solver.step({ x, sigma, next, call, velocity }, options);
      x = segment.constrain?.(x, next) ?? x;
      watch.onStep({ step: ++done, steps, sigma: next });
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
