/** Files read in slices: a header is looked at without the gigabytes behind it. */

export interface ByteSource {
  readonly size: number;
  /** The bytes of [from, to); fewer where the file ends before. */
  read(from: number, to: number): Promise<Uint8Array>;
}

export const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: async (from, to) => bytes.subarray(from, Math.min(bytes.length, to)),
});

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** ISO 8859-1, where each byte is a code point. */
export function latin1(bytes: Uint8Array, from = 0, to = bytes.length): string {
  let text = '';
  for (let at = from; at < Math.min(to, bytes.length); at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** True where `bytes` has the ASCII text at that place. */
export const has = (bytes: Uint8Array, text: string, at = 0): boolean =>
  bytes.length >= at + text.length && latin1(bytes, at, at + text.length) === text;
