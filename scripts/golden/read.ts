/** Reads folders of reference outputs: JSON and safetensors. For tests and for the parity command. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { floats, parseSafetensors } from '../../src/lib/safetensors.ts';

export { maxError } from '../parity/report.ts';

/** The reference's outputs on tiny seeded networks, beside the repository; tests skip where it is absent. */
export const GOLDEN = fileURLToPath(new URL('../../../shared/golden/ace-step-v1/', import.meta.url));
export const hasGolden = existsSync(GOLDEN);

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export type GoldenFile = ReadonlyMap<string, GoldenTensor>;

export const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T; // the caller knows its file

/** Every tensor of a safetensors file; integers become floats, which hold all that these files store. */
export function readTensors(path: string): GoldenFile {
  const { tensors } = parseSafetensors(readFileSync(path));
  return new Map(
    [...tensors].map(([name, tensor]) => {
      if (tensor.dtype !== 'I64') return [name, { shape: tensor.shape, data: floats(name, tensor) }];
      const whole = new BigInt64Array(new Uint8Array(tensor.bytes).buffer);
      return [name, { shape: tensor.shape, data: Float32Array.from(whole, Number) }];
    }),
  );
}

export const goldenJson = <T>(path: string): T => readJson<T>(join(GOLDEN, path));
export const goldenTensors = (path: string): GoldenFile => readTensors(join(GOLDEN, path));

/** The tensor of this name; a folder of the known layout has it. */
export function need(file: GoldenFile, name: string): GoldenTensor {
  const tensor = file.get(name);
  if (tensor) return tensor;
  throw new Error(`there is no tensor ${name}`);
}

/** Row `index` of the first axis. */
export function row({ shape, data }: GoldenTensor, index: number): GoldenTensor {
  const size = data.length / shape[0]!;
  return { shape: shape.slice(1), data: data.subarray(index * size, (index + 1) * size) };
}

/** What stands before `suffix` in the names that end with it. */
export const casesOf = (file: GoldenFile, suffix: string): string[] =>
  [...file.keys()].filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
