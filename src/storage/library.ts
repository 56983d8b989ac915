/**
 * The songs of this browser: IndexedDB records that name their sound by blob id. Deleting moves a track to the
 * trash, so that it can be undone; emptying the trash is what forgets it. Where storage is denied the library lives
 * in memory and `persistent` says so.
 */
import { outlineOf } from '../lib/audio/pcm.ts';
import type { Meters } from '../lib/audio/loudness.ts';
import type { Peaks } from '../lib/audio/pcm.ts';
import { EngineError } from '../lib/errors.ts';
import type { Task } from '../lib/task.ts';
import { openDatabase } from './database.ts';
import type { StoredJob } from './jobs.ts';
import { databaseStores, memoryStores, type Stores } from './stores.ts';

export interface Track {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly title: string;
  readonly task: Task;
  readonly model: string;
  /** Blob ids: the WAV file, and the final latents (null where a sound was imported). */
  readonly audio: string;
  readonly latents: string | null;
  /** 64 bars for lists, see outlineOf. The waveform itself is read when it is drawn: Library.peaks(). */
  readonly outline: Uint8Array;
  readonly seconds: number;
  readonly sampleRate: number;
  /** Integrated loudness, LUFS; null for silence. */
  readonly loudness: number | null;
  /** The other meters; absent until they were measured. */
  readonly meters?: Meters;
  readonly seed: number;
  /** Milliseconds by stage, with `load` and `total`. */
  readonly timings: Readonly<Record<string, number>>;
  /** The step after which the user stopped and kept it; absent where all were made. */
  readonly stoppedAt?: number;
  /** What the model planned before it began; absent where it does not plan. */
  readonly plan?: {
    readonly bpm: number;
    readonly key: string;
    readonly meter: string;
    readonly chords: string;
    /** Seconds of the first bar line; absent means 0. */
    readonly firstBar?: number;
    readonly sections: readonly { readonly name: string; readonly start: number; readonly end: number }[];
  };
  /** The track that this one was made from. */
  readonly parent?: string;
  /** Seconds into this song at which the sound that it was made from begins; absent where it has none. */
  readonly sourceStart?: number;
  /** Where a sound came from that was not made here; absent for songs. Such a track has no model and no latents. */
  readonly origin?: { readonly kind: 'file' | 'recording'; readonly name: string };
  readonly favourite: boolean;
  /** The user's own labels, each once. */
  readonly tags?: readonly string[];
  /** Ids of the collections that it is in. */
  readonly collections?: readonly string[];
  /** In the trash since then. */
  readonly deletedAt?: number;
}

/** A song on its way into the library: its peaks are kept beside the record. */
export type NewTrack = Omit<Track, 'outline'> & { readonly peaks: Peaks };

export type TrackPatch = Partial<Pick<Track, 'title' | 'favourite' | 'tags' | 'collections' | 'meters'>>;

