/**
 * Sounds and latents: bytes named by their SHA-256, so the same bytes are kept once and a name proves its content.
 * They live in the browser's private file system (OPFS), written to a temporary name and moved when whole: a half
 * file is never visible. Where storage is denied they live in memory and `persistent` says so.
 */
import { EngineError } from '../lib/errors.ts';
import { holding } from './handles.ts';

export interface Blobs {
  /** False: the browser denies storage; everything here ends with this page or worker. */
  readonly persistent: boolean;
  has(id: string): Promise<boolean>;
  /** @throws EngineError 'storage' when there is no such blob. */
  open(id: string): Promise<Blob>;
  /**
   * Keeps bytes and returns their id. Keeping the same bytes again costs their hash only.
   * @throws EngineError 'storage' with the numbers when there is no room.
   */
  put(bytes: Uint8Array<ArrayBuffer>): Promise<string>;
  /** Deletes what `live` does not name and is older than `graceMs`; returns the bytes freed. */
  sweep(live: ReadonlySet<string>, graceMs?: number): Promise<number>;
  /** Deletes these, whatever their age; returns the bytes freed. */
  remove(ids: Iterable<string>): Promise<number>;
  /** Bytes that these take together. */
  sizes(ids: Iterable<string>): Promise<number>;
  /** Own accounting: navigator.storage.estimate() wraps at 4 GiB in some browsers. */
  usage(): Promise<{ readonly count: number; readonly bytes: number }>;
}

/** A song is put some time before the track that names it is recorded: younger blobs are never swept. */
export const SWEEP_GRACE_MS = 3_600_000;

const FOLDER = 'blobs';
const TEMPORARY = 'tmp-';

/** The store of this origin; in memory when the browser denies one. */
export async function openBlobs(
  storage: StorageManager | undefined = globalThis.navigator?.storage,
): Promise<Blobs> {
  try {
    if (storage === undefined) return memoryBlobs();
    const root = await storage.getDirectory();
    return opfsBlobs(await root.getDirectoryHandle(FOLDER, { create: true }), () => storage.estimate());
  } catch {
    // Private windows and blocked cookies end here; `persistent: false` tells the user.
    return memoryBlobs();
  }
}

export function memoryBlobs(): Blobs {
  const kept = new Map<string, { blob: Blob; at: number }>();
  const sizes = (ids: Iterable<string>): number =>
    [...ids].reduce((sum, id) => sum + (kept.get(id)?.blob.size ?? 0), 0);
  return {
    persistent: false,
    has: async (id) => kept.has(id),
    open: async (id) => kept.get(id)?.blob ?? absent(id),
    async put(bytes) {
      const id = await sha256(bytes);
      if (!kept.has(id)) kept.set(id, { blob: new Blob([bytes]), at: Date.now() });
      return id;
    },
    async remove(ids) {
      const freed = sizes(ids);
      for (const id of ids) kept.delete(id);
      return freed;
    },
    sizes: async (ids) => sizes(ids),
    async sweep(live, graceMs = SWEEP_GRACE_MS) {
      let freed = 0;
      for (const [id, { blob, at }] of kept) {
        if (live.has(id) || Date.now() - at < graceMs) continue;
        kept.delete(id);
        freed += blob.size;
      }
      return freed;
    },
    async usage() {
      const bytes = [...kept.values()].reduce((sum, { blob }) => sum + blob.size, 0);
      return { count: kept.size, bytes };
    },
  };
}

