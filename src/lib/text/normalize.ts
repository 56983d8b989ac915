/**
 * Normalisers of Hugging Face tokenizer files. Behaviour of the `tokenizers` crate, quirks included, because the
 * text encoder was trained on its output.
 */
import { EngineError } from '../errors.ts';
import { decodeBase64, decodeUtf8, encodeUtf8 } from './utf8.ts';

/** A node of the file's `normalizer` tree; fields depend on `type`. */
export interface NormalizerFile {
  readonly type: string;
  readonly normalizers?: readonly NormalizerFile[];
  readonly precompiled_charsmap?: string | null;
  readonly pattern?: { readonly String?: string; readonly Regex?: string };
  readonly content?: string;
  readonly prepend?: string;
  readonly strip_left?: boolean;
  readonly strip_right?: boolean;
}

type Normalize = (text: string) => string;

const NORMALIZERS: Readonly<Record<string, (file: NormalizerFile) => Normalize>> = {
  Sequence: ({ normalizers = [] }) => {
    const steps = normalizers.map(normalizerOf);
    return (text) => steps.reduce((done, step) => step(done), text);
  },
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  Lowercase: () => (text) => text.toLowerCase(),
  Precompiled: ({ precompiled_charsmap }) => charsmapOf(precompiled_charsmap ?? ''),
  Strip: ({ strip_left = true, strip_right = true }) => {
    return (text) =>
      (strip_left ? text.replace(/^\p{White_Space}+/u, '') : text).replace(
        strip_right ? /\p{White_Space}+$/u : /$^/,
        '',
      );
  },
  Prepend:
    ({ prepend = '' }) =>
    (text) =>
      text ? prepend + text : text,
  Replace: ({ pattern, content = '' }) => {
    const literal = pattern?.String;
    if (literal !== undefined) return (text) => text.replaceAll(literal, () => content);
    const regex = new RegExp(pattern?.Regex ?? '$^', 'gu');
    return (text) => text.replace(regex, () => content);
  },
};

/** The function that a `normalizer` entry describes; identity for null. Throws `manifest` for unknown types. */
export function normalizerOf(file: NormalizerFile | null | undefined): Normalize {
  if (!file) return (text) => text;
  const make = NORMALIZERS[file.type];
  const known = Object.keys(NORMALIZERS).join(', ');
  if (!make)
    throw new EngineError('manifest', `tokenizer.json: normalizer ${file.type} is not one of ${known}.`);
  try {
    return make(file);
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('manifest', `tokenizer.json: normalizer ${file.type} is malformed.`, { cause });
  }
}

/** Longer grapheme clusters are mapped character by character (spm_precompiled's rule, in UTF-8 bytes). */
const CLUSTER_BYTES = 6;

const STRETCH = 256;
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Grapheme clusters, a stretch at a time: a segmenter's time grows with the square of its text. The last cluster of a
 * stretch may go on behind it, so the next stretch begins with it; where a cluster begins, what lies before does not matter.
 */
export function* clusters(text: string): Generator<string> {
  for (let from = 0, size = STRETCH; from < text.length;) {
    const split = (text.codePointAt(from + size - 1) ?? 0) > 0xffff ? 1 : 0; // never between the halves of a pair
    const end = from + size + split;
    const all = [...segmenter.segment(text.slice(from, end))].map(({ segment }) => segment);
    const whole = end >= text.length ? all : all.slice(0, -1);
    size = whole.length > 0 ? STRETCH : 2 * size; // one cluster of thousands of marks
    for (const segment of whole) {
      yield segment;
      from += segment.length;
    }
  }
}

/**
 * SentencePiece's character map: u32 size of a double-array trie, the trie's u32 units, then NUL-ended replacements
 * that the leaves point into. The reference takes the SHORTEST key that starts a cluster and replaces the whole
 * cluster by it, so a full-width letter with an accent loses the accent; ids depend on it.
 */
function charsmapOf(base64: string): Normalize {
  const bytes = decodeBase64(base64);
  if (bytes.length === 0) return (text) => text;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const trieBytes = bytes.length < 4 ? Infinity : view.getUint32(0, true);
  if (trieBytes > bytes.length - 4)
    throw new EngineError(
      'manifest',
      `tokenizer.json: the character map of ${bytes.length} bytes ends inside its trie of ${trieBytes}.`,
    );
  const units = new Uint32Array(trieBytes >> 2);
  for (let i = 0; i < units.length; i++) units[i] = view.getUint32(4 + i * 4, true);
  const replacements = bytes.subarray(4 + trieBytes);
  const cache = new Map<string, string | null>();

  const lookUp = (key: string): string | null => {
    const cached = cache.get(key);
    if (cached !== undefined) return cached;
    let node = jump(units[0] ?? 0);
    let found: string | null = null;
    for (const byte of encodeUtf8(key)) {
      node ^= byte;
      const unit = units[node] ?? 0;
      if (byte === 0 || (unit & 0x800000ff) !== byte) break;
      node ^= jump(unit);
      if ((unit >>> 8) & 1) {
        const start = (units[node] ?? 0) & 0x7fffffff;
        let end = start;
        while (end < replacements.length && replacements[end] !== 0) end++;
        found = decodeUtf8(replacements.subarray(start, end));
        break;
      }
    }
    cache.set(key, found);
    return found;
  };

  return (text) => {
    let out = '';
    for (const segment of clusters(text)) {
      const whole = utf8Length(segment) < CLUSTER_BYTES ? lookUp(segment) : null;
      if (whole !== null) out += whole;
      else for (const character of segment) out += lookUp(character) ?? character;
    }
    return out;
  };
}

/** Offset to a unit's children: bits 10…30, scaled by 256 when bit 9 is set. */
function jump(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
