/** ID3v2 tags, of MP3 files and of a chunk in WAV. Written as 2.4 in UTF-8; 2.3 and 2.4 are read. id3.org/id3v2.4.0-frames */
import { decodeUtf8, encodeUtf8 } from '../text/utf8.ts';
import { has, joined, latin1, viewOf } from './bytes.ts';
import { clean, longKey, SETTINGS_FIELD, shortKey, tempo } from './fields.ts';
import type { SongTags } from './fields.ts';

const LATIN1 = 0;
const UTF16 = 1;
const UTF16BE = 2;
const UTF8 = 3;
const FRONT_COVER = 3;
const UNSYNCHRONISED = 0x80;
const EXTENDED_HEADER = 0x40;
const ANY_LANGUAGE = 'und';

/** A whole tag with the fields that are not empty. */
export function writeId3(tags: SongTags): Uint8Array<ArrayBuffer> {
  const texts = {
    TIT2: tags.title,
    TPE1: tags.artist,
    TCON: tags.genre,
    TBPM: tags.bpm === null ? '' : String(Math.round(tags.bpm)),
    TKEY: shortKey(tags.key),
  };
  const zero = Uint8Array.of(0);
  const frames = Object.entries(texts)
    .filter(([, text]) => text !== '')
    .map(([id, text]) => frame(id, encodeUtf8(text)));
  if (tags.lyrics !== '') {
    frames.push(frame('USLT', encodeUtf8(ANY_LANGUAGE), zero, encodeUtf8(tags.lyrics)));
  }
  if (tags.settings !== undefined) {
    frames.push(
      frame(USER_TEXT, encodeUtf8(SETTINGS_FIELD), zero, encodeUtf8(JSON.stringify(tags.settings))),
    );
  }
  if (tags.cover) {
    const { type, bytes } = tags.cover;
    frames.push(frame('APIC', encodeUtf8(type), zero, Uint8Array.of(FRONT_COVER), zero, bytes));
  }
  const body = joined(frames);
  return joined([encodeUtf8('ID3'), Uint8Array.of(4, 0, 0), synchsafe(body.length), body]);
}

function frame(id: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = joined([Uint8Array.of(UTF8), ...parts]);
  return joined([encodeUtf8(id), synchsafe(body.length), Uint8Array.of(0, 0), body]);
}

/** 28 bits in four bytes whose highest bit is clear, so that no player takes them for sound. */
const synchsafe = (n: number): Uint8Array =>
  Uint8Array.of((n >> 21) & 127, (n >> 14) & 127, (n >> 7) & 127, n & 127);

/** The fields that are there; nothing for what is not a tag of version 3 or 4. */
export function readId3(bytes: Uint8Array): Partial<SongTags> {
  const found: Record<string, unknown> = {};
  const version = bytes[3] ?? 0;
  if (!has(bytes, 'ID3') || bytes.length < 10 || version < 3 || version > 4) return {};
  const flags = bytes[5]!;
  const end = Math.min(bytes.length, 10 + fromSynchsafe(bytes, 6));
  const tag = bytes.subarray(10, end);
  const body = version === 3 && flags & UNSYNCHRONISED ? synchronised(tag) : tag;
  const sizeAt = (at: number): number =>
    version === 4 ? fromSynchsafe(body, at) : at + 4 <= body.length ? viewOf(body).getUint32(at) : 0;
  let at = 0;
  if (flags & EXTENDED_HEADER) at = version === 4 ? sizeAt(0) : 4 + sizeAt(0);
  while (at + 10 <= body.length && body[at] !== 0) {
    const size = sizeAt(at + 4);
    const [, format] = body.subarray(at + 8, at + 10);
    const raw = body.subarray(at + 10, Math.min(body.length, at + 10 + size));
    // Compressed, encrypted or grouped content is nothing that we write.
    const plain = version === 4 ? !(format! & 0x4c) : !format;
    const content = version === 4 && format! & 2 ? synchronised(raw) : raw;
    if (plain) FRAMES[latin1(body, at, at + 4)]?.(found, format! & 1 ? content.subarray(4) : content);
    at += 10 + size;
  }
  return found as Partial<SongTags>; // FRAMES writes fields of that type
}

type Fields = Record<string, unknown>;

/** ID3v2.4 section 4.2.6: the frame of texts that have a name of their own. */
const USER_TEXT = 'TXXX';

const FRAMES: Readonly<Record<string, (found: Fields, frame: Uint8Array) => void>> = {
  TIT2: (found, frame) => (found['title'] ??= clean(textOf(frame))),
  TPE1: (found, frame) => (found['artist'] ??= clean(textOf(frame))),
  TCON: (found, frame) => (found['genre'] ??= clean(textOf(frame))),
  TKEY: (found, frame) => (found['key'] ??= longKey(clean(textOf(frame)))),
  TBPM: (found, frame) => (found['bpm'] ??= tempo(textOf(frame))),
  USLT: (found, frame) => {
    const [, text] = split(frame, 4);
    found['lyrics'] ??= clean(decoded(text, frame[0]!));
  },
  [USER_TEXT]: (found, frame) => {
    const [name, text] = split(frame, 1);
    if (decoded(name, frame[0]!) === SETTINGS_FIELD) found['settings'] ??= decoded(text, frame[0]!);
  },
  APIC: (found, frame) => {
    const type = frame.indexOf(0, 1);
    if (type < 0) return;
    const [, bytes] = split(frame, type + 2);
    found['cover'] ??= { type: latin1(frame, 1, type), bytes: bytes.slice() };
  },
};

/** The first value: later ones come after a zero. */
const textOf = (frame: Uint8Array): string => decoded(frame.subarray(1), frame[0] ?? LATIN1).split('\0')[0]!;

/** What stands before and after the first end of a text, from `at` on; the frame's first byte says how it is written. */
function split(frame: Uint8Array, at: number): readonly [Uint8Array, Uint8Array] {
  const wide = frame[0] === UTF16 || frame[0] === UTF16BE;
  for (let n = at; n < frame.length; n += wide ? 2 : 1) {
    if (frame[n] !== 0 || (wide && frame[n + 1] !== 0)) continue;
    return [frame.subarray(at, n), frame.subarray(n + (wide ? 2 : 1))];
  }
  return [frame.subarray(at), frame.subarray(frame.length)];
}

function decoded(bytes: Uint8Array, encoding: number): string {
  if (encoding === UTF8) return decodeUtf8(bytes).replace(/\0+$/, '');
  if (encoding !== UTF16 && encoding !== UTF16BE) return latin1(bytes).replace(/\0+$/, '');
  const marked = encoding === UTF16 && bytes.length > 1;
  const little = marked && bytes[0] === 0xff && bytes[1] === 0xfe;
  const from = marked && (little || (bytes[0] === 0xfe && bytes[1] === 0xff)) ? 2 : 0;
  let text = '';
  for (let at = from; at + 1 < bytes.length; at += 2) {
    text += String.fromCharCode(
      little ? bytes[at]! | (bytes[at + 1]! << 8) : (bytes[at]! << 8) | bytes[at + 1]!,
    );
  }
  return text.replace(/\0+$/, '');
}

/** Without the zeros that stand behind each 0xff. */
function synchronised(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte, at) => byte !== 0 || at === 0 || bytes[at - 1] !== 0xff);
}

const fromSynchsafe = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! & 127) << 21) |
  ((bytes[at + 1]! & 127) << 14) |
  ((bytes[at + 2]! & 127) << 7) |
  (bytes[at + 3]! & 127);
