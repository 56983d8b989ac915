/** What the page itself can get wrong: the numbers of its noise, and what its storage gives back. */
import { asEngineError } from '../lib/errors.ts';
import { TorchGenerator } from '../lib/random.ts';
import { sha256, type Blobs } from '../storage/blobs.ts';

export interface PageCheck {
  readonly id: 'noise' | 'storage';
  readonly good: boolean;
  /** Largest error, where numbers were compared. */
  readonly error: number | null;
  /** Bytes a second, where that was measured. */
  readonly rate: number | null;
  /** Why it failed; empty otherwise. */
  readonly detail: string;
}

/** torch.manual_seed(0); torch.randn(16)[:4], of torch 2.7.1 on a CPU: the first numbers of random.golden.json. */
export const FIRST_NOISE = [
  -1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383,
] as const;

/** Of float32 near 1: torch's vectorised logarithm rounds once more. */
const LAST_BIT = 2 ** -23;

export function checkNoise(): PageCheck {
  const drawn = new TorchGenerator(0).randn(16);
  const error = Math.max(...FIRST_NOISE.map((value, i) => Math.abs(value - drawn[i]!)));
  return { id: 'noise', good: error <= LAST_BIT, error, rate: null, detail: '' };
}

export const STORED_BYTES = 16e6;

/** Writes bytes, reads them back and compares their hash, as songs are kept. They are gone afterwards. */
export async function checkStorage(blobs: Blobs, bytes = STORED_BYTES): Promise<PageCheck> {
  const written = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(written.subarray(at, at + 65_536));
  const start = performance.now();
  try {
    const id = await blobs.put(written);
    try {
      const read = new Uint8Array(await (await blobs.open(id)).arrayBuffer());
      const good = (await sha256(read)) === id;
      const rate = (1000 * bytes) / Math.max(1, performance.now() - start);
      return { id: 'storage', good, error: null, rate, detail: '' };
    } finally {
      await blobs.remove([id]);
    }
  } catch (thrown) {
    return { id: 'storage', good: false, error: null, rate: null, detail: asEngineError(thrown).message };
  }
}
