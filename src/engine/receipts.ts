/**
 * What is known of an installed pack without reading it: sizes, times and hashes of its files as they were when they
 * were last hashed. A warm start compares sizes and times; hashing gigabytes is left to "Verify".
 */
import { filesOf, parseManifest } from '../lib/manifest.ts';
import type { FileRef, ModelManifest, Precision } from '../lib/manifest.ts';
import { precisionsOf } from '../lib/template.ts';
import type { ModelFolder, Stored } from '../storage/models.ts';

export const MANIFEST = 'manifest.json';
/** What is known of the files of an installed pack; not part of the pack when it is exported. */
export const RECEIPT = 'receipt.json';
/** How a file of ours was found when it was last hashed, and by what it was made. */
export interface FileReceipt extends Stored {
  readonly sha256: string;
  /** Hash of the recipe that it was made by; empty for files that were copied. */
  readonly made: string;
}

export interface SourceRecord {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly from: string;
  /** False: nobody has published a hash; this is the one that was found. */
  readonly published: boolean;
}

export interface Receipt {
  readonly schema: 1;
  readonly files: Readonly<Record<string, FileReceipt>>;
  readonly sources: readonly SourceRecord[];
  /** Epoch milliseconds: when everything was last read and hashed. */
  readonly verified: number;
}

export interface Installed {
  readonly manifest: ModelManifest;
  readonly precisions: readonly Precision[];
  /** All files of the pack. */
  readonly bytes: number;
  /** Epoch milliseconds: when everything was last read and hashed. */
  readonly verified: number;
  readonly sources: readonly SourceRecord[];
  /** Files that are missing or were changed behind our back. */
  readonly broken: readonly string[];
}

/** A pack in order as far as sizes and times tell; nothing is hashed. */
export async function installedIn(folder: ModelFolder): Promise<Installed | null> {
  const manifest = await readManifest(folder);
  if (manifest === null) return null;
  const receipt = await readReceipt(folder);
  const stored = await folder.list();
  const files = filesOf(manifest);
  const sound = ({ path, sha256 }: FileRef): boolean => {
    const known = receipt.files[path];
    return known !== undefined && known.sha256 === sha256 && unchanged(known, stored.get(path));
  };
  return {
    manifest,
    precisions: precisionsOf(manifest),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    verified: receipt.verified,
    sources: receipt.sources,
    broken: files.filter((file) => !sound(file)).map(({ path }) => path),
  };
}

/** The pack in this folder, or null. @throws EngineError 'manifest' */
export async function readManifest(folder: ModelFolder): Promise<ModelManifest | null> {
  const json = await readJson(folder, MANIFEST);
  return json === null ? null : parseManifest(json);
}

export async function readReceipt(folder: ModelFolder): Promise<Receipt> {
  const receipt = (await readJson(folder, RECEIPT)) as Receipt | null; // written below
  return receipt?.schema === 1 ? receipt : { schema: 1, files: {}, sources: [], verified: 0 };
}

export const unchanged = (known: Stored, found: Stored | undefined): boolean =>
  found?.bytes === known.bytes && found.modified === known.modified;

export const encode = (json: unknown): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`);

/** Null where there is no such file, or none that is JSON. */
export async function readJson(folder: ModelFolder, path: string): Promise<unknown> {
  const bytes = await folder.read(path);
  if (bytes === null) return null;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return null; // cut short by a crash of the whole machine: as if it were not there
  }
}
