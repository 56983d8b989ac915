import { describe, expect, it } from 'vitest';
import { sourceOf } from './bytes.ts';
import type { ByteSource } from './bytes.ts';
import { longKey, NO_TAGS, shortKey } from './fields.ts';
import type { SongTags } from './fields.ts';
import { writeId3 } from './id3.ts';
import { formatOf, readTags } from './tags.ts';
import { writeWav } from './wav.ts';

const ascii = (text: string): number[] => [...text].map((sign) => sign.charCodeAt(0));
const u32le = (n: number): number[] => [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >>> 24) & 255];
const u32be = (n: number): number[] => u32le(n).reverse();
const synchsafe = (n: number): number[] => [(n >> 21) & 127, (n >> 14) & 127, (n >> 7) & 127, n & 127];
const TAGS: SongTags = {
  title: '<img src=x onerror=alert(1)>',
  artist: 'Ärzte',
  genre: 'ska',
  bpm: 180,
  key: 'Bb major',
  lyrics: 'a\nb',
  cover: { type: 'image/png', bytes: Uint8Array.of(1, 255, 0, 254) },
  settings: { a: ['ü'] },
};

const comments = (fields: readonly string[]): number[] => [
  ...u32le(3),
  ...ascii('abc'),
  ...u32le(fields.length),
  ...fields.flatMap((field) => {
    const bytes = [...new TextEncoder().encode(field)];
    return [...u32le(bytes.length), ...bytes];
  }),
];
const FIELDS = [
  'title=T',
  'Bpm=90.5',
  'INITIALKEY=F#m',
  'CADENZA={"x":1}',
  'nonsense',
  '=',
  'LYRICS=l\r\nm\u0007',
];
const READ = { ...NO_TAGS, title: 'T', bpm: 90.5, key: 'F# minor', settings: { x: 1 }, lyrics: 'l\nm' };

function flac(body: readonly number[]): Uint8Array {
  const size = [(body.length >> 16) & 255, (body.length >> 8) & 255, body.length & 255];
  const info = [0, 0, 0, 34, ...new Array<number>(34).fill(0)];
  return Uint8Array.from([...ascii('fLaC'), ...info, 0x84, ...size, ...body]);
}

/** One page for each piece of the second packet; `laced` is where pages end. */
function ogg(packet: readonly number[], pageSegments = 255): Uint8Array {
  const page = (lacing: readonly number[], body: readonly number[]): number[] => [
    ...ascii('OggS'),
    ...new Array<number>(22).fill(0),
    lacing.length,
    ...lacing,
    ...body,
  ];
  const lacing: number[] = [];
  for (let left = packet.length; left >= 0; left -= 255) lacing.push(Math.min(255, left));
  const pages = page([8], ascii('OpusHead'));
  let at = 0;
  for (let from = 0; from < lacing.length; from += pageSegments) {
    const part = lacing.slice(from, from + pageSegments);
    const size = part.reduce((sum, n) => sum + n, 0);
    pages.push(...page(part, packet.slice(at, at + size)));
    at += size;
  }
  return Uint8Array.from(pages);
}

function box(name: string, ...content: readonly number[][]): number[] {
  const body = content.flat();
  return [...u32be(body.length + 8), ...[...name].map((sign) => sign.charCodeAt(0)), ...body];
}

function id3v23(frames: readonly (readonly [string, readonly number[]])[], flags = 0): Uint8Array {
  const body = frames.flatMap(([id, content]) => [...ascii(id), ...u32be(content.length), 0, 0, ...content]);
  return Uint8Array.from([...ascii('ID3'), 3, 0, flags, ...synchsafe(body.length), ...body]);
}

/** Counts what is read, so that a header of a large file stays cheap. */
function counted(bytes: Uint8Array, size = bytes.length): { source: ByteSource; read: () => number } {
  let total = 0;
  const source = sourceOf(bytes);
  return {
    read: () => total,
    source: {
      size,
      async read(from, to) {
        const part = await source.read(from, to);
        total += part.length;
        return part;
      },
    },
  };
}

