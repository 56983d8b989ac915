/** What this machine can do and what the engine makes of it, as the page shows it. */
import type { Memory, ModelInfo } from '../engine/engine.ts';
import type { CheckReport } from '../engine/self-check.ts';
import { asEngineError, type EngineError } from '../lib/errors.ts';
import type { Capabilities, Placement, Wish } from '../lib/placement.ts';
import type { EngineClient } from './engine-client.ts';
import { openBlobs } from '../storage/blobs.ts';
import { checkNoise, checkStorage, type PageCheck } from './page-checks.ts';
import type { Keep, Settings } from './settings.svelte.ts';

/** Enough for minutes of a song that is watched. */
const MOST_MEASURED = 240;

export interface Room {
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly persistent: boolean;
}

export class Device {
  models = $state.raw<readonly ModelInfo[]>([]);
  caps = $state.raw<Capabilities | null>(null);
  /** By model id. A model that cannot run here has an error instead. */
  placements = $state.raw<Readonly<Record<string, Placement>>>({});
  refusals = $state.raw<Readonly<Record<string, string>>>({});
  checks = $state.raw<readonly CheckReport[]>([]);
  checking = $state(false);
  memory = $state.raw<Memory | null>(null);
  /** Live bytes of all graphs as they were measured, oldest first. */
  history = $state.raw<readonly number[]>([]);
  /** Checks of the page itself; empty until all checks were asked for. */
  pageChecks = $state.raw<readonly PageCheck[]>([]);
  room = $state.raw<Room | null>(null);
  /** Why nothing can run; null while it can or while it is not known. */
  trouble = $state.raw<EngineError | null>(null);
  /** When the wish last changed: songs from before tell nothing about speed now. Epoch milliseconds. */
  since = $state(0);

  #measuring = false;
  readonly #client: EngineClient;
  readonly #settings: Keep<Settings>;

  constructor(client: EngineClient, settings: Keep<Settings>) {
    this.#client = client;
    this.#settings = settings;
    client.setWish(settings.current.wish);
  }

  /** Reads the catalogue and finds out where it runs. Never throws: `trouble` says what is wrong. */
  async look(): Promise<void> {
    this.trouble = null;
    try {
      this.models = await this.#client.call((engine) => engine.models());
      this.caps = await this.#client.call((engine) => engine.probe());
      await this.#place();
      this.caps = await this.#client.call((engine) => engine.probe()); // by now with the outcome of the self-check
      await this.measure();
    } catch (thrown) {
      this.trouble = asEngineError(thrown);
    }
  }

  async choose(wish: Partial<Wish>): Promise<void> {
    this.#settings.set({ wish: { ...this.#settings.current.wish, ...wish } });
    this.since = Date.now();
    this.#client.setWish(this.#settings.current.wish);
    await this.look();
  }

  /** Runs the checks of the adapter again, in a fresh worker. */
  async check(): Promise<void> {
    this.checking = true;
    try {
      this.#client.end();
      await this.look();
      this.checks = await this.#client.call((engine) => engine.selfCheck());
      this.caps = await this.#client.call((engine) => engine.probe());
      this.pageChecks = [checkNoise(), await checkStorage(await openBlobs())];
    } catch (thrown) {
      this.trouble = asEngineError(thrown);
    } finally {
      this.checking = false;
    }
  }

  /**
   * Memory of the engine, while it lives, and room for songs. While a song is being made the answer comes between two
   * runs of graphs; whoever asks meanwhile is content with that one.
   */
  async measure(): Promise<void> {
    if (this.#measuring) return;
    this.#measuring = true;
    try {
      await this.#measure();
    } finally {
      this.#measuring = false;
    }
  }

  async #measure(): Promise<void> {
    this.memory = this.#client.alive ? await this.#client.call((engine) => engine.memory()) : null;
    const live = this.memory?.graphs.reduce((sum, { liveBytes }) => sum + liveBytes, 0) ?? 0;
    this.history = [...this.history.slice(1 - MOST_MEASURED), live];
    const { usage = 0, quota = 0 } = await (navigator.storage?.estimate?.() ?? {});
    const persistent = (await navigator.storage?.persisted?.()) ?? false;
    this.room = { usedBytes: usage, freeBytes: Math.max(0, quota - usage), persistent };
  }

  /** WebAssembly memory never shrinks, so the worker goes. */
  async free(): Promise<void> {
    this.#client.end();
    await this.measure();
  }

  /** Asks the browser not to clear the site by itself; false when it declines. */
  async protect(): Promise<boolean> {
    const granted = (await navigator.storage?.persist?.()) ?? false;
    await this.measure();
    return granted;
  }

  async #place(): Promise<void> {
    const placements: Record<string, Placement> = {};
    const refusals: Record<string, string> = {};
    for (const { manifest } of this.models) {
      try {
        placements[manifest.id] = await this.#client.call((engine) => engine.place(manifest.id));
      } catch (thrown) {
        const error = asEngineError(thrown);
        if (error.code !== 'unsupported') throw error;
        refusals[manifest.id] = error.message;
      }
    }
    this.placements = placements;
    this.refusals = refusals;
    const reports = Object.values(placements).length > 0 && this.caps?.gpu;
    // Asking costs nothing once place() has run them; without a GPU there is nothing to ask.
    this.checks = reports ? await this.#client.call((engine) => engine.selfCheck()) : [];
  }
}
