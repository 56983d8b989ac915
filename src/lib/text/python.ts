/**
 * The reference text rules are Python: these helpers give JavaScript the same notion of letters, digits, white space
 * and word boundaries (str, not bytes, patterns).
 */

const WORD = '\\p{L}\\p{N}_';
/** str.isspace(): unlike JavaScript's \s with U+001C…U+001F and U+0085, without U+FEFF. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const BOUNDARY = `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`;
const INNER = `(?:(?<=[${WORD}])(?=[${WORD}])|(?<![${WORD}])(?![${WORD}]))`;
const CLASSES: Readonly<Record<string, string>> = {
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: `[${SPACE}]`,
  S: `[^${SPACE}]`,
  b: BOUNDARY,
  B: INNER,
};

/** A Python pattern as a RegExp with the flags `g` and `v`; further flags as in Python's re (`i`). */
export function py(pattern: string, flags = ''): RegExp {
  let out = '';
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    if (character === '\\') {
      const next = pattern[++i] ?? '';
      out += CLASSES[next] ?? `\\${next}`;
    } else {
      if (character === '[') depth++;
      if (character === ']') depth--;
      out += character === '.' && depth === 0 ? '[^\\n]' : character;
    }
  }
  return new RegExp(out, `gv${flags}`);
}

const EDGES = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, 'gv');

/** str.strip() without arguments. */
export function strip(text: string): string {
  return text.replace(EDGES, '');
}

/** len(text): code points. */
export function size(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** repr(float) of a finite number: the shortest digits, with a point or an exponent. */
export function floatText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return `${value}.0`;
  const [digits, exponent] = value.toExponential().split('e') as [string, string]; // toExponential always has an e
  const power = Number(exponent);
  if (power >= -4 && power < 16)
    return String(value).includes('e') ? value.toFixed(digits.length - 2 - power) : String(value);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
