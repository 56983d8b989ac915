/**
 * Japanese in Latin letters: words by MeCab's shortest path over UniDic, then cutlet's Hepburn with the original
 * spelling of foreign words. Words and their costs are exact; the costs of neighbours are a low-rank approximation
 * (romaji.py), so a path that wins narrowly may differ from the reference.
 */
import type { Table } from './table.ts';

/** How a word sits among its neighbours; romaji.py has the same bits. */
const PREFIX = 1;
const ATTACHED = 2;
const CONJUNCTION = 4;
const INFLECTED = 8;
const AUXILIARY = 16;
const FOREIGN_PREFIX = 32;

/** MeCab's limit for a run of unknown characters. */
const MAX_GROUP = 24;

interface CharacterKind {
  readonly name: string;
  /** Bits: what the character may be grouped as. */
  readonly kinds: number;
  readonly length: number;
  readonly group: boolean;
  readonly invoke: boolean;
  readonly unknown: readonly (readonly [left: number, right: number, cost: number, flags: number])[];
}

/** A word of the line. */
interface Word {
  readonly surface: string;
  /** Null for words that are not in the dictionary. */
  readonly romaji: string | null;
  readonly flags: number;
  /** Kind of its first character. */
  readonly kind: string;
  /** White space stands before it. */
  readonly spaced: boolean;
}

/** Romaji of a line, lower case; what has no Latin letters becomes '?'. The table is lyrics/romaji.bin. */
export function romajiOf(text: string, table: Table): string {
  const lexicon = lexiconOf(table);
  const normal = text
    .normalize('NFKC')
    .replace(/[‘’”]/g, (quote) => ({ '‘': '`', '’': "'", '”': '"' })[quote]!);
  return join(shortestPath(normal, lexicon), lexicon).trim().toLowerCase();
}

interface Lexicon {
  readonly kana: Readonly<Record<string, string>>;
  readonly exceptions: Readonly<Record<string, string>>;
  kindOf(unit: number): CharacterKind;
  /** Calls back for every dictionary word that begins at `start`: its end and the number of its first entry and the last + 1. */
  prefixes(text: string, start: number, found: (end: number, first: number, last: number) => void): void;
  readonly left: (entry: number) => number;
  readonly right: (entry: number) => number;
  readonly cost: (entry: number) => number;
  readonly flags: (entry: number) => number;
  romaji(entry: number): string;
  /** Cost of a word with left id `after` behind a word with right id `before`. */
  connect(before: number, after: number): number;
}

const lexicons = new WeakMap<Table, Lexicon>();

function lexiconOf(table: Table): Lexicon {
  const found = lexicons.get(table) ?? makeLexicon(table);
  lexicons.set(table, found);
  return found;
}

function makeLexicon(table: Table): Lexicon {
  const characters = table.meta.characters as CharacterKind[]; // romaji.py wrote it
  const characterMap = table.u8('characters');
  const surfaces = unpackTexts(table.u8('shared'), table.text('rests'));
  const romaji = unpackTexts(table.u8('romajiShared'), table.text('romajiRests'));
  const counts = table.u8('counts');
  const firsts = new Uint32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) firsts[i + 1] = firsts[i]! + counts[i]!;
  const kind = table.u16('kind');
  const [left, right, flags, cost] = [
    table.u16('left'),
    table.u16('right'),
    table.u8('flags'),
    table.i16('cost'),
  ];
  const { units, starts } = surfaces;

  /** First spelling in low…high whose unit at `depth` is at least `unit`; those that end before come first. */
  const bound = (from: number, to: number, depth: number, unit: number): number => {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = starts[middle]! + depth;
      if (at >= starts[middle + 1]! || units[at]! < unit) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    kana: table.meta.kana as Record<string, string>, // romaji.py wrote it
    exceptions: table.meta.exceptions as Record<string, string>, // likewise
    kindOf: (unit) => characters[characterMap[unit]!]!,
    prefixes(text, start, found) {
      let [low, high] = [0, counts.length];
      for (let end = start; end < text.length;) {
        const unit = text.charCodeAt(end);
        low = bound(low, high, end - start, unit);
        high = bound(low, high, end - start, unit + 1);
        if (low === high) return;
        end++;
        if (starts[low + 1]! - starts[low]! === end - start) found(end, firsts[low]!, firsts[low + 1]!);
      }
    },
    left: (entry) => left[kind[entry]!]!,
    right: (entry) => right[kind[entry]!]!,
    cost: (entry) => cost[entry]!,
    flags: (entry) => flags[kind[entry]!]!,
    romaji: (entry) =>
      String.fromCharCode(...romaji.units.subarray(romaji.starts[entry], romaji.starts[entry + 1])),
    connect: connectorOf(table),
  };
}

