/**
 * What a sound file says about itself, read in slices from WAV, FLAC, Ogg (Opus, Vorbis), MP3 and M4A. Only what the app
 * writes and shows is read. Files come from anywhere: sizes lie, texts are hostile, ends are missing. Whatever cannot be
 * read is left out; nothing here throws for it, and no more than LARGEST bytes are held at a time.
 */
import { decodeUtf8 } from '../text/utf8.ts';
import { has, joined, latin1, viewOf } from './bytes.ts';
import type { ByteSource } from './bytes.ts';
import { clean, longKey, NO_TAGS, SETTINGS_FIELD, tempo } from './fields.ts';
import type { Picture, SongTags } from './fields.ts';
import { readId3 } from './id3.ts';
import { ID3, SETTINGS } from './wav.ts';

export type SoundFormat = 'wav' | 'flac' | 'ogg' | 'mp3' | 'm4a';

/** In M4A every field is a box of four letters. */
export const SETTINGS_BOX = 'cdnz';
export const KEY_BOX = '\u00a9key';

/** A cover of several megabytes is common. */
const LARGEST = 16 * 2 ** 20;
/** Blocks, pages or boxes looked at before a file counts as damaged: each costs a read. */
const MOST_PARTS = 1000;

/** By the first bytes; null for what is none of them. */
export function formatOf(head: Uint8Array): SoundFormat | null {
  if (has(head, 'RIFF') && has(head, 'WAVE', 8)) return 'wav';
  if (has(head, 'fLaC')) return 'flac';
  if (has(head, 'OggS')) return 'ogg';
  if (has(head, 'ftyp', 4)) return 'm4a';
  if (has(head, 'ID3')) return 'mp3';
  // Eleven bits of sync, MPEG version and layer III: an MP3 without tags.
  return head.length > 2 && head[0] === 0xff && (head[1]! & 0xe6) === 0xe2 ? 'mp3' : null;
}

export const HEAD_BYTES = 12;

/** Everything that was found; NO_TAGS for a file of another kind. */
export async function readTags(source: ByteSource): Promise<SongTags> {
  const format = formatOf(await source.read(0, HEAD_BYTES));
  const found = format === null ? {} : await READERS[format](source);
  const settings = typeof found.settings === 'string' ? parsed(found.settings) : found.settings;
  return { ...NO_TAGS, ...found, settings };
}

type Found = { -readonly [K in keyof SongTags]?: SongTags[K] };

const READERS: Readonly<Record<SoundFormat, (source: ByteSource) => Promise<Found>>> = {
  wav: readWavTags,
  flac: readFlac,
  ogg: readOgg,
  mp3: readMp3,
  m4a: readM4a,
};

async function readWavTags(source: ByteSource): Promise<Found> {
  const found: Found = {};
  for (let at = 12, parts = 0; at + 8 <= source.size && parts < MOST_PARTS; parts++) {
    const head = await source.read(at, at + 8);
    if (head.length < 8) break;
    const [id, size] = [latin1(head, 0, 4), viewOf(head).getUint32(4, true)];
    if (!/^[ -~]{4}$/.test(id)) break; // no chunk: the file goes on with something else
    const wanted = [SETTINGS, 'LIST', ID3, 'ID3 '].includes(id) && size <= LARGEST;
    const body = wanted ? await source.read(at + 8, at + 8 + size) : NOTHING;
    if (id === SETTINGS) found.settings = decodeUtf8(body);
    if (id === 'LIST' && has(body, 'INFO')) readInfo(body, found);
    if (id === ID3 || id === 'ID3 ') fill(found, readId3(body));
    at += 8 + size + (size % 2);
  }
  return found;
}

const INFO: Readonly<Record<string, 'title' | 'artist' | 'genre'>> = {
  INAM: 'title',
  IART: 'artist',
  IGNR: 'genre',
};

function readInfo(body: Uint8Array, found: Found): void {
  const view = viewOf(body);
  for (let at = 4; at + 8 <= body.length;) {
    const size = view.getUint32(at + 4, true);
    const name = INFO[latin1(body, at, at + 4)];
    const text = decodeUtf8(body.subarray(at + 8, Math.min(body.length, at + 8 + size)));
    if (name) found[name] ??= clean(text.split('\0')[0] ?? '');
    at += 8 + size + (size % 2);
  }
}

