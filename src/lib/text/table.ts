/** The packed tables of public/data/lyrics: named arrays and a little JSON, deflated. Written by export-scripts/tables/pack.py. */
import { inflateSync } from 'fflate';
import { EngineError } from '../errors.ts';
import { decodeUtf8 } from './utf8.ts';

export interface Table {
  /** The JSON part. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** Arrays by name. */
  u8(name: string): Uint8Array;
  i16(name: string): Int16Array;
  u16(name: string): Uint16Array;
  u32(name: string): Uint32Array;
  f32(name: string): Float32Array;
  text(name: string): string;
}

const MAGIC = 0x31544443; // "CDT1", little-endian

/** Unpacks: u32 magic, u32 unpacked size, DEFLATE of (u32 header size, JSON header, arrays at multiples of 4). */
export function readTable(bytes: Uint8Array): Table {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8 || view.getUint32(0, true) !== MAGIC) {
    throw new EngineError('integrity', 'A language table is not of this version. Reload the application.');
  }
  const body = unpacked(bytes.subarray(8), view.getUint32(4, true));
  const headerBytes = new DataView(body.buffer).getUint32(0, true);
  const header = JSON.parse(decodeUtf8(body.subarray(4, 4 + headerBytes))) as {
    meta: Record<string, unknown>;
    arrays: Record<string, [offset: number, bytes: number]>;
  };
  const place = (name: string): [number, number] => {
    const found = header.arrays[name];
    if (!found)
      throw new EngineError('integrity', `A language table has no part "${name}". Reload the application.`);
    return [4 + headerBytes + found[0], found[1]];
  };
  return {
    meta: header.meta,
    u8: (name) => new Uint8Array(body.buffer, ...place(name)),
    i16: (name) => new Int16Array(body.buffer, place(name)[0], place(name)[1] / 2),
    u16: (name) => new Uint16Array(body.buffer, place(name)[0], place(name)[1] / 2),
    u32: (name) => new Uint32Array(body.buffer, place(name)[0], place(name)[1] / 4),
    f32: (name) => new Float32Array(body.buffer, place(name)[0], place(name)[1] / 4),
    text: (name) => {
      const [from, bytes] = place(name);
      return decodeUtf8(body.subarray(from, from + bytes));
    },
  };
}

/** Exactly `size` bytes, or an error: damaged data may also end early without one of the unpacker's own. */
function unpacked(bytes: Uint8Array, size: number): Uint8Array {
  try {
    const body = inflateSync(bytes);
    if (body.length === size) return body;
  } catch {
    // What the unpacker says of the bytes would not help anyone.
  }
  throw new EngineError('integrity', 'A language table is damaged. Reload the application.');
}
