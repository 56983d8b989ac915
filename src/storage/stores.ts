/** The few primitives that a library needs of a place to keep records in: a database, or memory. */
import type { IDBPDatabase } from 'idb';
import type { Peaks } from '../lib/audio/pcm.ts';
import type { Schema } from './database.ts';
import type { StoredJob } from './jobs.ts';
import type { Collection, Track } from './library.ts';

interface Values {
  tracks: Track;
  collections: Collection;
  jobs: StoredJob;
}

interface Puts {
  readonly tracks?: readonly Track[];
  readonly collections?: readonly Collection[];
  readonly jobs?: readonly StoredJob[];
  /** By track id. */
  readonly peaks?: readonly (readonly [string, Peaks])[];
}

type Deletes = Readonly<Partial<Record<'tracks' | 'peaks' | 'collections' | 'jobs', readonly string[]>>>;

export interface Stores {
  all<S extends keyof Values>(store: S): Promise<Values[S][]>;
  /** Those that are there, in the order of the ids. */
  get<S extends 'tracks' | 'jobs' | 'peaks'>(
    store: S,
    ids: readonly string[],
  ): Promise<readonly Schema[S]['value'][]>;
  byAudio(audio: string): Promise<Track | undefined>;
  /** All or nothing. */
  put(puts: Puts): Promise<void>;
  delete(deletes: Deletes): Promise<void>;
  /** Reads, changes and writes in one transaction, so that two tabs cannot undo each other's change. */
  change<S extends 'tracks' | 'jobs'>(
    store: S,
    ids: readonly string[],
    by: (value: Values[S]) => Values[S],
  ): Promise<readonly Values[S][]>;
  setting(key: string): Promise<unknown>;
  setSetting(key: string, value: unknown): Promise<void>;
}

const NAMES = ['tracks', 'peaks', 'collections', 'jobs'] as const;

export function databaseStores(db: IDBPDatabase<Schema>): Stores {
  return {
    all: (store) => db.getAll(store) as Promise<never>, // the store's own values
    async get(store, ids) {
      const tx = db.transaction(store);
      const found = await Promise.all(ids.map((id) => tx.objectStore(store).get(id)));
      return found.filter((value) => value !== undefined) as never; // the store's own values
    },
    byAudio: (audio) => db.getFromIndex('tracks', 'audio', audio),
    async put({ tracks = [], collections = [], jobs = [], peaks = [] }) {
      const tx = db.transaction(NAMES, 'readwrite');
      await Promise.all([
        ...tracks.map((track) => tx.objectStore('tracks').put(track)),
        ...collections.map((collection) => tx.objectStore('collections').put(collection)),
        ...jobs.map((job) => tx.objectStore('jobs').put(job)),
        ...peaks.map(([id, value]) => tx.objectStore('peaks').put(value, id)),
        tx.done,
      ]);
    },
    async delete(deletes) {
      const tx = db.transaction(NAMES, 'readwrite');
      const gone = NAMES.flatMap((name) =>
        (deletes[name] ?? []).map((id) => tx.objectStore(name).delete(id)),
      );
      await Promise.all([...gone, tx.done]);
    },
    async change(store, ids, by) {
      const tx = db.transaction(store, 'readwrite');
      const records = tx.objectStore(store);
      const changed = await Promise.all(
        ids.map(async (id) => {
          const value = await records.get(id);
          const next = value && by(value as never); // the store's own value
          if (next) await records.put(next);
          return next;
        }),
      );
      await tx.done;
      return changed.filter((value) => value !== undefined);
    },
    setting: (key) => db.get('settings', key),
    async setSetting(key, value) {
      await db.put('settings', value, key);
    },
  };
}

export function memoryStores(): Stores {
  const maps = {
    tracks: new Map<string, Track>(),
    peaks: new Map<string, Peaks>(),
    collections: new Map<string, Collection>(),
    jobs: new Map<string, StoredJob>(),
  };
  const settings = new Map<string, unknown>();
  return {
    all: async (store) => [...maps[store].values()] as never, // the store's own values
    get: async (store, ids) =>
      ids.map((id) => maps[store].get(id)).filter((value) => value !== undefined) as never,
    byAudio: async (audio) => [...maps.tracks.values()].find((track) => track.audio === audio),
    async put({ tracks = [], collections = [], jobs = [], peaks = [] }) {
      for (const track of tracks) maps.tracks.set(track.id, track);
      for (const collection of collections) maps.collections.set(collection.id, collection);
      for (const job of jobs) maps.jobs.set(job.id, job);
      for (const [id, value] of peaks) maps.peaks.set(id, value);
    },
    async delete(deletes) {
      for (const name of NAMES) for (const id of deletes[name] ?? []) maps[name].delete(id);
    },
    async change(store, ids, by) {
      const map = maps[store] as Map<string, never>; // the store's own values
      return ids.flatMap((id) => {
        const value = map.get(id);
        if (!value) return [];
        const next = by(value);
        map.set(id, next as never);
        return [next];
      });
    },
    setting: async (key) => settings.get(key),
    async setSetting(key, value) {
      settings.set(key, value);
    },
  };
}