/** Front-coded texts, one per line of `rests`, as UTF-16 units and where each begins. */
function unpackTexts(shared: Uint8Array, rests: string): { units: Uint16Array; starts: Uint32Array } {
  let total = rests.length - (shared.length - 1);
  for (const count of shared) total += count;
  const units = new Uint16Array(total);
  const starts = new Uint32Array(shared.length + 1);
  let at = 0;
  for (let i = 0, from = 0; i < shared.length; i++) {
    starts[i] = at;
    const before = i > 0 ? starts[i - 1]! : 0;
    units.copyWithin(at, before, before + shared[i]!);
    at += shared[i]!;
    for (; from < rests.length; from++) {
      const unit = rests.charCodeAt(from);
      if (unit === 10) break;
      units[at++] = unit;
    }
    from++;
  }
  starts[shared.length] = at;
  return { units, starts };
}

function connectorOf(table: Table): Lexicon['connect'] {
  const rank = table.meta.rank as number; // romaji.py wrote it
  const [before, after, scales] = [table.i16('before'), table.i16('after'), table.f32('scales')];
  const [beforeClass, afterClass] = [table.u16('beforeClass'), table.u16('afterClass')];
  const known = new Map<number, number>(); // a line asks for the same pairs again and again
  return (right, left) => {
    const key = right * 0x10000 + left;
    const found = known.get(key);
    if (found !== undefined) return found;
    const [i, j] = [beforeClass[right]! * rank, afterClass[left]! * rank];
    let cost = 0;
    for (let k = 0; k < rank; k++) cost += before[i + k]! * after[j + k]! * scales[k]!;
    if (known.size > 1e6) known.clear();
    known.set(key, cost);
    return cost;
  };
}

/** A candidate: a word that ends somewhere, with the cheapest way to it. */
interface Node {
  readonly start: number;
  readonly end: number;
  /** Where its white space begins. */
  readonly gap: number;
  /** Dictionary entry, or -1. */
  readonly entry: number;
  readonly left: number;
  readonly right: number;
  readonly flags: number;
  cost: number;
  before: Node | null;
}

function shortestPath(text: string, lexicon: Lexicon): Word[] {
  const root: Node = {
    start: 0,
    end: 0,
    gap: 0,
    entry: -1,
    left: 0,
    right: 0,
    flags: 0,
    cost: 0,
    before: null,
  };
  const ending: Node[][] = Array.from({ length: text.length + 1 }, () => []);
  ending[0]!.push(root);
  let last = root;
  for (let at = 0; at < text.length; at++) {
    const before = cheapest(ending[at]!);
    ending[at] = [];
    if (before.length === 0) continue;
    const nodes = candidates(text, at, lexicon);
    if (nodes.length === 0) last = before.reduce((best, node) => (node.cost < best.cost ? node : best)); // only blanks follow
    for (const node of nodes) {
      const own = node.cost;
      node.cost = Infinity;
      for (const neighbour of before) {
        const cost = neighbour.cost + lexicon.connect(neighbour.right, node.left) + own;
        if (cost >= node.cost) continue;
        node.cost = cost;
        node.before = neighbour;
      }
      ending[node.end]!.push(node);
    }
  }
  const total = (node: Node) => node.cost + lexicon.connect(node.right, 0);
  const final = cheapest(ending[text.length]!);
  if (final.length) last = final.reduce((best, node) => (total(node) < total(best) ? node : best));
  const words: Word[] = [];
  for (let node = last; node.before; node = node.before) {
    words.push({
      surface: text.slice(node.start, node.end),
      romaji: node.entry < 0 ? null : lexicon.romaji(node.entry),
      flags: node.flags,
      kind: lexicon.kindOf(text.charCodeAt(node.start)).name,
      spaced: node.gap < node.start,
    });
  }
  return words.reverse();
}

/** Of nodes with the same right id only the cheapest can be on the path. */
function cheapest(nodes: readonly Node[]): Node[] {
  const best = new Map<number, Node>();
  for (const node of nodes) {
    const found = best.get(node.right);
    if (!found || node.cost < found.cost) best.set(node.right, node);
  }
  return [...best.values()];
}

/** Words that may begin at `gap`, white space skipped: the dictionary's, and guesses by kind of character. */
function candidates(text: string, gap: number, lexicon: Lexicon): Node[] {
  const kindAt = (at: number) =>
    lexicon.kindOf((text.codePointAt(at)! & ~0xffff) === 0 ? text.charCodeAt(at) : 0);
  const width = (at: number) => (text.codePointAt(at)! > 0xffff ? 2 : 1);
  const blank = lexicon.kindOf(0x20).kinds;
  let start = gap;
  while (start < text.length && (kindAt(start).kinds & blank) !== 0) start++;
  if (start === text.length) return [];
  const nodes: Node[] = [];
  const push = (end: number, entry: number, left: number, right: number, cost: number, flags: number) =>
    nodes.push({ start, end, gap, entry, left, right, flags, cost, before: null });
  lexicon.prefixes(text, start, (end, first, last) => {
    for (let i = first; i < last; i++)
      push(end, i, lexicon.left(i), lexicon.right(i), lexicon.cost(i), lexicon.flags(i));
  });
  const kind = kindAt(start);
  const guess = (end: number) => {
    for (const [left, right, cost, flags] of kind.unknown) push(end, -1, left, right, cost, flags);
  };
  if (nodes.length && !kind.invoke) return nodes;
  const alike = (at: number) => at < text.length && (kindAt(at).kinds & kind.kinds) !== 0;
  let end = start + width(start);
  let grouped = -1;
  if (kind.group) {
    let [far, count] = [end, 0];
    for (; alike(far); far += width(far)) count++;
    if (count <= MAX_GROUP) guess(far);
    grouped = far;
  }
  for (let i = 1; i <= kind.length && end <= text.length; i++) {
    if (end === grouped) continue;
    guess(end);
    if (!alike(end)) break;
    end += width(end);
  }
  if (nodes.length === 0) guess(start + width(start));
  return nodes;
}

