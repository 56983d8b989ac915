/**
 * The line of work: what waits, what is being made, what failed. It is kept in the library, so a tab that is closed or
 * killed loses nothing: whichever tab comes next goes on, from the last saved step of the song in hand. One tab at a
 * time makes songs: the one that holds the lock; the others show what it tells them, and ask it to stop.
 */
import type { Result } from '../engine/engine.ts';
import { asEngineError } from '../lib/errors.ts';
import type { AudioEvent, EngineEvent } from '../lib/events.ts';
import type { Task } from '../lib/task.ts';
import { openCheckpoints } from '../storage/checkpoints.ts';
import { LINE_PAUSED, type StoredJob } from '../storage/jobs.ts';
import type { Library } from '../storage/library.ts';
import type { EngineClient } from './engine-client.ts';
import { jobOf, milestone, newJob, progress, reduceJob, storedOf, type Job, type JobAction } from './job.ts';
import { firstOrder, inOrder, lastOrder, merged, orderAt, waitingOf } from './line.ts';
import { alone } from './locks.ts';
import type { Log } from './log.svelte.ts';
import { TEXT } from './text.ts';
import type { Toasts } from './toasts.svelte.ts';

/** Work to be put in line. */
export interface NewWork {
  readonly title: string;
  readonly task: Task;
  /** Name of the quality preset, for display. */
  readonly preset: string;
  /** The track that it starts from. */
  readonly parent?: string;
}

/** What the line needs of the app around it. */
export interface Surroundings {
  readonly library: Promise<Library>;
  readonly client: EngineClient;
  readonly toasts: Toasts;
  readonly log: Log;
  /** What turning this task's latents into sound is expected to take, milliseconds; null where that is not known. */
  soundMs(task: Task): number | null;
  /** True where the song of this job is in the library already. */
  has(id: string): boolean;
  /** A piece of the job's song is decoded. */
  hear(job: Job, event: AudioEvent): void;
  /** The job's song will not be finished. */
  lost(job: Job, message: string): Promise<void>;
  /** Takes the songs of a finished job into the library. */
  take(job: Job, result: Result): Promise<void>;
  /** Nothing is left to do. */
  idle(): void;
}

type Message =
  | { readonly type: 'at'; readonly job: Job }
  | { readonly type: 'ask'; readonly id: string; readonly ending: 'keep' | 'cancel' };

export const LOCK = 'cadenza.line';
const DOWNLOAD_MS = 100;
const TELL_MS = 200;
/** A song that ended its tab so often without saving a step is not begun again by itself. */
const MOST_STARTS = 3;

export class Queue {
  /** In their order; the running one first. */
  jobs = $state.raw<readonly Job[]>([]);
  paused = $state(false);
  /** Moves once a second while a song is being made, so that what depends on time is drawn again. */
  now = $state(Date.now());

  readonly running: Job | null = $derived(this.jobs.find(({ state }) => state === 'running') ?? null);
  readonly waiting: readonly Job[] = $derived(waitingOf(this.jobs));
  readonly kept: readonly Job[] = $derived(this.jobs.filter(({ state }) => state === 'kept'));
  readonly failed: readonly Job[] = $derived(this.jobs.filter(({ state }) => state === 'failed'));
  readonly busy: boolean = $derived(this.running !== null || (this.waiting.length > 0 && !this.paused));
  /** Share of the running song that is done, 0..1. */
  readonly share: number = $derived(this.running ? progress(this.running, this.now) : 0);

  readonly #around: Surroundings;
  readonly #checkpoints = openCheckpoints();
  readonly #talk = new BroadcastChannel('cadenza.line');
  /** Ids of jobs that storage refused: they are made all the same, as long as this page is open. */
  readonly #loose = new Set<string>();
  /** Id of the job that this tab makes. */
  #making: string | null = null;
  #abort: AbortController | null = null;
  /** This tab makes songs, or waits for the lock to make them. */
  #pumping = false;
  #downloadAt = 0;
  #toldAt = 0;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** True while this tab makes a song, so that closing it stops the music. */
  get here(): boolean {
    return this.#making !== null;
  }

  /** Reads the line, and goes on with it. */
  async open(): Promise<void> {
    const library = await this.#around.library;
    this.paused = (await library.setting(LINE_PAUSED)) === true;
    await this.#read(null);
    this.#pump();
  }

