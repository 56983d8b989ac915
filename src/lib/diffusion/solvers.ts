/** Solvers of the flow ODE dx/dsigma = velocity(x, sigma). SPEC 4. */
import type { SolverName } from '../task.ts';
import type { Latents } from './latents.ts';

/** Where the velocity is asked: the noise level and the running number of the call, which guidance goes by. */
export interface At {
  readonly sigma: number;
  readonly call: number;
}

export type Velocity = (x: Latents, at: At) => Promise<Latents>;

/** One step from `sigma` to `next`. */
export interface Step {
  readonly x: Latents;
  readonly sigma: number;
  readonly next: number;
  /** Number of the first velocity call of this step. */
  readonly call: number;
  readonly velocity: Velocity;
}

/** What a solver may use beside the step itself. */
export interface SolverOptions {
  /** Mean shift ("granularity"), -100..100; 0 changes nothing. */
  readonly omega: number;
  /** Fresh noise like x. */
  readonly draw: () => Latents;
}

export interface Solver {
  /** Velocity calls of a step; a last step to sigma 0 takes one. */
  readonly callsPerStep: number;
  step(step: Step, options: SolverOptions): Promise<Latents>;
}

/** The sigma of every velocity call of a schedule, in order. */
export function visits(solver: Solver, sigmas: Float32Array): Float32Array {
  const each = solver.callsPerStep;
  const length = Math.max(0, each * (sigmas.length - 2) + 1);
  return Float32Array.from({ length }, (_, call) => sigmas[Math.ceil(call / each)]!);
}

const euler: Solver = {
  callsPerStep: 1,
  async step({ x, sigma, next, call, velocity }, { omega }) {
    return shiftMean(x, await velocity(x, { sigma, call }), next - sigma, omega);
  },
};

/** Second order. The last step, to sigma 0, stays first order: the network knows no sigma 0. */
const heun: Solver = {
  callsPerStep: 2,
  async step({ x, sigma, next, call, velocity }, { omega }) {
    const first = await velocity(x, { sigma, call });
    const guess = shiftMean(x, first, next - sigma, omega);
    if (next === 0) return guess;
    const second = await velocity(guess, { sigma: next, call: call + 1 });
    for (let i = 0; i < second.length; i++) second[i] = (first[i]! + second[i]!) / 2;
    return shiftMean(x, second, next - sigma, omega);
  },
};

/** Stochastic: to the predicted data and back with fresh noise. Knows no omega; draws even for the last step. */
const pingpong: Solver = {
  callsPerStep: 1,
  async step({ x, sigma, next, call, velocity }, { draw }) {
    const out = await velocity(x, { sigma, call });
    const noise = draw();
    for (let i = 0; i < out.length; i++) out[i] = (1 - next) * (x[i]! - sigma * out[i]!) + next * noise[i]!;
    return out;
  },
};

export const SOLVERS: Readonly<Record<SolverName, Solver>> = { euler, heun, pingpong };

/** Euler without omega, call by call: repaint, extend and edit bypass the chosen solver. SPEC 5.5, 7.9. */
export const plain: Solver = {
  callsPerStep: 1,
  async step({ x, sigma, next, call, velocity }) {
    const out = await velocity(x, { sigma, call });
    for (let i = 0; i < out.length; i++) out[i] = x[i]! + (next - sigma) * out[i]!;
    return out;
  },
};

/**
 * x + dx with the departures of dx from its mean scaled by omega. The mean is taken over the whole batch: songs
 * of one batch colour each other. SPEC 4, 7.8.
 */
function shiftMean(x: Latents, velocity: Latents, dt: number, omega: number): Latents {
  const scale = 0.9 + 0.2 / (1 + Math.exp(-0.1 * omega));
  let sum = 0;
  for (let i = 0; i < velocity.length; i++) sum += velocity[i]!;
  const mean = (sum / velocity.length) * dt;
  const out = new Float32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + (velocity[i]! * dt - mean) * scale + mean;
  return out;
}
