/** Polish and Russian. */
import { floatText } from '../python.ts';
import { amountIn, triads, Unsayable, type Forms, type Money, type Numerals } from './numerals.ts';

/** Words by digit, 1…9; '-' where there is none. */
const row = (words: string): readonly string[] => [
  '',
  ...words.split(' ').map((word) => (word === '-' ? '' : word)),
];

const POLISH = {
  ones: row('jeden dwa trzy cztery pięć sześć siedem osiem dziewięć'),
  teens:
    'dziesięć jedenaście dwanaście trzynaście czternaście piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście'.split(
      ' ',
    ),
  tens: row(
    '- dwadzieścia trzydzieści czterdzieści pięćdziesiąt sześćdziesiąt siedemdziesiąt osiemdziesiąt dziewięćdziesiąt',
  ),
  hundreds: row('sto dwieście trzysta czterysta pięćset sześćset siedemset osiemset dziewięćset'),
};
/** Ordinals alone, and as the first half of "dwu-tysięczny". */
const POLISH_ORDINALS = {
  ones: row(
    'pierwszy drugi trzeci czwarty piąty szósty siódmy ósmy dziewiąty dziesiąty jedenasty dwunasty trzynasty czternasty piętnasty szesnasty siedemnasty osiemnasty dziewiętnasty',
  ),
  onesJoined: row(
    'pierwszo dwu trzy cztero pięcio sześcio siedmio ośmio dziewięcio dziesięcio jedenasto dwunasto trzynasto czternasto piętnasto szesnasto siedemnasto osiemnasto dziewiętnasto',
  ),
  tens: row(
    '- dwudziesty trzydziesty czterdziesty pięćdziesiąty sześćdziesiąty siedemdziesiąty osiemdziesiąty dziewięćdziesiąty',
  ),
  tensJoined: row(
    '- dwudziesto trzydiesto czterdziesto pięćdziesięcio sześćdziesięcio siedemdziesięcio osiemdziesięcio dziewięćdziesięcio',
  ),
  hundreds: row(
    'setny dwusetny trzysetny czterysetny pięćsetny sześćsetny siedemsetny osiemsetny dziewięćsetny',
  ),
  hundredsJoined: row('stu dwustu trzystu czterystu pięcset sześćset siedemset ośiemset dziewięćset'),
};
const POLISH_SCALE: readonly Forms[] = [
  [],
  ['tysiąc', 'tysiące', 'tysięcy'],
  ...'mi bi try kwadry kwinty seksty septy okty nony decy'
    .split(' ')
    .flatMap((stem) => [`${stem}lion`, `${stem}liard`])
    .map((word) => [word, `${word}y`, `${word}ów`]),
];
const POLISH_THOUSANDTHS = ['', 'tysięczny', 'milionowy', 'milairdowy'];

export function polish(): Numerals {
  const plural = (n: number, forms: Forms) => {
    const few = n % 10 > 1 && n % 10 < 5 && (n % 100 < 10 || n % 100 > 20);
    return forms[n === 1 ? 0 : few ? 1 : 2]!;
  };
  const cardinal = (n: bigint): string => {
    if (n === 0n) return 'zero';
    const groups = triads(n);
    return groups
      .flatMap((group, i) => {
        const level = groups.length - 1 - i;
        const scale = POLISH_SCALE[level];
        if (!scale) throw new Unsayable(`no words for ${n}`);
        if (group === 0) return [];
        const words = spell(group, POLISH);
        const counted = level > 0 && group === 1 ? [] : words;
        return level > 0 ? [...counted, plural(group, scale)] : counted;
      })
      .join(' ');
  };
  const ordinal = (n: bigint): string => {
    const groups = triads(n);
    let level = 0;
    while (groups.at(-1) === 0) {
      groups.pop();
      level++;
    }
    const last = groups.at(-1);
    const thousandth = POLISH_THOUSANDTHS[level];
    if (last === undefined || thousandth === undefined) throw new Unsayable(`no ordinal for ${n}`);
    const before = groups.length > 1 ? [cardinal(n - BigInt(last) * 1000n ** BigInt(level))] : [];
    const words = [...before, ...lastOrdinal(last, level > 0)].join(' ');
    return `${words}${last === 1 && level > 0 && words ? ' ' : ''}${thousandth}`;
  };
  const lastOrdinal = (last: number, joined: boolean): string[] => {
    const [hundreds, two] = [Math.floor(last / 100), last % 100];
    const table = POLISH_ORDINALS;
    if (two === 0) return [(joined ? table.hundredsJoined : table.hundreds)[hundreds]!];
    if (joined && last === 1) return [];
    if (two < 20 || two % 10 === 0) {
      if (hundreds > 0 && joined) throw new Unsayable(`no ordinal for ${last} thousand`);
      const ones = joined ? table.onesJoined : table.ones;
      const tens = joined ? table.tensJoined : table.tens;
      return [...(hundreds ? [POLISH.hundreds[hundreds]!] : []), two < 20 ? ones[two]! : tens[two / 10]!];
    }
    return [POLISH.hundreds[hundreds]!, table.tens[Math.floor(two / 10)]!, table.ones[two % 10]!].filter(
      Boolean,
    );
  };
  const money: Money = {
    USD: [
      ['dolar amerykański', 'dolary amerykańskie', 'dolarów amerykańskich'],
      ['cent', 'centy', 'centów'],
    ],
    EUR: [
      ['euro', 'euro', 'euro'],
      ['cent', 'centy', 'centów'],
    ],
  };
  return {
    cardinal,
    ordinal,
    decimal: (value) => {
      const [whole, digits] = halves(value);
      const zeros = digits.length - digits.replace(/^0+/, '').length;
      return `${cardinal(BigInt(whole))} przecinek ${'zero '.repeat(zeros)}${cardinal(BigInt(digits))}`;
    },
    currency: amountIn(
      money,
      cardinal,
      (n, forms) => plural(n === 1n ? 1 : Number(n % 100n) + 100, forms),
      ',',
    ),
  };
}

