/**
 * Which language a line of lyrics is in, as the reference decides it (LangSegment 0.3.5, py3langid 0.3.0, all 97
 * languages wanted): parts of a line are marked by script, number or quotation, each part gets a language, and the
 * language with the most characters wins. Its surprises (short Italian is Javanese, Ukrainian is Russian) are part of
 * what the model was trained on. Numbered comments a…e follow the steps of the reference.
 */
import type { Guess } from './langid.ts';
import { py, size, strip } from './python.ts';

/** Characters per language, greatest first; equal counts in order of appearance. */
export type Counts = readonly (readonly [language: string, characters: number])[];

interface Word {
  language: string;
  text: string;
  /** Came from an explicit <xx> tag: is never merged with its neighbours. */
  readonly tagged: boolean;
}

type Classify = (text: string) => Guess;
type Handler = (parse: Parse, groups: readonly string[]) => void;

/** One line being parsed. */
interface Parse {
  readonly classify: Classify;
  readonly languages: readonly string[];
  readonly words: Word[];
  readonly counts: Map<string, number>;
  /** A word whose language waits for its successor: its language is 'zh|ja|…'. */
  pending: Word | null;
  /** What each mark stands for. */
  readonly marks: Map<string, { readonly handle: Handler; readonly groups: readonly string[] }>;
  /** In the last part of the line. */
  last: boolean;
}

const MARK = py('(⑥\\$*\\d+[\\d]{6,}⑥)');
const NUMBER_MARK = py('(⑥\\d{6,}⑥)');
const PUNCTUATION = py('([^\\w\\s]+)');
const SENTENCE = /[^。.?？!！]*[。.?？!！]+|[^。.?？!！]+$/g;
const NON_WORD = py('[^\\w]+');
const REPEATED = py('(.)\\1+');
const INNER_CAPITAL = py('\\B([A-Z])');
const DIGITS = py('\\d+');
const HAN = /[\u4e00-\u9fff]/;
const ONLY_HAN = /^[\u4e00-\u9fff]*$/;
const KANA = /[\u3040-\u30ff]/;
const SPACES = py('\\s+');
const VIETNAMESE = 'đơưăáàảãạắằẳẵặấầẩẫậéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựôâêơưỷỹ';

/** What may stand before the first letter of a stretch. */
const OPENING = '【《（\\(“‘"\'';

/**
 * Step a, in this order. The patterns of the reference but for the lookbehinds, which spare it from trying each
 * character of a long run that the run's first character has already answered for. A tag is two characters so that
 * marks read ⑥$5000000⑥ or, for numbers, ⑥00000000⑥.
 */
const MARKERS: readonly (readonly [tag: string, pattern: RegExp, handle: Handler])[] = [
  ['$1', py('(<([a-zA-Z\\|\\-]*)>(.*?)<\\/*[a-zA-Z\\|\\-]*>)'), tagged],
  ['$6', script('\\uac00-\\ud7a3'), (parse, [text]) => add(parse, 'ko', text!)],
  ['$8', script('\\u0e00-\\u0e7f'), (parse, [text]) => add(parse, 'th', text!)],
  ['$7', script('А-Яа-яЁё'), (parse, [text]) => add(parse, 'ru', text!)],
  [
    '00',
    py('((?<!\\W)\\W*\\d+\\W+\\d*\\W*\\d*)'),
    (parse, [text]) => add(parse, parse.words[0]?.language ?? 'zh', text!),
  ],
  ['$5', script(`a-zA-Zàáâãäåæçèéêëìíîïðñòóôõöùúûüýþÿ${VIETNAMESE}`), latin],
  ['$3', py('(["\'])(.*?)(\\1)'), quoted],
  [
    '$4',
    py('([\\n]*[【《（\\(“‘])([^【《（\\(“‘’”\\)）》】]{3,})([’”\\)）》】][\\W\\s]*[\\n]{0,1})'),
    quoted,
  ],
];
/** Marks of this tag may enclose earlier ones of the same tag, so they are set one at a time. */
const NESTING = '$4';