async function readMp3(source: ByteSource): Promise<Found> {
  const head = await source.read(0, 10);
  if (!has(head, 'ID3')) return {};
  const size =
    ((head[6]! & 127) << 21) | ((head[7]! & 127) << 14) | ((head[8]! & 127) << 7) | (head[9]! & 127);
  return size > LARGEST ? {} : readId3(await source.read(0, 10 + size));
}

const VORBIS_COMMENT = 4;
const PICTURE = 6;

async function readFlac(source: ByteSource): Promise<Found> {
  const found: Found = {};
  for (let at = 4, parts = 0; parts < MOST_PARTS; parts++) {
    const head = await source.read(at, at + 4);
    if (head.length < 4) break;
    const size = viewOf(head).getUint32(0) & 0xffffff;
    const type = head[0]! & 127;
    if (type === VORBIS_COMMENT || type === PICTURE) {
      const body = await source.read(at + 4, at + 4 + size);
      if (type === VORBIS_COMMENT) fill(found, readComments(body));
      else found.cover ??= readPicture(body);
    }
    if (head[0]! > 127) break; // the last one
    at += 4 + size;
  }
  return found;
}

/** The comments are the second packet of a stream; packets run on over pages in pieces of up to 255 bytes. */
async function readOgg(source: ByteSource): Promise<Found> {
  const packet: Uint8Array[] = [];
  let [packets, held] = [0, 0];
  for (let at = 0, parts = 0; parts < MOST_PARTS && held < LARGEST; parts++) {
    const head = await source.read(at, at + 27);
    if (head.length < 27 || !has(head, 'OggS')) return {};
    const lacing = await source.read(at + 27, at + 27 + head[26]!);
    const size = lacing.reduce((sum, length) => sum + length, 0);
    const body = await source.read(at + 27 + lacing.length, at + 27 + lacing.length + size);
    let from = 0;
    for (const length of lacing) {
      if (packets === 1) {
        packet.push(body.subarray(from, from + length));
        held += length;
      }
      from += length;
      if (length === 255) continue; // the packet goes on
      if (packets === 1) return readComments(ofCodec(joined(packet)));
      packets += 1;
    }
    at += 27 + lacing.length + size;
  }
  return {};
}

function ofCodec(packet: Uint8Array): Uint8Array {
  if (has(packet, 'OpusTags')) return packet.subarray(8);
  return has(packet, '\u0003vorbis') ? packet.subarray(7) : NOTHING;
}

const COMMENTS: Readonly<Record<string, (found: Found, text: string) => void>> = {
  TITLE: (found, text) => (found.title ??= clean(text)),
  ARTIST: (found, text) => (found.artist ??= clean(text)),
  GENRE: (found, text) => (found.genre ??= clean(text)),
  BPM: (found, text) => (found.bpm ??= tempo(text)),
  INITIALKEY: (found, text) => (found.key ??= longKey(clean(text))),
  LYRICS: (found, text) => (found.lyrics ??= clean(text)),
  [SETTINGS_FIELD]: (found, text) => (found.settings ??= text),
  METADATA_BLOCK_PICTURE: (found, text) => (found.cover ??= readPicture(fromBase64(text))),
};

/** Vorbis comments: vendor, count, then NAME=text, lengths little-endian. */
function readComments(bytes: Uint8Array): Found {
  const found: Found = {};
  const view = viewOf(bytes);
  if (bytes.length < 8) return found;
  let at = 4 + view.getUint32(0, true);
  if (at + 4 > bytes.length) return found;
  let count = view.getUint32(at, true);
  for (at += 4; count > 0 && at + 4 <= bytes.length; count--) {
    const size = view.getUint32(at, true);
    const text = decodeUtf8(bytes.subarray(at + 4, Math.min(bytes.length, at + 4 + size)));
    const equals = text.indexOf('=');
    COMMENTS[text.slice(0, Math.max(0, equals)).toUpperCase()]?.(found, text.slice(equals + 1));
    at += 4 + size;
  }
  return found;
}

