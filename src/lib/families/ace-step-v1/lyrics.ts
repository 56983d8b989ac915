/**
 * Lyrics to the ids that ACE-Step v1 was trained on: line by line, each in its language. 261, then per line the ids of
 * "[language]text" and a 2; an empty line is a single 2. A line that begins with [brackets] is English.
 *
 * The language of a line is, in this order: its own prefix "[lang:xx]" (which is taken off), `options.language`, what
 * the reference's detector finds. Languages without a tag of their own are spelled as English.
 */
import { EngineError } from '../../errors.ts';
import { LYRIC_LANGUAGES } from './languages.ts';
import { bpeTokenizer } from '../../text/bpe.ts';
import { normalizeChinese, pinyinOf } from '../../text/chinese.ts';
import { romajiOf } from '../../text/japanese.ts';
import { romanizeHangul } from '../../text/korean.ts';
import { languageIdentifier, type Guess } from '../../text/langid.ts';
import { py, strip } from '../../text/python.ts';
import { countLanguages, languageOf } from '../../text/segment.ts';
import { expandNumbers, expandSymbols } from '../../text/spoken.ts';
import { readTable, type Table } from '../../text/table.ts';

export interface LyricOptions {
  /** 'auto' (or '') finds each line's language; a code of LYRIC_LANGUAGES says it for the whole song. */
  readonly language: string;
  /** Bytes of the official lyric vocabulary. */
  readonly vocab: Uint8Array;
  /** Reads a table of the application: 'lyrics/….bin'. Asked only for what the lines need. */
  readonly asset: (path: string) => Promise<Uint8Array>;
}

/** What became of a line. */
export interface LyricLine {
  readonly line: string;
  /** The language it is spelled in; null for an empty line. */
  readonly language: string | null;
  /** What the detector found, one of 97 languages; null where it was not asked. */
  readonly detected: string | null;
  /** As the tokenizer sees it. */
  readonly spelled: string;
  readonly ids: readonly number[];
}

const START = 261;
/** Between words and at the end of a line. */
const SPACE = 2;
const STRUCTURE = /^\[[^\n]*?\]/;
const OVERRIDE = /^\[lang:\s*([a-z-]*)\s*\]/i;
const WHITE = py('\\s+');

/** Ids of a whole song, for the condition encoder. Throws `bad-task` for a language that cannot be sung. */
export async function lyricIds(lyrics: string, options: LyricOptions): Promise<number[]> {
  const lines = await explainLyrics(lyrics, options);
  return [START, ...lines.flatMap(({ ids }) => [...ids, SPACE])];
}

/** The same line by line, for the editor. */
export async function explainLyrics(lyrics: string, options: LyricOptions): Promise<LyricLine[]> {
  const chosen =
    options.language === '' || options.language === 'auto' ? null : knownLanguage(options.language);
  const encode = encoderOf(options.vocab);
  const tables = tablesFrom(options.asset);
  const known = new Map<string, LyricLine>(); // choruses come back
  const lines: LyricLine[] = [];
  for (const raw of lyrics.toWellFormed().split('\n')) {
    const line = strip(raw);
    const done = known.get(line) ?? (await encodeLine(line, chosen, encode, tables));
    known.set(line, done);
    lines.push(done);
  }
  return lines;
}

type Tables = (name: string) => Promise<Table>;

async function encodeLine(
  line: string,
  chosen: string | null,
  encode: (text: string) => number[],
  tables: Tables,
): Promise<LyricLine> {
  const override = OVERRIDE.exec(line);
  const text = override ? strip(line.slice(override[0].length)) : line;
  if (!text) return { line, language: null, detected: null, spelled: '', ids: [] };
  const fixed = override ? knownLanguage(override[1]!.toLowerCase()) : chosen;
  const detected = fixed === null && !STRUCTURE.test(text) ? await detect(text, tables) : null;
  const wanted = fixed ?? detected ?? 'en';
  const language = STRUCTURE.test(text) || !isLyricLanguage(wanted) ? 'en' : wanted;
  const spelled = await SPELLERS[language](text, language, tables);
  const tag = language === 'zh' ? 'zh-cn' : language;
  return { line, language, detected, spelled, ids: encode(`[${tag}]${spelled}`.replaceAll(' ', '[SPACE]')) };
}

function isLyricLanguage(language: string): language is (typeof LYRIC_LANGUAGES)[number] {
  return (LYRIC_LANGUAGES as readonly string[]).includes(language);
}

function knownLanguage(language: string): string {
  const code = language.split('-')[0]!;
  if (isLyricLanguage(code)) return code;
  throw new EngineError(
    'bad-task',
    `lyrics language must be auto, ${LYRIC_LANGUAGES.join(', ')} (got ${language}).`,
  );
}

const loaded = new Map<string, Promise<Table>>();

/** Tables are the application's, the same for every song: each is read when a line first asks for it, and kept. */
function tablesFrom(asset: LyricOptions['asset']): Tables {
  return (name) => {
    const found = loaded.get(name);
    if (found) return found;
    const table = asset(`lyrics/${name}.bin`).then(readTable);
    loaded.set(name, table);
    table.catch(() => loaded.delete(name)); // the caller sees the error; the next call tries again
    return table;
  };
}

const encoders = new WeakMap<Uint8Array, (text: string) => number[]>();

function encoderOf(vocab: Uint8Array): (text: string) => number[] {
  const found = encoders.get(vocab) ?? bpeTokenizer(vocab);
  encoders.set(vocab, found);
  return found;
}

async function detect(line: string, tables: Tables): Promise<string> {
  const table = await tables('langid');
  const languages = table.meta.languages as string[]; // langid.py wrote it
  return languageOf(countLanguages(line, classifierOf(table), languages));
}

const classifiers = new WeakMap<Table, (text: string) => Guess>();

function classifierOf(table: Table): (text: string) => Guess {
  const found = classifiers.get(table) ?? languageIdentifier(table);
  classifiers.set(table, found);
  return found;
}

type Speller = (text: string, language: string, tables: Tables) => string | Promise<string>;

/** Lower case, numbers and signs in words, single spaces. */
const spell: Speller = (text, language) => {
  const letters = language === 'tr' ? text.replaceAll('İ', 'i') : text;
  const plain = letters.replaceAll('"', '').toLowerCase();
  const numbered = language === 'zh' ? normalizeChinese(plain) : expandNumbers(plain, language);
  return expandSymbols(numbered, language).replace(WHITE, ' ');
};

const SPELLERS: Readonly<Record<(typeof LYRIC_LANGUAGES)[number], Speller>> = {
  ar: spell,
  cs: spell,
  de: spell,
  en: spell,
  es: spell,
  fr: spell,
  hu: spell,
  it: spell,
  nl: spell,
  pl: spell,
  pt: spell,
  ru: spell,
  tr: spell,
  hi: (text) => text.toLowerCase().replace(WHITE, ' '),
  ko: async (text, language, tables) => romanizeHangul(await spell(text, language, tables)),
  zh: async (text, language, tables) => pinyinOf(await spell(text, language, tables), await tables('pinyin')),
  ja: async (text, _language, tables) => romajiOf(text, await tables('romaji')).toLowerCase(),
};