function script(letters: string): RegExp {
  return py(`((?<![${OPENING}])([${OPENING}]*[${letters}]+[\\W\\s]*)+)`);
}

/** Characters per language of one line, or null where the reference gives up (and takes the line for English). */
export function countLanguages(
  line: string,
  classify: Classify,
  languages: readonly string[],
): Counts | null {
  const parse: Parse = {
    classify,
    languages,
    words: [],
    counts: new Map(),
    pending: null,
    marks: new Map(),
    last: false,
  };
  const text = line.replace(MARK, '');
  if (!strip(text)) return [['zh', 0]];
  if (
    !readMarks(
      parse,
      MARKERS.reduce((marked, marker) => mark(parse, marked, marker), text),
      true,
    )
  )
    return null;
  if (parse.counts.size === 0) return [['zh', 0]];
  return [...parse.counts].sort((a, b) => b[1] - a[1]);
}

/** The language that the reference encodes a line with, before it restricts itself to what it can spell. */
export function languageOf(counts: Counts | null): string {
  const [first, second] = counts ?? [];
  if (!first) return 'en';
  return first[0] === 'en' && second ? second[0] : first[0];
}

function mark(parse: Parse, text: string, [tag, pattern, handle]: (typeof MARKERS)[number]): string {
  const matches = [...text.matchAll(pattern)].map((match) => match.slice(1).map((group) => group ?? ''));
  if (matches.length === 0 || (matches.length === 1 && matches[0]!.join('') === text)) return text;
  const keyOf = (i: number) => `⑥${tag}${String(i).padStart(6, '0')}⑥`;
  matches.forEach((groups, i) => parse.marks.set(keyOf(i), { handle, groups }));
  if (tag !== NESTING) {
    let i = 0;
    return text.replace(pattern, () => keyOf(i++));
  }
  const once = new RegExp(pattern.source, 'v');
  return matches.reduce((marked, _, i) => marked.replace(once, keyOf(i).replaceAll('$', '$$$$')), text);
}

/** Step b. False when a mark is met that nobody set: the reference raises. */
function readMarks(parse: Parse, text: string, whole: boolean): boolean {
  const parts = text.split(MARK);
  return parts.every((part, i) => {
    if (whole) parse.last = i >= parts.length - 1;
    if (i % 2 === 0) {
      plain(parse, part);
      return true;
    }
    const found = parse.marks.get(part);
    found?.handle(parse, found.groups);
    return found !== undefined;
  });
}

function latin(parse: Parse, [text]: readonly string[]): void {
  for (const sentence of text!.match(SENTENCE) ?? []) {
    if (strip(sentence)) add(parse, parse.classify(clean(sentence)).language, sentence);
  }
}

function quoted(parse: Parse, groups: readonly string[]): void {
  const text = groups.join('');
  if (text.search(MARK) >= 0) return void readMarks(parse, text, false);
  const inner = clean(groups[1]!);
  if (size(inner) <= 5) plain(parse, text);
  else add(parse, parse.classify(inner).language, text);
}

function tagged(parse: Parse, [, tag, text]: readonly string[]): void {
  // Four more tags read numbers out in Chinese; only how many characters come out matters here.
  if (!parse.languages.join('-').includes(tag!) && /^(?:telephone|number|currency|date)$/.test(tag!)) {
    add(parse, 'zh', text!, true);
  } else add(parse, tag!, text!, true);
}

/** Step c: text between the marks. */
function plain(parse: Parse, segment: string): void {
  const parts = segment.split(PUNCTUATION);
  for (let i = 0; i < parts.length; i++) {
    const text = parts[i]!;
    if (!text) continue;
    const end = i === parts.length - 1;
    const glue = () => (parts[i + 1] = text + parts[i + 1]!);
    if (!end && (isPunctuation(text) || isPunctuation(parts[i + 1]!))) {
      glue();
      continue;
    }
    const cleaned = clean(text.replace(NUMBER_MARK, '').replace(DIGITS, ''));
    if (!end && size(cleaned) <= 2) {
      glue();
      continue;
    }
    const restored = text.replace(NUMBER_MARK, (key) => parse.marks.get(key)?.groups[0] ?? key);
    add(parse, languageOfPart(parse, text, cleaned, end), restored);
  }
}

