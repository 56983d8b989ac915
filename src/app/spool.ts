/**
 * Files too large for memory on their way to the user: written to the private file system as they come, and handed on
 * as a File whose bytes stay on disk. Where there is no such storage the browser keeps them as it can.
 */
import { EngineError } from '../lib/errors.ts';

const FOLDER = 'outbox';
/** A download that began an hour ago is over. */
const OLD_MS = 3_600_000;

/** Parts of the worker's file handles that TypeScript's libraries know only in some places. */
interface SyncAccess {
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}
type Handle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncAccess> };

/** @throws EngineError 'storage' when there is no room */
export async function spool(stream: ReadableStream<Uint8Array>, type: string): Promise<Blob> {
  const folder = await outbox();
  const handle: Handle | undefined = await folder?.getFileHandle(crypto.randomUUID(), { create: true });
  if (!handle?.createSyncAccessHandle)
    return new Response(stream, { headers: { 'Content-Type': type } }).blob();
  const access = await handle.createSyncAccessHandle();
  const reader = stream.getReader();
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let from = 0; from < value.length;) {
        const written = access.write(value.subarray(from), { at });
        if (written === 0) throw new DOMException('no room', 'QuotaExceededError');
        [from, at] = [from + written, at + written];
      }
    }
    access.flush();
  } catch (thrown) {
    await reader.cancel().catch(() => undefined); // the first error is the one to tell
    if (!(thrown instanceof DOMException && thrown.name === 'QuotaExceededError')) throw thrown;
    const megabytes = (at / 1e6).toFixed(0);
    const message = `Writing the file stopped after ${megabytes} MB: this site's storage is full. Save to a folder instead, which needs no room here.`;
    throw new EngineError('storage', message, { cause: thrown });
  } finally {
    access.close();
  }
  return handle.getFile();
}

/** The folder, without what earlier exports left in it; null where storage is denied. */
async function outbox(): Promise<FileSystemDirectoryHandle | null> {
  try {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(FOLDER, { create: true });
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind !== 'file') continue;
      const { lastModified } = await (handle as FileSystemFileHandle).getFile(); // kind says it is a file
      if (Date.now() - lastModified > OLD_MS) await folder.removeEntry(name).catch(() => undefined); // in use elsewhere
    }
    return folder;
  } catch {
    return null; // private windows: memory it is
  }
}
