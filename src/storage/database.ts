/**
 * The database of this origin: what is in it, and how older ones become this one. Records only; sounds lie in the blob
 * store. A step of MIGRATIONS is never changed once it is out: the libraries of users were made by it.
 */
import { openDB } from 'idb';
import type { DBSchema, IDBPDatabase, IDBPTransaction } from 'idb';
import { outlineOf } from '../lib/audio/pcm.ts';
import type { Peaks } from '../lib/audio/pcm.ts';
import { EngineError } from '../lib/errors.ts';
import type { StoredJob } from './jobs.ts';
import type { Collection, Track } from './library.ts';

export interface Schema extends DBSchema {
  tracks: { key: string; value: Track; indexes: { audio: string; createdAt: number } };
  /** By track id: they are large, and only the song in hand is drawn from them. */
  peaks: { key: string; value: Peaks };
  collections: { key: string; value: Collection };
  jobs: { key: string; value: StoredJob };
  settings: { key: string; value: unknown };
}

export type StoreName = 'tracks' | 'peaks' | 'collections' | 'jobs' | 'settings';
type Upgrade = IDBPTransaction<Schema, StoreName[], 'versionchange'>;

/** Step i brings a database of version i to version i + 1. Add steps at the end; never change one. */
const MIGRATIONS: readonly ((db: IDBPDatabase<Schema>, tx: Upgrade) => Promise<void>)[] = [
  async (db) => {
    const tracks = db.createObjectStore('tracks', { keyPath: 'id' });
    tracks.createIndex('audio', 'audio');
    tracks.createIndex('createdAt', 'createdAt');
    db.createObjectStore('settings');
  },
  // Peaks out of the tracks, so that a list of ten thousand songs fits in memory; collections and the line.
  async (db, tx) => {
    const peaks = db.createObjectStore('peaks');
    db.createObjectStore('collections', { keyPath: 'id' });
    db.createObjectStore('jobs', { keyPath: 'id' });
    for (let at = await tx.objectStore('tracks').openCursor(); at; at = await at.continue()) {
      const { peaks: all, ...track } = at.value as Track & { readonly peaks: Peaks }; // what version 1 stored
      await peaks.put(all, track.id);
      await at.update({ ...track, outline: outlineOf(all) });
    }
  },
];

/**
 * @throws EngineError 'storage' when a newer Cadenza wrote it: opening it would lose what the newer one knows; whatever
 * the browser throws when it denies storage.
 */
export async function openDatabase(name: string): Promise<IDBPDatabase<Schema>> {
  try {
    return await openDB<Schema>(name, MIGRATIONS.length, {
      upgrade(db, from, _to, tx) {
        migrateFrom(from, db, tx).catch(() => tx.abort()); // what was there stays as it is
      },
      // Another tab wants to upgrade: let it, this one asks to be reloaded by failing its next write.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    });
  } catch (thrown) {
    if (!(thrown instanceof DOMException && thrown.name === 'VersionError')) throw thrown;
    const message = 'The library was written by a newer Cadenza. Close its other tabs and reload this page.';
    throw new EngineError('storage', message, { cause: thrown });
  }
}

async function migrateFrom(from: number, db: IDBPDatabase<Schema>, tx: Upgrade): Promise<void> {
  for (const migrate of MIGRATIONS.slice(from)) await migrate(db, tx);
}
