import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readTable } from './table.ts';

/** As export-scripts/tables/pack.py writes it. */
function packed(meta: object, words: Uint16Array): Uint8Array {
  const header = JSON.stringify({ meta, arrays: { words: [0, words.byteLength] } });
  const json = Buffer.from(header.padEnd(Math.ceil(header.length / 4) * 4));
  const body = Buffer.concat([Uint8Array.of(json.length, 0, 0, 0), json, Buffer.from(words.buffer)]);
  const head = Buffer.from('CDT1\0\0\0\0', 'latin1');
  head.writeUInt32LE(body.length, 4);
  return new Uint8Array(Buffer.concat([head, deflateRawSync(body)]));
}

describe('readTable', () => {
  const bytes = packed({ version: 3 }, Uint16Array.of(1, 2, 65535));

  it('gives the JSON part and the arrays', () => {
    const table = readTable(bytes);
    expect(table.meta['version']).toBe(3);
    expect([...table.u16('words')]).toEqual([1, 2, 65535]);
    expect(() => table.u8('letters')).toThrow('no part "letters"');
  });

  it('refuses damaged data instead of hanging or returning nonsense', () => {
    const refused = expect.objectContaining({ code: 'integrity' });
    const longer = bytes.slice();
    longer[4]! += 1; // claims one byte more than there is
    expect(() => readTable(longer)).toThrow(refused);
    expect(() => readTable(bytes.subarray(0, bytes.length / 2))).toThrow(refused);
    expect(() => readTable(bytes.subarray(0, 8))).toThrow(refused);
    expect(() => readTable(Uint8Array.from(bytes, (byte, i) => (i < 8 ? byte : 0xff)))).toThrow(refused);
    expect(() => readTable(new Uint8Array(0))).toThrow(refused);
  });
});
