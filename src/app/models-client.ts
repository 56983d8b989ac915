/**
 * The page's end of the install worker. It has a worker of its own, so that an installation goes on while songs are made
 * and outlives the engine's workers; it is started when the Models page first needs it.
 */
import { proxy, wrap } from 'comlink';
import type { InstallProgress } from '../engine/install.ts';
import type { From, Models, Shelved } from '../engine/models.ts';
import { asEngineError, EngineError } from '../lib/errors.ts';
import type { Precision } from '../lib/manifest.ts';
import type { LocalFile } from '../engine/sources.ts';

type Listener = (progress: InstallProgress) => void;
type Later<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};
type Remote = Later<Models>;

export class ModelsClient {
  #worker: { readonly models: Promise<Remote>; readonly died: Promise<never>; end(): void } | null = null;

  list = (): Promise<readonly Shelved[]> => this.#call((models) => models.list());
  install = (id: string, precision: Precision, from: From, on: Listener): Promise<void> =>
    this.#call((models) => models.install(id, precision, from, proxy(on)));
  stop = (): Promise<void> => this.#call((models) => models.stop());
  discard = (id: string): Promise<void> => this.#call((models) => models.discard(id));
  verify = (id: string, on: Listener): Promise<readonly string[]> =>
    this.#call((models) => models.verify(id, proxy(on)));
  remove = (id: string, precision: Precision | null): Promise<void> =>
    this.#call((models) => models.remove(id, precision));
  importPack = (files: readonly LocalFile[], on: Listener): Promise<string> =>
    this.#call((models) => models.importPack(files, proxy(on)));
  exportPack = (id: string, into: FileSystemDirectoryHandle, on: Listener): Promise<void> =>
    this.#call((models) => models.exportPack(id, into, proxy(on)));

  end(): void {
    this.#worker?.end();
    this.#worker = null;
  }

  /** @throws EngineError, whatever went wrong. */
  async #call<T>(use: (models: Remote) => Promise<T>): Promise<T> {
    const worker = (this.#worker ??= start());
    try {
      return await Promise.race([worker.models.then(use), worker.died]);
    } catch (thrown) {
      throw asEngineError(thrown);
    }
  }
}

function start(): { models: Promise<Remote>; died: Promise<never>; end(): void } {
  const worker = new Worker(new URL('../engine/models.worker.ts', import.meta.url), {
    type: 'module',
    name: 'cadenza-models',
  });
  let fail!: (error: EngineError) => void; // set by the executor, which runs at once
  const died = new Promise<never>((_, reject) => (fail = reject));
  died.catch(() => undefined); // unheard while nothing is asked of it
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    const what = event.message || 'its program could not be loaded';
    fail(new EngineError('bug', `The part that keeps models stopped: ${what}. Reload the page.`));
  });
  const Remote = wrap<typeof Models>(worker);
  return {
    models: new Remote({ base: document.baseURI }),
    died,
    end: () => {
      worker.terminate();
      fail(new EngineError('cancelled', 'Stopped.'));
    },
  };
}
