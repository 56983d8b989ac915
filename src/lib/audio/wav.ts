/**
 * WAV files. Reading takes what recorders and editors write (8 to 32 bit, float, extensible, streamed and truncated
 * files) and refuses the rest in words. Writing adds LIST INFO tags and one chunk of our own, the settings that made the
 * sound as JSON, so that a file dropped back into the app restores them.
 */
import { EngineError } from '../errors.ts';
import { decodeUtf8, encodeUtf8 } from '../text/utf8.ts';
import { joined } from './bytes.ts';
import { triangular, whole } from './dither.ts';
import type { Pcm } from './pcm.ts';

/** Integers are dithered; float32 keeps every bit. */
export type WavFormat = 'int16' | 'int24' | 'float32';

/** LIST INFO fields by name. */
const TAGS = {
  title: 'INAM',
  artist: 'IART',
  album: 'IPRD',
  genre: 'IGNR',
  comment: 'ICMT',
  date: 'ICRD',
  copyright: 'ICOP',
  software: 'ISFT',
} as const;

export type WavTags = Partial<Record<keyof typeof TAGS, string>>;

export interface WavExtras {
  readonly tags?: WavTags;
  /** Anything JSON can hold. */
  readonly settings?: unknown;
  /** An ID3v2 tag for what LIST INFO has no room for: lyrics, tempo, key, picture. */
  readonly id3?: Uint8Array;
}

export interface WavFile {
  readonly pcm: Pcm;
  readonly tags: WavTags;
  /** What our own chunk holds, unchecked; undefined when there is none. */
  readonly settings: unknown;
  /** The file announces more sound than it holds. */
  readonly truncated: boolean;
}

/** Chunk that holds the settings, UTF-8 JSON. */
export const SETTINGS = 'cdnz';
/** As most editors and taggers name it. */
export const ID3 = 'id3 ';
const LARGEST = 2 ** 32 - 1; // RIFF sizes are 32 bits
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
/** Formats that people do meet, for the refusal. */
const NAMES: Readonly<Record<number, string>> = {
  2: 'ADPCM',
  6: 'A-law',
  7: 'µ-law',
  17: 'IMA ADPCM',
  80: 'MPEG',
  85: 'MP3',
};

interface Coding {
  readonly tag: number;
  readonly bytes: number;
  read(view: DataView, at: number): number;
}

