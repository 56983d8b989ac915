/**
 * Exports and backups run here, so that nothing on the page waits: sound in, edited, encoded, written out. One at a time.
 */
import { makeZip } from 'client-zip';
import { expose } from 'comlink';
import { edited } from '../lib/audio/edit.ts';
import type { Edit } from '../lib/audio/edit.ts';
import type { SongTags } from '../lib/audio/fields.ts';
import { readWav } from '../lib/audio/wav.ts';
import { backupEntries, inspectBackup, restoreBackup } from '../storage/backup.ts';
import type { BackupFacts, PageSettings, Restoration, Stored } from '../storage/backup.ts';
import { openBlobs } from '../storage/blobs.ts';
import { openCheckpoints } from '../storage/checkpoints.ts';
import { openLibrary } from '../storage/library.ts';
import { slicesOf } from './drop-slices.ts';
import { canWrite, encode } from './export-encode.ts';
import { FORMATS } from './export-formats.ts';
import type { ExportFormat, FileFormat } from './export-formats.ts';
import { spool } from './spool.ts';

/** One file to be. */
export interface Piece {
  /** Without its extension. */
  readonly name: string;
  readonly edit: Edit;
  readonly file: FileFormat;
  readonly tags: SongTags;
  /** What a `.json` beside it holds; null for none. */
  readonly sidecar: string | null;
}

export interface Written {
  /** With its extension; null when everything went to a folder. */
  readonly name: string | null;
  readonly blob: Blob | null;
  readonly files: number;
}

interface Part {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** @param piece the file in hand, from 0; `share` of it is done */
export type OnProgress = (piece: number, share: number) => void;

export type OnBytes = (done: number, total: number) => void;

const EDIT_SHARE = 0.3;

export class Exporter {
  async formats(): Promise<Record<ExportFormat, boolean>> {
    const names = Object.keys(FORMATS) as ExportFormat[]; // keys of a literal
    const answers = await Promise.all(names.map(canWrite));
    return Object.fromEntries(names.map((name, i) => [name, answers[i]])) as Record<ExportFormat, boolean>; // same keys
  }

  /**
   * Makes the pieces one after the other; at most one song is in memory. A single file comes back as it is, several as
   * a zip; with a folder each is written there and nothing comes back.
   *
   * @param open gives the WAV file of a piece
   */
  async run(
    pieces: readonly Piece[],
    open: (piece: number) => Promise<Blob>,
    zipName: string,
    folder: FileSystemDirectoryHandle | null,
    progress: OnProgress,
  ): Promise<Written> {
    const parts = this.#parts(pieces, open, progress);
    if (folder) return { name: null, blob: null, files: await intoFolder(folder, parts) };
    const [piece] = pieces;
    if (pieces.length === 1 && piece?.sidecar === null) {
      const { value } = await parts.next();
      if (!value) throw new Error('a piece gives a part');
      const blob = new Blob([value.bytes], { type: FORMATS[piece.file.format].type });
      return { name: value.name, blob, files: 1 };
    }
    let files = 0;
    const entries = (async function* () {
      for await (const { name, bytes } of parts) {
        files += 1;
        yield { name, input: bytes, lastModified: new Date() };
      }
    })();
    return { name: `${zipName}.zip`, blob: await spool(makeZip(entries), 'application/zip'), files };
  }

  /**
   * Everything of this browser in one zip, streamed to a file of the user's, or to one that comes back.
   *
   * @param inHand blobs that the settings name
   * @param progress is told bytes of all that is written
   */
  async backup(
    settings: PageSettings,
    inHand: readonly string[],
    to: FileSystemFileHandle | null,
    progress: OnBytes,
  ): Promise<{ readonly facts: BackupFacts; readonly blob: Blob | null }> {
    const { facts, entries } = await backupEntries(await openStored(), settings, inHand);
    let done = 0;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        done += piece.length;
        progress(Math.min(done, facts.bytes), facts.bytes);
        controller.enqueue(piece);
      },
    });
    const lastModified = new Date(facts.createdAt);
    const zip = makeZip(entries.map(({ name, input }) => ({ name, input, lastModified }))).pipeThrough(
      counted,
    );
    if (!to) return { facts, blob: await spool(zip, 'application/zip') };
    await zip.pipeTo(await to.createWritable());
    return { facts, blob: null };
  }

  async inspect(backup: Blob): Promise<BackupFacts> {
    return inspectBackup(slicesOf(backup));
  }

  async restore(backup: Blob, progress: OnBytes): Promise<Restoration> {
    return restoreBackup(slicesOf(backup), await openStored(), progress);
  }

  async *#parts(
    pieces: readonly Piece[],
    open: (piece: number) => Promise<Blob>,
    progress: OnProgress,
  ): AsyncGenerator<Part, undefined> {
    const used = new Set<string>();
    for (const [i, { name, edit, file, tags, sidecar }] of pieces.entries()) {
      progress(i, 0);
      const { pcm } = readWav(new Uint8Array(await (await open(i)).arrayBuffer()));
      const sound = edited(pcm, edit);
      progress(i, EDIT_SHARE);
      const bytes = await encode(sound, file, tags, (share) =>
        progress(i, EDIT_SHARE + (1 - EDIT_SHARE) * share),
      );
      const stem = unusedName(name, used);
      yield { name: `${stem}.${FORMATS[file.format].extension}`, bytes };
      if (sidecar !== null) yield { name: `${stem}.json`, bytes: new TextEncoder().encode(sidecar) };
      progress(i, 1);
    }
    return undefined;
  }
}

const openStored = async (): Promise<Stored> => ({
  library: await openLibrary(),
  blobs: await openBlobs(),
  checkpoints: await openCheckpoints(),
});

async function intoFolder(folder: FileSystemDirectoryHandle, parts: AsyncIterable<Part>): Promise<number> {
  let files = 0;
  for await (const { name, bytes } of parts) {
    // What is written becomes visible when it is closed: a cancelled export leaves no half file.
    const handle = await folder.getFileHandle(await freeName(folder, name), { create: true });
    const stream = await handle.createWritable();
    await stream.write(bytes);
    await stream.close();
    files += 1;
  }
  return files;
}

/** Files of the user's are never overwritten. */
async function freeName(folder: FileSystemDirectoryHandle, name: string): Promise<string> {
  const dot = name.lastIndexOf('.');
  for (let n = 1; ; n++) {
    const tried = n === 1 ? name : `${name.slice(0, dot)} (${n})${name.slice(dot)}`;
    try {
      await folder.getFileHandle(tried);
    } catch {
      return tried; // there is none of that name; anything worse is told when it is written
    }
  }
}

/** The name, or the name with a number, that is not in `used` yet; it is then. Systems that ignore case are thought of. */
function unusedName(name: string, used: Set<string>): string {
  for (let n = 1; ; n++) {
    const tried = n === 1 ? name : `${name} (${n})`;
    const key = tried.toLowerCase();
    if (used.has(key)) continue;
    used.add(key);
    return tried;
  }
}

expose(new Exporter());
