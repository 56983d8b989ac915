import { expect, test } from 'vitest';
import { EngineError } from './errors.ts';
import { floats, parseSafetensors, refusalOf, widenF16, type Fault } from './safetensors.ts';

/** A file with the given header (object, or text to break it) and data. */
function file(header: unknown, data: Uint8Array | number[] = [], length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
}

const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });

test('reads tensors, metadata and an unaligned view', () => {
  const data = new Uint8Array(new Float32Array([1.5, -2]).buffer);
  const bytes = file(
    {
      __metadata__: { format: 'pt' },
      a: entry('U8', [1], [0, 1]),
      b: entry('F32', [2, 1], [1, 9]),
      c: entry('F32', [0], [9, 9]),
    },
    [7, ...data],
  );
  const padded = new Uint8Array(bytes.length + 3);
  padded.set(bytes, 3);
  for (const source of [bytes, padded.subarray(3), Buffer.from(bytes)]) {
    const { metadata, tensors } = parseSafetensors(source);
    expect(metadata.get('format')).toBe('pt');
    expect([...tensors.keys()]).toEqual(['a', 'b', 'c']);
    expect([...floats('b', tensors.get('b')!)]).toEqual([1.5, -2]);
    expect(floats('c', tensors.get('c')!)).toHaveLength(0);
    expect(() => floats('a', tensors.get('a')!)).toThrow('a has type U8');
  }
});

test('half-size floats widen exactly, subnormal and special values too', () => {
  const cases: [number, number][] = [
    [0x0000, 0], [0x3c00, 1], [0xc000, -2], [0x3555, 0.333251953125], [0x7bff, 65504], [0x0001, 2 ** -24],
    [0x83ff, -1023 * 2 ** -24], [0x0400, 2 ** -14], [0x7c00, Infinity], [0xfc00, -Infinity], [0x7e00, NaN],
  ]; // prettier-ignore
  expect([...widenF16(Uint16Array.from(cases, ([half]) => half))]).toEqual(cases.map(([, value]) => value));
  expect(Object.is(widenF16(Uint16Array.of(0x8000))[0], -0)).toBe(true);
  const { tensors } = parseSafetensors(file({ a: entry('BF16', [2], [0, 4]) }, [0x80, 0x3f, 0x20, 0xc1]));
  expect([...floats('a', tensors.get('a')!)]).toEqual([1, -10]);
});

test('tensor names that mean something to JavaScript are only names', () => {
  const bytes = file(
    '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}',
    [1, 2],
  );
  expect([...parseSafetensors(bytes).tensors.keys()].sort()).toEqual(['__proto__', 'constructor']);
});

const f32 = entry('F32', [2], [0, 8]);
const eight = new Uint8Array(8);
const broken: [string, Fault, Uint8Array][] = [
  ['empty', 'truncated', new Uint8Array(0)],
  ['shorter than its length field', 'truncated', new Uint8Array(5)],
  ['header behind the end', 'truncated', file({ a: f32 }, eight, 400n)],
  ['header of 2^64 - 1 bytes', 'header_too_large', file({ a: f32 }, eight, 2n ** 64n - 1n)],
  ['header over the limit', 'header_too_large', file({ a: f32 }, eight, 100_000_001n)],
  ['a ZIP archive', 'not_safetensors', Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0)],
  ['a web page', 'header_too_large', new TextEncoder().encode('<!DOCTYPE html><html></html>')],
  ['not JSON', 'bad_header', file('{"a":', eight)],
  ['an array', 'bad_header', file('[1,2]', eight)],
  ['not UTF-8', 'bad_header', (() => { const b = file({ a: f32 }, eight); b[10] = 0xff; return b; })()],
  ['metadata that is not text', 'bad_header', file({ __metadata__: { a: 1 }, a: f32 }, eight)],
  ['entry that is a number', 'bad_header', file({ a: 3 }, eight)],
  ['unknown type', 'bad_dtype', file({ a: entry('F4', [2], [0, 8]) }, eight)],
  ['type named as a method', 'bad_dtype', file({ a: entry('toString', [2], [0, 8]) }, eight)],
  ['negative sizes', 'bad_shape', file({ a: entry('F32', [-1, -2], [0, 8]) }, eight)],
  ['size beyond 2^64', 'bad_shape', file({ a: entry('F32', [2 ** 40, 2 ** 40], [0, 8]) }, eight)],
  ['size that is not its range', 'bad_shape', file({ a: entry('F32', [3], [0, 8]) }, eight)],
  ['negative offset', 'bad_offsets', file({ a: entry('F32', [2], [-8, 0]) }, eight)],
  ['fractional offset', 'bad_offsets', file({ a: entry('F32', [2], [0, 8.5]) }, eight)],
  ['end before begin', 'bad_offsets', file({ a: entry('F32', [2], [8, 0]) }, eight)],
  ['range behind the end', 'truncated', file({ a: entry('F32', [4], [0, 16]) }, eight)],
  ['overlap', 'bad_offsets', file({ a: f32, b: entry('F32', [1], [4, 8]) }, eight)],
  ['hole', 'bad_offsets', file({ a: entry('F32', [1], [4, 8]) }, eight)],
  ['trailing data', 'trailing_data', file({ a: f32 }, new Uint8Array(9))],
]; // prettier-ignore

test.each(broken)('refuses: %s (%s)', (_what, fault, bytes) => {
  let thrown: unknown;
  try {
    parseSafetensors(bytes);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(EngineError);
  expect((thrown as EngineError).code).toBe('integrity');
  expect(refusalOf(thrown)?.fault).toBe(fault);
});
