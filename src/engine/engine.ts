/**
 * The worker's public face: the methods of this class are the whole protocol between page and worker (Comlink).
 * Data in, events out: tasks and results are JSON; sound stays in the blob store and crosses as an id.
 *
 * One engine has one wish, fixed when it is made: the number of threads and the choice of provider cannot change
 * while a runtime lives. To change them, or after `device-lost`, end the worker and make a new one; this also gives
 * back WebAssembly memory, which never shrinks.
 */
import { asEngineError, assert, EngineError } from '../lib/errors.ts';
import type { EngineEvent } from '../lib/events.ts';
import type { Pcm } from '../lib/audio/pcm.ts';
import type { AudioRef, Made } from '../lib/family.ts';
import { filesOf, parseManifest } from '../lib/manifest.ts';
import type { FileRef, ModelManifest } from '../lib/manifest.ts';
import { place, threadsOf } from '../lib/placement.ts';
import type { Capabilities, Placement, Wish } from '../lib/placement.ts';
import { readLayout } from '../lib/safetensors.ts';
import { checkTask } from '../lib/task.ts';
import type { Task, TaskLimits } from '../lib/task.ts';
import { memoryBlobs, openBlobs } from '../storage/blobs.ts';
import type { Blobs } from '../storage/blobs.ts';
import { openLibrary } from '../storage/library.ts';
import { openCheckpoints } from '../storage/checkpoints.ts';
import { checkpointFile, checkpointKey, readCheckpoint } from './checkpoint.ts';
import { openModelFolders } from '../storage/models.ts';
import { fetchBytes, fetchJson, fetchVerified } from './files.ts';
import { Host } from './host.ts';
import type { GraphStatistics, Keeper, Timings, World } from './host.ts';
import { BROWSER_BUILDS, buildFor, openRuntime } from './ort.ts';
import type { Runtime, WebBuilds } from './ort.ts';
import { manifestUrls, openPack, storedFiles } from './pack.ts';
import type { Pack } from './pack.ts';
import { probe } from './probe.ts';
import { installedIn } from './receipts.ts';
import { selfCheck, withChecks } from './self-check.ts';
import type { CheckReport } from './self-check.ts';
import { audioFile, factsOf, keepingSource, latentsFile, readAudio, readLatents } from './songs.ts';
import type { SongFacts } from './songs.ts';

export interface EngineOptions {
  /** URL of the folder that holds models/ and data/: document.baseURI of the page. */
  readonly base: string;
  readonly wish: Wish;
}

export interface ModelInfo {
  readonly manifest: ModelManifest;
  readonly limits: TaskLimits;
  /** All files of the pack together. */
  readonly bytes: number;
  /** It was installed into this browser's storage; false: it comes with the application. */
  readonly installed: boolean;
}

/** A finished song, stored. */
export interface Song extends SongFacts {
  /** Blob ids: the sound (WAV, 32-bit float) and the final latents (safetensors). */
  readonly audio: string;
  readonly latents: string;
  /** Where storage is denied or full: the files by blob id, for the page to hold and offer. Otherwise empty. */
  readonly unstored: Readonly<Record<string, Blob>>;
}

export interface Result {
  readonly task: Task;
  readonly model: string;
  readonly songs: readonly Song[];
  readonly timings: Timings;
}

export interface Memory {
  readonly graphs: readonly GraphStatistics[];
  /** The most that all graphs took together since the model was loaded. */
  readonly peakBytes: number;
  /** The WebAssembly heap, bytes; null before the first graph. */
  readonly heapBytes: number | null;
}

type Listener = (event: EngineEvent) => void;

const CATALOGUE = 'models/index.json';
const SELF_CHECK = 'models/selfcheck/manifest.json';

