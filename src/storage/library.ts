/**
 * The songs of this browser: IndexedDB records that name their sound by blob id. Deleting moves a track to the
 * trash, so that it can be undone; emptying the trash is what forgets it. Where storage is denied the library lives
 * in memory and `persistent` says so.
 */
import { openDB } from 'idb';
import type { DBSchema, IDBPDatabase } from 'idb';
import type { Peaks } from '../lib/audio/pcm.ts';
import { EngineError } from '../lib/errors.ts';
import type { Task } from '../lib/task.ts';

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
  readonly peaks: Peaks;
  readonly seconds: number;
  readonly sampleRate: number;
  /** Integrated loudness, LUFS; null for silence. */
  readonly loudness: number | null;
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
  readonly favourite: boolean;
  /** In the trash since then. */
  readonly deletedAt?: number;
}

export type TrackPatch = Partial<Pick<Track, 'title' | 'favourite'>>;

export interface Library {
  readonly persistent: boolean;
  /** Newest first, without the trash. */
  tracks(): Promise<readonly Track[]>;
  trash(): Promise<readonly Track[]>;
  /** @throws EngineError 'storage' when the record cannot be written. */
  add(track: Track): Promise<void>;
  /** @throws EngineError 'storage' when there is no such track. */
  update(id: string, patch: TrackPatch): Promise<Track>;
  remove(id: string): Promise<void>;
  restore(id: string): Promise<void>;
  /** Forgets what was deleted more than `ageMs` ago; returns how many. Their blobs go with the next sweep. */
  emptyTrash(ageMs?: number): Promise<number>;
  /** The track with this sound, also from the trash, or null. */
  byAudio(audio: string): Promise<Track | null>;
  /** Ids of every blob that a track names, trash included. */
  liveBlobs(): Promise<ReadonlySet<string>>;
  setting(key: string): Promise<unknown>;
  setSetting(key: string, value: unknown): Promise<void>;
}

interface Schema extends DBSchema {
  tracks: { key: string; value: Track; indexes: { audio: string; createdAt: number } };
  settings: { key: string; value: unknown };
}

/** Step i brings a database of version i to version i + 1. Add steps at the end; never change one. */
const MIGRATIONS: readonly ((db: IDBPDatabase<Schema>) => void)[] = [
  (db) => {
    const tracks = db.createObjectStore('tracks', { keyPath: 'id' });
    tracks.createIndex('audio', 'audio');
    tracks.createIndex('createdAt', 'createdAt');
    db.createObjectStore('settings');
  },
];

/**
 * The library of this origin; in memory when the browser denies one.
 * @throws EngineError 'storage' when a newer Cadenza wrote it: opening it would lose what the newer one knows.
 */
export async function openLibrary(name = 'cadenza'): Promise<Library> {
  try {
    const db = await openDB<Schema>(name, MIGRATIONS.length, {
      upgrade(db, from) {
        for (const migrate of MIGRATIONS.slice(from)) migrate(db);
      },
      // Another tab wants to upgrade: let it, this one asks to be reloaded by failing its next write.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    });
    return libraryOver(databaseTable(db), true);
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'VersionError') {
      const message =
        'The library was written by a newer Cadenza. Close its other tabs and reload this page.';
      throw new EngineError('storage', message, { cause: thrown });
    }
    return memoryLibrary(); // denied; `persistent: false` tells the user
  }
}

export const memoryLibrary = (): Library => libraryOver(memoryTable(), false);

/** The few primitives that a library needs of a place to keep records in. */
interface Table {
  all(): Promise<Track[]>;
  byAudio(audio: string): Promise<Track | undefined>;
  put(track: Track): Promise<void>;
  /** Reads, changes and writes in one transaction, so that two tabs cannot undo each other's change. */
  change(id: string, change: (track: Track) => Track): Promise<Track | undefined>;
  delete(id: string): Promise<void>;
  setting(key: string): Promise<unknown>;
  setSetting(key: string, value: unknown): Promise<void>;
}

function libraryOver(table: Table, persistent: boolean): Library {
  const change = async (id: string, by: (track: Track) => Track): Promise<Track> => {
    const track = await told('Changing a track', table.change(id, by));
    if (track === undefined) throw new EngineError('storage', `The library has no track ${id}.`);
    return track;
  };
  const sorted = async (inTrash: boolean): Promise<readonly Track[]> =>
    (await told('Reading the library', table.all()))
      .filter(({ deletedAt }) => (deletedAt !== undefined) === inTrash)
      .sort((a, b) => b.createdAt - a.createdAt);
  return {
    persistent,
    tracks: () => sorted(false),
    trash: () => sorted(true),
    async add(track) {
      await told('Storing a track', table.put(track));
      if (persistent) askToKeep();
    },
    update: (id, patch) => change(id, (track) => ({ ...track, ...patch })),
    async remove(id) {
      await change(id, (track) => ({ ...track, deletedAt: Date.now() }));
    },
    async restore(id) {
      await change(id, ({ deletedAt: _, ...track }) => track);
    },
    async emptyTrash(ageMs = 0) {
      const old = (await sorted(true)).filter(({ deletedAt = 0 }) => Date.now() - deletedAt >= ageMs);
      for (const { id } of old) await told('Emptying the trash', table.delete(id));
      return old.length;
    },
    byAudio: async (audio) => (await told('Reading the library', table.byAudio(audio))) ?? null,
    async liveBlobs() {
      const tracks = await told('Reading the library', table.all());
      return new Set(tracks.flatMap(({ audio, latents }) => (latents === null ? [audio] : [audio, latents])));
    },
    setting: (key) => told('Reading a setting', table.setting(key)),
    setSetting: (key, value) => told('Storing a setting', table.setSetting(key, value)),
  };
}

function databaseTable(db: IDBPDatabase<Schema>): Table {
  return {
    all: () => db.getAll('tracks'),
    byAudio: (audio) => db.getFromIndex('tracks', 'audio', audio),
    async put(track) {
      await db.put('tracks', track);
    },
    async change(id, by) {
      const { store, done } = db.transaction('tracks', 'readwrite');
      const track = await store.get(id);
      const changed = track && by(track);
      if (changed) await store.put(changed);
      await done;
      return changed;
    },
    delete: (id) => db.delete('tracks', id),
    setting: (key) => db.get('settings', key),
    async setSetting(key, value) {
      await db.put('settings', value, key);
    },
  };
}

function memoryTable(): Table {
  const tracks = new Map<string, Track>();
  const settings = new Map<string, unknown>();
  return {
    all: async () => [...tracks.values()],
    byAudio: async (audio) => [...tracks.values()].find((track) => track.audio === audio),
    async put(track) {
      tracks.set(track.id, track);
    },
    async change(id, by) {
      const track = tracks.get(id);
      const changed = track && by(track);
      if (changed) tracks.set(id, changed);
      return changed;
    },
    async delete(id) {
      tracks.delete(id);
    },
    setting: async (key) => settings.get(key),
    async setSetting(key, value) {
      settings.set(key, value);
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
