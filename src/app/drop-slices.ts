import type { ByteSource } from '../lib/audio/bytes.ts';

/** A file of the user's, read where it lies. */
export const slicesOf = (blob: Blob): ByteSource => ({
  size: blob.size,
  read: async (from, to) => new Uint8Array(await blob.slice(from, to).arrayBuffer()),
});