function languageOfPart(parse: Parse, text: string, cleaned: string, end: boolean): string {
  let { language, score } = parse.classify(cleaned);
  score = Number(score.toFixed(3));
  if (language !== 'zh' && ONLY_HAN.test(cleaned.replace(SPACES, ''))) [language, score] = ['zh', 1];
  const length = size(cleaned);
  if (length > 5 || !HAN.test(cleaned)) return language;
  if (score < 0.89) language = 'ja';
  if (KANA.test(cleaned)) return 'ja';
  if (length > 2 && score > 0.9) return language;
  if (end && parse.last) return length <= 1 ? 'zh' : language;
  const previous = parse.words.at(-1)?.language;
  const either = language === 'zh' || (length <= 2 && previous === 'zh') ? 'zh|ja' : 'ja|zh';
  const ending = [...text.replace(SPACES, '')].at(-1)!;
  if (ending !== '。' && ending !== '.') return `${either}|…`;
  return previous && (either.includes(previous) || previous.includes(either)) ? previous : language;
}

/** Step d. */
function add(parse: Parse, language: string, text: string, isTagged = false): void {
  if (!strip(text)) return;
  let name = language.toLowerCase();
  const spoken = name === 'en' ? `${text.replace(INNER_CAPITAL, ' $1').replace(/^-+|-+$/g, '')} ` : text;
  const waiting = parse.pending;
  parse.pending = null;
  let before = waiting ?? parse.words.at(-1);
  if (before?.language.includes('|')) {
    const choices = before.language;
    if (choices.includes(name)) before.language = name = name.split('|')[0]!;
    else before.language = choices.split('|')[0]!;
    if (waiting) before = save(parse, waiting);
  }
  if (name.includes('|') && before && !name.includes(before.language) && !name.includes('…'))
    name = name.split('|')[0]!;
  const word = { language: name, text: spoken, tagged: isTagged };
  if (name.includes('|')) parse.pending = word;
  else save(parse, word);
}

/** Step e: appends a word, or merges it with the one before; returns what it ended up in. */
function save(parse: Parse, word: Word): Word {
  const count = (language: string, text: string) => {
    const characters = size(text) * (language === 'zh' ? 2 : 1);
    if (!language.includes('|')) parse.counts.set(language, (parse.counts.get(language) ?? 0) + characters);
  };
  const before = parse.words.at(-1);
  if (!word.tagged && before && !before.tagged) {
    if (isNumber(word.text)) word.language = before.language;
    if (before.language === word.language) {
      count(word.language, word.text);
      before.text += word.text;
      return before;
    }
    if (isNumber(before.text)) {
      word.text = before.text + word.text;
      parse.words.pop();
    }
  }
  // A tag may name what is no language: it counts where the reference's first filter, "af", holds it.
  if (
    parse.languages.includes(word.language) ||
    word.language.includes('?') ||
    'af'.includes(word.language)
  ) {
    parse.words.push(word);
    count(word.language, word.text);
  }
  return word;
}

/** Without its punctuation nothing but digits is left, or nothing at all. */
function isNumber(text: string): boolean {
  return text !== '\n' && !strip(text.replaceAll('\n', '').replace(PUNCTUATION, '')).replace(DIGITS, '');
}

function isPunctuation(text: string): boolean {
  return !strip(text.replaceAll('\n', '').replace(PUNCTUATION, ''));
}

/** Words only, one space between them, no letter twice in a row. */
function clean(text: string): string {
  return strip(text.replace(NON_WORD, ' ').replace(REPEATED, '$1'));
}
