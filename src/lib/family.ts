/** What a family of models sees of the world, and what the world sees of a family. */
import type { EngineEvent } from './events.ts';
import type { ModelManifest } from './manifest.ts';
import type { Pcm } from './audio/pcm.ts';
import type { SafetensorsLayout } from './safetensors.ts';
import type { Task, TaskLimits } from './task.ts';
import type { Tensor, Value } from './tensor.ts';

/** A loaded model. Hides files, precision, provider and memory. */
export interface Model<C = unknown> {
  readonly manifest: ModelManifest;
  readonly config: C;
  has(graph: string): boolean;
  /**
   * Runs a graph. `feeds` may hold more than the graph asks for: the manifest's input names are picked from it, so
   * models of one family may differ in what they listen to. A missing input is a `bug`. Outputs named in the
   * manifest's `keep` are DeviceTensors, all others plain Tensors. Gives the event loop a turn first, then
   * throws `cancelled` when the user asked for it.
   */
  run(graph: string, feeds: Readonly<Record<string, Value>>): Promise<Readonly<Record<string, Value>>>;
  /** Lets the host free a graph that this task will not run again. A hint. */
  done(graph: string): Promise<void>;
  /** A small file of the pack (tokenizer …), whole. */
  file(name: string): Promise<Uint8Array>;
  /** A table of the application (public/data/…), whole: language models, pinyin … */
  asset(path: string): Promise<Uint8Array>;
  /** Decodes or finds an audio source of a task: PCM at its own rate. */
  open(ref: AudioRef): Promise<Pcm>;
  /** What is kept with a song that the app made itself, or null. */
  latentsOf(ref: AudioRef): Promise<Kept | null>;
  /** LoRA file bytes. */
  lora(ref: string): Promise<Uint8Array>;
  /**
   * From now on graphs load their weights through this edit; graphs in memory that it, or the one before, touches load
   * again when they run. null: weights as they are stored.
   */
  adapt(edit: WeightEdit | null): Promise<void>;
  /** What was last saved of this task before its tab or worker ended; null where nothing was. */
  saved(): Promise<Saved | null>;
  /**
   * To be called after every step. Keeps what `state` gives when that is worth it, about once a second and at the last
   * step. Throws `cancelled` when the user paused the task: then what was saved is where it goes on.
   */
  save(at: StepsDone, state: () => Saved): Promise<void>;
  report(event: EngineEvent): void;
  readonly signal: TaskSignal;
}

export interface StepsDone {
  readonly step: number;
  readonly steps: number;
}

/** A task in its middle, as its family wants to find it again. */
export interface Saved {
  readonly numbers: Readonly<Record<string, number>>;
  readonly arrays: Readonly<Record<string, Float32Array | Float64Array | Uint32Array>>;
}

/** A change of graphs and weight files on their way into a session. */
export interface WeightEdit {
  /** Equal keys make equal weights. */
  readonly key: string;
  /** Files that it changes, as the manifest names them. */
  readonly paths: ReadonlySet<string>;
  /** A changed copy of such a weight file, in the same stored format. */
  apply(path: string, bytes: Uint8Array): Uint8Array;
  /** A changed copy of such a graph. */
  graph(path: string, model: Uint8Array): EditedGraph;
}

/** A graph with what it reads beside its own weight files. */
export interface EditedGraph {
  readonly model: Uint8Array;
  /** External files, by the location that the model names. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface TaskSignal {
  /** Throws EngineError('cancelled') when the user cancelled. */
  throwIfAborted(): void;
  /** The user pressed "stop and keep": leave the loop after this step and decode what there is. */
  readonly stopAndKeep: boolean;
}

/** An imported or generated sound: an id in the blob store (browser) or a file path (headless). */
export interface AudioRef {
  readonly blob: string;
}

/** What stays with a song beside its sound, so that nothing the app made is encoded or planned again. */
export interface Kept {
  /** Final latents (1, channels, rows, T). */
  readonly latents: Tensor;
  /** What the family wants to find again with them, as JSON; nobody else reads it. */
  readonly memo: unknown;
}

/** One finished song. */
export interface Made extends Kept {
  readonly pcm: Pcm;
  readonly seed: number;
  /** Seconds into this song at which the source begins; absent where the task has none. */
  readonly sourceStart?: number;
}

export interface Family<C = unknown> {
  readonly id: string;
  /** Throws EngineError('manifest') naming the field. */
  parseConfig(json: unknown): C;
  /** Which fields exist, their ranges and defaults for this model; drives forms and checkTask. */
  limits(config: C, manifest: ModelManifest): TaskLimits;
  generate(task: Task, model: Model<C>): Promise<readonly Made[]>;
  /** Throws EngineError where a LoRA file with these names and shapes cannot be used with the pack, saying why. */
  checkLora(layout: SafetensorsLayout, pack: Pick<Model, 'manifest' | 'file'>): Promise<void>;
}
