import { describe, expect, test } from 'vitest';
import { goldenJson, hasGolden } from '../../../scripts/golden/read.ts';
import { flowSchedule, timestepOf } from './schedule.ts';
import { SOLVERS, visits } from './solvers.ts';

test('the shift is applied twice', () => {
  const { sigmas, startSigma } = flowSchedule({ steps: 60, shift: 3 });
  expect(sigmas).toHaveLength(61);
  expect([sigmas[0], sigmas[60], startSigma]).toEqual([1, 0, 1]);
  expect(sigmas[59]).toBeCloseTo(0.0089286, 6);
  const half = flowSchedule({ steps: 30, shift: 3, sigmaMax: 0.5 });
  expect(half.startSigma).toBeCloseTo(0.75, 6);
  expect(half.sigmas[0]).toBeCloseTo(0.9, 6);
});

test('sigmas fall from step to step, whatever the options', () => {
  for (const steps of [1, 2, 3, 200]) {
    for (const shift of [0.5, 1, Math.sqrt(3), 3, 10]) {
      for (const sigmaMax of [0.01, 0.5, 1]) {
        const { sigmas } = flowSchedule({ steps, shift, sigmaMax });
        for (let i = 1; i <= steps; i++) expect(sigmas[i]).toBeLessThan(sigmas[i - 1]!);
      }
    }
  }
});

interface Golden {
  schedules: { type: 'euler'; shift: number; sigma_max_arg: number; steps: number; timesteps: number[]; sigmas: number[]; sigma_max: number }[];
  oss: { type: 'euler'; oss_steps: number[]; timesteps: number[]; sigmas: number[] }[];
} // prettier-ignore

describe.skipIf(!hasGolden)('against the reference (needs ../shared/golden)', () => {
  const golden = hasGolden ? goldenJson<Golden>('schedulers/schedules.json') : { schedules: [], oss: [] };

  test('schedules', () => {
    for (const g of golden.schedules) {
      const { sigmas, startSigma } = flowSchedule({
        steps: g.steps,
        shift: g.shift,
        sigmaMax: g.sigma_max_arg,
      });
      expect(Math.abs(startSigma - g.sigma_max)).toBeLessThan(1e-7);
      const calls = [...visits(SOLVERS[g.type], sigmas)];
      expect(calls).toHaveLength(g.timesteps.length);
      calls.forEach((sigma, i) => {
        expect(Math.abs(timestepOf(sigma) / g.timesteps[i]! - 1)).toBeLessThan(1e-6);
        expect(Math.abs(sigma - g.sigmas[i]!)).toBeLessThan(1e-6);
      });
    }
  });

  test('explicit steps are shifted a third time', () => {
    for (const g of golden.oss) {
      const { sigmas } = flowSchedule({ steps: 60, shift: 3, ossSteps: g.oss_steps });
      g.timesteps.forEach((t, i) => expect(Math.abs(timestepOf(sigmas[i]!) / t - 1)).toBeLessThan(1e-6));
      expect(sigmas).toHaveLength(g.sigmas.length);
    }
  });
});