  /** Follows the other tabs until the returned function is called. */
  listen(): () => void {
    let deaf = (): void => undefined;
    let ended = false;
    this.#around.library.then(
      (library) => {
        if (!ended)
          deaf = library.onChange(
            (change) => void this.#heard(change.type, 'key' in change ? change.key : ''),
          );
      },
      () => undefined, // the shelf tells of a library that cannot be opened
    );
    this.#talk.onmessage = ({ data }: MessageEvent<Message>) => this.#told(data);
    return () => {
      ended = true;
      deaf();
      this.#talk.onmessage = null;
    };
  }

  /** Puts work at the end of the line. */
  async add(work: readonly NewWork[]): Promise<void> {
    const first = lastOrder(this.jobs);
    const jobs = work.map(({ title, task, preset, parent }, i): Job => ({
      ...newJob(crypto.randomUUID(), title, task, preset, first + i),
      ...(parent !== undefined && { parent }),
    }));
    this.jobs = [...this.jobs, ...jobs];
    const [one] = jobs;
    if (one) this.#say(jobs.length === 1 ? TEXT.live.queued(one.title) : TEXT.line.queued(jobs.length));
    const stored = await this.#store((library) => library.putJobs(jobs.map(storedOf)));
    if (!stored) for (const { id } of jobs) this.#loose.add(id);
    this.#pump();
  }

  /** A job that failed in line again; it goes on from its last saved step, unless it has another task now. */
  async again(job: Job, task: Task | null = null): Promise<void> {
    await this.#change([job.id], (stored) => ({
      ...stored,
      ...(task && { task, saved: null }),
      error: null,
      starts: 0,
      order: lastOrder(this.jobs),
    }));
    this.#pump();
  }

  /** The rest of a song that was stopped and kept: a song of its own, which leaves the kept one as it is. */
  async goOn(job: Job): Promise<void> {
    const { keptAt: _, ...stored } = storedOf(job);
    const id = crypto.randomUUID();
    try {
      const checkpoints = await this.#checkpoints;
      const steps = await checkpoints.read(job.id);
      if (steps) await checkpoints.write(id, steps);
      const saved = steps ? stored.saved : null;
      const next = { ...stored, id, parent: job.id, saved, order: lastOrder(this.jobs) };
      this.jobs = inOrder([...this.jobs, jobOf(next)]);
      await this.#store((library) => library.putJobs([next]));
      await this.#remove([job.id]);
    } catch (thrown) {
      this.#tell(thrown); // no room for its steps: what was kept stays
    }
    this.#pump();
  }

  async retryFailed(): Promise<void> {
    const ids = this.failed.map(({ id }) => id);
    await this.#change(ids, (stored) => ({ ...stored, error: null, starts: 0 }));
    this.#pump();
  }

  /** Ends the running song, or takes a waiting or failed one off the line. */
  async cancel(job: Job): Promise<void> {
    if (job.state === 'running') this.#end(job, 'cancel');
    else await this.#discard([job]);
  }

  /** Everything off the line; what is being made ends too, or is kept as far as it is. */
  async cancelAll(ending: 'cancel' | 'keep' = 'cancel'): Promise<void> {
    await this.#discard([...this.waiting, ...this.kept, ...this.failed]);
    if (this.running) this.#end(this.running, ending);
  }

  /** The running song leaves its steps and is decoded as it is. */
  stopAndKeep(): void {
    if (this.running) this.#end(this.running, 'keep');
  }

  /** Brings a waiting job to this place among those that wait. */
  async moveTo(job: Job, index: number): Promise<void> {
    const order = orderAt(this.jobs, job.id, index);
    if (order !== null) await this.#change([job.id], (stored) => ({ ...stored, order }));
  }

  /** The song in hand stops after its step, and nothing is begun, until resume(). */
  async pause(): Promise<void> {
    this.paused = true;
    await this.#store((library) => library.setSetting(LINE_PAUSED, true));
    this.#pauseHere();
  }

  async resume(): Promise<void> {
    this.paused = false;
    await this.#store((library) => library.setSetting(LINE_PAUSED, false));
    this.#pump();
  }

  #pump(): void {
    // What another tab makes may be left to this one: then the lock comes here.
    const elsewhere = this.running !== null && this.running.id !== this.#making;
    if (this.#pumping || this.paused || (this.waiting.length === 0 && !elsewhere)) return;
    this.#pumping = true;
    alone(LOCK, () => this.#work())
      .catch((thrown: unknown) => this.#tell(thrown))
      .finally(() => {
        this.#pumping = false;
        this.#pump(); // something may have come while the lock was given back
      });
  }

  /** With the lock: nobody else makes songs now. */
  async #work(): Promise<void> {
    await this.#read(null); // another tab may have made some meanwhile, or ended in the middle of one
    await (await this.#checkpoints).sweep(new Set(this.jobs.map(({ id }) => id)));
    for (let job; !this.paused && (job = this.waiting[0]);) await this.#make(job);
    if (this.waiting.length === 0) this.#around.idle();
  }

  async #make(job: Job): Promise<void> {
    const { id, title } = job;
    // Its tab ended between recording the song and crossing it off.
    if (this.#around.has(id)) return this.#remove([id]);
    if (job.starts >= MOST_STARTS)
      return this.#fail(job, { code: 'memory', message: TEXT.line.gaveUp(MOST_STARTS) });
    const order = firstOrder(this.jobs);
    await this.#change([id], (stored) => ({ ...stored, order, starts: stored.starts + 1 }));
    this.#making = id;
    this.#abort = new AbortController();
    this.#act(id, { type: 'start', soundMs: this.#around.soundMs(job.task) });
    this.#say(TEXT.live.started(title));
    const clock = setInterval(() => this.#act(id, { type: 'tick' }), 1000);
    try {
      const result = await this.#around.client.generate(
        job.task,
        (event) => this.#event(id, event),
        this.#abort.signal,
        id,
      );
      await this.#around.take(this.#find(id) ?? job, result);
      this.#act(id, { type: 'done' });
      const { keptAt } = this.#find(id) ?? {};
      if (keptAt === undefined) await this.#remove([id]);
      else await this.#store((library) => library.changeJobs([id], (stored) => ({ ...stored, keptAt })));
      this.#say(TEXT.live.ready(title));
    } catch (thrown) {
      await this.#ended(job, thrown);
    } finally {
      clearInterval(clock);
      this.#making = null;
      this.#abort = null;
    }
  }

  async #ended(job: Job, thrown: unknown): Promise<void> {
    const { code, message } = asEngineError(thrown);
    const paused = this.#find(job.id)?.ending === 'pause' && code === 'cancelled';
    await this.#around.lost(job, message);
    if (code !== 'cancelled') return this.#fail(job, { code, message });
    this.#act(job.id, { type: 'failed', error: { code, message } });
    this.#say(paused ? TEXT.line.pausedLive : TEXT.live.cancelled(job.title));
    // Pausing is no attempt that failed.
    if (paused) await this.#change([job.id], (stored) => ({ ...stored, starts: 0 }));
    else await this.#remove([job.id]);
  }

  async #fail(job: Job, error: NonNullable<StoredJob['error']>): Promise<void> {
    this.#around.log.add(error.code, error.message);
    this.#act(job.id, { type: 'failed', error });
    this.#say(TEXT.live.failed(job.title, TEXT.failures[error.code]));
    await this.#store((library) => library.changeJobs([job.id], (stored) => ({ ...stored, error })));
  }

  #event(id: string, event: EngineEvent): void {
    if (event.type === 'download' && !this.#worthShowing(event)) return;
    const job = this.#find(id);
    if (event.type === 'audio') return job ? this.#around.hear(job, event) : undefined;
    this.#around.log.event(event);
    this.#act(id, event);
    if (event.type !== 'saved') return;
    const saved = { step: event.step, steps: event.steps };
    void this.#store((library) => library.changeJobs([id], (stored) => ({ ...stored, saved, starts: 0 })));
  }

  #end(job: Job, ending: 'keep' | 'cancel'): void {
    if (job.id !== this.#making) return this.#post({ type: 'ask', id: job.id, ending });
    this.#act(job.id, { type: 'ending', ending });
    if (ending === 'cancel') this.#abort?.abort();
    // Should it fail, the song itself goes on.
    else this.#around.client.stopAndKeep().catch((thrown: unknown) => this.#tell(thrown));
  }

  #pauseHere(): void {
    if (this.#making === null) return;
    this.#act(this.#making, { type: 'ending', ending: 'pause' });
    this.#around.client.pause().catch((thrown: unknown) => this.#tell(thrown)); // as above
  }

  /** Off the line, with a way back while the notice stands. */
  async #discard(jobs: readonly Job[]): Promise<void> {
    if (jobs.length === 0) return;
    const records = jobs.map((job) => storedOf(this.#find(job.id) ?? job));
    const ids = records.map(({ id }) => id);
    this.jobs = this.jobs.filter(({ id }) => !ids.includes(id));
    await this.#store((library) => library.deleteJobs(ids));
    const back = async (): Promise<void> => {
      this.jobs = inOrder([...this.jobs, ...records.map(jobOf)]);
      await this.#store((library) => library.putJobs(records));
      this.#pump();
    };
    const [only] = records;
    const text =
      only && records.length === 1 ? TEXT.line.removed(only.title) : TEXT.line.removedMany(records.length);
    const action = { label: TEXT.library.undo, run: () => void back() };
    this.#around.toasts.show({ text, action }, () => void this.#forget(ids));
  }

  async #remove(ids: readonly string[]): Promise<void> {
    this.jobs = this.jobs.filter(({ id }) => !ids.includes(id));
    await this.#store((library) => library.deleteJobs(ids));
    await this.#forget(ids);
  }

  async #forget(ids: readonly string[]): Promise<void> {
    try {
      const checkpoints = await this.#checkpoints;
      for (const id of ids) await checkpoints.delete(id);
    } catch (thrown) {
      this.#around.log.add('storage', asEngineError(thrown).message); // the next sweep finds them
    }
  }

  /** Changes jobs here and in the library. */
  async #change(ids: readonly string[], by: (stored: StoredJob) => StoredJob): Promise<void> {
    this.jobs = inOrder(
      this.jobs.map((job) => {
        if (!ids.includes(job.id)) return job;
        const next = by(storedOf(job));
        return job.state === 'running' ? { ...job, order: next.order } : jobOf(next);
      }),
    );
    await this.#store((library) => library.changeJobs(ids, by));
  }

  /** Takes over the stored line; `running` is the job that some tab makes now. */
  async #read(running: string | null): Promise<void> {
    const stored = await (await this.#around.library).jobs();
    // Asked after the reading: what came meanwhile stays.
    const loose = this.jobs.filter(({ id }) => this.#loose.has(id)).map(storedOf);
    this.jobs = merged([...stored, ...loose], this.jobs, running);
  }

  async #heard(type: string, key: string): Promise<void> {
    const library = await this.#around.library;
    if (type === 'jobs') await this.#read(this.#making ?? this.running?.id ?? null);
    if (type === 'setting' && key === LINE_PAUSED) {
      this.paused = (await library.setting(LINE_PAUSED)) === true;
      if (this.paused) this.#pauseHere();
    }
    this.#pump();
  }

  #told(message: Message): void {
    if (message.type === 'ask') {
      const job = this.#find(message.id);
      if (job && job.id === this.#making) this.#end(job, message.ending);
      return;
    }
    this.now = Date.now();
    this.jobs = this.jobs.map((job) =>
      job.id === message.job.id && job.id !== this.#making ? message.job : job,
    );
  }

  #find(id: string): Job | null {
    return this.jobs.find((job) => job.id === id) ?? null;
  }

  /** Bytes from a cache come in hundreds of pieces a second; a bar that moves ten times a second is smooth. */
  #worthShowing({ loaded, total }: EngineEvent & { readonly type: 'download' }): boolean {
    const now = performance.now();
    if (loaded < total && now - this.#downloadAt < DOWNLOAD_MS) return false;
    this.#downloadAt = now;
    return true;
  }

  #act(id: string, action: JobAction): void {
    this.now = Date.now();
    this.jobs = this.jobs.map((job) => {
      if (job.id !== id) return job;
      const next = reduceJob(job, action, this.now);
      const heard = milestone(job, next);
      if (heard && 'stage' in heard) this.#say(TEXT.job.stages[heard.stage]);
      if (heard && 'quarter' in heard) this.#say(TEXT.live.quarter[heard.quarter]);
      return next;
    });
    const job = this.#find(id);
    const soon = performance.now() - this.#toldAt < TELL_MS;
    if (!job || id !== this.#making || (soon && action.type !== 'start' && action.type !== 'failed')) return;
    this.#toldAt = performance.now();
    this.#post({ type: 'at', job });
  }

  #post(message: Message): void {
    this.#talk.postMessage(message);
  }

  /** False where storage refused, which is told. */
  async #store(write: (library: Library) => Promise<void>): Promise<boolean> {
    try {
      await write(await this.#around.library);
      return true;
    } catch (thrown) {
      this.#tell(thrown);
      return false;
    }
  }

  #say(text: string): void {
    this.#around.toasts.say(text);
  }

  #tell(thrown: unknown): void {
    this.#around.toasts.show({ text: asEngineError(thrown).message });
  }
}
