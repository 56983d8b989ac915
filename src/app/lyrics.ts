/**
 * Lyrics as an editor sees them: sections, words, syllables, the time they take to sing, and what a model of the
 * ACE-Step kind mishandles. Everything here is an estimate from spelling; nothing changes the text.
 */
import { formOf } from './form.ts';

export interface Block {
  /** As between the brackets: 'verse'. Null: lines above the first heading. */
  readonly tag: string | null;
  readonly body: string;
}

const HEADING = /^[ \t]*\[([^\]\n]*)\][ \t]*$/u;
const LANGUAGE = /^\[lang:\s*([a-z-]*)\s*\]\s*/iu;

/** Sections of the text. Joined they give it back, headings trimmed and with a line below each, if only an empty one. */
export function splitSections(text: string): readonly Block[] {
  const blocks: { tag: string | null; lines: string[] }[] = [];
  for (const line of text.split('\n')) {
    const tag = LANGUAGE.test(line.trim()) ? null : (HEADING.exec(line)?.[1] ?? null);
    if (tag !== null) blocks.push({ tag, lines: [] });
    else if (blocks.length === 0) blocks.push({ tag: null, lines: [line] });
    else blocks.at(-1)!.lines.push(line);
  }
  return blocks.map(({ tag, lines }) => ({ tag, body: lines.join('\n') }));
}

export const joinSections = (blocks: readonly Block[]): string =>
  blocks.map(({ tag, body }) => (tag === null ? body : `[${tag}]\n${body}`)).join('\n');

/** Where a position of a joined text lies: in which block, and where in its body. */
export function locate(
  blocks: readonly Block[],
  position: number,
): { readonly block: number; readonly at: number } {
  let left = position;
  for (const [block, { tag, body }] of blocks.entries()) {
    const heading = tag === null ? 0 : tag.length + 3; // brackets and the end of the line
    if (left <= heading + body.length || block === blocks.length - 1)
      return { block, at: Math.min(Math.max(0, left - heading), body.length) };
    left -= heading + body.length + 1;
  }
  return { block: 0, at: 0 };
}

/** Where a block's body begins in the whole text. */
export function startOf(blocks: readonly Block[], block: number): number {
  const before = blocks
    .slice(0, block)
    .reduce((sum, { tag, body }) => sum + lengthOf(tag) + body.length + 1, 0);
  return before + lengthOf(blocks[block]?.tag ?? null);
}

const lengthOf = (tag: string | null): number => (tag === null ? 0 : tag.length + 3);

/** A heading put at a position, or around what is selected; a second one follows the selection where text goes on. */
export function insertSection(
  text: string,
  tag: string,
  from: number,
  to: number,
): { readonly text: string; readonly caret: number } {
  const [before, chosen, after] = [text.slice(0, from), text.slice(from, to), text.slice(to)];
  const above = before === '' || before.endsWith('\n\n') ? '' : before.endsWith('\n') ? '\n' : '\n\n';
  const head = `${above}[${tag}]\n`;
  const body = chosen.replace(/^\n+|\n+$/gu, '');
  const below = after === '' || after.startsWith('\n') || body === '' ? '' : '\n';
  const rest = body === '' ? after.replace(/^\n/u, '') : after;
  return { text: before + head + body + below + rest, caret: (before + head + body).length };
}

/** The line that holds a position, with its language said or taken back ('' = as detected). */
export function setLineLanguage(text: string, position: number, language: string): string {
  const start = text.lastIndexOf('\n', position - 1) + 1;
  const end = text.indexOf('\n', position) < 0 ? text.length : text.indexOf('\n', position);
  const line = text.slice(start, end).replace(LANGUAGE, '');
  return text.slice(0, start) + (language === '' ? line : `[lang:${language}] ${line}`) + text.slice(end);
}

/** What a line says about its language; '' where it is silent. */
export function lineLanguage(text: string, position: number): string {
  const start = text.lastIndexOf('\n', position - 1) + 1;
  return LANGUAGE.exec(text.slice(start))?.[1]?.toLowerCase() ?? '';
}

export interface Measure {
  readonly words: number;
  readonly syllables: number;
  /** Seconds to sing, with a breath for each line and a bar between sections; 0 without words. */
  readonly seconds: number;
}

/** Sung pop lies between two and four syllables a second. */
const SYLLABLES_PER_SECOND = 3;
const BREATH_SECONDS = 0.6;
const SECTION_SECONDS = 2.5;

export function measure(text: string): Measure {
  const lines = sungLines(text);
  const words = lines.reduce((sum, line) => sum + wordsOf(line.text).length, 0);
  const syllables = lines.reduce((sum, line) => sum + syllablesOf(line.text), 0);
  const sections = splitSections(text).filter(({ body }) => body.trim() !== '').length;
  const seconds =
    syllables === 0
      ? 0
      : syllables / SYLLABLES_PER_SECOND + BREATH_SECONDS * lines.length + SECTION_SECONDS * sections;
  return { words, syllables, seconds };
}

export const WARNINGS = [
  'unknownSection',
  'inlineBrackets',
  'repeat',
  'longLine',
  'mixedScripts',
  'script',
  'symbols',
  'language',
  'noSections',
  'tooLong',
] as const;
export type WarningId = (typeof WARNINGS)[number];

export interface Warning {
  readonly id: WarningId;
  /** Counted from 1; 0: the song as a whole. */
  readonly line: number;
  /** What it is about: a heading, a sign, a code. */
  readonly what: string;
}

interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Without its language. */
  readonly text: string;
  readonly language: string;
}

const LONG_LINE_SYLLABLES = 18;
const MANY_LINES = 8;
const REPEAT = /(?:^|[\s([])(?:x\s?\d{1,2}|\d{1,2}\s?x|repeat(?:ed)?|bis)(?=[\s)\].,]|$)/iu;
const SYMBOLS = /[\p{Extended_Pictographic}♩-♯<>{}|\\^~_*=]/u;
const SCRIPTS = {
  latin: /\p{Script=Latin}/u,
  cyrillic: /\p{Script=Cyrillic}/u,
  arabic: /\p{Script=Arabic}/u,
  devanagari: /\p{Script=Devanagari}/u,
  hangul: /\p{Script=Hangul}/u,
  eastAsian: /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u,
} as const;
const OTHER_LETTER =
  /(?![\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Common}\p{Script=Inherited}])\p{L}/u;

/** What is likely to be sung wrongly, in the order of the lines. `languages`: those that can be said for a line. */
export function warningsFor(text: string, seconds: number, languages: readonly string[]): readonly Warning[] {
  const found: Warning[] = [];
  const warn = (id: WarningId, line: number, what = ''): void => void found.push({ id, line, what });
  text.split('\n').forEach((raw, i) => {
    const tag = HEADING.exec(raw)?.[1];
    if (tag !== undefined && !LANGUAGE.test(raw.trim()) && !isKnownSection(tag)) {
      warn('unknownSection', i + 1, tag);
    }
  });
  const lines = sungLines(text);
  for (const { number, text: line, language } of lines) {
    const scripts = Object.values(SCRIPTS).filter((script) => script.test(line)).length;
    const bracket = /\[[^\]]*\]/u.exec(line)?.[0];
    const symbol = SYMBOLS.exec(line)?.[0];
    if (language !== '' && !languages.includes(language.split('-')[0] ?? ''))
      warn('language', number, language);
    if (bracket !== undefined) warn('inlineBrackets', number, bracket);
    else if (REPEAT.test(line)) warn('repeat', number, REPEAT.exec(line)![0].trim());
    if (symbol !== undefined) warn('symbols', number, symbol);
    if (OTHER_LETTER.test(line)) warn('script', number, OTHER_LETTER.exec(line)![0]);
    else if (scripts > 1) warn('mixedScripts', number);
    if (syllablesOf(line) > LONG_LINE_SYLLABLES) warn('longLine', number, String(syllablesOf(line)));
  }
  if (lines.length > MANY_LINES && splitSections(text).every(({ tag }) => tag === null))
    warn('noSections', 0);
  if (measure(text).seconds > seconds) warn('tooLong', 0);
  return found;
}

/** "[Verse 2]", "[pre-chorus: soft]" are read as the section that they begin with. */
const isKnownSection = (tag: string): boolean => {
  const name = tag.toLowerCase().replace(/[\s\d:–-]*(?:[:–-].*)?$/u, '');
  return formOf(name) !== 'edge' || ['intro', 'outro', 'end', 'start'].includes(name);
};

/** Lines with words in them, headings and languages left out. */
function sungLines(text: string): readonly Line[] {
  return text.split('\n').flatMap((raw, i) => {
    const line = raw.trim();
    const language = LANGUAGE.exec(line)?.[1]?.toLowerCase() ?? '';
    const rest = line.replace(LANGUAGE, '');
    if (rest === '' || HEADING.test(rest)) return [];
    return [{ number: i + 1, text: rest, language }];
  });
}

const segmenter =
  typeof Intl.Segmenter === 'function' ? new Intl.Segmenter(undefined, { granularity: 'word' }) : null;

function wordsOf(line: string): readonly string[] {
  const bare = line.replace(/\[[^\]]*\]/gu, ' ');
  if (!segmenter || !SCRIPTS.eastAsian.test(bare))
    return bare.split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  return [...segmenter.segment(bare)].filter(({ isWordLike }) => isWordLike).map(({ segment }) => segment);
}

/** Letters that carry a syllable, one rule for each way of writing. */
const VOWELS = /[aeiouyàâäáãåæèéêëìíîïòóôöõøœùúûüýÿāēīōūůě]+|[аеёиоуыэюяіїє]/giu;
const SILENT_E = /[^aeiouyl]e$/u;

export function syllablesOf(line: string): number {
  return wordsOf(line).reduce((sum, word) => sum + syllablesOfWord(word.toLowerCase()), 0);
}

function syllablesOfWord(word: string): number {
  // One for each character, but small kana and the long mark belong to the one before.
  const whole =
    word.match(/[\p{Script=Han}\p{Script=Hangul}]|[\p{Script=Hiragana}\p{Script=Katakana}]/gu) ?? [];
  const small = word.match(/[ぁぃぅぇぉゃゅょっァィゥェォャュョッー]/gu) ?? [];
  if (whole.length > 0) return whole.length - small.length;
  if (SCRIPTS.arabic.test(word)) return Math.max(1, Math.ceil(word.replace(/\p{M}/gu, '').length / 2));
  if (SCRIPTS.devanagari.test(word)) {
    const letters = word.match(/\p{L}/gu)?.length ?? 0;
    return Math.max(1, letters - (word.match(/्/gu)?.length ?? 0));
  }
  const groups = word.match(VOWELS)?.length ?? 0;
  const silent = groups > 1 && SILENT_E.test(word) ? 1 : 0;
  return Math.max(1, groups - silent);
}
