/** Damage for fuzzing, repeatable by seed. */

/** A small generator of numbers from a seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!; // lists here are never empty
  }
}

/** Numbers that programs trip over, as JSON may spell them. */
const NUMBERS = [
  '0',
  '-1',
  '1e9',
  '2147483648',
  '4294967296',
  '9007199254740993',
  '1e308',
  '1e999',
  '-0',
  '0.5',
  'null',
];
const WORDS = [
  '{}',
  '[]',
  '""',
  'true',
  '"__proto__"',
  '"constructor"',
  '[[]]',
  '"F64"',
  '"BOOL"',
  '{"a":1}',
];

type Mutation = (bytes: Uint8Array, dice: Dice, other: Uint8Array) => Uint8Array;

const splice = (bytes: Uint8Array, at: number, drop: number, insert: ArrayLike<number>): Uint8Array => {
  const out = new Uint8Array(bytes.length - drop + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + drop), at + insert.length);
  return out;
};

const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));

const MUTATIONS: readonly Mutation[] = [
  (bytes, dice) => changed(bytes, dice, (b) => b ^ (1 << dice.below(8))),
  (bytes, dice) => changed(bytes, dice, () => dice.pick([0, 1, 0x7f, 0x80, 0xff, dice.below(256)])),
  (bytes, dice) => splice(bytes, dice.below(bytes.length + 1), 0, [dice.below(256)]),
  (bytes, dice) => bytes.slice(0, dice.below(bytes.length + 1)),
  (bytes, dice) => stretch(bytes, dice, (at, n) => splice(bytes, at, n, [])),
  (bytes, dice) => stretch(bytes, dice, (at, n) => splice(bytes, at, 0, bytes.slice(at, at + n))),
  (bytes, dice, other) => splice(bytes.slice(0, dice.below(bytes.length + 1)), 0, 0, other.slice(dice.below(other.length))),
  (bytes, dice) => replaced(bytes, dice, /-?\d+(?:\.\d+)?/g, NUMBERS),
  (bytes, dice) => replaced(bytes, dice, /"[^"\\]{0,40}"|\[[^[\]]*\]/g, WORDS),
]; // prettier-ignore

/** One to four kinds of damage after each other. */
export function mutate(bytes: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  let out = bytes;
  for (let n = 1 + dice.below(4); n > 0; n--) out = dice.pick(MUTATIONS)(out, dice, other);
  return out;
}

function changed(bytes: Uint8Array, dice: Dice, change: (byte: number) => number): Uint8Array {
  const out = bytes.slice();
  if (out.length === 0) return out;
  // Headers are where it hurts: half of the damage goes into the first 64 bytes.
  const at = dice.below(dice.below(2) === 0 ? Math.min(64, out.length) : out.length);
  out[at] = change(out[at]!);
  return out;
}

function stretch(
  bytes: Uint8Array,
  dice: Dice,
  change: (at: number, length: number) => Uint8Array,
): Uint8Array {
  const at = dice.below(bytes.length + 1);
  return change(at, Math.min(bytes.length - at, 1 + dice.below(32)));
}

/** Another word in place of one that the pattern finds. */
function replaced(bytes: Uint8Array, dice: Dice, pattern: RegExp, words: readonly string[]): Uint8Array {
  const text = String.fromCharCode(...bytes.subarray(0, 4096)); // byte by byte: places stay places
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return bytes;
  const match = dice.pick(found);
  return splice(bytes, match.index, match[0].length, ascii(dice.pick(words)));
}

/** Alphabets, signs and traps, to write lyrics from. */
const ALPHABETS: readonly (readonly [from: number, to: number])[] = [
  [0x20, 0x7e], [0x61, 0x7a], [0x30, 0x39], [0xa0, 0x17f], [0x370, 0x3ff], [0x400, 0x4ff], [0x5d0, 0x6ff], [0x900, 0x97f],
  [0xe00, 0xe7f], [0x2000, 0x206f], [0x20a0, 0x20bf], [0x3040, 0x30ff], [0x4e00, 0x9fff], [0xac00, 0xd7a3], [0xd800, 0xdfff],
  [0xff00, 0xffef], [0x1f300, 0x1f6ff], [0, 0x1f],
]; // prettier-ignore
const PHRASES = ['[verse]\n', '[lang:de]', '[lang:', '[ja]', '1,234.56', '3rd', '$9.99', '1.234,56 €', '½', '10:45', '007', '\n\n', '[[', ']]', '&', '10000000000000000000000', '-5°C', 'Ⅷ', '٣٤', 'ﷺ', '[SPACE]', '</s>']; // prettier-ignore

export function strangeText(dice: Dice): string {
  let text = '';
  for (let n = dice.below(8); n >= 0; n--) {
    if (dice.below(3) === 0) text += dice.pick(PHRASES);
    const [from, to] = dice.pick(ALPHABETS);
    for (let m = dice.below(12); m > 0; m--) text += String.fromCodePoint(from + dice.below(to - from + 1));
    if (dice.below(200) === 0) text = text.repeat(20);
  }
  return text;
}
