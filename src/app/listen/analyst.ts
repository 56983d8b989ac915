/** The page's end of the analysis worker. It is started by the first question and ends after a while without one. */
import { wrap, type Remote } from 'comlink';
import type { Analysis } from './analysis.ts';

const IDLE_MS = 60_000;

export class Analyst {
  #worker: { readonly worker: Worker; readonly remote: Remote<Analysis> } | null = null;
  #open = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  async ask<T>(question: (analysis: Remote<Analysis>) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    const { remote } = (this.#worker ??= this.#start());
    this.#open += 1;
    try {
      return await question(remote);
    } finally {
      this.#open -= 1;
      if (this.#open === 0) this.#idle = setTimeout(() => this.end(), IDLE_MS);
    }
  }

  end(): void {
    clearTimeout(this.#idle);
    this.#worker?.worker.terminate();
    this.#worker = null;
  }

  #start() {
    const worker = new Worker(new URL('./analysis.worker.ts', import.meta.url), {
      type: 'module',
      name: 'cadenza-analysis',
    });
    return { worker, remote: wrap<Analysis>(worker) };
  }
}
