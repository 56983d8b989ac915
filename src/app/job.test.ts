import { describe, expect, test } from 'vitest';
import type { Task } from '../lib/task.ts';
import {
  barHeights,
  jobOf,
  milestone,
  newJob,
  progress,
  reduceJob,
  secondsLeft,
  storedOf,
  type Job,
  type JobAction,
} from './job.ts';
import { LIMITS } from './limits.testing.ts';

const task: Task = {
  kind: 'text2music',
  model: 'nano',
  prompt: 'jazz',
  negativePrompt: '',
  lyrics: '',
  language: '',
  seconds: 10,
  seeds: [7],
  score: { bpm: null, key: '', meter: '', chords: '' },
  sampling: { ...LIMITS.sampling, steps: 4 },
  loras: [],
};

/** Plays [milliseconds, action] pairs into a new job. */
const play = (...script: readonly (readonly [number, JobAction])[]): Job =>
  script.reduce((job, [now, action]) => reduceJob(job, action, now), newJob('a', 'Jazz', task, 'Draft'));

const step = (n: number, ms = 1000): JobAction => ({ type: 'step', step: n, steps: 4, sigma: 1 - n / 4, ms });
const START = [0, { type: 'start', soundMs: 2000 }] as const;
const DENOISE = [100, { type: 'stage', stage: 'denoise' }] as const;

describe('a job follows the events of the engine', () => {
  test('time left appears with the second step and counts the sound in', () => {
    expect(play(START, DENOISE, [1100, step(1)]).left).toBeNull();
    const job = play(START, DENOISE, [1100, step(1, 5000)], [2100, step(2)]);
    expect(job.left).toBeCloseTo(2 * 1 + 2); // the slow first step is warming up, not the pace
  });

  test('time left falls with the clock in the last stage, and never below a second', () => {
    const job = play(
      START,
      DENOISE,
      [1, step(1)],
      [2, step(2)],
      [3, step(3)],
      [4, step(4)],
      [5000, { type: 'stage', stage: 'sound' }],
    );
    expect(secondsLeft(job, 5000)).toBeCloseTo(2);
    expect(secondsLeft(job, 6500)).toBeCloseTo(1);
    expect(secondsLeft(job, 60_000)).toBe(1);
  });

  test('small growth is not shown, large growth is', () => {
    const at = (ms: number): Job =>
      play(START, DENOISE, [1, step(1, 500)], [2, step(2, 500)], [3, step(3, ms)]);
    expect(at(500).left).toBeCloseTo(2.5);
    expect(at(2400).left).toBeCloseTo(3); // would be 4.4: stays at what was shown after step two
    expect(at(9000).left).toBeCloseTo(11);
  });

  test('progress rises to one', () => {
    const jobs = [
      play(START),
      play(START, DENOISE, [1, step(1)]),
      play(START, DENOISE, [1, step(1)], [2, step(2)]),
      play(START, DENOISE, [1, step(1)], [2, step(2)], [3, step(3)], [4, step(4)]),
      play(START, DENOISE, [1, step(1)], [2, step(4)], [1000, { type: 'stage', stage: 'sound' }]),
    ];
    const shares = jobs.map((job) => progress(job, 2000));
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBeLessThan(1);
    expect(progress(reduceJob(jobs[4] as Job, { type: 'done' }, 0), 0)).toBe(1); // five jobs above
  });

  test('what was stopped and kept can go on where a step is saved, also after a reload', () => {
    const stopped = play(START, DENOISE, [1, step(1)], [2, step(2)], [3, { type: 'ending', ending: 'keep' }]);
    const done = (job: Job): Job => reduceJob(job, { type: 'done' }, 5);
    expect(done(stopped).state, 'no step is saved').toBe('done');
    const kept = done(reduceJob(stopped, { type: 'saved', step: 2, steps: 4 }, 4));
    expect(kept).toMatchObject({ state: 'kept', keptAt: 2, step: 2, steps: 4, error: null });
    expect(jobOf(storedOf(kept))).toMatchObject({ state: 'kept', keptAt: 2, step: 2 });
    const extension = { ...stopped, saved: kept.saved, task: { ...task, kind: 'extend' } as Task };
    expect(done(extension).state).toBe('done');
    expect(done({ ...stopped, saved: { step: 4, steps: 4 }, step: 4 }).state, 'all steps are made').toBe(
      'done',
    );
  });

  test('bars are the noise levels of the steps', () => {
    const job = play(START, [1, { type: 'schedule', sigmas: [0.8, 0.6, 0.4, 0.2, 0] }]);
    expect(barHeights(job).map((h) => Number(h.toFixed(3)))).toEqual([1, 0.75, 0.5, 0.25]);
    expect(barHeights(play(START))).toEqual([]);
  });

  test('downloads show until they are whole', () => {
    const half = play(START, [1, { type: 'download', file: 'a.bin', loaded: 5, total: 10 }]);
    expect(half.download).toEqual({ file: 'a.bin', loaded: 5, total: 10 });
    expect(
      reduceJob(half, { type: 'download', file: 'a.bin', loaded: 10, total: 10 }, 2).download,
    ).toBeNull();
  });

  test('the same notice is kept once', () => {
    const notice: JobAction = { type: 'notice', code: 'x', text: 'Slower here.' };
    expect(play(START, [1, notice], [2, notice]).notices).toEqual(['Slower here.']);
  });

  test('cancelled is not a failure, everything else is', () => {
    const cancelled = play(START, [1, { type: 'failed', error: { code: 'cancelled', message: '' } }]);
    expect([cancelled.state, cancelled.error]).toEqual(['cancelled', null]);
    const failed = play(START, [1, { type: 'failed', error: { code: 'memory', message: 'too big' } }]);
    expect([failed.state, failed.error?.message]).toEqual(['failed', 'too big']);
  });

  test('a job that waits cannot be stopped and kept', () => {
    expect(reduceJob(newJob('a', '', task, ''), { type: 'ending', ending: 'keep' }, 0).ending).toBeNull();
  });

  test('screen readers hear stages and quarters, not steps', () => {
    const long = { ...play(START, DENOISE), steps: 16 };
    const to = (n: number): Job => ({ ...long, step: n });
    expect(milestone({ ...long, stage: null }, long)).toEqual({ stage: 'denoise' });
    expect(milestone(to(1), to(2))).toBeNull();
    expect(milestone(to(3), to(4))).toEqual({ quarter: 1 });
    expect(milestone(to(15), to(16))).toBeNull();
  });
});
