/**
 * Installed models: a folder for each in the browser's private file system, laid out as a pack (manifest.json beside its
 * files), so that an installation and a folder on disk are the same thing. A file is written under another name and
 * renamed when it is whole. In workers only: sync access handles are the one fast way to write, and the only one that
 * reads large files without stalling.
 */
import { EngineError } from '../lib/errors.ts';
import { storageError } from './blobs.ts';
import { holding } from './handles.ts';

/** What the file system says of a file. */
export interface Stored {
  readonly bytes: number;
  /** Epoch milliseconds of the last change. */
  readonly modified: number;
}

/** Positioned reads. */
export interface Reader {
  readonly size: number;
  /** Fills `into` from byte `at`; returns how many bytes there were. */
  read(into: Uint8Array, at: number): number;
  close(): void;
}

/** Positioned writes into a file that nobody else has open. */
export interface Writer extends Reader {
  /** @throws EngineError 'storage' when there is no room, or what was written is not what is read back. */
  write(bytes: Uint8Array, at: number): void;
  /** Cuts or fills with zeros. */
  resize(bytes: number): void;
  /** What was written survives the end of the process. */
  flush(): void;
}

export interface ModelFolder {
  readonly id: string;
  /** All files by path, those in the making too. */
  list(): Promise<ReadonlyMap<string, Stored>>;
  /** The whole file, or null. */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Whole or not at all. @throws EngineError 'storage' */
  write(path: string, bytes: Uint8Array): Promise<void>;
  writer(path: string): Promise<Writer>;
  /** @throws EngineError 'storage' when there is no such file, or it is being written. */
  reader(path: string): Promise<Reader>;
  /** Takes the place of a file that has the new name. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

export interface ModelFolders {
  ids(): Promise<readonly string[]>;
  folder(id: string): Promise<ModelFolder>;
  /** @throws EngineError 'storage' while one of its files is open. */
  remove(id: string): Promise<void>;
}

const ROOT = 'models';
export const PART = '.part';

