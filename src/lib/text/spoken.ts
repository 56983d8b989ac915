/**
 * How a line is spelled out before it is tokenized: numbers, abbreviations and symbols become words of its language.
 * The tables are the reference's (lyric_tokenizer.py of ACE-Step, from XTTS); its spellings are kept as they are.
 */
import { numeralsOf } from './numbers/index.ts';
import { Unsayable, type Currency, type Numerals } from './numbers/numerals.ts';
import { py, strip } from './python.ts';

interface Spoken {
  /** Written, spoken; applied in this order. */
  readonly abbreviations: readonly (readonly [string, string])[];
  /** Words for & @ % # $ £ °. */
  readonly symbols: readonly string[];
  /** What makes digits an ordinal; the first group is the digits. */
  readonly ordinal?: RegExp;
  /** What stands between units and cents; a whole amount is cut at the last of it. */
  readonly and?: string;
}

const SYMBOLS = ['&', '@', '%', '#', '$', '£', '°'];
const ordinal = (endings: string) => py(`(?<![0-9])([0-9]+)(?:${endings})`);

export const SPOKEN: Readonly<Record<string, Spoken>> = {
  ar: {
    abbreviations: [],
    symbols: ['و', 'على', 'في المئة', 'رقم', 'دولار', 'جنيه', 'درجة'],
    ordinal: ordinal('ون|ين|ث|ر|ى'),
  },
  cs: {
    abbreviations: [
      ['dr', 'doktor'],
      ['ing', 'inženýr'],
      ['p', 'pan'],
    ],
    symbols: ['a', 'na', 'procento', 'křížek', 'dolar', 'libra', 'stupně'],
    ordinal: ordinal('\\.(?=\\s|$)'),
  },
  de: {
    abbreviations: [
      ['fr', 'frau'],
      ['dr', 'doktor'],
      ['st', 'sankt'],
      ['co', 'firma'],
      ['jr', 'junior'],
    ],
    symbols: ['und', 'at', 'prozent', 'raute', 'dollar', 'pfund', 'grad'],
    ordinal: ordinal('st|nd|rd|th|º|ª|\\.(?=\\s|$)'),
    and: ' und ',
  },
  en: {
    abbreviations: [
      ['mrs', 'misess'],
      ['mr', 'mister'],
      ['dr', 'doctor'],
      ['st', 'saint'],
      ['co', 'company'],
      ['jr', 'junior'],
      ['maj', 'major'],
      ['gen', 'general'],
      ['drs', 'doctors'],
      ['rev', 'reverend'],
      ['lt', 'lieutenant'],
      ['hon', 'honorable'],
      ['sgt', 'sergeant'],
      ['capt', 'captain'],
      ['esq', 'esquire'],
      ['ltd', 'limited'],
      ['col', 'colonel'],
      ['ft', 'fort'],
    ],
    symbols: ['and', 'at', 'percent', 'hash', 'dollar', 'pound', 'degree'],
    ordinal: ordinal('st|nd|rd|th'),
  },
  es: {
    abbreviations: [
      ['sra', 'señora'],
      ['sr', 'señor'],
      ['dr', 'doctor'],
      ['dra', 'doctora'],
      ['st', 'santo'],
      ['co', 'compañía'],
      ['jr', 'junior'],
      ['ltd', 'limitada'],
    ],
    symbols: ['y', 'arroba', 'por ciento', 'numeral', 'dolar', 'libra', 'grados'],
    ordinal: ordinal('º|ª|er|o|a|os|as'),
    and: ' con ',
  },
  fr: {
    abbreviations: [
      ['mme', 'madame'],
      ['mr', 'monsieur'],
      ['dr', 'docteur'],
      ['st', 'saint'],
      ['co', 'compagnie'],
      ['jr', 'junior'],
      ['ltd', 'limitée'],
    ],
    symbols: ['et', 'arobase', 'pour cent', 'dièse', 'dollar', 'livre', 'degrés'],
    ordinal: ordinal('º|ª|er|re|e|ème'),
    and: ' et ',
  },
  hu: {
    abbreviations: [
      ['dr', 'doktor'],
      ['b', 'bácsi'],
      ['nőv', 'nővér'],
    ],
    symbols: ['és', 'kukac', 'százalék', 'kettőskereszt', 'dollár', 'font', 'fok'],
    ordinal: ordinal('\\.|adik|edik|odik|edik|ödik|ödike|ik'),
  },
  it: {
    abbreviations: [
      ['sig', 'signore'],
      ['dr', 'dottore'],
      ['st', 'santo'],
      ['co', 'compagnia'],
      ['jr', 'junior'],
      ['ltd', 'limitata'],
    ],
    symbols: ['e', 'chiocciola', 'per cento', 'cancelletto', 'dollaro', 'sterlina', 'gradi'],
    ordinal: ordinal('º|°|ª|o|a|i|e'),
    and: ' e ',
  },
  ko: {
    abbreviations: [],
    symbols: ['그리고', '에', '퍼센트', '번호', '달러', '파운드', '도'],
    ordinal: ordinal('번째|번|차|째'),
  },
  nl: {
    abbreviations: [
      ['dhr', 'de heer'],
      ['mevr', 'mevrouw'],
      ['dr', 'dokter'],
      ['jhr', 'jonkheer'],
    ],
    symbols: ['en', 'bij', 'procent', 'hekje', 'dollar', 'pond', 'graden'],
    ordinal: ordinal('de|ste|e'),
  },
  pl: {
    abbreviations: [
      ['p', 'pani'],
      ['m', 'pan'],
      ['dr', 'doktor'],
      ['sw', 'święty'],
      ['jr', 'junior'],
    ],
    symbols: ['i', 'małpa', 'procent', 'krzyżyk', 'dolar', 'funt', 'stopnie'],
    ordinal: ordinal('º|ª|st|nd|rd|th'),
  },
  pt: {
    abbreviations: [
      ['sra', 'senhora'],
      ['sr', 'senhor'],
      ['dr', 'doutor'],
      ['dra', 'doutora'],
      ['st', 'santo'],
      ['co', 'companhia'],
      ['jr', 'júnior'],
      ['ltd', 'limitada'],
    ],
    symbols: ['e', 'arroba', 'por cento', 'cardinal', 'dólar', 'libra', 'graus'],
    ordinal: ordinal('º|ª|o|a|os|as'),
    and: ' e ',
  },
  ru: {
    abbreviations: [
      ['г-жа', 'госпожа'],
      ['г-н', 'господин'],
      ['д-р', 'доктор'],
    ],
    symbols: ['и', 'собака', 'процентов', 'номер', 'доллар', 'фунт', 'градус'],
    ordinal: ordinal('-й|-я|-е|-ое|-ье|-го'),
  },
  tr: {
    abbreviations: [
      ['b', 'bay'],
      ['byk', 'büyük'],
      ['dr', 'doktor'],
    ],
    symbols: ['ve', 'at', 'yüzde', 'diyez', 'dolar', 'sterlin', 'derece'],
    ordinal: ordinal('\\.|inci|nci|uncu|üncü|\\.'),
  },
  // Chinese numbers have rules of their own (chinese.ts); punctuation is gone before these symbols are looked for.
  zh: { abbreviations: [], symbols: ['和', '在', '百分之', '号', '美元', '英镑', '度'] },
};

