/** A model pack with the code that drives it: manifest, family and limits, wherever its files lie. */
import { EngineError } from '../lib/errors.ts';
import { FAMILIES } from '../lib/families/index.ts';
import type { Family } from '../lib/family.ts';
import { parseManifest } from '../lib/manifest.ts';
import type { FileRef, ModelManifest } from '../lib/manifest.ts';
import type { TaskLimits } from '../lib/task.ts';
import { sha256 } from '../storage/blobs.ts';
import type { ModelFolder } from '../storage/models.ts';
import { fetchVerified } from './files.ts';
import type { Progress } from './files.ts';
import type { OpenSource } from './weights.ts';

/** Where the files of a pack lie. */
export interface PackFiles {
  /** Whole and verified. */
  read(file: FileRef, progress: Progress): Promise<Uint8Array>;
  /** A weight file that can be read in pieces; null where it has to be read whole. */
  weights(file: FileRef): Promise<OpenSource | null>;
}

export interface Pack {
  /** URL of the manifest, or a name of the place where it lies. */
  readonly url: string;
  /** Kept in this browser's own storage, after an installation. */
  readonly installed: boolean;
  readonly files: PackFiles;
  readonly manifest: ModelManifest;
  readonly family: Family;
  readonly config: unknown;
  readonly limits: TaskLimits;
}

/** Files beside the manifest on our own server, or wherever `read` gets them. */
export const servedFiles = (url: string, read = fetchVerified): PackFiles => ({
  read: (file, progress) => read(file, url, progress),
  weights: async () => null,
});

/** Files in this browser's storage. Sizes and times were compared with the receipts when the pack was opened. */
export const storedFiles = (folder: ModelFolder): PackFiles => ({
  async read(file) {
    const bytes = await folder.read(file.path);
    if (bytes !== null && bytes.byteLength === file.bytes && (await sha256(bytes)) === file.sha256)
      return bytes;
    const message = `${file.path} in this browser's storage is damaged or gone. Verify the model on the Models page, then install it again: only what is missing is made anew.`;
    throw new EngineError('integrity', message);
  },
  weights: (file) => folder.reader(file.path),
});

/** @throws EngineError 'manifest' naming the file and the field. */
export async function openPack(
  json: unknown,
  url: string,
  files = servedFiles(url),
  installed = false,
): Promise<Pack> {
  try {
    const manifest = parseManifest(json);
    const open = FAMILIES[manifest.family];
    if (open === undefined) {
      const known = Object.keys(FAMILIES).join(', ');
      throw new EngineError('manifest', `family must be one of ${known} (got ${manifest.family}).`);
    }
    const family = await open();
    const config = family.parseConfig(manifest.config);
    return { url, installed, files, manifest, family, config, limits: family.limits(config, manifest) };
  } catch (thrown) {
    if (!(thrown instanceof EngineError)) throw thrown;
    throw new EngineError(thrown.code, `${url}: ${thrown.message}`, { cause: thrown });
  }
}

/**
 * Manifest URLs of a catalogue {"schema": 1, "models": [{"id", "manifest"}]}, the default model's first.
 * @throws EngineError 'manifest' naming the file and the field.
 */
export function manifestUrls(json: unknown, url: string): readonly [string, ...string[]] {
  const models = typeof json === 'object' && json !== null && 'models' in json ? json.models : null;
  if (!Array.isArray(models) || models.length === 0) {
    throw new EngineError('manifest', `${url}: models must be a list of at least one model.`);
  }
  const [first = '', ...rest] = models.map((model: unknown, i) => {
    const path = typeof model === 'object' && model !== null && 'manifest' in model ? model.manifest : null;
    if (typeof path === 'string') return new URL(path, url).href;
    throw new EngineError('manifest', `${url}: models[${i}].manifest must be a path.`);
  });
  return [first, ...rest];
}
