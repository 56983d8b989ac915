/**
 * The page's end of the engine: starts the worker when it is first needed, ends it after five idle minutes (that
 * frees GPU and WebAssembly memory) or when it does not answer, and turns what comes out of it back into EngineErrors.
 * The only file of the page that knows Comlink.
 */
import { proxy, transferHandlers, wrap } from 'comlink';
import type { Engine, Result } from '../engine/engine.ts';
import { asEngineError, EngineError } from '../lib/errors.ts';
import type { ErrorCode } from '../lib/errors.ts';
import { isAudio, type AudioEvent, type EngineEvent } from '../lib/events.ts';
import { NO_WISH, type Wish } from '../lib/placement.ts';
import type { Task } from '../lib/task.ts';

/** The engine as it looks from here: every method answers later. */
type Later<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

export type RemoteEngine = Later<
  Pick<
    Engine,
    | 'probe'
    | 'models'
    | 'place'
    | 'selfCheck'
    | 'generate'
    | 'cancel'
    | 'stopAndKeep'
    | 'pause'
    | 'memory'
    | 'checkLora'
    | 'offlineUrls'
  >
>;

/** A worker that is on its way up. `died` rejects when the worker itself breaks, and never resolves. */
export interface Started {
  readonly engine: Promise<RemoteEngine>;
  readonly died: Promise<never>;
  end(): void;
}

/** How long a cancelled task may take to leave by itself. A graph run cannot be interrupted, a worker can be ended. */
export const CANCEL_MS = 5_000;
export const IDLE_MS = 5 * 60_000;

/** WebAssembly memory never shrinks, and a runtime that aborted answers no more: a fresh worker has both. */
const SPENT: ReadonlySet<ErrorCode> = new Set(['device-lost', 'memory', 'graph']);

export class EngineClient {
  readonly #start: (wish: Wish) => Started;
  #wish: Wish = NO_WISH;
  #worker: Started | null = null;
  /** Calls that have not been answered yet. */
  #open = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;
  /** The worker was made for another wish: it ends with the work in hand. */
  #outdated = false;

  constructor(start: (wish: Wish) => Started = startWorker) {
    this.#start = start;
  }

  /** True while a worker lives: asking for its memory makes sense. */
  get alive(): boolean {
    return this.#worker !== null;
  }

  /** An engine has one wish for life: another one ends it, unless it is at work; then it serves to the end of that. */
  setWish(wish: Wish): void {
    this.#wish = wish;
    this.#outdated = this.#worker !== null;
    if (this.#open === 0) this.end();
  }

  /** @throws EngineError, whatever went wrong. */
  async call<T>(use: (engine: RemoteEngine) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#start(this.#wish));
    this.#open += 1;
    try {
      return await Promise.race([worker.engine.then(use), worker.died]);
    } catch (thrown) {
      const error = asEngineError(thrown);
      // A worker whose device is lost, whose heap is full or whose runtime failed has nothing left to give.
      if (SPENT.has(error.code) || error instanceof DeadWorker) this.#drop(worker);
      throw error;
    } finally {
      this.#open -= 1;
      if (this.#open === 0) {
        if (this.#outdated) this.end();
        else this.#idle = setTimeout(() => this.end(), IDLE_MS);
      }
    }
  }

  /**
   * Makes a song. A lost device is tried once more in a fresh worker; with an `id` that goes on from the last saved
   * step (see Engine.generate). When `signal` aborts, the engine is asked to
   * leave after the graph run in hand; a worker that does not do so in time is ended.
   */
  async generate(
    task: Task,
    on: (event: EngineEvent) => void,
    signal: AbortSignal,
    id?: string,
  ): Promise<Result> {
    try {
      return await this.#attempt(task, on, signal, id);
    } catch (thrown) {
      if (asEngineError(thrown).code !== 'device-lost' || signal.aborted) throw thrown;
      return this.#attempt(task, on, signal, id);
    }
  }

  /** Asks the running task to leave its loop after this step, and to decode what there is. */
  async stopAndKeep(): Promise<void> {
    await this.call((engine) => engine.stopAndKeep());
  }

  /** Asks the running task to end where it can go on later. */
  async pause(): Promise<void> {
    await this.call((engine) => engine.pause());
  }

  end(): void {
    clearTimeout(this.#idle);
    this.#worker?.end();
    this.#worker = null;
    this.#outdated = false;
  }

  async #attempt(
    task: Task,
    on: (event: EngineEvent) => void,
    signal: AbortSignal,
    id: string | undefined,
  ): Promise<Result> {
    const cancelled = new EngineError('cancelled', 'The song was cancelled.');
    if (signal.aborted) throw cancelled;
    const deadline = deferred();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const abort = (): void => {
      timer = setTimeout(() => deadline.reject(cancelled), CANCEL_MS);
      // Its answer is the end of the task itself; what goes wrong here, the deadline settles.
      this.call((engine) => engine.cancel()).catch(() => undefined);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      const work = this.call((engine) => engine.generate(task, proxy(on), id));
      work.catch(() => undefined); // when the deadline comes first, nobody else listens
      return await Promise.race([work, deadline.promise]);
    } catch (thrown) {
      if (thrown === cancelled) this.end();
      throw thrown;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  #drop(worker: Started): void {
    worker.end();
    if (this.#worker === worker) this.#worker = null;
  }
}

class DeadWorker extends EngineError {}

function deferred(): { promise: Promise<never>; reject: (error: EngineError) => void } {
  let reject!: (error: EngineError) => void; // set by the executor, which runs at once
  const promise = new Promise<never>((_, no) => (reject = no));
  promise.catch(() => undefined); // unheard when the other side of the race wins
  return { promise, reject };
}

// The other end stands in engine.worker.ts: pieces of sound come over without a copy.
transferHandlers.set('sound', {
  canHandle: isAudio,
  serialize: (event: AudioEvent) => [event, []],
  deserialize: (event: AudioEvent) => event,
});

function startWorker(wish: Wish): Started {
  const worker = new Worker(new URL('../engine/engine.worker.ts', import.meta.url), {
    type: 'module',
    name: 'cadenza-engine',
  });
  const { promise: died, reject } = deferred();
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    const what = event.message || 'its program could not be loaded';
    reject(new DeadWorker('bug', `The engine stopped: ${what}. Reload the page.`));
  });
  const RemoteClass = wrap<typeof Engine>(worker);
  return {
    engine: new RemoteClass({ base: document.baseURI, wish }),
    died,
    end: () => {
      worker.terminate();
      reject(new DeadWorker('cancelled', 'The engine was ended.'));
    },
  };
}
