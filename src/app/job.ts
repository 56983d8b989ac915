/**
 * A job is one task on its way from the line to the library. It follows the engine's events through a pure reducer:
 * nothing here reads a clock or touches the page, `now` (milliseconds) always comes in.
 */
import type { ErrorCode } from '../lib/errors.ts';
import type { EngineEvent, Stage } from '../lib/events.ts';
import type { Task } from '../lib/task.ts';
import type { StoredJob } from '../storage/jobs.ts';

/** Kept: stopped by the user, its song is in the library, and it can go on to its last step. */
export type JobState = 'waiting' | 'running' | 'kept' | 'done' | 'failed' | 'cancelled';

/** What the model decided before it began. */
export type Plan = Omit<EngineEvent & { readonly type: 'plan' }, 'type'>;

export interface JobError {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface Job {
  readonly id: string;
  readonly title: string;
  readonly task: Task;
  /** Place in line: rising, and not necessarily whole. */
  readonly order: number;
  /** The track that this one is made from. */
  readonly parent?: string;
  /** The last step that is on disk: there it goes on after the tab was closed. Null before there is one. */
  readonly saved: StoredJob['saved'];
  /** How often it was begun since a step of it was last saved. */
  readonly starts: number;
  readonly keptAt?: number;
  /** Name of the quality preset, for display. */
  readonly preset: string;
  readonly state: JobState;
  readonly stage: Stage | null;
  /** Files on their way: bytes so far and in all. Null when nothing is being fetched. */
  readonly download: { readonly file: string; readonly loaded: number; readonly total: number } | null;
  /** Graphs loaded for this job, in order. */
  readonly loaded: readonly string[];
  /** The schedule, falling; empty until it is known. */
  readonly sigmas: readonly number[];
  readonly step: number;
  readonly steps: number;
  readonly stepMs: readonly number[];
  /** When the present stage began. */
  readonly stageAt: number;
  readonly startedAt: number;
  /** What turning latents into sound is expected to take, milliseconds; from earlier songs on this device. */
  readonly soundMs: number | null;
  /** Seconds to go as shown: settled, so that it does not flicker. Null until two steps are measured. */
  readonly left: number | null;
  /** What the user asked of a running job. */
  readonly ending: null | 'keep' | 'cancel' | 'pause';
  readonly plan: Plan | null;
  readonly notices: readonly string[];
  readonly error: JobError | null;
}

export type JobAction =
  | { readonly type: 'start'; readonly soundMs: number | null }
  | { readonly type: 'tick' }
  | { readonly type: 'ending'; readonly ending: 'keep' | 'cancel' | 'pause' }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly error: JobError }
  | EngineEvent;

export const newJob = (id: string, title: string, task: Task, preset: string, order = 0): Job => ({
  id,
  title,
  task,
  preset,
  order,
  saved: null,
  starts: 0,
  state: 'waiting',
  stage: null,
  download: null,
  loaded: [],
  sigmas: [],
  step: 0,
  steps: task.sampling.steps,
  stepMs: [],
  stageAt: 0,
  startedAt: 0,
  soundMs: null,
  left: null,
  ending: null,
  plan: null,
  notices: [],
  error: null,
});

/** A job as it waits in a line that was kept, or was made before and failed. */
export const jobOf = ({
  id,
  title,
  task,
  preset,
  order,
  parent,
  saved,
  starts,
  keptAt,
  error,
}: StoredJob): Job => ({
  ...newJob(id, title, task, preset, order),
  ...(parent !== undefined && { parent }),
  ...(keptAt !== undefined && { keptAt }),
  state: error ? 'failed' : keptAt === undefined ? 'waiting' : 'kept',
  steps: saved?.steps ?? task.sampling.steps,
  step: saved?.step ?? 0,
  saved,
  starts,
  error,
});

/** What another tab needs to take the job up. */
export const storedOf = ({
  id,
  title,
  task,
  preset,
  order,
  parent,
  saved,
  starts,
  keptAt,
  error,
}: Job): StoredJob => ({
  id,
  title,
  task,
  preset,
  order,
  ...(parent !== undefined && { parent }),
  ...(keptAt !== undefined && { keptAt }),
  saved,
  starts,
  error,
});

/** Of unknown songs: the sound takes about this share of what all steps take (nano on WASM, first song of a session). */
const SOUND_SHARE = 0.35;