interface Token {
  text: string;
  /** A space follows. */
  space: boolean;
}

const ASCII = /^[\x00-\x7f]*$/;
const DIGITS = /^\p{Nd}+$/u;

/** cutlet's spacing: words apart, endings and punctuation together. */
function join(words: readonly Word[], lexicon: Lexicon): string {
  const tokens: Token[] = [];
  words.forEach((word, i) => {
    const next = words[i + 1];
    const before = tokens.at(-1);
    if (word.surface === "'" && next?.kind === 'ALPHA' && !next.spaced && !word.spaced) {
      if (before) before.space = false;
      tokens.push({ text: word.surface, space: false });
      return;
    }
    const text = latin(word, lexicon);
    if (text && before?.text.endsWith('っ')) before.text = before.text.slice(0, -1) + text[0]!;
    // A word without letters counts as an opening bracket, as in the reference.
    if ('「『'.includes(word.surface) || '(['.includes(text)) {
      if (before) before.space = true;
      tokens.push({ text, space: false });
    } else if (text === '/') tokens.push({ text, space: false });
    else if (next && ASCII.test(word.surface) && ASCII.test(next.surface)) {
      tokens.push({ text: word.surface, space: next.spaced });
    } else tokens.push({ text, space: !staysTogether(word, next) });
  });
  return tokens.map(({ text, space }) => text.replaceAll('っ', '') + (space ? ' ' : '')).join('');
}

function staysTogether(word: Word, next: Word | undefined): boolean {
  if (word.flags & (PREFIX | FOREIGN_PREFIX)) return true;
  if (!next) return false;
  if (next.flags & (ATTACHED | CONJUNCTION) || next.surface === ',') return true;
  if (DIGITS.test(word.surface) && DIGITS.test(next.surface)) return true;
  return (word.flags & INFLECTED) !== 0 && (next.flags & AUXILIARY) !== 0;
}

function latin(word: Word, lexicon: Lexicon): string {
  const { surface } = word;
  const exception = lexicon.exceptions[surface];
  if (exception !== undefined) return exception;
  if (DIGITS.test(surface) || ASCII.test(surface)) return surface;
  if (surface === '€' || surface === '¥') return '';
  if (word.romaji !== null) return word.romaji;
  return word.kind === 'HIRAGANA' || word.kind === 'KATAKANA'
    ? hepburn(surface, lexicon.kana)
    : '?'.repeat([...surface].length);
}

const SMALL = 'ゃゅょぁぃぅぇぉ';
const UNVOICED = 'かきくけこさしすせそたちつてとはひふへほ';
const VOICED = 'がぎぐげござじずぜぞだぢづでどばびぶべぼ';

/** Kana of a word that no dictionary knows; each depends on its neighbours. Letters without a rule fall silent. */
function hepburn(word: string, table: Readonly<Record<string, string>>): string {
  const kana = [
    ...word.replace(/[ァ-ヶヽヾ]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) - 0x60)),
  ];
  const letters = (letter: string) => table[letter] ?? '';
  return kana
    .map((letter, i) => {
      const before = kana[i - 1] ?? '';
      const after = kana[i + 1] ?? '';
      if (letter === 'ゝ') return before;
      if (letter === 'ゞ') return letters(VOICED[UNVOICED.indexOf(before)] ?? '');
      if ('々〃'.includes(letter)) return '';
      if (before && before + letter in table) return letters(before + letter);
      if (after && letter + after in table) return '';
      if (after && SMALL.includes(after))
        return letter === 'っ' ? '' : letters(letter).slice(0, -1) + letters(after);
      if (SMALL.includes(letter)) return '';
      if (letter === 'ー') return before in table ? letters(before).slice(-1) : '-';
      if (letter === 'っ')
        return !after
          ? 'っ'
          : after === 'ち'
            ? 't'
            : 'あいうえおっ'.includes(after)
              ? '-'
              : letters(after).slice(0, 1);
      if (letter === 'ん') return after && 'あいうえおやゆよ'.includes(after) ? "n'" : 'n';
      return letters(letter);
    })
    .join('');
}