/** @throws EngineError 'storage' where the browser denies storage. */
export async function openModelFolders(
  storage: StorageManager | undefined = globalThis.navigator?.storage,
): Promise<ModelFolders> {
  try {
    if (storage === undefined) throw new Error('this browser has no private file system');
    const root = await (await storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
    return foldersIn(root, () => storage.estimate());
  } catch (thrown) {
    const message = `Models cannot be kept here: ${reason(thrown)}. Allow this site to store data.`;
    throw new EngineError('storage', message, { cause: thrown });
  }
}

function foldersIn(root: FileSystemDirectoryHandle, estimate: () => Promise<StorageEstimate>): ModelFolders {
  return {
    async ids() {
      const ids: string[] = [];
      for await (const handle of root.values()) if (handle.kind === 'directory') ids.push(handle.name);
      return ids.sort();
    },
    folder: async (id) => folderIn(id, await root.getDirectoryHandle(id, { create: true }), estimate),
    async remove(id) {
      try {
        await root.removeEntry(id, { recursive: true });
      } catch (thrown) {
        if (!named(thrown, 'NotFoundError')) throw await storageError(thrown, `Deleting ${id}`, estimate);
      }
    },
  };
}

/** The parts of a handle that TypeScript's libraries do not know in every place. */
type Handle = Omit<FileSystemFileHandle, 'createSyncAccessHandle'> & {
  createSyncAccessHandle(options?: { mode: 'read-only' | 'readwrite' }): Promise<SyncAccess>;
  move(name: string): Promise<void>;
};

interface SyncAccess {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(bytes: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

function folderIn(
  id: string,
  root: FileSystemDirectoryHandle,
  estimate: () => Promise<StorageEstimate>,
): ModelFolder {
  const place = async (path: string, create: boolean): Promise<[FileSystemDirectoryHandle, string]> => {
    const names = path.split('/');
    const name = names.pop()!; // split gives one at least
    let folder = root;
    for (const part of names)
      folder = await holding(folder, (one) => one.getDirectoryHandle(part, { create }));
    return [folder, name];
  };
  const handleOf = async (path: string, create: boolean): Promise<Handle> => {
    const [folder, name] = await place(path, create);
    const handle: unknown = await holding(folder, (one) => one.getFileHandle(name, { create }));
    return handle as Handle; // see there
  };
  const failed = (thrown: unknown, doing: string): Promise<EngineError> =>
    storageError(thrown, `${doing} ${id}`, estimate);

  async function writer(path: string): Promise<Writer> {
    try {
      const access = await holding(await handleOf(path, true), (handle) => handle.createSyncAccessHandle());
      return writerOf(access, path);
    } catch (thrown) {
      throw await failed(thrown, `Writing ${path} of`);
    }
  }
  async function rename(from: string, to: string): Promise<void> {
    try {
      const name = to.split('/').at(-1)!; // the same folder; split gives one at least
      await holding(await handleOf(from, false), (handle) => handle.move(name));
    } catch (thrown) {
      throw await failed(thrown, `Renaming ${from} of`);
    }
  }
  return {
    id,
    async list() {
      const found = new Map<string, Stored>();
      const walk = async (folder: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
        for await (const [name, handle] of folder.entries()) {
          if (handle.kind === 'directory') {
            await walk(handle as FileSystemDirectoryHandle, `${prefix}${name}/`); // kind says so
            continue;
          }
          const file = handle as FileSystemFileHandle; // kind says so
          const { size, lastModified } = await holding(file, (one) => one.getFile());
          found.set(prefix + name, { bytes: size, modified: lastModified });
        }
      };
      await walk(root, '');
      return found;
    },
    async read(path) {
      try {
        const file = await holding(await handleOf(path, false), (handle) => handle.getFile());
        return new Uint8Array(await file.arrayBuffer());
      } catch (thrown) {
        if (named(thrown, 'NotFoundError')) return null;
        throw await failed(thrown, `Reading ${path} of`);
      }
    },
    async write(path, bytes) {
      const made = await writer(path + PART);
      try {
        made.resize(0);
        made.write(bytes, 0);
        made.flush();
      } finally {
        made.close();
      }
      await rename(path + PART, path);
    },
    writer,
    async reader(path) {
      try {
        // Several readers at a time, where the browser knows the mode; else one.
        const access = await holding(await handleOf(path, false), (handle) =>
          handle.createSyncAccessHandle({ mode: 'read-only' }),
        );
        return {
          size: access.getSize(),
          read: (into, at) => access.read(into, { at }),
          close: () => access.close(),
        };
      } catch (thrown) {
        throw await failed(thrown, `Reading ${path} of`);
      }
    },
    rename,
    async remove(path) {
      try {
        const [folder, name] = await place(path, false);
        await holding(folder, (one) => one.removeEntry(name));
      } catch (thrown) {
        if (!named(thrown, 'NotFoundError')) throw await failed(thrown, `Deleting ${path} of`);
      }
    },
  };
}

const CHECK = 1 << 20; // bytes that are read back at a time

function writerOf(access: SyncAccess, path: string): Writer {
  const back = new Uint8Array(CHECK);
  return {
    get size() {
      return access.getSize();
    },
    read: (into, at) => access.read(into, { at }),
    write(bytes, at) {
      let done = 0;
      while (done < bytes.byteLength) {
        const written = access.write(bytes.subarray(done), { at: at + done });
        if (written === 0)
          throw new DOMException(`${done} of ${bytes.byteLength} bytes`, 'QuotaExceededError');
        done += written;
      }
      for (let from = 0; from < bytes.byteLength; from += CHECK) {
        const part = bytes.subarray(from, from + CHECK);
        const got = access.read(back.subarray(0, part.byteLength), { at: at + from });
        if (got < part.byteLength) throw full(from + got, bytes.byteLength); // taken, and not written
        if (!same(part, back)) {
          const message = `${path}: what was written at byte ${at + from} is not what is read back. The disk may be failing; free some space and try again.`;
          throw new EngineError('storage', message);
        }
      }
    },
    resize: (bytes) => access.truncate(bytes),
    flush: () => access.flush(),
    close: () => access.close(),
  };
}

const full = (done: number, all: number): DOMException =>
  new DOMException(`${done} of ${all} bytes`, 'QuotaExceededError');

/** Whether `b` begins with `a`; a word at a time where they are aligned. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  let i = 0;
  if (a.byteOffset % 4 === 0 && b.byteOffset % 4 === 0) {
    const words = a.byteLength >> 2;
    const x = new Uint32Array(a.buffer, a.byteOffset, words);
    const y = new Uint32Array(b.buffer, b.byteOffset, words);
    while (i < words && x[i] === y[i]) i++;
    i *= 4;
  }
  while (i < a.byteLength && a[i] === b[i]) i++;
  return i === a.byteLength;
}

const named = (thrown: unknown, name: string): boolean =>
  thrown instanceof DOMException && thrown.name === name;
const reason = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
