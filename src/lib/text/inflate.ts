/** Raw DEFLATE (RFC 1951), because lib has no host to ask and our tables travel compressed on any web server. */
import { EngineError } from '../errors.ts';

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A code as one look-up of MAX_BITS bits: symbol << 4 | length; 0 where no code ends. */
type Code = Uint16Array;
const MAX_BITS = 15;

/** The `size` bytes that `input` unpacks to. Throws `integrity` when the data are damaged. */
export function inflate(input: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let used = 0;
  let at = 0;
  let held = 0;
  let bits = 0;
  const damaged = () =>
    new EngineError('integrity', `Compressed table is damaged at byte ${at} of ${input.length}.`);

  const need = (count: number) => {
    while (held < count) {
      // A code is looked up with more bits than it has, so the last one may look a little past the end.
      if (at > input.length + 4) throw damaged();
      bits |= (input[at++] ?? 0) << held;
      held += 8;
    }
  };
  const take = (count: number): number => {
    need(count);
    const value = bits & ((1 << count) - 1);
    bits >>>= count;
    held -= count;
    return value;
  };
  const symbol = (code: Code): number => {
    need(MAX_BITS);
    const entry = code[bits & ((1 << MAX_BITS) - 1)]!;
    const length = entry & 15;
    if (length === 0) throw damaged();
    bits >>>= length;
    held -= length;
    return entry >> 4;
  };

  for (let last = 0; !last;) {
    last = take(1);
    const kind = take(2);
    if (kind === 3) throw damaged();
    if (kind === 0) {
      take(held & 7);
      const count = take(16);
      take(16);
      for (let i = 0; i < count && used < size; i++) out[used++] = take(8);
      continue;
    }
    const [literals, distances] = kind === 1 ? fixedCodes() : dynamicCodes(take, symbol);
    for (let value = symbol(literals); value !== 256; value = symbol(literals)) {
      if (value < 256) {
        if (used >= size) throw damaged();
        out[used++] = value;
        continue;
      }
      const length = LENGTH_BASE[value - 257]! + take(LENGTH_BITS[value - 257]!);
      const place = symbol(distances);
      const extra = Math.max(0, (place >> 1) - 1);
      const distance = (place < 4 ? place : (2 + (place & 1)) << extra) + take(extra) + 1;
      if (distance > used || used + length > size) throw damaged();
      for (let i = 0; i < length; i++, used++) out[used] = out[used - distance]!;
    }
  }
  if (used !== size) throw damaged();
  return out;
}

function fixedCodes(): [Code, Code] {
  const lengths = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
  return [codeOf(lengths), codeOf(Array<number>(30).fill(5))];
}

function dynamicCodes(take: (count: number) => number, symbol: (code: Code) => number): [Code, Code] {
  const literals = take(5) + 257;
  const distances = take(5) + 1;
  const count = take(4) + 4;
  const lengths = Array<number>(19).fill(0);
  for (let i = 0; i < count; i++) lengths[LENGTH_ORDER[i]!] = take(3);
  const code = codeOf(lengths);
  const all: number[] = [];
  while (all.length < literals + distances) {
    const value = symbol(code);
    if (value < 16) all.push(value);
    else if (value === 16) all.push(...Array<number>(take(2) + 3).fill(all.at(-1) ?? 0));
    else all.push(...Array<number>(value === 17 ? take(3) + 3 : take(7) + 11).fill(0));
  }
  return [codeOf(all.slice(0, literals)), codeOf(all.slice(literals, literals + distances))];
}

/** Canonical Huffman code of the given lengths; DEFLATE sends a code's first bit first, hence the reversal. */
function codeOf(lengths: readonly number[]): Code {
  const code = new Uint16Array(1 << MAX_BITS);
  let next = 0;
  for (let length = 1; length <= MAX_BITS; length++, next <<= 1) {
    for (let value = 0; value < lengths.length; value++) {
      if (lengths[value] !== length) continue;
      let reversed = 0;
      for (let bit = 0; bit < length; bit++) reversed |= ((next >> bit) & 1) << (length - 1 - bit);
      for (let i = reversed; i < code.length; i += 1 << length) code[i] = (value << 4) | length;
      next++;
    }
  }
  return code;
}
