import { describe, expect, test } from 'vitest';
import { memorySource, SourceBlob, widened } from './weights.ts';

/** Deterministic bytes. */
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 73 + 41) % 251);

/** Reads as the runtime does: a BYOB reader over a slice, with a buffer of `size` bytes. */
async function byob(blob: Blob, size: number): Promise<Uint8Array> {
  const reader = blob.stream().getReader({ mode: 'byob' });
  const parts: number[] = [];
  for (let buffer = new ArrayBuffer(size); ;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) return Uint8Array.from(parts);
    parts.push(...value);
    buffer = value.buffer;
  }
}

async function plain(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await new Response(blob.stream()).arrayBuffer());
}

describe('SourceBlob', () => {
  const data = bytes(1000);
  const blob = new SourceBlob(memorySource(data));

  test('gives the same bytes whatever way it is read', async () => {
    expect(blob.size).toBe(1000);
    for (const [from, to] of [
      [0, 1000],
      [17, 17],
      [3, 998],
      [900, 5000],
      [-10, undefined],
    ] as const) {
      const slice = blob.slice(from, to);
      const expected = data.slice(from, to);
      expect(slice.size).toBe(expected.length);
      expect(new Uint8Array(await slice.arrayBuffer())).toEqual(expected);
      expect(await plain(slice)).toEqual(expected);
      for (const size of [1, 7, 64, 4096]) expect(await byob(slice, size)).toEqual(expected);
    }
    expect(new Uint8Array(await blob.slice(100, 200).slice(10, 20).arrayBuffer())).toEqual(
      data.slice(110, 120),
    );
  });

  test('is a Blob: that is what the runtime asks', () => {
    expect(blob).toBeInstanceOf(Blob);
  });

  test('says so when the source ends early', async () => {
    const short = new SourceBlob({ size: 10, read: () => 4 });
    await expect(short.arrayBuffer()).rejects.toThrow('weights end 6 bytes early, at byte 4');
  });
});

describe('widened', () => {
  /** The 16-bit patterns of every kind of number, and their values. */
  const HALVES = {
    fp16: [
      [0x0000, 0],
      [0x8000, -0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x0001, 2 ** -24],
      [0x83ff, -1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3555, 0.333251953125],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
      [0x7e00, NaN],
    ],
    bf16: [
      [0x0000, 0],
      [0x3f80, 1],
      [0xc000, -2],
      [0x7f80, Infinity],
      [0x0001, 2 ** -133],
      [0x4049, 3.140625],
    ],
  } as const;

  test.each(['fp16', 'bf16'] as const)('%s keeps every value', async (format) => {
    const stored = Uint16Array.from(HALVES[format].map(([pattern]) => pattern));
    const source = widened(memorySource(new Uint8Array(stored.buffer)), format);
    expect(source.size).toBe(stored.length * 4);
    const floats = new Float32Array(await new SourceBlob(source).arrayBuffer());
    expect([...floats]).toEqual(HALVES[format].map(([, value]) => value));
  });

  test('may be read from and to the middle of a value', async () => {
    const source = widened(memorySource(bytes(200)), 'bf16');
    const whole = new Uint8Array(await new SourceBlob(source).arrayBuffer());
    for (let from = 0; from < 9; from++) {
      for (const to of [from, from + 1, from + 2, from + 13, 399, 400]) {
        const part = await new SourceBlob(source).slice(from, to).arrayBuffer();
        expect(new Uint8Array(part)).toEqual(whole.slice(from, to));
      }
    }
    expect(await byob(new SourceBlob(source).slice(5, 395), 33)).toEqual(whole.slice(5, 395));
  });
});
