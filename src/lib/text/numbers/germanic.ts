/** English, German, Dutch. */
import {
  amountIn,
  compose,
  digitByDigit,
  latinStems,
  longScale,
  oneOrMany,
  unitsOf,
  type Join,
  type Money,
  type Numerals,
} from './numerals.ts';

const MILLION = 1_000_000n;

export const ENGLISH_MONEY: Money = {
  USD: [
    ['dollar', 'dollars'],
    ['cent', 'cents'],
  ],
  EUR: [
    ['euro', 'euro'],
    ['cent', 'cents'],
  ],
  GBP: [
    ['pound sterling', 'pounds sterling'],
    ['penny', 'pence'],
  ],
};

export function english(): Numerals {
  const join: Join = (left, right) => {
    if (left.value === 1n && right.value < 100n) return right.text;
    if (left.value < 100n && left.value > right.value) return `${left.text}-${right.text}`;
    if (left.value >= 100n && right.value < 100n) return `${left.text} and ${right.text}`;
    return right.value > left.value ? `${left.text} ${right.text}` : `${left.text}, ${right.text}`;
  };
  const tens = pairs(
    '1000 thousand 100 hundred 90 ninety 80 eighty 70 seventy 60 sixty 50 fifty 40 forty 30 thirty',
  );
  const small =
    'twenty nineteen eighteen seventeen sixteen fifteen fourteen thirteen twelve eleven ten nine eight seven six five four three two one zero';
  const scale = latinStems().map((stem, i): [number, string] => [3 * i + 6, `${stem}illion`]);
  const cardinal = compose(unitsOf(scale, tens, small), join);
  const irregular: Readonly<Record<string, string>> = {
    one: 'first',
    two: 'second',
    three: 'third',
    five: 'fifth',
    eight: 'eighth',
    nine: 'ninth',
    twelve: 'twelfth',
  };
  return {
    cardinal,
    ordinal: (n) =>
      cardinal(n).replace(
        /[^ -]+$/,
        (last) => irregular[last] ?? (last.endsWith('y') ? `${last.slice(0, -1)}ieth` : `${last}th`),
      ),
    decimal: digitByDigit(cardinal, 'point'),
    currency: amountIn(ENGLISH_MONEY, cardinal, oneOrMany, ','),
  };
}

export function german(): Numerals {
  const join: Join = (left, right) => {
    let [before, after] = [left.text, right.text];
    if (left.value === 1n) {
      if (right.value === 100n || right.value === 1000n) return `ein${after}`;
      if (right.value < MILLION) return after;
      before = 'eine';
    }
    if (right.value > left.value) {
      if (right.value < MILLION) return before + after;
      if (left.value > 1n) after += after.endsWith('e') ? 'n' : 'en';
      return `${before} ${after}`;
    }
    if (right.value < 10n && left.value < 100n && left.value > 10n)
      return `${right.value === 1n ? 'ein' : after}und${before}`;
    return left.value >= MILLION ? `${before} ${after}` : before + after;
  };
  const stems = latinStems((stem, low) => {
    const spelled = stem
      .replace('oct', 'okt')
      .replace('dec', 'dez')
      .replace(/^cent$/, 'zent');
    return low ? spelled[0]!.toUpperCase() + spelled.slice(1) : spelled;
  });
  const tens = pairs(
    '1000 tausend 100 hundert 90 neunzig 80 achtzig 70 siebzig 60 sechzig 50 fünfzig 40 vierzig 30 dreißig',
  );
  const small =
    'zwanzig neunzehn achtzehn siebzehn sechzehn fünfzehn vierzehn dreizehn zwölf elf zehn neun acht sieben sechs fünf vier drei zwei eins null';
  const cardinal = compose(unitsOf(longScale(stems, 'illion', 'illiarde'), tens, small), join);
  const endings = [
    ['eins', 'ers'],
    ['drei', 'drit'],
    ['acht', 'ach'],
    ['sieben', 'sieb'],
    ['ig', 'igs'],
    ['ert', 'erts'],
    ['end', 'ends'],
    ['ion', 'ions'],
    ['nen', 'ns'],
    ['rde', 'rds'],
    ['rden', 'rds'],
  ] as const;
  const money: Money = {
    USD: [
      ['Dollar', 'Dollar'],
      ['Cent', 'Cent'],
    ],
    EUR: [
      ['Euro', 'Euro'],
      ['Cent', 'Cent'],
    ],
    GBP: [
      ['Pfund', 'Pfund'],
      ['Penny', 'Pence'],
    ],
  };
  const amount = amountIn(money, cardinal, oneOrMany, ' und');
  return {
    cardinal,
    ordinal: (n) => {
      const word = `${replaceEnding(cardinal(n).toLowerCase(), endings)}te`;
      return (/^ein(?:tausend|hundert)ste$/.test(word) ? word.slice(3) : word)
        .replace(/eine ([a-z]+(?:illion|illiard)ste)$/, '$1')
        .replace(/ ([a-z]+(?:illion|illiard)ste)$/, '$1');
    },
    decimal: digitByDigit(cardinal, 'Komma'),
    currency: (value, code) => amount(value, code).replaceAll('eins ', 'ein '),
  };
}