/** A lower-case line with its numbers in words; unchanged where the language lacks a word for one of them. */
export function expandNumbers(text: string, language: string): string {
  const numerals = numeralsOf(language) ?? SPEECHLESS;
  try {
    return spellNumbers(text, language, numerals);
  } catch (thrown) {
    // The reference gives up on the whole line.
    if (thrown instanceof Unsayable) return text;
    throw thrown;
  }
}

/** Abbreviations and symbols in words. */
export function expandSymbols(text: string, language: string): string {
  const { abbreviations, symbols } = SPOKEN[language]!;
  const ending = language === 'ru' ? '\\b' : '\\.';
  const spelled = abbreviations.reduce(
    (done, [written, spoken]) => done.replace(py(`\\b${written}${ending}`, 'i'), spoken),
    text,
  );
  const worded = SYMBOLS.reduce(
    (done, symbol, i) => done.replaceAll(symbol, ` ${symbols[i]} `).replaceAll('  ', ' '),
    spelled,
  );
  return strip(worded);
}

/** Czech: no number has words. */
const refuse = (n: unknown): never => {
  throw new Unsayable(`no words for ${n}`);
};
const SPEECHLESS: Numerals = { cardinal: refuse, ordinal: refuse, decimal: refuse, currency: refuse };

/** The pound first, and what was replaced stays even if a later currency fails. */
const CURRENCIES: readonly (readonly [Currency, RegExp])[] = (
  [
    ['GBP', '£'],
    ['USD', '\\$'],
    ['EUR', '€'],
  ] as const
).map(([code, sign]) => [code, py(`${sign}[0-9.,]*[0-9]|(?<![0-9.,])[0-9.,]*[0-9]${sign}`)]);
const THOUSANDS_BY_COMMA = py('\\b\\d{1,3}(,\\d{3})*(\\.\\d+)?\\b');
/** The reference forgot to escape the dot: any character may stand between the thousands, only dots are removed. */
const THOUSANDS_BY_DOT = py('\\b\\d{1,3}(.\\d{3})*(,\\d+)?\\b');
const DECIMAL = py('(?<![0-9])[0-9]+[.,][0-9]+');
const INTEGER = py('[0-9]+');
/** Python refuses to read longer integers. */
const MAX_DIGITS = 4300;

function spellNumbers(line: string, language: string, numerals: Numerals): string {
  const commas = language === 'en' || language === 'ru';
  let text = commas
    ? line.replace(THOUSANDS_BY_COMMA, (number) => number.replaceAll(',', ''))
    : line.replace(THOUSANDS_BY_DOT, (number) => number.replaceAll('.', ''));
  for (const [code, pattern] of CURRENCIES) {
    try {
      text = text.replace(pattern, (amount) => spellAmount(amount, code, language, numerals));
    } catch (thrown) {
      if (thrown instanceof Unsayable) break;
      throw thrown;
    }
  }
  if (language !== 'tr') {
    text = text.replace(DECIMAL, (number) => numerals.decimal(toFloat(number.replace(',', '.'))));
  }
  return text
    .replace(SPOKEN[language]!.ordinal!, (_, digits: string) => numerals.ordinal(toInteger(digits)))
    .replace(INTEGER, (digits) => numerals.cardinal(toInteger(digits)));
}

function spellAmount(written: string, code: Currency, language: string, numerals: Numerals): string {
  const amount = toFloat(written.replace(/[^0-9.,]/g, '').replaceAll(',', '.'));
  const spoken = numerals.currency(amount, code);
  const cut = Number.isInteger(amount) ? spoken.lastIndexOf(SPOKEN[language]!.and ?? ', ') : -1;
  return cut < 0 ? spoken : spoken.slice(0, cut);
}

function toFloat(text: string): number {
  const value = /^(?:\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(value)) throw new Unsayable(`not a number: ${text}`);
  return value;
}

function toInteger(digits: string): bigint {
  if (digits.length > MAX_DIGITS) throw new Unsayable(`more than ${MAX_DIGITS} digits`);
  return BigInt(digits);
}
