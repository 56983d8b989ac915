/**
 * Reading zip files that hold their entries as they are (method "stored"), as backups do: through the directory at the
 * end, in slices, with the 64-bit sizes of large ones (APPNOTE 6.3.10, sections 4.3 and 4.5.3). Anything packed is
 * refused, so nothing can unpack to more than the file itself has; so are names that lead out of a folder, and entries
 * that lie over each other.
 */
import { EngineError } from './errors.ts';
import { viewOf } from './audio/bytes.ts';
import type { ByteSource } from './audio/bytes.ts';
import { decodeUtf8 } from './text/utf8.ts';

export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  /** Where the local header stands. */
  readonly at: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const LARGEST_COMMENT = 2 ** 16;
/** Bytes of directory: a hundred thousand songs and their latents. */
const LARGEST_DIRECTORY = 64 * 2 ** 20;
const FULL32 = 0xffffffff;

/** @throws EngineError 'bad-task' when it is no zip, is cut off, or holds what is not read */
export async function readDirectory(source: ByteSource): Promise<readonly ZipEntry[]> {
  const { from, size } = await findDirectory(source);
  if (size > LARGEST_DIRECTORY)
    refuse(`its directory has ${size} bytes; at most ${LARGEST_DIRECTORY} are read`);
  const bytes = await source.read(from, from + size);
  if (bytes.length < size) refuse('it is cut off');
  const view = viewOf(bytes);
  const entries: ZipEntry[] = [];
  for (let at = 0; at + 46 <= bytes.length;) {
    if (view.getUint32(at, true) !== ENTRY) refuse('its directory is damaged');
    const [method, packed, full] = [
      view.getUint16(at + 10, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 24, true),
    ];
    const [nameLength, extraLength, comment] = [28, 30, 32].map((to) => view.getUint16(at + to, true)) as [
      number,
      number,
      number,
    ]; // three in, three out
    const name = decodeUtf8(bytes.subarray(at + 46, at + 46 + nameLength));
    if (method !== 0) refuse(`${shown(name)} is packed; only zips whose entries are stored are read`);
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const long = longValues(extra, [full, packed, view.getUint32(at + 42, true)]);
    if (/^\/|^[a-z]:|\\|(^|\/)\.\.(\/|$)/iu.test(name))
      refuse(`${shown(name)} is no name inside of a folder`);
    if (long[0] !== long[1] || long[2] + long[0] > source.size) refuse(`${shown(name)} is cut off`);
    if (!name.endsWith('/')) entries.push({ name, size: long[0], at: long[2] });
    at += 46 + nameLength + extraLength + comment;
  }
  const byPlace = entries.toSorted((a, b) => a.at - b.at);
  byPlace.forEach((entry, i) => {
    const next = byPlace[i + 1];
    if (next && entry.at + entry.size > next.at) refuse(`${shown(entry.name)} lies over another entry`);
  });
  return entries;
}

/** Where the bytes of an entry are. @throws EngineError 'bad-task' when there is no entry */
export async function placeOf(source: ByteSource, entry: ZipEntry): Promise<{ from: number; to: number }> {
  const head = await source.read(entry.at, entry.at + 30);
  if (head.length < 30 || viewOf(head).getUint32(0, true) !== LOCAL)
    refuse(`${shown(entry.name)} is damaged`);
  const from = entry.at + 30 + viewOf(head).getUint16(26, true) + viewOf(head).getUint16(28, true);
  if (from + entry.size > source.size) refuse(`${shown(entry.name)} is cut off`);
  return { from, to: from + entry.size };
}

async function findDirectory(source: ByteSource): Promise<{ from: number; size: number }> {
  const start = Math.max(0, source.size - LARGEST_COMMENT - 22);
  const tail = await source.read(start, source.size);
  const view = viewOf(tail);
  for (let at = tail.length - 22; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    const [size, from] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
    if (size !== FULL32 && from !== FULL32) return inside(source, from, size);
    if (at < 20 || view.getUint32(at - 20, true) !== LOCATOR64) break;
    const end64 = Number(view.getBigUint64(at - 12, true));
    const record = await source.read(end64, end64 + 56);
    if (record.length < 56 || viewOf(record).getUint32(0, true) !== END64) break;
    const [size64, from64] = [40, 48].map((to) => Number(viewOf(record).getBigUint64(to, true)));
    return inside(source, from64!, size64!);
  }
  return refuse('it is no zip, or its end is missing');
}

const inside = (source: ByteSource, from: number, size: number): { from: number; size: number } =>
  from + size <= source.size ? { from, size } : refuse('it is cut off');

/** Size, packed size and place; those that do not fit 32 bits stand in a field of their own, in that order. */
function longValues(extra: Uint8Array, short: readonly [number, number, number]): [number, number, number] {
  const view = viewOf(extra);
  const values: [number, number, number] = [...short];
  for (let at = 0; at + 4 <= extra.length;) {
    const [id, size] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    let from = at + 4;
    if (id === 1) {
      values.forEach((value, i) => {
        if (value !== FULL32 || from + 8 > Math.min(extra.length, at + 4 + size)) return;
        values[i] = Number(view.getBigUint64(from, true));
        from += 8;
      });
    }
    at += 4 + size;
  }
  return values;
}

const shown = (name: string): string => JSON.stringify(name.slice(0, 80));

function refuse(why: string): never {
  throw new EngineError('bad-task', `The zip cannot be read: ${why}.`);
}