/** Hundreds, tens and ones of a group, the words that there are. */
function spell(
  group: number,
  table: Record<'ones' | 'teens' | 'tens' | 'hundreds', readonly string[]>,
): string[] {
  const [hundreds, tens, ones] = digitsOf(group);
  const low = tens === 1 ? [table.teens[ones]!] : [table.tens[tens]!, table.ones[ones]!];
  return [table.hundreds[hundreds]!, ...low].filter(Boolean);
}

function digitsOf(group: number): [hundreds: number, tens: number, ones: number] {
  return [Math.floor(group / 100), Math.floor(group / 10) % 10, group % 10];
}

/** The two sides of the point; numbers so great or small that Python writes them with an exponent cannot be said. */
function halves(value: number): [string, string] {
  const text = floatText(value);
  if (text.includes('e')) throw new Unsayable(`no words for ${text}`);
  return text.split('.') as [string, string]; // a float without exponent has a point
}

const RUSSIAN = {
  ones: row('один два три четыре пять шесть семь восемь девять'),
  feminine: row('одна две три четыре пять шесть семь восемь девять'),
  genitive: row('одно двух трёх четырёх пяти шести семи восьми девяти'),
  teens: [
    'десять',
    ...'один две три четыр пят шест сем восем девят'.split(' ').map((stem) => `${stem}надцать`),
  ],
  tens: row('- двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто'),
  tensGenitive: row('- двадцати тридцати сорока пятидесяти шестидесяти семидесяти восьмидесяти девяносто'),
  hundreds: row('сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот'),
  hundredsGenitive: row('сто двухсот трёхсот четырёхсот пятисот шестисот семисот восьмисот девятисот'),
};
/** Stems of ordinals; a capital Й marks the stems whose masculine ends in a stressed -ой. */
const RUSSIAN_ORDINALS = {
  ones: row('перв вторЙ трет четвёрт пят шестЙ седьмЙ восьмЙ девят'),
  teens: [
    'десят',
    ...'один две три четыр пят шест сем восем девят'.split(' ').map((stem) => `${stem}надцат`),
  ],
  tens: row('- двадцат тридцат сороковЙ пятидесят шестидесят семидесят восьмидесят девяност'),
  hundreds: row('сот двухсот трёхсот четырёхсот пятисот шестисот семисот восьмисот девятисот'),
};
const RUSSIAN_SCALE: readonly Forms[] = [
  [],
  ['тысяча', 'тысячи', 'тысяч'],
  ...'миллион миллиард триллион квадриллион квинтиллион секстиллион септиллион октиллион нониллион'
    .split(' ')
    .map((word) => [word, `${word}а`, `${word}ов`]),
];

type Ending = 'masculine' | 'feminine' | 'plural';

