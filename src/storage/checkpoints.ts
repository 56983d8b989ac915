/**
 * Songs in their middle: for each piece of work one file in the browser's private file system, replaced every second or
 * so by a newer one. A new file gets a new number and the older one goes after it is whole, so at any moment there is
 * one that can be read; its SHA-256 stands in front. Where storage is denied nothing is kept.
 */
import { sha256, storageError, writeWhole } from './blobs.ts';

export interface Checkpoints {
  /** The newest whole file of this id, or null. */
  read(id: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** @throws EngineError 'storage' with the numbers when there is no room. */
  write(id: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  delete(id: string): Promise<void>;
  /** Deletes what belongs to none of these. */
  sweep(live: ReadonlySet<string>): Promise<void>;
}

const FOLDER = 'checkpoints';
const DIGEST = 64; // hexadecimal digits of SHA-256

export async function openCheckpoints(
  storage: StorageManager | undefined = globalThis.navigator?.storage,
): Promise<Checkpoints> {
  try {
    if (storage === undefined) return NONE;
    const root = await storage.getDirectory();
    const folder = await root.getDirectoryHandle(FOLDER, { create: true });
    return checkpointsIn(folder, () => storage.estimate());
  } catch {
    return NONE; // private windows and blocked cookies: the library says that nothing is kept
  }
}

const NONE: Checkpoints = {
  read: async () => null,
  write: async () => undefined,
  delete: async () => undefined,
  sweep: async () => undefined,
};

function checkpointsIn(
  folder: FileSystemDirectoryHandle,
  estimate: () => Promise<StorageEstimate>,
): Checkpoints {
  /** Names of an id's files, newest first. */
  const filesOf = async (id: string): Promise<readonly string[]> => {
    const names: string[] = [];
    for await (const [name] of folder.entries()) if (idOf(name) === id) names.push(name);
    return names.sort((a, b) => numberOf(b) - numberOf(a));
  };
  // Another tab may have been quicker: a file that is gone is what was wanted.
  const remove = (name: string): Promise<void> => folder.removeEntry(name).catch(() => undefined);
  return {
    async read(id) {
      for (const name of await filesOf(id)) {
        const bytes = new Uint8Array(
          await (await (await folder.getFileHandle(name)).getFile()).arrayBuffer(),
        );
        const content = bytes.slice(DIGEST);
        if ((await sha256(content)) === new TextDecoder().decode(bytes.subarray(0, DIGEST))) return content;
      }
      return null;
    },
    async write(id, bytes) {
      const older = await filesOf(id);
      const file = new Uint8Array(DIGEST + bytes.byteLength);
      file.set(new TextEncoder().encode(await sha256(bytes)));
      file.set(bytes, DIGEST);
      try {
        await writeWhole(folder, `${id}.${older[0] === undefined ? 1 : numberOf(older[0]) + 1}`, file);
      } catch (thrown) {
        throw await storageError(thrown, 'Saving the step', estimate);
      }
      for (const name of older) await remove(name);
    },
    async delete(id) {
      for (const name of await filesOf(id)) await remove(name);
    },
    async sweep(live) {
      const names: string[] = [];
      for await (const [name] of folder.entries()) if (!live.has(idOf(name))) names.push(name);
      for (const name of names) await remove(name);
    },
  };
}

const idOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));
const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('.') + 1));
