/** A model pack with the code that drives it: manifest, family and limits, wherever its files lie. */
import { EngineError } from '../lib/errors.ts';
import { FAMILIES } from '../lib/families/index.ts';
import type { Family } from '../lib/family.ts';
import { parseManifest } from '../lib/manifest.ts';
import type { ModelManifest } from '../lib/manifest.ts';
import type { TaskLimits } from '../lib/task.ts';

export interface Pack {
  /** URL of the manifest; the paths in it are relative to this. */
  readonly url: string;
  readonly manifest: ModelManifest;
  readonly family: Family;
  readonly config: unknown;
  readonly limits: TaskLimits;
}

/** @throws EngineError 'manifest' naming the file and the field. */
export async function openPack(json: unknown, url: string): Promise<Pack> {
  try {
    const manifest = parseManifest(json);
    const open = FAMILIES[manifest.family];
    if (open === undefined) {
      const known = Object.keys(FAMILIES).join(', ');
      throw new EngineError('manifest', `family must be one of ${known} (got ${manifest.family}).`);
    }
    const family = await open();
    const config = family.parseConfig(manifest.config);
    return { url, manifest, family, config, limits: family.limits(config, manifest) };
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