export class Engine {
  readonly #base: string;
  readonly #wish: Wish;
  readonly #builds: WebBuilds;
  readonly #caps = lazy(() => probe());
  readonly #packs = lazy(() => this.#openPacks());
  readonly #checks = lazy(() => this.#check());
  readonly #blobs = lazy(() => openBlobs());
  readonly #checkpoints = lazy(() => openCheckpoints());
  readonly #library = lazy(() => openLibrary());
  readonly #runtime = lazy(() => this.#open());
  /** Songs that storage refused; they end with this worker unless the page holds them. */
  readonly #unstored: Blobs = memoryBlobs();
  /** Of those songs: audio id -> latents id, because no library knows them. */
  readonly #loose = new Map<string, string>();
  #host: Host | null = null;
  /** The song in hand; settles, and never rejects. */
  #song: Promise<unknown> | null = null;
  #cancelled = false;

  constructor({ base, wish }: EngineOptions, builds: WebBuilds = BROWSER_BUILDS) {
    this.#base = base;
    this.#wish = wish;
    this.#builds = builds;
  }

  /** What this browser has; with the outcome of the self-check once that has run. Loads nothing. */
  async probe(): Promise<Capabilities> {
    const caps = await this.#caps();
    return this.#checks.started() ? withChecks(caps, await this.#checks()) : caps;
  }

