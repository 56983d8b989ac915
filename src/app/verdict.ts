/** Whether a model that could be installed would fit this device, and why. Pure. */
import { EngineError } from '../lib/errors.ts';
import type { ModelManifest, Precision } from '../lib/manifest.ts';
import { place } from '../lib/placement.ts';
import type { Capabilities, Wish } from '../lib/placement.ts';
import { reduced } from '../lib/template.ts';
import { size } from './format.ts';
import { TEXT } from './text.ts';

const T = TEXT.install;

export interface Verdict {
  readonly fit: 'fits' | 'may' | 'not';
  readonly why: string;
  /** Weights of all graphs once loaded, bytes. */
  readonly memoryBytes: number;
}

/** The placement that this precision alone would get decides. */
export function verdictOf(
  manifest: ModelManifest,
  precision: Precision,
  caps: Capabilities,
  wish: Wish,
): Verdict {
  const alone = reduced(manifest, [precision]);
  const memoryBytes = Object.values(alone.graphs).reduce(
    (sum, { variants }) => sum + (variants[0]?.needs.memoryBytes ?? 0),
    0,
  );
  const budget = size(wish.memoryBytes ?? caps.memoryBytes);
  try {
    const { graphs, residency } = place(alone, caps, { ...wish, precision: 'auto' });
    if (Object.values(graphs).some(({ provider }) => provider === 'wasm')) {
      return { fit: 'may', why: T.slow, memoryBytes };
    }
    return residency === 'all'
      ? { fit: 'fits', why: T.whole(size(memoryBytes), budget), memoryBytes }
      : { fit: 'may', why: T.one(size(memoryBytes), budget), memoryBytes };
  } catch (thrown) {
    if (!(thrown instanceof EngineError) || thrown.code !== 'unsupported') throw thrown;
    return { fit: 'not', why: thrown.message, memoryBytes };
  }
}

/** The one to recommend: the first in the model's own order that fits; else the first that may; null where none does. */
export function recommended(
  verdicts: readonly (readonly [Precision, Verdict])[],
): readonly [Precision, Verdict] | null {
  const first = (fit: Verdict['fit']): readonly [Precision, Verdict] | undefined =>
    verdicts.find(([, verdict]) => verdict.fit === fit);
  return first('fits') ?? first('may') ?? null;
}