function opfsBlobs(folder: FileSystemDirectoryHandle, estimate: () => Promise<StorageEstimate>): Blobs {
  const find = async (id: string): Promise<FileSystemFileHandle | null> => {
    try {
      return await folder.getFileHandle(id);
    } catch (thrown) {
      if (named(thrown, 'NotFoundError')) return null;
      throw await storageError(thrown, `Opening ${id}`, estimate);
    }
  };
  return {
    persistent: true,
    has: async (id) => (await find(id)) !== null,
    async open(id) {
      const handle = await find(id);
      return handle ? handle.getFile() : absent(id);
    },
    async put(bytes) {
      const id = await sha256(bytes);
      if (await find(id)) return id;
      try {
        await writeWhole(folder, id, bytes);
        return id;
      } catch (thrown) {
        throw await storageError(thrown, `Storing ${megabytes(bytes.byteLength)}`, estimate);
      }
    },
    async remove(ids) {
      let freed = 0;
      for (const id of ids) {
        const handle = await find(id);
        if (!handle) continue;
        freed += (await handle.getFile()).size;
        await folder.removeEntry(id);
      }
      return freed;
    },
    async sizes(ids) {
      let bytes = 0;
      for (const id of ids) bytes += (await (await find(id))?.getFile())?.size ?? 0;
      return bytes;
    },
    async sweep(live, graceMs = SWEEP_GRACE_MS) {
      let freed = 0;
      for await (const [name, handle] of folder.entries()) {
        if (handle.kind !== 'file' || live.has(name)) continue;
        const { size, lastModified } = await (handle as FileSystemFileHandle).getFile(); // kind says it is a file
        if (Date.now() - lastModified < graceMs) continue;
        await folder.removeEntry(name);
        freed += size;
      }
      return freed;
    },
    async usage() {
      let count = 0;
      let bytes = 0;
      for await (const handle of folder.values()) {
        if (handle.kind !== 'file') continue;
        count += 1;
        bytes += (await (handle as FileSystemFileHandle).getFile()).size; // kind says it is a file
      }
      return { count, bytes };
    },
  };
}

/**
 * Writes a file that is seen only when it is whole: under a name of its own first, then moved to `name`.
 * @throws whatever the browser throws; the half file is gone then.
 */
export async function writeWhole(
  folder: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  // Two tabs may store the same bytes at the same time.
  const temporary = `${TEMPORARY}${crypto.randomUUID()}`;
  try {
    const handle: unknown = await folder.getFileHandle(temporary, { create: true });
    await write(handle as Handle, bytes); // see there
    await holding(handle as Handle, (one) => one.move(name));
  } catch (thrown) {
    await folder.removeEntry(temporary).catch(() => undefined); // the first error is the one to tell
    throw thrown;
  }
}

/** The parts of a handle that TypeScript's libraries do not know in every place. */
type Handle = Omit<FileSystemFileHandle, 'createSyncAccessHandle'> & {
  /** The fastest way, in workers alone. */
  createSyncAccessHandle?(): Promise<SyncAccess>;
  move(name: string): Promise<void>;
};

interface SyncAccess {
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

async function write(handle: Handle, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  if (handle.createSyncAccessHandle === undefined) {
    const stream = await handle.createWritable();
    await stream.write(bytes);
    await stream.close();
    return;
  }
  const access = await holding(handle as Required<Handle>, (one) => one.createSyncAccessHandle());
  try {
    for (let at = 0; at < bytes.byteLength;) {
      const written = access.write(bytes.subarray(at), { at });
      if (written === 0) throw new DOMException(`${at} of ${bytes.byteLength} bytes`, 'QuotaExceededError');
      at += written;
    }
    access.flush();
  } finally {
    access.close();
  }
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const named = (thrown: unknown, name: string): boolean =>
  thrown instanceof DOMException && thrown.name === name;

function absent(id: string): never {
  throw new EngineError('storage', `The sound ${id.slice(0, 12)}… is not in this browser's storage.`);
}

/** What to tell when the file system refuses: the numbers where space is short. */
export async function storageError(
  thrown: unknown,
  doing: string,
  estimate: () => Promise<StorageEstimate>,
): Promise<EngineError> {
  if (thrown instanceof EngineError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (!named(thrown, 'QuotaExceededError')) {
    return new EngineError('storage', `${doing} failed: ${message}`, { cause: thrown });
  }
  const { quota = 0, usage = 0 } = await estimate().catch((): StorageEstimate => ({}));
  const room = quota > 0 ? ` ${megabytes(Math.max(0, quota - usage))} of ${megabytes(quota)} are free.` : '';
  return new EngineError('storage', `${doing} failed: this site's storage is full.${room}`, {
    cause: thrown,
  });
}
