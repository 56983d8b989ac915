/**
 * A loaded model: graphs come into memory when they are first run and leave by the residency that the placement
 * names, whole ('all': never; 'one': before the next graph loads). One task at a time, one graph run at a time:
 * concurrent runs of several sessions are unsafe in the runtime.
 */
import type { Pcm } from '../lib/audio/pcm.ts';
import { asEngineError, assert, EngineError } from '../lib/errors.ts';
import type { EngineEvent, Provider, Stage } from '../lib/events.ts';
import type { AudioRef, Kept, Model, Saved, StepsDone, TaskSignal, WeightEdit } from '../lib/family.ts';
import { dynamicInt8 } from '../lib/int8.ts';
import type { FileRef, ModelManifest, Precision, WeightRef } from '../lib/manifest.ts';
import type { Placed, Placement } from '../lib/placement.ts';
import { sizeOf } from '../lib/tensor.ts';
import type { Value } from '../lib/tensor.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { GraphSource, KeptTensor, LoadedGraph, Runtime } from './ort.ts';
import { lazySource } from './weights.ts';
import type { OpenSource, Recent } from './weights.ts';

/** What a host needs from the place it runs in: a browser's worker, or Node. */
export interface World {
  /** A file of the pack, whole and verified. */
  read(file: FileRef): Promise<Uint8Array>;
  /** A weight file that can be read in pieces where it lies; null where it has to be read whole. */
  weights(file: FileRef): Promise<OpenSource | null>;
  asset(path: string): Promise<Uint8Array>;
  open(ref: AudioRef): Promise<Pcm>;
  latentsOf(ref: AudioRef): Promise<Kept | null>;
  lora(ref: string): Promise<Uint8Array>;
}

/** Milliseconds a task spent in each stage (loading of graphs taken out), loading, and in all. */
export type Timings = Readonly<Partial<Record<Stage, number>> & { load: number; total: number }>;

export interface GraphStatistics {
  readonly graph: string;
  readonly provider: Provider;
  readonly precision: Precision;
  readonly loaded: boolean;
  /** Weights as loaded. */
  readonly weightBytes: number;
  /** Weights and kept outputs that are in memory now. */
  readonly liveBytes: number;
  /** The most that weights, inputs and outputs took in one run. What the runtime needs inside is not in it. */
  readonly peakBytes: number;
  readonly runs: number;
  readonly ms: number;
  /** Shapes of the inputs of the latest run. */
  readonly dims: Readonly<Record<string, readonly number[]>>;
}

/** What is known of one graph while the host lives. */
interface Slot {
  readonly placed: Placed;
  session: LoadedGraph | null;
  kept: KeptTensor[];
  peakBytes: number;
  runs: number;
  ms: number;
  dims: GraphStatistics['dims'];
}

/** Where the steps of one task are kept, and found again after its tab or worker ended. */
export interface Keeper {
  /** What is there already. */
  readonly found: Checkpoint | null;
  /** @throws EngineError 'storage' */
  save(checkpoint: Checkpoint): Promise<void>;
}

const FORGETFUL: Keeper = { found: null, save: async () => undefined };

/** A checkpoint costs milliseconds; lost steps cost at most this much and the step in hand. */
const SAVE_EVERY_MS = 1000;

/** The task in hand. */
interface Current {
  cancelled: boolean;
  stopAndKeep: boolean;
  /** Ends as soon as its next step is saved. */
  pausing: boolean;
  readonly keeper: Keeper;
  readonly watch: StageWatch;
  /** When a step was last saved, or the task began. */
  savedAt: number;
  /** That steps cannot be saved was told. */
  unsaved: boolean;
  readonly report: (event: EngineEvent) => void;
  loadMs: number;
}