/** Songs that the user put together. Membership stands with the tracks. */
export interface Collection {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What another tab, or the engine's worker, changed. */
export type Change =
  | { readonly type: 'tracks'; readonly ids: readonly string[] }
  | { readonly type: 'collections' }
  | { readonly type: 'jobs' }
  | { readonly type: 'setting'; readonly key: string };

export interface Library {
  readonly persistent: boolean;
  /** Hears what others of this origin change, until the returned function is called. */
  onChange(heard: (change: Change) => void): () => void;
  /** Newest first, without the trash. */
  tracks(): Promise<readonly Track[]>;
  trash(): Promise<readonly Track[]>;
  /** The tracks with these ids, trash included; those that are not there are left out. */
  find(ids: readonly string[]): Promise<readonly Track[]>;
  /** What the waveform of a track is drawn from; null where there is none. */
  peaks(id: string): Promise<Peaks | null>;
  /** @throws EngineError 'storage' when the record cannot be written. */
  add(track: NewTrack): Promise<Track>;
  /** @throws EngineError 'storage' when there is no such track. */
  update(id: string, patch: TrackPatch): Promise<Track>;
  /** Many in one transaction. */
  updateEach(ids: readonly string[], patchOf: (track: Track) => TrackPatch): Promise<readonly Track[]>;
  /** Into the trash, and out of it again. */
  remove(ids: readonly string[]): Promise<void>;
  restore(ids: readonly string[]): Promise<void>;
  /** For good. Their blobs are the caller's: see liveBlobs. */
  forget(ids: readonly string[]): Promise<void>;
  /** The track with this sound, also from the trash, or null. */
  byAudio(audio: string): Promise<Track | null>;
  /** Ids of every blob that a track names, trash included, or that work done or in line starts from. */
  liveBlobs(): Promise<ReadonlySet<string>>;
  collections(): Promise<readonly Collection[]>;
  putCollection(collection: Collection): Promise<void>;
  /** Tracks may go on naming it. */
  deleteCollection(id: string): Promise<void>;
  /** The line, first to last. */
  jobs(): Promise<readonly StoredJob[]>;
  putJobs(jobs: readonly StoredJob[]): Promise<void>;
  /** Those that are still there. */
  changeJobs(ids: readonly string[], by: (job: StoredJob) => StoredJob): Promise<void>;
  deleteJobs(ids: readonly string[]): Promise<void>;
  setting(key: string): Promise<unknown>;
  setSetting(key: string, value: unknown): Promise<void>;
}

/**
 * The library of this origin; in memory when the browser denies one.
 * @throws EngineError 'storage' when a newer Cadenza wrote it.
 */
export async function openLibrary(name = 'cadenza'): Promise<Library> {
  try {
    return libraryOver(databaseStores(await openDatabase(name)), name);
  } catch (thrown) {
    if (thrown instanceof EngineError) throw thrown;
    return memoryLibrary(); // denied; `persistent: false` tells the user
  }
}

export const memoryLibrary = (): Library => libraryOver(memoryStores(), null);

/** `channel` names the talk between tabs; null: the library is this tab's alone. */
function libraryOver(stores: Stores, channel: string | null): Library {
  const listeners = new Set<(change: Change) => void>();
  const talk = channel === null ? null : new BroadcastChannel(`${channel}.library`);
  if (talk) {
    talk.onmessage = ({ data }: MessageEvent<Change>) => listeners.forEach((heard) => heard(data));
    // Node would wait for it; browsers have no such thing.
    (talk as { unref?(): void }).unref?.();
  }
  const tell = (change: Change): void => talk?.postMessage(change);

  const changeTracks = async (
    ids: readonly string[],
    by: (track: Track) => Track,
  ): Promise<readonly Track[]> => {
    const changed = await told('Changing a song', stores.change('tracks', ids, by));
    const missing = ids.find((id) => !changed.some((track) => track.id === id));
    tell({ type: 'tracks', ids });
    if (missing !== undefined) throw new EngineError('storage', `The library has no track ${missing}.`);
    return changed;
  };
  const sorted = async (inTrash: boolean): Promise<readonly Track[]> =>
    (await told('Reading the library', stores.all('tracks')))
      .filter(({ deletedAt }) => (deletedAt !== undefined) === inTrash)
      .sort((a, b) => b.createdAt - a.createdAt);

  return {
    persistent: channel !== null,
    onChange(heard) {
      listeners.add(heard);
      return () => listeners.delete(heard);
    },
    tracks: () => sorted(false),
    trash: () => sorted(true),
    find: (ids) => told('Reading the library', stores.get('tracks', ids)),
    peaks: async (id) => (await told('Reading a waveform', stores.get('peaks', [id])))[0] ?? null,
    async add({ peaks, ...rest }) {
      const track = { ...rest, outline: outlineOf(peaks) };
      await told('Storing a song', stores.put({ tracks: [track], peaks: [[track.id, peaks]] }));
      tell({ type: 'tracks', ids: [track.id] });
      if (channel !== null) askToKeep();
      return track;
    },
    update: async (id, patch) => (await changeTracks([id], (track) => ({ ...track, ...patch })))[0]!, // or it threw
    updateEach: (ids, patchOf) => changeTracks(ids, (track) => ({ ...track, ...patchOf(track) })),
    async remove(ids) {
      const deletedAt = Date.now();
      await changeTracks(ids, (track) => ({ ...track, deletedAt }));
    },
    async restore(ids) {
      await changeTracks(ids, ({ deletedAt: _, ...track }) => track);
    },
    async forget(ids) {
      await told('Deleting songs for good', stores.delete({ tracks: ids, peaks: ids }));
      tell({ type: 'tracks', ids });
    },
    byAudio: async (audio) => (await told('Reading the library', stores.byAudio(audio))) ?? null,
    async liveBlobs() {
      const [tracks, jobs] = await told(
        'Reading the library',
        Promise.all([stores.all('tracks'), stores.all('jobs')]),
      );
      return new Set([
        ...tracks.flatMap(({ audio, latents }) => (latents === null ? [audio] : [audio, latents])),
        ...[...tracks, ...jobs].flatMap(({ task }) => broughtBy(task)),
      ]);
    },
    collections: () => told('Reading the collections', stores.all('collections')),
    async putCollection(collection) {
      await told('Storing a collection', stores.put({ collections: [collection] }));
      tell({ type: 'collections' });
    },
    async deleteCollection(id) {
      await told('Deleting a collection', stores.delete({ collections: [id] }));
      tell({ type: 'collections' });
    },
    jobs: async () => (await told('Reading the line', stores.all('jobs'))).sort((a, b) => a.order - b.order),
    async putJobs(jobs) {
      await told('Storing the line', stores.put({ jobs }));
      tell({ type: 'jobs' });
    },
    async changeJobs(ids, by) {
      await told('Changing the line', stores.change('jobs', ids, by));
      tell({ type: 'jobs' });
    },
    async deleteJobs(ids) {
      await told('Changing the line', stores.delete({ jobs: ids }));
      tell({ type: 'jobs' });
    },
    setting: (key) => told('Reading a setting', stores.setting(key)),
    async setSetting(key, value) {
      await told('Storing a setting', stores.setSetting(key, value));
      tell({ type: 'setting', key });
    },
  };
}

/**
 * Browsers may evict what a site stores when the disk fills, unless it asked them not to. The first song is the moment
 * when the question makes sense: Firefox puts it to the user, others decide alone; nothing waits for the answer.
 */
function askToKeep(): void {
  // Not in workers, hence optional.
  const storage: (Partial<StorageManager> & { persist?(): Promise<boolean> }) | undefined =
    globalThis.navigator?.storage;
  storage?.persist?.().catch(() => undefined); // refused: songs are kept all the same, as long as there is room
}

async function told<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new EngineError('storage', `${doing} failed: ${message}`, { cause: thrown });
  }
}

/** Sounds and LoRAs that a task was given. Tasks of older versions know no LoRA. */
const broughtBy = (task: Task): readonly string[] => [
  ...('source' in task ? [task.source.blob] : []),
  ...((task.loras as Task['loras'] | undefined) ?? []).map(({ file }) => file),
];
