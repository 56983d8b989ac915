import { describe, expect, test } from 'vitest';
import { goldenTensors, hasGolden, maxError } from '../../../scripts/golden/read.ts';
import type { SolverName } from '../task.ts';
import { denoise } from './denoise.ts';
import { plain, SOLVERS, visits, type Solver, type Velocity } from './solvers.ts';
import { flowSchedule } from './schedule.ts';

const silent = { onStep: () => {}, stopped: () => false };
const run = (solver: Solver, sigmas: Float32Array, x: Float32Array, velocity: Velocity, omega = 0) =>
  denoise(
    [{ sigmas, firstCall: 0, solver, velocity, begin: () => x }],
    { omega, draw: () => x.slice().fill(0) },
    silent,
  );

test.each(Object.entries({ ...SOLVERS, plain }))(
  '%s lands on the data of a straight flow',
  async (_name, solver) => {
    const data = Float32Array.of(3, -1, 0.5, 8);
    const noise = Float32Array.of(0.1, 2, -1, 0);
    const velocity: Velocity = async (x, { sigma }) => x.map((v, i) => (v - data[i]!) / sigma);
    const { sigmas } = flowSchedule({ steps: 7, shift: 3 });
    expect(maxError(await run(solver, sigmas, noise, velocity), data)).toBeLessThan(1e-5);
  },
);

test('the error of euler falls with the steps, that of heun with their square', async () => {
  // dx/dsigma = x from sigma 1 to s: x(s) = exp(s - 1); the final first-order step of heun is left out.
  const error = async (solver: Solver, steps: number) => {
    const sigmas = Float32Array.from({ length: steps + 1 }, (_, i) => 1 - (0.9 * i) / steps);
    const x = await run(solver, sigmas, Float32Array.of(1), async (v) => v.slice());
    return Math.abs(x[0]! - Math.exp(-0.9));
  };
  expect((await error(SOLVERS.euler, 8)) / (await error(SOLVERS.euler, 32))).toBeCloseTo(4, 0);
  expect((await error(SOLVERS.heun, 8)) / (await error(SOLVERS.heun, 32))).toBeGreaterThan(13);
});

test('every solver calls the velocity at the levels that it announces', async () => {
  const { sigmas } = flowSchedule({ steps: 5, shift: 3 });
  for (const solver of Object.values(SOLVERS)) {
    const seen: number[] = [];
    await run(solver, sigmas, Float32Array.of(1, 2), async (x, { sigma, call }) => {
      seen[call] = sigma;
      return x.slice();
    });
    expect(seen).toEqual([...visits(solver, sigmas)]);
  }
});

describe.skipIf(!hasGolden)('against the reference (needs ../shared/golden)', () => {
  const golden = hasGolden ? goldenTensors('schedulers/steps.safetensors') : new Map();
  const cases = [...golden.keys()]
    .filter((name) => name.endsWith('.init'))
    .map((name) => name.slice(0, -'.init'.length));

  test.each(cases)('%s', async (name) => {
    const get = (part: string): Float32Array => golden.get(`${name}.${part}`)!.data;
    const [solver, omega] = name.split('.omega') as [SolverName, string];
    const x = get('init');
    const outputs = get('model_outputs');
    const noises = golden.get(`${name}.noises`)?.data;
    const all = get('sigmas');
    const sigmas = solver === 'heun' ? all.filter((s, i) => i === 0 || s !== all[i - 1]) : all;
    const seen: Float32Array[] = [];
    let drawn = 0;
    const options = {
      omega: Number(omega),
      draw: () => noises!.subarray(drawn * x.length, ++drawn * x.length),
    };
    const segment = {
      sigmas,
      firstCall: 0,
      solver: SOLVERS[solver],
      begin: () => x,
      velocity: async (at: Float32Array, { call }: { call: number }) => {
        if (call > 0) seen[call - 1] = at.slice();
        return outputs.slice(call * x.length, (call + 1) * x.length);
      },
    };
    const last = await denoise([segment], options, silent);
    const trajectory = get('trajectory');
    [...seen, last].forEach((at, i) =>
      expect(maxError(at, trajectory.subarray(i * x.length, (i + 1) * x.length))).toBeLessThan(1e-5),
    );
  });
});
