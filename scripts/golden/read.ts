/** For tests: the reference's outputs on tiny seeded networks, beside the repository; tests skip where it is absent. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { floats, parseSafetensors } from '../../src/lib/safetensors.ts';

export const GOLDEN = fileURLToPath(new URL('../../../shared/golden/ace-step-v1/', import.meta.url));
export const hasGolden = existsSync(GOLDEN);
export const WHY_SKIPPED = 'needs ../shared/golden/ace-step-v1 beside the repository';

export const goldenJson = (path: string): unknown => JSON.parse(readFileSync(GOLDEN + path, 'utf8'));

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The floating-point tensors of a golden file by name. */
export function goldenTensors(path: string): Map<string, GoldenTensor> {
  const { tensors } = parseSafetensors(readFileSync(GOLDEN + path));
  return new Map(
    [...tensors]
      .filter(([, t]) => t.dtype.includes('F'))
      .map(([name, t]) => [name, { shape: t.shape, data: floats(name, t) }]),
  );
}

/** Largest absolute difference; NaN and different lengths count as infinite. */
export function maxError(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const error = Math.abs(a[i]! - b[i]!);
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}