export class Host<C = unknown> implements Model<C> {
  readonly manifest: ModelManifest;
  readonly config: C;
  readonly placement: Placement;
  readonly #runtime: Runtime;
  readonly #world: World;
  readonly #slots: ReadonlyMap<string, Slot>;
  #current: Current | null = null;
  #edit: WeightEdit | null = null;
  #peakBytes = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(manifest: ModelManifest, config: C, placement: Placement, runtime: Runtime, world: World) {
    this.manifest = manifest;
    this.config = config;
    this.placement = placement;
    this.#runtime = runtime;
    this.#world = world;
    this.#slots = new Map(
      Object.entries(placement.graphs).map(([name, placed]) => [
        name,
        { placed, session: null, kept: [], peakBytes: 0, runs: 0, ms: 0, dims: {} },
      ]),
    );
  }

  /**
   * Runs one task to its end. Whatever way it ends, its device tensors are freed. With a keeper its steps are saved
   * there on the way, and what is there already is not made again.
   * @throws EngineError 'bug' when a task is already in hand.
   */
  async perform<T>(
    work: (model: Model<C>) => Promise<T>,
    report: (event: EngineEvent) => void,
    keeper = FORGETFUL,
  ): Promise<{ readonly value: T; readonly timings: Timings }> {
    assert(this.#current === null, 'a task is already running');
    const watch = new StageWatch(keeper.found?.spent);
    const current: Current = {
      cancelled: false,
      stopAndKeep: false,
      pausing: false,
      keeper,
      watch,
      savedAt: performance.now(),
      unsaved: false,
      loadMs: 0,
      report(event) {
        if (event.type === 'stage') watch.enter(event.stage, current.loadMs);
        report(event);
      },
    };
    this.#current = current;
    try {
      const value = await work(this);
      return { value, timings: watch.finish(current.loadMs) };
    } finally {
      this.#current = null;
      for (const slot of this.#slots.values()) free(slot);
    }
  }

  /** Asks the task in hand to end with `cancelled` before its next graph run. No task: nothing happens. */
  cancel(): void {
    if (this.#current) this.#current.cancelled = true;
  }

  /** Asks the task in hand to leave its loop after this step and to decode what there is. */
  stopAndKeep(): void {
    if (this.#current) this.#current.stopAndKeep = true;
  }

  /**
   * Asks the task in hand to end with `cancelled` where it can go on later: after the step in hand, which is saved, or
   * at once where no step is in hand. False when there is no task.
   */
  pause(): boolean {
    if (!this.#current) return false;
    if (this.#current.watch.stage === 'denoise') this.#current.pausing = true;
    else this.#current.cancelled = true;
    return true;
  }

  readonly signal: TaskSignal = hostSignal(() => this.#current);

  has(graph: string): boolean {
    return this.#slots.has(graph);
  }

  run(graph: string, feeds: Readonly<Record<string, Value>>): Promise<Readonly<Record<string, Value>>> {
    const turn = this.#queue.then(() => this.#run(graph, feeds));
    this.#queue = turn.catch(() => undefined); // the caller of this run sees its error; the next run is another's
    return turn;
  }

  async done(graph: string): Promise<void> {
    if (this.placement.residency === 'one') await this.#release(this.#slot(graph));
  }

  file(name: string): Promise<Uint8Array> {
    const file = this.manifest.files[name];
    if (file === undefined) {
      const known = Object.keys(this.manifest.files).join(', ') || 'none';
      throw new EngineError('manifest', `${this.manifest.id} has no file ${name} (it has: ${known}).`);
    }
    return this.#world.read(file);
  }

  asset(path: string): Promise<Uint8Array> {
    return this.#world.asset(path);
  }

  open(ref: AudioRef): Promise<Pcm> {
    return this.#world.open(ref);
  }

  latentsOf(ref: AudioRef): Promise<Kept | null> {
    return this.#world.latentsOf(ref);
  }

  lora(ref: string): Promise<Uint8Array> {
    return this.#world.lora(ref);
  }

  adapt(edit: WeightEdit | null): Promise<void> {
    const turn = this.#queue.then(() => this.#adapt(edit));
    this.#queue = turn.catch(() => undefined); // as in run
    return turn;
  }

  async saved(): Promise<Saved | null> {
    const { found } = this.#task().keeper;
    if (found) this.report({ type: 'saved', ...found.at });
    return found?.saved ?? null;
  }

  async save(at: StepsDone, state: () => Saved): Promise<void> {
    const task = this.#task();
    // Of a song that is stopped and kept the last step is saved, so that it can go on from there.
    const due = performance.now() - task.savedAt >= SAVE_EVERY_MS || at.step === at.steps || task.stopAndKeep;
    if (!due && !task.pausing) return;
    try {
      await task.keeper.save({ saved: state(), at, spent: task.watch.spent(task.loadMs) });
      if (task.keeper !== FORGETFUL) this.report({ type: 'saved', ...at });
    } catch (thrown) {
      // The song itself goes on: a full disk costs only that it cannot go on after the tab is closed.
      const text = `${asEngineError(thrown).message} Steps of this song cannot be saved on the way.`;
      if (!task.unsaved) this.report({ type: 'notice', code: 'not-saved', text });
      task.unsaved = true;
    }
    task.savedAt = performance.now();
    if (task.pausing) throw new EngineError('cancelled', 'The song was paused.');
  }

  report(event: EngineEvent): void {
    this.#current?.report(event);
  }

  #task(): Current {
    assert(this.#current, 'no task is in hand');
    return this.#current;
  }

  /** Weights and kept outputs of all graphs that are in memory now. */
  get liveBytes(): number {
    return this.statistics().reduce((sum, { liveBytes }) => sum + liveBytes, 0);
  }

  /** The most that all graphs together took, with the inputs and outputs of the run in hand. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  statistics(): readonly GraphStatistics[] {
    return [...this.#slots].map(([graph, slot]) => {
      const { variant, provider } = slot.placed;
      const live = slot.kept.filter(({ disposed }) => !disposed);
      return {
        graph,
        provider,
        precision: variant.precision,
        loaded: slot.session !== null,
        weightBytes: variant.needs.memoryBytes,
        liveBytes: (slot.session ? variant.needs.memoryBytes : 0) + bytesOf(live),
        peakBytes: slot.peakBytes,
        runs: slot.runs,
        ms: slot.ms,
        dims: slot.dims,
      };
    });
  }

  /** Frees every graph, after the run in hand. The host stays usable: graphs load again when they are run. */
  release(): Promise<void> {
    const turn = this.#queue.then(() => this.#releaseAll());
    this.#queue = turn.catch(() => undefined); // as in run
    return turn;
  }

  async #releaseAll(): Promise<void> {
    for (const slot of this.#slots.values()) await this.#release(slot);
  }

  async #adapt(edit: WeightEdit | null): Promise<void> {
    if (edit?.key === this.#edit?.key) return;
    const edits = [this.#edit, edit];
    this.#edit = edit;
    for (const slot of this.#slots.values()) {
      const { graph, weights } = slot.placed.variant;
      const touched = [graph, ...weights].some(({ path }) => edits.some((one) => one?.paths.has(path)));
      if (touched) await this.#release(slot);
    }
  }

  /** A graph's files: edited if they are to be, and 8-bit products in the form that the provider is fast at. */
  async #source({ provider, variant }: Placed): Promise<GraphSource> {
    const edit = this.#edit;
    const touches = ({ path }: FileRef): boolean => edit?.paths.has(path) ?? false;
    const stored = await this.#world.read(variant.graph);
    const { model, files } =
      edit && touches(variant.graph)
        ? edit.graph(variant.graph.path, stored)
        : { model: stored, files: new Map<string, Uint8Array>() };
    const int8 = provider === 'wasm' && variant.precision === 'q8' ? dynamicInt8(model) : null;
    const at = (location: string): WeightRef => {
      const file = variant.weights.find((weights) => weights.location === location);
      assert(file, `${variant.graph.path} reads ${location}, which its manifest does not name`);
      return file;
    };
    const opened = new Map<string, Promise<OpenSource>>(); // once each: OPFS files may be open to one reader alone
    const recent: Recent = new Map();
    const open = (location: string): Promise<OpenSource> => {
      const file = at(location);
      const found =
        opened.get(location) ??
        this.#world
          .weights(file)
          .then((source) => source ?? lazySource(file.bytes, recent, () => this.#world.read(file)));
      opened.set(location, found);
      return found;
    };
    const read = int8?.weights(async (location, into, from) => (await open(location)).read(into, from));
    return {
      model: int8?.model ?? model,
      files,
      weights: async (file) => {
        if (edit && touches(file)) return edit.apply(file.path, await this.#world.read(file));
        if (!read) return (await this.#world.weights(file)) ?? this.#world.read(file);
        const source = await open(file.location);
        return {
          size: source.size,
          read: (into, from) => read(file.location, into, from),
          close: () => source.close(),
        };
      },
    };
  }

  #slot(graph: string): Slot {
    const slot = this.#slots.get(graph);
    assert(slot, `${this.manifest.id} has no graph ${graph} (it has: ${[...this.#slots.keys()].join(', ')})`);
    return slot;
  }

  async #run(
    graph: string,
    feeds: Readonly<Record<string, Value>>,
  ): Promise<Readonly<Record<string, Value>>> {
    const slot = this.#slot(graph);
    await eventLoopTurn();
    this.signal.throwIfAborted();
    const session = slot.session ?? (await this.#load(graph, slot));
    this.signal.throwIfAborted(); // loading may have taken seconds
    const start = performance.now();
    const outputs = await session.run(feeds);
    slot.ms += performance.now() - start;
    slot.runs += 1;
    const given = Object.entries(feeds).filter(([name]) => this.#spec(graph).inputs.includes(name));
    slot.dims = Object.fromEntries(given.map(([name, { dims }]) => [name, dims]));
    const moved = bytesOf([...given.map(([, value]) => value), ...Object.values(outputs)]);
    slot.peakBytes = Math.max(slot.peakBytes, slot.placed.variant.needs.memoryBytes + moved);
    slot.kept = slot.kept.filter(({ disposed }) => !disposed);
    this.#peakBytes = Math.max(this.#peakBytes, this.liveBytes + moved);
    for (const output of Object.values(outputs)) if ('dispose' in output) slot.kept.push(output);
    return outputs;
  }

  async #load(graph: string, slot: Slot): Promise<LoadedGraph> {
    if (this.placement.residency === 'one') await this.#releaseAll();
    const start = performance.now();
    const { provider, variant } = slot.placed;
    const session = await this.#runtime.load(
      { name: graph, spec: this.#spec(graph), variant, provider },
      await this.#source(slot.placed),
    );
    slot.session = session;
    const ms = performance.now() - start;
    if (this.#current) this.#current.loadMs += ms;
    this.report({
      type: 'load',
      graph,
      provider,
      dtype: variant.precision,
      ms,
      bytes: variant.needs.memoryBytes,
    });
    return session;
  }

  #spec(graph: string): ModelManifest['graphs'][string] {
    const spec = this.manifest.graphs[graph];
    assert(spec, `the placement names ${graph}, the manifest does not`);
    return spec;
  }

  /** Kept outputs outlive their graph: they are copied to the CPU before its session goes. */
  async #release(slot: Slot): Promise<void> {
    if (slot.session === null) return;
    for (const tensor of slot.kept) if (!tensor.disposed) await tensor.leaveGpu();
    const { session } = slot;
    slot.session = null;
    await session.release();
  }
}

function free(slot: Slot): void {
  for (const tensor of slot.kept) tensor.dispose();
  slot.kept = [];
}

function bytesOf(values: readonly Value[]): number {
  return values.reduce((sum, { dims, dtype }) => sum + sizeOf(dims) * (dtype === 'int64' ? 8 : 4), 0);
}

function hostSignal(current: () => Current | null): TaskSignal {
  return {
    throwIfAborted() {
      if (current()?.cancelled) throw new EngineError('cancelled', 'The song was cancelled.');
    },
    get stopAndKeep() {
      return current()?.stopAndKeep ?? false;
    },
  };
}

/** Sums the time between stage events, on top of what was spent on the task before. */
class StageWatch {
  readonly #start = performance.now();
  readonly #before: Timings;
  readonly #stages: Partial<Record<Stage, number>> = {};
  stage: Stage | null = null;
  #since = 0;
  #loadAtSince = 0;

  constructor(before: Timings = { load: 0, total: 0 }) {
    this.#before = before;
  }

  enter(stage: Stage | null, loadMs: number): void {
    const now = performance.now();
    if (this.stage) {
      const spent = now - this.#since - (loadMs - this.#loadAtSince);
      this.#stages[this.stage] = (this.#stages[this.stage] ?? 0) + spent;
    }
    this.stage = stage;
    this.#since = now;
    this.#loadAtSince = loadMs;
  }

  /** Up to now; the stage in hand goes on. */
  spent(loadMs: number): Timings {
    this.enter(this.stage, loadMs);
    const { load, total, ...stages } = this.#before;
    const sums: Partial<Record<Stage, number>> = { ...this.#stages };
    for (const [stage, ms] of Object.entries(stages) as [Stage, number][])
      sums[stage] = (sums[stage] ?? 0) + ms; // as declared
    return { ...sums, load: load + loadMs, total: total + performance.now() - this.#start };
  }

  finish(loadMs: number): Timings {
    this.enter(null, loadMs);
    return this.spent(loadMs);
  }
}

/**
 * A real turn of the event loop, so that messages (cancel) are seen: a run on WebAssembly blocks the worker, and its
 * promise resolves in a microtask. A timer would do, but is clamped to 4 ms.
 */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