export function reduceJob(job: Job, action: JobAction, now: number): Job {
  switch (action.type) {
    case 'start':
      return { ...job, state: 'running', startedAt: now, stageAt: now, soundMs: action.soundMs };
    case 'ending':
      return job.state === 'running' ? { ...job, ending: action.ending } : job;
    case 'done':
      return ended(job);
    case 'failed':
      if (action.error.code === 'cancelled' && job.ending === 'pause') return jobOf(storedOf(job));
      return action.error.code === 'cancelled'
        ? { ...job, state: 'cancelled', left: null, download: null }
        : { ...job, state: 'failed', left: null, download: null, error: action.error };
    case 'tick':
      return settled(job, now);
    case 'download':
      return {
        ...job,
        download:
          action.loaded < action.total
            ? { file: action.file, loaded: action.loaded, total: action.total }
            : null,
      };
    case 'load':
      return { ...job, download: null, loaded: [...job.loaded, action.graph] };
    case 'stage':
      return settled({ ...job, stage: action.stage, stageAt: now, download: null }, now);
    case 'schedule':
      return { ...job, sigmas: action.sigmas };
    case 'plan': {
      const { type: _, ...plan } = action;
      return { ...job, plan };
    }
    case 'step':
      return settled(
        { ...job, step: action.step, steps: action.steps, stepMs: [...job.stepMs, action.ms] },
        now,
      );
    case 'saved': {
      const { step, steps } = action;
      return { ...job, step: Math.max(job.step, step), steps, saved: { step, steps }, starts: 0 };
    }
    case 'notice':
      return job.notices.includes(action.text) ? job : { ...job, notices: [...job.notices, action.text] };
    case 'audio':
      return job;
  }
}

/**
 * Where the step that it was stopped at is saved, the rest can still be made. The passes of an extension build on each
 * other: there a stopped one is not to be gone on from.
 */
const ended = (job: Job): Job =>
  job.ending === 'keep' && job.step < job.steps && job.saved && job.task.kind !== 'extend'
    ? { ...jobOf({ ...storedOf(job), keptAt: job.saved.step }), sigmas: job.sigmas }
    : { ...job, state: 'done', left: null, download: null };

/** Heights of the step bars, 0..1: the noise level that each step starts from. Empty until the schedule is known. */
export function barHeights(job: Job): readonly number[] {
  const levels = job.sigmas.slice(0, job.steps);
  const highest = Math.max(...levels, 0);
  return highest > 0 ? levels.map((sigma) => sigma / highest) : [];
}

/** How far the whole job is, 0..1; 0 before the first step. */
export function progress(job: Job, now: number): number {
  if (job.state === 'done') return 1;
  if (job.state !== 'running' || job.steps === 0) return 0;
  const sound = soundOf(job) / (soundOf(job) + job.steps * stepOf(job) || 1);
  if (job.stage !== 'sound') return (job.step / job.steps) * (1 - sound);
  return 1 - sound + sound * Math.min(0.99, (now - job.stageAt) / (soundOf(job) || 1));
}

/** Seconds from now to the finished song; null before two steps are measured. */
export function secondsLeft(job: Job, now: number): number | null {
  if (job.state !== 'running' || job.stepMs.length < 2) return null;
  if (job.stage === 'sound') return Math.max(1, (soundOf(job) - (now - job.stageAt)) / 1000);
  return ((job.steps - job.step) * stepOf(job) + soundOf(job)) / 1000;
}

/** What a screen reader should hear of the change: a stage that began, a quarter that is done. Null: nothing. */
export function milestone(before: Job, after: Job): { stage: Stage } | { quarter: 1 | 2 | 3 } | null {
  if (after.stage !== null && after.stage !== before.stage) return { stage: after.stage };
  const quarter = (job: Job): number => (job.steps > 0 ? Math.floor((4 * job.step) / job.steps) : 0);
  const now = quarter(after);
  return now !== quarter(before) && (now === 1 || now === 2 || now === 3) ? { quarter: now } : null;
}

/** Median of the recent steps, milliseconds. The first step pays for warming up, so it counts only while alone. */
function stepOf(job: Job): number {
  const recent = job.stepMs.slice(job.stepMs.length > 1 ? 1 : 0).slice(-5);
  const sorted = recent.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

const soundOf = (job: Job): number => job.soundMs ?? SOUND_SHARE * job.steps * stepOf(job);

/** A time that falls is shown; one that grows by less than three seconds is not worth the alarm. */
function settled(job: Job, now: number): Job {
  const next = secondsLeft(job, now);
  const { left } = job;
  if (next === null || left === null) return { ...job, left: next };
  return next > left && next - left < 3 ? job : { ...job, left: next };
}