const CODINGS: readonly Coding[] = [
  { tag: PCM, bytes: 1, read: (view, at) => (view.getUint8(at) - 128) / 128 },
  { tag: PCM, bytes: 2, read: (view, at) => view.getInt16(at, true) / 2 ** 15 },
  {
    tag: PCM,
    bytes: 3,
    read: (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23,
  },
  { tag: PCM, bytes: 4, read: (view, at) => view.getInt32(at, true) / 2 ** 31 },
  { tag: FLOAT, bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  { tag: FLOAT, bytes: 8, read: (view, at) => view.getFloat64(at, true) },
];

/** @throws EngineError 'bad-task' when the file is not WAV or of a kind that is not read. */
export function readWav(bytes: Uint8Array): WavFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const form = bytes.length < 12 ? '' : `${ascii(bytes, 0)} ${ascii(bytes, 8)}`;
  if (form === 'RF64 WAVE' || form === 'RIFX WAVE')
    refuse(`${form.slice(0, 4)} files are not read. Save it as an ordinary WAV`);
  if (form !== 'RIFF WAVE') refuse('This is not a WAV file: it does not begin with RIFF … WAVE');

  let format: Format | null = null;
  let data: { from: number; to: number; truncated: boolean } | null = null;
  const tags: WavTags = {};
  let settings: unknown;
  for (let at = 12; at + 8 <= bytes.length;) {
    const id = ascii(bytes, at);
    const announced = view.getUint32(at + 4, true);
    const from = at + 8;
    const to = Math.min(bytes.length, from + announced);
    if (id === 'fmt ') format = readFormat(view, from, to);
    if (id === 'data' && !data) {
      // A recorder that could not seek back leaves 0 or the largest size: the sound goes on to the end of the file.
      const streamed = announced === LARGEST || (announced === 0 && !/^[ -~]{4}$/.test(ascii(bytes, from)));
      data = {
        from,
        to: streamed ? bytes.length : to,
        truncated: !streamed && from + announced > bytes.length,
      };
      if (streamed) break;
    }
    if (id === 'LIST' && to - from >= 4 && ascii(bytes, from) === 'INFO')
      readTags(bytes, view, from + 4, to, tags);
    if (id === SETTINGS) settings = parsed(decodeUtf8(bytes.subarray(from, to)));
    at = from + announced + (announced % 2);
  }
  if (!format) refuse('The WAV file has no format chunk');
  if (!data) refuse('The WAV file has no sound in it (no data chunk)');
  const pcm: Pcm = {
    sampleRate: format.sampleRate,
    channels: deinterleave(bytes.subarray(data.from, data.to), format),
  };
  return { pcm, tags, settings, truncated: data.truncated };
}

/**
 * The file as bytes. Integers get triangular dither of two steps, the same for the same sound; values beyond ±1 are
 * clipped except in float32.
 *
 * @throws EngineError 'unsupported' when the file would pass 4 GiB
 */
export function writeWav(pcm: Pcm, format: WavFormat, extras: WavExtras = {}): Uint8Array<ArrayBuffer> {
  const { channels, sampleRate } = pcm;
  const { tag, bytes, write } = ENCODINGS[format];
  const frames = channels[0]?.length ?? 0;
  const stride = bytes * channels.length;
  const chunks = [
    formatChunk(tag, bytes, channels.length, sampleRate),
    ...(tag === FLOAT ? [chunk('fact', new Uint8Array(Uint32Array.of(frames).buffer))] : []),
    ...infoChunk(extras.tags ?? {}),
    ...(extras.settings === undefined ? [] : [chunk(SETTINGS, encodeUtf8(JSON.stringify(extras.settings)))]),
    ...(extras.id3 === undefined ? [] : [chunk(ID3, extras.id3)]),
  ];
  const sound = frames * stride;
  const size = 12 + chunks.reduce((sum, { length }) => sum + length, 0) + 8 + sound + (sound % 2);
  if (size - 8 > LARGEST) {
    throw new EngineError(
      'unsupported',
      `A WAV file holds at most 4 GiB (this sound needs ${(size / 2 ** 30).toFixed(1)}). Export it in parts.`,
    );
  }
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  let at = 0;
  const put = (part: Uint8Array): void => {
    out.set(part, at);
    at += part.length;
  };
  put(encodeUtf8('RIFF'));
  view.setUint32(at, size - 8, true);
  at += 4;
  put(encodeUtf8('WAVE'));
  chunks.forEach(put);
  put(encodeUtf8('data'));
  view.setUint32(at, sound, true);
  at += 4;
  const dither = triangular();
  for (let n = 0; n < frames; n++) {
    for (const samples of channels) {
      write(view, at, samples[n]!, dither);
      at += bytes;
    }
  }
  return out;
}

/** Where the sound of a WAV file lies, so that it can be read in pieces. */
export interface WavLayout {
  readonly sampleRate: number;
  readonly channels: number;
  readonly frames: number;
  /** Byte of the first frame, and bytes of a frame. */
  readonly from: number;
  readonly stride: number;
  /** Samples of whole frames, one array a channel. */
  samples(bytes: Uint8Array): Float32Array<ArrayBuffer>[];
}

/**
 * The layout of a file of `size` bytes by its first ones; null when they end before the sound begins.
 * @throws EngineError 'bad-task' when the file is not WAV or of a kind that is not read.
 */
export function wavLayout(head: Uint8Array, size: number): WavLayout | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < 12 || ascii(head, 0) !== 'RIFF' || ascii(head, 8) !== 'WAVE')
    refuse('This is not a WAV file: it does not begin with RIFF … WAVE');
  let format: Format | null = null;
  for (let at = 12; at + 8 <= head.length;) {
    const id = ascii(head, at);
    const announced = view.getUint32(at + 4, true);
    const from = at + 8;
    if (id === 'fmt ' && from + announced <= head.length) format = readFormat(view, from, from + announced);
    if (id === 'data') {
      if (!format) refuse('The WAV file has no format chunk before its sound');
      const { coding, channels, sampleRate } = format;
      const stride = coding.bytes * channels;
      const open = announced === LARGEST || announced === 0; // a recorder that could not seek back
      const frames = Math.floor(((open ? size : Math.min(size, from + announced)) - from) / stride);
      return { sampleRate, channels, frames, from, stride, samples: (bytes) => deinterleave(bytes, format!) };
    }
    at = from + announced + (announced % 2);
  }
  if (head.length >= size) refuse('The WAV file has no sound in it (no data chunk)');
  return null;
}

