import { expect, test } from 'vitest';
import { LIMITS } from './limits.testing.ts';
import type { Task } from '../lib/task.ts';
import { passesOf, rateOf, workSeconds } from './estimate.ts';

const song = (createdAt: number, model: string, timings: Record<string, number>) => ({
  createdAt,
  model,
  seconds: 10,
  task: { sampling: LIMITS.sampling } as Task, // all that is read of it
  timings,
});

test('passes follow steps, guidance and solver', () => {
  expect(passesOf(LIMITS.sampling)).toBe(16 * 1.5);
  expect(passesOf({ ...LIMITS.sampling, guidance: { ...LIMITS.sampling.guidance, scale: 1 } })).toBe(16);
  expect(passesOf({ ...LIMITS.sampling, solver: 'heun' })).toBe(48);
  expect(passesOf({ ...LIMITS.sampling, ossSteps: [1, 2] })).toBe(3);
});

test('the newest measured song of the model sets the pace, and repeats itself exactly', () => {
  const tracks = [
    song(30, 'other', { denoise: 1, sound: 1 }),
    song(20, 'nano', { denoise: 4800, sound: 1000 }),
    song(10, 'nano', { denoise: 9999, sound: 9999 }),
  ];
  const rate = rateOf(tracks, 'nano', 0);
  expect(rate && workSeconds(rate, 10, LIMITS.sampling)).toBeCloseTo(5.8);
  expect(rate && workSeconds(rate, 20, LIMITS.sampling)).toBeCloseTo(11.6);
});

test('without a measurement there is no estimate', () => {
  expect(rateOf([], 'nano', 0)).toBeNull();
  expect(rateOf([song(5, 'nano', { denoise: 1, sound: 1 })], 'nano', 6)).toBeNull();
  expect(rateOf([{ ...song(5, 'nano', { denoise: 1, sound: 1 }), stoppedAt: 3 }], 'nano', 0)).toBeNull();
});
