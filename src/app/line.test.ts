import { describe, expect, test } from 'vitest';
import type { Task } from '../lib/task.ts';
import { jobOf, newJob, reduceJob, storedOf, type Job } from './job.ts';
import { LIMITS } from './limits.testing.ts';
import { firstOrder, inOrder, lastOrder, merged, orderAt, waitingOf } from './line.ts';

const task = { kind: 'text2music', seeds: [7], sampling: LIMITS.sampling } as unknown as Task; // what jobs read of it

const job = (id: string, order: number, changes: Partial<Job> = {}): Job => ({
  ...newJob(id, id, task, 'Draft', order),
  ...changes,
});
const names = (jobs: readonly Job[]): string => jobs.map(({ id }) => id).join('');

describe('a line', () => {
  const LINE = [
    job('r', 0, { state: 'running' }),
    job('a', 1),
    job('f', 2, { state: 'failed' }),
    job('b', 3),
    job('c', 4),
  ];
  const move = (id: string, index: number): string => {
    const order = orderAt(LINE, id, index);
    return order === null
      ? 'same'
      : names(waitingOf(inOrder(LINE.map((one) => (one.id === id ? { ...one, order } : one)))));
  };

  test.each([
    ['c', 0, 'cab'],
    ['c', 1, 'acb'],
    ['a', 2, 'bca'],
    ['a', 1, 'bac'],
    ['b', 99, 'acb'],
    ['b', -1, 'bac'],
    ['a', 0, 'same'],
    ['r', 1, 'same'],
    ['zz', 1, 'same'],
  ])('%s to place %i is %s', (id, index, expected) => expect(move(id, index)).toBe(expected));

  test('a job can be moved again and again between the same two', () => {
    let jobs: readonly Job[] = [job('a', 1), job('b', 2), job('c', 3)];
    for (let i = 0; i < 40; i++) {
      const id = names(jobs)[2]!;
      const order = orderAt(jobs, id, 1)!;
      jobs = inOrder(jobs.map((one) => (one.id === id ? { ...one, order } : one)));
      expect(names(jobs)[1]).toBe(id);
    }
  });

  test('new work stands last, work in hand first', () => {
    expect([lastOrder([]), firstOrder([])]).toEqual([1, 0]);
    expect([lastOrder(LINE), firstOrder(LINE)]).toEqual([5, -1]);
  });

  test('what is stored leads; of the running job the page knows more', () => {
    const running = job('a', 1, { state: 'running', step: 3, sigmas: [1, 0.5] });
    const stored = [storedOf(job('b', 0.5)), { ...storedOf(running), saved: { step: 2, steps: 4 } }];
    const line = merged(stored, [running, job('gone', 9)], 'a');
    expect(names(line)).toBe('ba');
    expect(line[1]).toMatchObject({
      state: 'running',
      step: 3,
      sigmas: [1, 0.5],
      saved: { step: 2, steps: 4 },
    });
    // The tab that made it is gone: it waits, and shows where it will go on.
    expect(merged(stored, line, null)[1]).toMatchObject({ state: 'waiting', step: 2, steps: 4, sigmas: [] });
  });

  test('failures stay failures, with their reason and their saved step', () => {
    const saved = { step: 3, steps: 8 };
    const failed = reduceJob(
      reduceJob(job('a', 1), { type: 'start', soundMs: null }, 0),
      { type: 'saved', ...saved },
      1,
    );
    const record = storedOf(
      reduceJob(failed, { type: 'failed', error: { code: 'memory', message: 'no' } }, 2),
    );
    expect(jobOf(record)).toMatchObject({ state: 'failed', saved, error: { code: 'memory' } });
    expect(jobOf({ ...record, error: null })).toMatchObject({ state: 'waiting', saved, step: 3 });
  });

  test('a paused job goes back into the line, a cancelled one does not', () => {
    const started = reduceJob(job('a', 1), { type: 'start', soundMs: null }, 0);
    const end = (ending: 'pause' | 'cancel') =>
      reduceJob(
        reduceJob(started, { type: 'ending', ending }, 1),
        { type: 'failed', error: { code: 'cancelled', message: '' } },
        2,
      ).state;
    expect([end('pause'), end('cancel')]).toEqual(['waiting', 'cancelled']);
  });
});
