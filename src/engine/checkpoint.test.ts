import { expect, test } from 'vitest';
import type { ModelManifest } from '../lib/manifest.ts';
import type { Task } from '../lib/task.ts';
import { checkpointFile, checkpointKey, readCheckpoint } from './checkpoint.ts';

// Tasks and graphs are only written down.
const jazz = { kind: 'text2music', prompt: 'jazz' } as Task;
const weighed = (sha256: string) => ({ graphs: { denoiser: { sha256 } } }) as unknown as ModelManifest;
const key = checkpointKey(jazz, weighed('a'));

const CHECKPOINT = {
  saved: {
    numbers: { pass: 0, index: 3 },
    arrays: {
      x: Float32Array.of(1.5, -0, Number.MIN_VALUE),
      noise: Uint32Array.of(0xffffffff, 0),
      'memory.0': Float64Array.of(1 / 3, 5e-324, -1e308),
    },
  },
  at: { step: 3, steps: 16 },
  spent: { load: 1, denoise: 2.5, total: 9 },
};

test('every bit of a checkpoint comes back', () => {
  const file = checkpointFile(CHECKPOINT, key);
  expect(readCheckpoint(file, key)).toEqual(CHECKPOINT);
  const shifted = new Uint8Array(file.length + 1); // as a view that is not aligned
  shifted.set(file, 1);
  expect(readCheckpoint(shifted.subarray(1), key)).toEqual(CHECKPOINT);
});

test('a checkpoint of other work, or a file that is none, is not one', () => {
  const file = checkpointFile(CHECKPOINT, key);
  expect(readCheckpoint(file, checkpointKey({ ...jazz, prompt: 'rock' } as Task, weighed('a')))).toBeNull();
  expect(readCheckpoint(file, checkpointKey(jazz, weighed('b'))), 'the model was updated').toBeNull();
  expect(readCheckpoint(file.subarray(0, 100), key)).toBeNull();
  expect(readCheckpoint(new Uint8Array(0), key)).toBeNull();
});