function deinterleave(bytes: Uint8Array, { coding, channels }: Format): Float32Array<ArrayBuffer>[] {
  const stride = coding.bytes * channels;
  const frames = Math.floor(bytes.length / stride);
  const out = Array.from({ length: channels }, () => new Float32Array(frames));
  if (coding.tag === FLOAT && coding.bytes === 4 && bytes.byteOffset % 4 === 0) {
    const all = new Float32Array(bytes.buffer, bytes.byteOffset, frames * channels); // ours: no call a sample
    out.forEach((samples, c) => {
      for (let n = 0, at = c; n < frames; n++, at += channels) samples[n] = all[at]!;
    });
    return out;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  out.forEach((samples, c) => {
    for (let n = 0, at = c * coding.bytes; n < frames; n++, at += stride) samples[n] = coding.read(view, at);
  });
  return out;
}

interface Format {
  readonly coding: Coding;
  readonly channels: number;
  readonly sampleRate: number;
}

function readFormat(view: DataView, from: number, to: number): Format {
  if (to - from < 16) refuse(`The WAV file's format chunk is cut off (${to - from} of 16 bytes)`);
  const announced = view.getUint16(from, true);
  // Extensible files carry the real format in the first bytes of a GUID.
  const tag = announced === EXTENSIBLE && to - from >= 40 ? view.getUint16(from + 24, true) : announced;
  const channels = view.getUint16(from + 2, true);
  const sampleRate = view.getUint32(from + 4, true);
  const bytes = view.getUint16(from + 12, true) / channels; // of a sample with its padding bits
  if (channels === 0 || sampleRate === 0)
    refuse(`The WAV file says ${channels} channels at ${sampleRate} Hz`);
  const coding = CODINGS.find((one) => one.tag === tag && one.bytes === bytes);
  if (!coding) {
    const name = tag === PCM ? 'PCM' : tag === FLOAT ? 'float' : (NAMES[tag] ?? `format ${tag}`);
    refuse(`WAV files of 8-32 bit PCM or 32-64 bit float are read (this is ${name}, ${8 * bytes} bit)`);
  }
  return { coding, channels, sampleRate };
}

function readTags(bytes: Uint8Array, view: DataView, from: number, to: number, into: WavTags): void {
  for (let at = from; at + 8 <= to;) {
    const id = ascii(bytes, at);
    const size = view.getUint32(at + 4, true);
    const name = (Object.keys(TAGS) as (keyof WavTags)[]).find((key) => TAGS[key] === id); // keys of a literal
    const text = bytes.subarray(at + 8, Math.min(to, at + 8 + size));
    const end = text.indexOf(0);
    if (name) into[name] = decodeUtf8(end < 0 ? text : text.subarray(0, end));
    at += 8 + size + (size % 2);
  }
}

/** Another program's chunk of our name, or a damaged one, is no reason to refuse the sound. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // see above
  }
}

function refuse(message: string): never {
  throw new EngineError('bad-task', `${message}.`);
}

const ascii = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));

interface Encoding {
  readonly tag: number;
  readonly bytes: number;
  write(view: DataView, at: number, x: number, dither: () => number): void;
}

const ENCODINGS: Readonly<Record<WavFormat, Encoding>> = {
  int16: {
    tag: PCM,
    bytes: 2,
    write: (view, at, x, dither) => view.setInt16(at, whole(x, 2 ** 15, dither()), true),
  },
  int24: {
    tag: PCM,
    bytes: 3,
    write: (view, at, x, dither) => {
      const value = whole(x, 2 ** 23, dither());
      view.setUint16(at, value & 0xffff, true);
      view.setInt8(at + 2, value >> 16);
    },
  },
  float32: { tag: FLOAT, bytes: 4, write: (view, at, x) => view.setFloat32(at, x, true) },
};

function formatChunk(tag: number, bytes: number, channels: number, sampleRate: number): Uint8Array {
  const body = new Uint8Array(tag === PCM ? 16 : 18); // other formats end with the size of an empty extension
  const view = new DataView(body.buffer);
  view.setUint16(0, tag, true);
  view.setUint16(2, channels, true);
  view.setUint32(4, sampleRate, true);
  view.setUint32(8, sampleRate * channels * bytes, true);
  view.setUint16(12, channels * bytes, true);
  view.setUint16(14, 8 * bytes, true);
  return chunk('fmt ', body);
}

/** LIST INFO with the tags that are not empty, or nothing. */
function infoChunk(tags: WavTags): Uint8Array[] {
  const fields = (Object.keys(TAGS) as (keyof WavTags)[]).flatMap((key) => {
    const text = tags[key];
    return text ? [chunk(TAGS[key], encodeUtf8(`${text}\0`))] : [];
  });
  return fields.length === 0 ? [] : [chunk('LIST', joined([encodeUtf8('INFO'), ...fields]))];
}

/** Identifier, size, body, and a byte more where the size is odd. */
function chunk(id: string, body: Uint8Array): Uint8Array {
  const size = new Uint8Array(Uint32Array.of(body.length).buffer);
  return joined([encodeUtf8(id), size, body, new Uint8Array(body.length % 2)]);
}
