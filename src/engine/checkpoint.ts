/**
 * A song in its middle as a file: safetensors with the family's arrays, and in the header where it stands. The key names
 * the work: a file of another task, of other weights, or of an older layout, is no checkpoint of this one.
 */
import { asEngineError } from '../lib/errors.ts';
import type { Saved, StepsDone } from '../lib/family.ts';
import type { ModelManifest } from '../lib/manifest.ts';
import { parseSafetensors, writeSafetensors } from '../lib/safetensors.ts';
import type { StoredTensor, StoredType, Writable } from '../lib/safetensors.ts';
import type { Task } from '../lib/task.ts';
import type { Timings } from './host.ts';

export interface Checkpoint {
  readonly saved: Saved;
  readonly at: StepsDone;
  /** Time that went into the song until then. */
  readonly spent: Timings;
}

/** Changes with the layout of what families save. */
const LAYOUT = 1;

type Values = Saved['arrays'][string];

const TYPES: Readonly<Record<string, (buffer: ArrayBuffer) => Values>> = {
  F32: (buffer) => new Float32Array(buffer),
  F64: (buffer) => new Float64Array(buffer),
  U32: (buffer) => new Uint32Array(buffer),
};

const typeOf = (values: Values): StoredType =>
  values instanceof Float32Array ? 'F32' : values instanceof Float64Array ? 'F64' : 'U32';

/** The graphs name their weights by SHA-256. */
export const checkpointKey = (task: Task, { graphs }: Pick<ModelManifest, 'graphs'>): string =>
  JSON.stringify([LAYOUT, task, graphs]);

export function checkpointFile({ saved, at, spent }: Checkpoint, key: string): Uint8Array<ArrayBuffer> {
  const tensors: Record<string, Writable> = {};
  for (const [name, data] of Object.entries(saved.arrays))
    tensors[name] = { dtype: typeOf(data), shape: [data.length], data };
  return writeSafetensors(tensors, { key, about: JSON.stringify({ numbers: saved.numbers, at, spent }) });
}

/** Null where the file belongs to other work, or is none. */
export function readCheckpoint(bytes: Uint8Array, key: string): Checkpoint | null {
  try {
    const { metadata, tensors } = parseSafetensors(bytes);
    if (metadata.get('key') !== key) return null;
    const { numbers, at, spent } = JSON.parse(metadata.get('about') ?? '') as Omit<Checkpoint, 'saved'> &
      Pick<Saved, 'numbers'>; // our own file: its digest was checked
    const arrays = Object.fromEntries([...tensors].map(([name, tensor]) => [name, valuesOf(tensor)]));
    return { saved: { numbers, arrays }, at, spent };
  } catch (thrown) {
    if (asEngineError(thrown).code === 'integrity' || thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

function valuesOf({ dtype, bytes }: StoredTensor): Values {
  const make = TYPES[dtype];
  if (!make) throw new SyntaxError(`no checkpoint has values of type ${dtype}`);
  return make(new Uint8Array(bytes).buffer); // a copy: aligned, and free of the file
}
