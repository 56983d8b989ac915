/**
 * The line of work as a list of jobs in their order. Pure: places are numbers between those of the neighbours, so moving
 * one job changes one record, and two tabs that move different jobs do not undo each other.
 */
import type { StoredJob } from '../storage/jobs.ts';
import { jobOf, type Job } from './job.ts';

export const waitingOf = (jobs: readonly Job[]): readonly Job[] =>
  jobs.filter(({ state }) => state === 'waiting');

/** A place behind all. */
export const lastOrder = (jobs: readonly { readonly order: number }[]): number =>
  jobs.reduce((last, { order }) => Math.max(last, order), 0) + 1;

/** A place before all: what is being made stands first after a reload too. */
export const firstOrder = (jobs: readonly { readonly order: number }[]): number =>
  jobs.reduce((first, { order }) => Math.min(first, order), 1) - 1;

/** The place that brings a waiting job to `index` among those that wait; null where it is there already. */
export function orderAt(jobs: readonly Job[], id: string, index: number): number | null {
  const waiting = waitingOf(jobs);
  const from = waiting.findIndex((job) => job.id === id);
  const to = Math.min(Math.max(0, index), waiting.length - 1);
  if (from < 0 || from === to) return null;
  const others = waiting.filter((job) => job.id !== id);
  const [before, after] = [others[to - 1]?.order, others[to]?.order];
  if (before === undefined) return (after ?? 1) - 1;
  return after === undefined ? before + 1 : (before + after) / 2;
}

export const inOrder = (jobs: readonly Job[]): readonly Job[] => jobs.toSorted((a, b) => a.order - b.order);

/**
 * The line as it is stored, with what only this page knows of the job that is being made; `running` is that job's id,
 * null when nothing is being made anywhere: then all that did not fail waits.
 */
export function merged(
  stored: readonly StoredJob[],
  known: readonly Job[],
  running: string | null,
): readonly Job[] {
  const byId = new Map(known.map((job) => [job.id, job]));
  return inOrder(
    stored.map((record) => {
      const job = byId.get(record.id);
      if (!job || job.id !== running || job.state !== 'running') return jobOf(record);
      return { ...job, order: record.order, saved: record.saved, starts: record.starts };
    }),
  );
}