describe('readTags', () => {
  it('reads Vorbis comments of FLAC and Ogg, over pages too', async () => {
    expect(await readTags(sourceOf(flac(comments(FIELDS))))).toEqual(READ);
    const packet = [...ascii('OpusTags'), ...comments([...FIELDS, `X=${'y'.repeat(3000)}`])];
    for (const segments of [255, 3, 1]) expect(await readTags(sourceOf(ogg(packet, segments)))).toEqual(READ);
  });

  it('reads the boxes of M4A, wherever they stand and however their size is written', async () => {
    const item = (name: string, value: readonly number[]): number[] =>
      box(name, box('data', [0, 0, 0, 1, 0, 0, 0, 0], [...value]));
    const list = box(
      'ilst',
      item('\u00a9nam', ascii('T')),
      item('tmpo', [0, 96]),
      item('cdnz', ascii('{"x":1}')),
    );
    const moov = box('moov', box('mvhd', [1, 2]), box('udta', box('meta', [0, 0, 0, 0], list)));
    const long = [...u32be(1), ...ascii('mdat'), ...u32be(0), ...u32be(20), 1, 2, 3, 4];
    const file = Uint8Array.from([...box('ftyp', ascii('M4A ')), ...long, ...moov]);
    expect(await readTags(sourceOf(file))).toEqual({ ...NO_TAGS, title: 'T', bpm: 96, settings: { x: 1 } });
  });

  it('reads ID3 of both versions and every encoding', async () => {
    expect(await readTags(sourceOf(writeId3(TAGS)))).toEqual(TAGS);
    const utf16 = [1, 0xff, 0xfe, 0x42, 0x30, 0, 0];
    const old = id3v23([
      ['TIT2', utf16],
      ['TPE1', [0, 0xc4, 0x72]],
      ['TCON', [2, 0x30, 0x42]],
      ['USLT', [1, ...ascii('eng'), 0xff, 0xfe, 0, 0, 0xff, 0xfe, 0x41, 0]],
    ]);
    expect(await readTags(sourceOf(old))).toEqual({
      ...NO_TAGS,
      title: 'あ',
      artist: 'Är',
      genre: 'あ',
      lyrics: 'A',
    });
    const unsynchronised = id3v23([['TPE1', [0, 0xff, 0, 0x41]]], 0x80);
    expect((await readTags(sourceOf(unsynchronised))).artist).toBe('ÿA');
  });

  it('reads the chunks of a WAV without its sound', async () => {
    const pcm = { sampleRate: 48_000, channels: [new Float32Array(480_000)] };
    const info = { title: TAGS.title, artist: TAGS.artist, genre: TAGS.genre };
    const { settings, ...rest } = TAGS;
    const id3 = writeId3({ ...rest, settings: undefined });
    const { source, read } = counted(writeWav(pcm, 'int16', { tags: info, settings, id3 }));
    expect(await readTags(source)).toEqual(TAGS);
    expect(read()).toBeLessThan(1000);
  });

  it('reads no more than headers of files that claim to be huge', async () => {
    const huge = 4 * 2 ** 30;
    for (const file of [
      Uint8Array.from([...ascii('RIFF'), ...u32le(-1), ...ascii('WAVELIST'), ...u32le(-16)]),
      Uint8Array.from([...ascii('ID3'), 4, 0, 0, 127, 127, 127, 127]),
      Uint8Array.from([
        ...box('ftyp', ascii('M4A ')),
        ...u32be(1),
        ...ascii('moov'),
        ...u32be(9),
        ...u32be(0),
      ]),
      Uint8Array.from([...ascii('OggS'), ...new Array<number>(22).fill(0), 255]),
    ]) {
      const { source, read } = counted(file, huge);
      expect(await readTags(source)).toEqual(NO_TAGS);
      expect(read()).toBeLessThan(1000);
    }
  });

  it('takes nothing from files of another kind', async () => {
    for (const text of [
      '',
      'x',
      '%PDF-1.7',
      '<html>',
      'PK\u0003\u0004',
      'RIFF....AVI ',
      '\0\0\0\0\0\0\0\0',
    ]) {
      const bytes = Uint8Array.from(ascii(text));
      expect(formatOf(bytes)).toBeNull();
      expect(await readTags(sourceOf(bytes))).toEqual(NO_TAGS);
    }
  });

  it('survives every truncation and any byte that is wrong', async () => {
    const item = box('\u00a9nam', box('data', [0, 0, 0, 1, 0, 0, 0, 0], ascii('T')));
    const m4a = [
      ...box('ftyp', ascii('M4A ')),
      ...box('moov', box('udta', box('meta', [0, 0, 0, 0], box('ilst', item)))),
    ];
    const files = [
      flac(comments(FIELDS)),
      ogg([...ascii('OpusTags'), ...comments(FIELDS)], 2),
      writeId3(TAGS),
      Uint8Array.from(m4a),
      writeWav({ sampleRate: 8000, channels: [new Float32Array(3)] }, 'int16', {
        tags: { title: 'T' },
        settings: TAGS.settings,
        id3: writeId3(TAGS),
      }),
    ];
    let state = 12_345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (const file of files) {
      for (let length = 0; length < file.length; length++)
        expect(await readTags(sourceOf(file.subarray(0, length)))).toBeTypeOf('object');
      for (let round = 0; round < 1500; round++) {
        const broken = file.slice();
        for (let n = 0; n <= random(4); n++)
          broken[random(broken.length)] = [0, 255, 127, random(256)][random(4)]!;
        const tags = await readTags(sourceOf(broken));
        expect(tags.title.isWellFormed()).toBe(true);
      }
    }
  });
});

describe('keys', () => {
  it.each([
    ['A minor', 'Am'],
    ['F# minor', 'F#m'],
    ['Bb major', 'Bb'],
    ['C major', 'C'],
    ['D dorian', 'D dorian'],
    ['', ''],
  ])('%s is %s', (long, short) => {
    expect(shortKey(long)).toBe(short);
    expect(longKey(short)).toBe(long);
  });
});