  /**
   * The catalogue, the default model first.
   * @throws EngineError 'network' or 'manifest' naming the file.
   */
  async models(): Promise<readonly ModelInfo[]> {
    return (await this.#packs()).map(({ manifest, limits, installed }) => ({
      manifest,
      limits,
      installed,
      bytes: filesOf(manifest).reduce((sum, { bytes }) => sum + bytes, 0),
    }));
  }

  /**
   * Where each graph of a model runs, and why. Runs the self-check first when a GPU would be used.
   * @throws EngineError 'unsupported' saying what is missing.
   */
  async place(model: string): Promise<Placement> {
    const { manifest } = await this.#pack(model);
    const caps = await this.#caps();
    const hoped = place(manifest, caps, this.#wish);
    const usesGpu = Object.values(hoped.graphs).some(({ provider }) => provider === 'webgpu');
    return usesGpu ? place(manifest, withChecks(caps, await this.#checks()), this.#wish) : hoped;
  }

  /** Outcome of the self-check, run on demand, after the song in hand; empty where there is no GPU. */
  async selfCheck(): Promise<readonly CheckReport[]> {
    if (!this.#checks.started()) await this.#song;
    return (await this.#caps()).gpu ? this.#checks() : [];
  }

  /**
   * Makes the songs of a task and stores them. One task at a time.
   * @param input a task as JSON; `checkTask` fills what is missing and refuses what is wrong.
   * @param on hears everything that happens on the way; a Comlink proxy of a function of the page.
   * @param id names the work: steps are saved under it, and a task of the same id and content goes on from the last one.
   *   The caller deletes them (storage/checkpoints.ts) when the song is recorded, or not wanted any more.
   * @throws EngineError; `cancelled` after cancel() and pause().
   */
  generate(input: unknown, on: Listener, id?: string): Promise<Result> {
    assert(this.#song === null, 'a song is already being made');
    this.#cancelled = false;
    const song = this.#generate(input, on, id).finally(() => (this.#song = null));
    this.#song = song.catch(() => undefined); // its error is for the caller; this one is for those who wait
    return song;
  }

  async #generate(input: unknown, on: Listener, id?: string): Promise<Result> {
    const pack = await this.#pack(modelOf(input));
    const task = { ...checkTask(input, pack.limits), model: pack.manifest.id };
    const host = await this.#hostOf(pack, on);
    const keeper = id === undefined ? undefined : await this.#keeper(id, task, pack.manifest);
    if (this.#cancelled) throw new EngineError('cancelled', 'The song was cancelled.');
    const { value, timings } = await host.perform((model) => pack.family.generate(task, model), on, keeper);
    const songs: Song[] = [];
    const whole = await keepingSource(value, task, (ref) => this.#sound(ref));
    for (const made of whole) songs.push(await this.#store(made, task, on));
    return { task, model: pack.manifest.id, songs, timings };
  }

  /** Ends the song in hand with `cancelled` before its next graph run: within one step. */
  cancel(): void {
    this.#cancelled = true;
    this.#host?.cancel();
  }

  /** The song in hand leaves its loop after this step and decodes what there is. */
  stopAndKeep(): void {
    this.#host?.stopAndKeep();
  }

  /** The song in hand ends with `cancelled` where it can go on later: after this step, which is saved. */
  pause(): void {
    if (this.#host?.pause() !== true) this.#cancelled = true;
  }

  async memory(): Promise<Memory> {
    const heapBytes = this.#runtime.started() ? (await this.#runtime()).heapBytes() : null;
    return { graphs: this.#host?.statistics() ?? [], peakBytes: this.#host?.peakBytes ?? 0, heapBytes };
  }

  /**
   * Looks whether a LoRA file is for this model, by its header.
   * @throws EngineError 'bad-task' or 'integrity' saying what is wrong with the file
   */
  async checkLora(model: string, file: Blob): Promise<void> {
    const { family, files, manifest } = await this.#pack(model);
    const read = async (from: number, to: number): Promise<Uint8Array> =>
      new Uint8Array(await file.slice(from, to).arrayBuffer());
    await family.checkLora(await readLayout({ size: file.size, read }), {
      manifest,
      file: async (name) => files.read(manifest.files[name]!, () => undefined), // the names are the manifest's own
    });
  }

  /** Frees all graphs; they load again when they are needed. */
  async release(): Promise<void> {
    await this.#host?.release();
  }

  /** Absolute URLs of all that the default model needs: cached once, it makes music with the network off. */
  async offlineUrls(): Promise<readonly string[]> {
    const pack = await this.#pack('');
    const { graphs } = await this.place(pack.manifest.id);
    const caps = await this.#caps();
    const placed = Object.values(graphs).flatMap(({ variant }) => [variant.graph, ...variant.weights]);
    const files = [...Object.values(pack.manifest.files), ...placed];
    const check = caps.gpu ? await this.#selfCheckPack() : null;
    return [
      this.#url(CATALOGUE),
      pack.url,
      ...files.map(({ path }) => new URL(path, pack.url).href),
      ...(check
        ? [check.url, ...filesOf(check.manifest).map(({ path }) => new URL(path, check.url).href)]
        : []),
      ...(await this.#builds.urls(buildFor(caps, this.#wish))),
    ].filter((url, i, all) => all.indexOf(url) === i);
  }

  #url(path: string): string {
    return new URL(path, this.#base).href;
  }

  async #openPacks(): Promise<readonly [Pack, ...Pack[]]> {
    const url = this.#url(CATALOGUE);
    const [first, ...rest] = manifestUrls(await fetchJson(url), url);
    const open = async (at: string): Promise<Pack> => openPack(await fetchJson(at), at);
    return [await open(first), ...(await Promise.all(rest.map(open))), ...(await this.#installedPacks())];
  }

  /** Packs in this browser's storage that are whole as far as their receipts tell; the Models page shows the others. */
  async #installedPacks(): Promise<readonly Pack[]> {
    const packs: Pack[] = [];
    try {
      const folders = await openModelFolders();
      for (const id of await folders.ids()) {
        const folder = await folders.folder(id);
        const found = await installedIn(folder).catch(() => null); // of another version: the page offers to delete it
        if (found === null || found.broken.length > 0) continue;
        packs.push(await openPack(found.manifest, `${id} (installed)`, storedFiles(folder), true));
      }
    } catch {
      // Storage is denied: nothing can be installed, and the Models page says why.
    }
    return packs;
  }

  /** The pack with this id; the default one for ''. */
  async #pack(id: string): Promise<Pack> {
    const packs = await this.#packs();
    const pack = id === '' ? packs[0] : packs.find(({ manifest }) => manifest.id === id);
    if (pack) return pack;
    const known = packs.map(({ manifest }) => manifest.id).join(', ');
    throw new EngineError('bad-task', `model must be one of ${known} (got ${JSON.stringify(id)}).`);
  }

  async #open(): Promise<Runtime> {
    const caps = await this.#caps();
    return openRuntime(this.#builds, buildFor(caps, this.#wish), threadsOf(caps, this.#wish));
  }

  async #keeper(id: string, task: Task, manifest: ModelManifest): Promise<Keeper> {
    const checkpoints = await this.#checkpoints();
    const key = checkpointKey(task, manifest);
    const bytes = await checkpoints.read(id);
    return {
      found: bytes && readCheckpoint(bytes, key),
      save: (checkpoint) => checkpoints.write(id, checkpointFile(checkpoint, key)),
    };
  }

  async #selfCheckPack(): Promise<{ readonly url: string; readonly manifest: ModelManifest }> {
    const url = this.#url(SELF_CHECK);
    return { url, manifest: parseManifest(await fetchJson(url)) };
  }

  async #check(): Promise<readonly CheckReport[]> {
    const { url, manifest } = await this.#selfCheckPack();
    const read = (file: FileRef): Promise<Uint8Array> => fetchVerified(file, url, () => undefined);
    return selfCheck(manifest, await this.#runtime(), read, await this.#caps());
  }

  /** The host of this pack. One model is in memory at a time: another one's graphs are freed first. */
  async #hostOf(pack: Pack, on: Listener): Promise<Host> {
    const placement = await this.place(pack.manifest.id);
    // The runtime does one thing at a time, and a self-check may be under way on demand.
    if (this.#checks.started()) await this.#checks();
    for (const { code, text } of placement.notices) on({ type: 'notice', code, text });
    if (this.#host?.manifest === pack.manifest) return this.#host;
    await this.#host?.release();
    const world: World = {
      read: (file) => pack.files.read(file, (event) => host.report(event)),
      weights: (file) => pack.files.weights(file),
      asset: (path) => fetchBytes(this.#url(`data/${path}`)),
      open: (ref) => this.#sound(ref),
      lora: (ref) => this.#bytes(ref),
      latentsOf: async (ref) => {
        const id =
          this.#loose.get(ref.blob) ?? (await (await this.#library()).byAudio(ref.blob))?.latents ?? null;
        return id === null ? null : readLatents(await this.#bytes(id));
      },
    };
    const host = new Host(pack.manifest, pack.config, placement, await this.#runtime(), world);
    this.#host = host;
    return host;
  }

  async #sound({ blob }: AudioRef): Promise<Pcm> {
    return readAudio(await this.#bytes(blob));
  }

  async #bytes(id: string): Promise<Uint8Array<ArrayBuffer>> {
    const blobs = (await this.#unstored.has(id)) ? this.#unstored : await this.#blobs();
    return new Uint8Array(await (await blobs.open(id)).arrayBuffer());
  }

  /** A song that storage refuses is not lost: it goes to the page with a notice. */
  async #store(made: Made, task: Task, on: Listener): Promise<Song> {
    const settings = { task, seed: made.seed };
    const files = { audio: audioFile(made.pcm, settings), latents: latentsFile(made) };
    const facts = factsOf(made);
    try {
      const blobs = await this.#blobs();
      const [audio, latents] = [await blobs.put(files.audio), await blobs.put(files.latents)];
      if (blobs.persistent) return { ...facts, audio, latents, unstored: {} };
      on({ type: 'notice', code: 'not-stored', text: NOT_STORED });
    } catch (thrown) {
      const { message } = asEngineError(thrown);
      on({ type: 'notice', code: 'not-stored', text: `${message} ${NOT_STORED}` });
    }
    const audio = await this.#unstored.put(files.audio);
    const latents = await this.#unstored.put(files.latents);
    this.#loose.set(audio, latents);
    const unstored = {
      [audio]: await this.#unstored.open(audio),
      [latents]: await this.#unstored.open(latents),
    };
    return { ...facts, audio, latents, unstored };
  }
}

const NOT_STORED = 'This song is kept in memory only: download it before you close the page.';

function modelOf(input: unknown): string {
  const model = typeof input === 'object' && input !== null && 'model' in input ? input.model : '';
  return typeof model === 'string' ? model : '';
}

interface Lazy<T> {
  (): Promise<T>;
  /** Asked for at least once, and not failed. */
  started(): boolean;
}

/** Made on first use and kept; a failure is not kept, so the next use tries again. */
function lazy<T>(make: () => Promise<T>): Lazy<T> {
  let made: Promise<T> | null = null;
  const get = (): Promise<T> => {
    made ??= make().catch((thrown: unknown) => {
      made = null;
      throw thrown;
    });
    return made;
  };
  return Object.assign(get, { started: () => made !== null });
}