export function russian(): Numerals {
  const plural = (n: number, forms: Forms) => {
    if (n % 100 > 10 && n % 100 < 15) return forms[2]!;
    return forms[n % 10 === 1 ? 0 : n % 10 > 1 && n % 10 < 5 ? 1 : 2]!;
  };
  const scaleOf = (level: number, n: bigint): Forms => {
    const forms = RUSSIAN_SCALE[level];
    if (!forms) throw new Unsayable(`no words for ${n}`);
    return forms;
  };
  const inflect = (stem: string, ending: Ending) => {
    if (stem === 'трет') return { masculine: 'третий', feminine: 'третья', plural: 'третьих' }[ending];
    const stressed = stem.endsWith('Й');
    return (
      (stressed ? stem.slice(0, -1) : stem) +
      { masculine: stressed ? 'ой' : 'ый', feminine: 'ая', plural: 'ых' }[ending]
    );
  };
  const cardinalAs =
    (gender: 'ones' | 'feminine') =>
    (n: bigint): string => {
      if (n === 0n) return 'ноль';
      const groups = triads(n);
      return groups
        .flatMap((group, i) => {
          const level = groups.length - 1 - i;
          if (group === 0) return [];
          // Thousands are feminine; the gender of the whole number reaches its millions too.
          const words = spell(group, { ...RUSSIAN, ones: RUSSIAN[level === 1 ? 'feminine' : gender] });
          return level > 0 ? [...words, plural(group, scaleOf(level, n))] : words;
        })
        .join(' ');
    };
  const cardinal = cardinalAs('ones');
  const feminine = cardinalAs('feminine');

  const ordinal = (n: bigint, ending: Ending): string => {
    if (n === 0n) return inflect('нулевЙ', ending);
    const groups = triads(n);
    const lastNonZero = groups.findLastIndex((group) => group !== 0);
    return groups
      .flatMap((group, i) => {
        const level = groups.length - 1 - i;
        if (group === 0) return [];
        if (i === lastNonZero && level > 0) {
          const stem = level === 1 ? 'тысячн' : `${scaleOf(level, n)[0]}н`;
          return [joined(group) + inflect(stem, ending)];
        }
        return level > 0
          ? [...separate(group, level, ending), plural(group, scaleOf(level, n))]
          : separate(group, level, ending);
      })
      .join(' ');
  };
  /** The reference gives round groups ordinal endings wherever they stand: "сотый тысяч первый". */
  const separate = (group: number, level: number, ending: Ending): string[] => {
    const [hundreds, tens, ones] = digitsOf(group);
    const words: string[] = [];
    if (hundreds)
      words.push(
        tens || ones ? RUSSIAN.hundreds[hundreds]! : inflect(RUSSIAN_ORDINALS.hundreds[hundreds]!, ending),
      );
    if (tens > 1) words.push(ones ? RUSSIAN.tens[tens]! : inflect(RUSSIAN_ORDINALS.tens[tens]!, ending));
    if (tens === 1) words.push(inflect(RUSSIAN_ORDINALS.teens[ones]!, ending));
    else if (ones && level === 0) words.push(inflect(RUSSIAN_ORDINALS.ones[ones]!, ending));
    else if (ones && group !== 1) words.push(RUSSIAN[level === 1 ? 'feminine' : 'ones'][ones]!);
    return words;
  };
  const joined = (group: number): string => {
    const [hundreds, tens, ones] = digitsOf(group);
    const teen = tens === 1 ? RUSSIAN.teens[ones]!.replace(/ь$/, 'и') : RUSSIAN.tensGenitive[tens]!;
    return (
      RUSSIAN.hundredsGenitive[hundreds]! + teen + (tens === 1 || group === 1 ? '' : RUSSIAN.genitive[ones]!)
    );
  };
  const money: Money = {
    USD: [
      ['доллар', 'доллара', 'долларов'],
      ['цент', 'цента', 'центов'],
    ],
    EUR: [
      ['евро', 'евро', 'евро'],
      ['цент', 'цента', 'центов'],
    ],
  };
  return {
    cardinal,
    ordinal: (n) => ordinal(n, 'masculine'),
    decimal: (value) => {
      const [whole, digits] = halves(value);
      const one = digits.endsWith('1') && !digits.endsWith('11');
      const point = plural(Number(BigInt(whole) % 100n), ['целая', 'целых', 'целых']);
      const places = ordinal(10n ** BigInt(digits.length), one ? 'feminine' : 'plural');
      return `${feminine(BigInt(whole))} ${point} ${feminine(BigInt(digits))} ${places}`;
    },
    currency: amountIn(money, cardinal, (n, forms) => plural(Number(n % 100n), forms), ','),
  };
}
