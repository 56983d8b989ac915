import { expect, test } from 'vitest';
import { dynamicInt8 } from '../lib/int8.ts';
import { ELEMENT, externalInitializer, node, writeGraph } from '../lib/onnx.ts';
import { onnxBytes } from './onnx.testing.ts';

const [N, K, BLOCK] = [6, 64, 32];
const [CODES, SCALES] = [N * K, (4 * N * K) / BLOCK];

/** Two matrices whose scales lie in another file, with bytes of nobody's before, between and after. */
const FILES: Readonly<Record<string, Uint8Array>> = {
  codes: Uint8Array.from({ length: 2 * CODES + 30 }, (_, i) => (i * 89 + 7) % 256),
  scales: new Uint8Array(
    Float32Array.from({ length: (2 * SCALES) / 4 }, (_, i) => 0.01 + (i % 5) / 100).buffer,
  ),
};
const OFFSETS = { codes: [10, 20 + CODES], scales: [0, SCALES] };

function graph(): NonNullable<ReturnType<typeof dynamicInt8>> {
  const bare = onnxBytes({ nodes: [], inputs: { x: [1, 'tokens', K] }, outputs: { y0: [1, 'tokens', N] } });
  const made = dynamicInt8(
    writeGraph(bare, {
      nodes: [0, 1].map((i) =>
        node('MatMulNBits', ['x', `codes${i}`, `scales${i}`], [`y${i}`], {
          domain: 'com.microsoft',
          attributes: { K, N, bits: 8, block_size: BLOCK },
        }),
      ),
      initializers: [0, 1].flatMap((i) => [
        externalInitializer(`codes${i}`, ELEMENT.uint8, [N, K / BLOCK, BLOCK], {
          location: 'codes', offset: OFFSETS.codes[i]!, length: CODES,
        }),
        externalInitializer(`scales${i}`, ELEMENT.float32, [(N * K) / BLOCK], {
          location: 'scales', offset: OFFSETS.scales[i]!, length: SCALES,
        }),
      ]),
    }),
  ); // prettier-ignore
  if (!made) throw new Error('there were no 8-bit products');
  return made;
}

/** A reader of the files above, and the bytes of codes that were read. */
function stored(): { read: (location: string, into: Uint8Array, at: number) => number; codes: () => number } {
  let codes = 0;
  return {
    codes: () => codes,
    read(location, into, at) {
      const part = FILES[location]!.subarray(at, at + into.length);
      into.set(part);
      if (location === 'codes') codes += part.length;
      return part.length;
    },
  };
}

async function whole(location: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(FILES[location]!.length);
  await graph().weights(stored().read)(location, bytes, 0);
  return bytes;
}

test('codes of blocks become codes of columns', async () => {
  const [codes, scales] = [await whole('codes'), await whole('scales')];
  const given = new Float32Array(FILES['scales']!.buffer);
  const columns = new Float32Array(scales.buffer);
  for (const m of [0, 1]) {
    const [at, first] = [OFFSETS.codes[m]!, OFFSETS.scales[m]! / 4];
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const scale = given[first + (n * K + k - (k % BLOCK)) / BLOCK]!;
        const value = (FILES['codes']![at + n * K + k]! - 128) * scale;
        const column = columns[first + n]!;
        const code = new Int8Array(codes.buffer)[at + k * N + n]!;
        expect(Math.abs(code * column - value)).toBeLessThanOrEqual(column / 2 + 1e-6);
      }
    }
  }
  for (const i of [0, 9, 10 + CODES, 19 + CODES, codes.length - 1]) expect(codes[i]).toBe(FILES['codes']![i]);
});

test('pieces of any size and order are those of the whole, and no file is read again for each', async () => {
  const source = stored();
  const read = graph().weights(source.read);
  const wanted: Readonly<Record<string, Uint8Array>> = {
    codes: await whole('codes'),
    scales: await whole('scales'),
  };
  let asked = 0;
  for (const length of [CODES, 41]) {
    for (let at = 0; at < FILES['codes']!.length; at += length) {
      for (const location of ['codes', 'scales']) {
        const into = new Uint8Array(length);
        const got = await read(location, into, at);
        expect(into.subarray(0, got)).toEqual(wanted[location]!.subarray(at, at + length));
        if (location === 'codes') asked += got;
      }
    }
  }
  // Of each pass: what was asked for, and every matrix once; the piece that holds both matrices makes them in turn.
  expect(source.codes()).toBeLessThanOrEqual(asked + 2 * 3 * CODES);
  const beyond = new Uint8Array(8);
  expect(await read('codes', beyond, FILES['codes']!.length - 3)).toBe(3);
});

test('a file that ends inside a matrix is named', async () => {
  const short = (location: string, into: Uint8Array): number =>
    location === 'scales' ? into.length - 4 : into.length;
  await expect(graph().weights(short)('codes', new Uint8Array(50), 0)).rejects.toThrow(
    'scales ends 4 bytes early',
  );
});
