import { constants, deflateRawSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { inflate } from './inflate.ts';

const noise = Uint8Array.from({ length: 5000 }, (_, i) => (i * i * 7919 + (i >> 3) * 31) & 0xff);
const words = new TextEncoder().encode('la la la, ooh, la la la. '.repeat(4000));
const strategies = [
  constants.Z_DEFAULT_STRATEGY,
  constants.Z_FIXED,
  constants.Z_HUFFMAN_ONLY,
  constants.Z_RLE,
];

it('unpacks stored, fixed and dynamic blocks', () => {
  for (const data of [new Uint8Array(0), Uint8Array.of(7), noise, words, new Uint8Array(100_000)]) {
    for (const strategy of strategies) {
      for (const level of [0, 6]) {
        const unpacked = inflate(deflateRawSync(data, { level, strategy }), data.length);
        expect(Buffer.compare(unpacked, data), `level ${level}, strategy ${strategy}`).toBe(0);
      }
    }
  }
});

it('refuses damaged data instead of hanging or returning nonsense', () => {
  const packed = deflateRawSync(words);
  const refused = expect.objectContaining({ code: 'integrity' });
  expect(() => inflate(packed.subarray(0, packed.length / 2), words.length)).toThrow(refused);
  expect(() => inflate(packed, words.length - 1)).toThrow(refused);
  expect(() => inflate(packed, words.length + 1)).toThrow(refused);
  expect(() => inflate(new Uint8Array(0), 10)).toThrow(refused);
  expect(() => inflate(Uint8Array.of(0xff, 0xff, 0xff), 10)).toThrow(refused);
});