export function dutch(): Numerals {
  const join: Join = (left, right) => {
    if (left.value === 1n && right.value < MILLION) return right.text;
    const before = left.value === 1n ? 'een' : left.text;
    if (right.value > left.value)
      return right.value >= MILLION ? `${before} ${right.text}` : before + right.text;
    if (right.value < 10n && left.value < 100n && left.value > 10n) {
      const unit = right.value === 1n ? 'een' : right.text;
      return `${unit}${unit.endsWith('e') ? 'ën' : 'en'}${before}`;
    }
    return left.value >= MILLION ? `${before} ${right.text}` : before + right.text;
  };
  const stems = latinStems((stem) =>
    stem
      .replace('oct', 'okt')
      .replace('dec', 'dez')
      .replace(/^cent$/, 'zend'),
  );
  const tens = pairs(
    '1000 duizend 100 honderd 90 negentig 80 tachtig 70 zeventig 60 zestig 50 vijftig 40 veertig 30 dertig',
  );
  const small =
    'twintig negentien achttien zeventien zestien vijftien veertien dertien twaalf elf tien negen acht zeven zes vijf vier drie twee één nul';
  const cardinal = compose(unitsOf(longScale(stems, 'iljoen', 'iljard'), tens, small), join);
  const endings = [
    ['nul', 'nuld'],
    ['één', 'eerst'],
    ['twee', 'tweed'],
    ['drie', 'derd'],
    ['vier', 'vierd'],
    ['vijf', 'vijfd'],
    ['zes', 'zesd'],
    ['zeven', 'zevend'],
    ['acht', 'achtst'],
    ['negen', 'negend'],
    ['tien', 'tiend'],
    ['elf', 'elfd'],
    ['twaalf', 'twaalfd'],
    ['ig', 'igst'],
    ['erd', 'erdst'],
    ['end', 'endst'],
    ['joen', 'joenst'],
    ['rd', 'rdst'],
  ] as const;
  const money: Money = {
    USD: [['dollar'], ['cent']],
    EUR: [['euro'], ['cent']],
    GBP: [['pond'], ['penny']],
  };
  return {
    cardinal,
    ordinal: (n) => `${replaceEnding(cardinal(n), endings)}e`,
    decimal: digitByDigit(cardinal, 'komma'),
    currency: amountIn(money, cardinal, (_, forms) => forms[0]!, ','),
  };
}

/** The first ending in the list that a word has, replaced. */
export function replaceEnding(word: string, endings: readonly (readonly [string, string])[]): string {
  const found = endings.find(([ending]) => word.endsWith(ending));
  return found ? word.slice(0, word.length - found[0].length) + found[1] : word;
}

/** '90 ninety 80 eighty' as [value, word] pairs. */
export function pairs(list: string): [number, string][] {
  const words = list.split(' ');
  return Array.from({ length: words.length / 2 }, (_, i) => [Number(words[2 * i]), words[2 * i + 1]!]);
}