/** A FLAC picture: kind, type, description, four numbers, bytes. RFC 9639 section 8.8 */
function readPicture(bytes: Uint8Array): Picture | null {
  const view = viewOf(bytes);
  const length = (at: number): number => (at + 4 <= bytes.length ? view.getUint32(at) : Infinity);
  const type = length(4);
  const description = length(8 + type);
  const at = 12 + type + description + 16;
  const size = length(at);
  if (!(at + 4 + size <= bytes.length)) return null;
  return { type: latin1(bytes, 8, 8 + type), bytes: bytes.slice(at + 4, at + 4 + size) };
}

async function readM4a(source: ByteSource): Promise<Found> {
  const found: Found = {};
  const moov = await box(source, 'moov', 0, source.size);
  const udta = moov && (await box(source, 'udta', moov.from, moov.to));
  const meta = udta && (await box(source, 'meta', udta.from, udta.to));
  const list = meta && (await box(source, 'ilst', meta.from + 4, meta.to)); // version and flags come first
  if (!list || list.to - list.from > LARGEST) return found;
  const bytes = await source.read(list.from, list.to);
  const view = viewOf(bytes);
  for (let at = 0; at + 24 <= bytes.length;) {
    const size = view.getUint32(at);
    if (size < 8) break;
    // Each item holds one box `data`: type of the value, locale, value.
    const end = Math.min(bytes.length, at + size, at + 8 + view.getUint32(at + 8));
    if (has(bytes, 'data', at + 12))
      ITEMS[latin1(bytes, at + 4, at + 8)]?.(found, bytes.slice(Math.min(end, at + 24), end));
    at += size;
  }
  return found;
}

const utf8 = (value: Uint8Array): string => clean(decodeUtf8(value));

const ITEMS: Readonly<Record<string, (found: Found, value: Uint8Array) => void>> = {
  '\u00a9nam': (found, value) => (found.title = utf8(value)),
  '\u00a9ART': (found, value) => (found.artist = utf8(value)),
  '\u00a9gen': (found, value) => (found.genre = utf8(value)),
  '\u00a9lyr': (found, value) => (found.lyrics = utf8(value)),
  [KEY_BOX]: (found, value) => (found.key = longKey(utf8(value))),
  [SETTINGS_BOX]: (found, value) => (found.settings = decodeUtf8(value)),
  tmpo: (found, value) => (found.bpm = tempo(String(value.reduce((sum, byte) => sum * 256 + byte, 0)))),
  covr: (found, value) =>
    (found.cover = { type: value[0] === 0xff ? 'image/jpeg' : 'image/png', bytes: value }),
};

/** The first box of that name between two places of the file; its content. */
async function box(
  source: ByteSource,
  name: string,
  from: number,
  to: number,
): Promise<{ from: number; to: number } | null> {
  for (let at = from, parts = 0; at + 8 <= to && parts < MOST_PARTS; parts++) {
    const head = await source.read(at, at + 16);
    if (head.length < 8) return null;
    const view = viewOf(head);
    const short = view.getUint32(0);
    // 1: the size follows as 64 bits; 0: to the end of the file.
    const header = short === 1 ? 16 : 8;
    if (header > head.length) return null;
    const size = short === 1 ? Number(view.getBigUint64(8)) : short === 0 ? to - at : short;
    if (size < header) return null;
    if (has(head, name, 4)) return { from: at + header, to: Math.min(to, at + size) };
    at += size;
  }
  return null;
}

const NOTHING = new Uint8Array(0);

/** Fields that are there already stay. */
function fill(found: Found, more: Found): void {
  Object.assign(found, { ...more, ...found });
}

/** Another program's field of our name, or a damaged one, is no reason to refuse the sound. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // see above
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** lib has no atob. Stops at the first sign that is not base64. */
function fromBase64(text: string): Uint8Array {
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let [used, bits, held] = [0, 0, 0];
  for (const sign of text) {
    const value = ALPHABET.indexOf(sign);
    if (value < 0) break;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[used++] = (held >> bits) & 255;
  }
  return out.subarray(0, used);
}
