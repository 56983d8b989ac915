/** Hungarian, Turkish, Korean, Arabic. */
import { floatText } from '../python.ts';
import { ENGLISH_MONEY, pairs } from './germanic.ts';
import {
  amountIn,
  compose,
  digitByDigit,
  latinStems,
  longScale,
  oneOrMany,
  toCents,
  triads,
  unitsOf,
  Unsayable,
  type Numerals,
} from './numerals.ts';

const HUNGARIAN_ONES = ['', ...'egy kettő három négy öt hat hét nyolc kilenc'.split(' ')];
const HUNGARIAN_TENS = ['', '', '', ...'harminc negyven ötven hatvan hetven nyolcvan kilencven'.split(' ')];
const HUNGARIAN_ORDINALS: readonly (readonly [string, string])[] = [
  ['nulla', 'nullad'],
  ['egy', 'egyed'],
  ['kettő', 'ketted'],
  ['három', 'harmad'],
  ['négy', 'negyed'],
  ['öt', 'ötöd'],
  ['hat', 'hatod'],
  ['hét', 'heted'],
  ['nyolc', 'nyolcad'],
  ['kilenc', 'kilenced'],
  ['tíz', 'tized'],
  ['húsz', 'huszad'],
  ['harminc', 'harmincad'],
  ['negyven', 'negyvened'],
  ['ötven', 'ötvened'],
  ['hatvan', 'hatvanad'],
  ['hetven', 'hetvened'],
  ['nyolcvan', 'nyolcvanad'],
  ['kilencven', 'kilencvened'],
  ['száz', 'század'],
  ['ezer', 'ezred'],
  ['illió', 'milliomod'],
  ['illiárd', 'milliárdod'],
];
const HUNGARIAN_PARTS: Readonly<Record<number, string>> = { 1: 'tized', 2: 'század', 3: 'ezred' };

export function hungarian(): Numerals {
  const scale = new Map(longScale(latinStems(), 'illió', 'illiárd'));
  /**
   * `zero` is what 0 says; inside a compound it is '' and 2 is "két". `extra` counts the characters by which Python's
   * writing of the number is longer: its ".0" makes the reference mistake the size of great floats.
   */
  const say = (n: bigint, zero: string, extra: number): string => {
    const rest = (m: bigint) => say(m, '', extra);
    if (n === 0n) return zero;
    if (zero === '' && n === 2n) return 'két';
    if (n < 30n) {
      const [ten, one] = [Number(n / 10n), Number(n % 10n)];
      return one === 0 ? ['', 'tíz', 'húsz'][ten]! : ['', 'tizen', 'huszon'][ten]! + HUNGARIAN_ONES[one]!;
    }
    if (n < 100n) return HUNGARIAN_TENS[Number(n / 10n)]! + HUNGARIAN_ONES[Number(n % 10n)]!;
    if (n < 1000n) return `${n < 200n ? '' : rest(n / 100n)}száz${rest(n % 100n)}`;
    if (n < 1_000_000n) {
      const after = rest(n % 1000n);
      return `${n < 2000n ? '' : rest(n / 1000n)}ezer${n <= 2000n || !after ? '' : '-'}${after}`;
    }
    const length = String(n).length + extra;
    const power = Math.floor((length % 3 === 0 ? length - 2 : length) / 3) * 3;
    const word = scale.get(power);
    if (!word) throw new Unsayable(`no words for ${n}`);
    const unit = 10n ** BigInt(power);
    const after = rest(n % unit);
    return `${rest(n / unit)}${word}${after ? `-${after}` : ''}`;
  };
  const cardinal = (n: bigint) => say(n, 'nulla', 0);
  return {
    cardinal,
    ordinal: (n) => {
      if (n === 1n) return 'első';
      if (n === 2n) return 'második';
      const word = cardinal(n);
      const found = HUNGARIAN_ORDINALS.find(([ending]) => word.endsWith(ending));
      return `${found ? word.slice(0, -found[0].length) + found[1] : word}ik`;
    },
    decimal: (value) => {
      const text = floatText(value);
      if (Number.isInteger(value))
        return say(BigInt(value), 'nulla', text.length - String(BigInt(value)).length);
      const [whole = '', digits = ''] = text.split('.');
      const part = HUNGARIAN_PARTS[digits.length];
      if (!part || text.includes('e')) throw new Unsayable(`no words for ${text}`);
      return `${cardinal(BigInt(whole))} egész ${cardinal(BigInt(digits))} ${part}`;
    },
    currency: amountIn(ENGLISH_MONEY, cardinal, oneOrMany, ','),
  };
}

const TURKISH_ONES = ['', ...'bir iki üç dört beş altı yedi sekiz dokuz'.split(' ')];
const TURKISH_TENS = ['', ...'on yirmi otuz kırk elli altmış yetmiş seksen doksan'.split(' ')];
const TURKISH_SCALE = ['', ...'bin milyon milyar trilyon katrilyon kentilyon'.split(' ')];
const TURKISH_ORDINALS: Readonly<Record<string, string>> = {
  sıfır: 'sıfırıncı',
  bir: 'birinci',
  iki: 'ikinci',
  üç: 'üçüncü',
  dört: 'dördüncü',
  beş: 'beşinci',
  altı: 'altıncı',
  yedi: 'yedinci',
  sekiz: 'sekizinci',
  dokuz: 'dokuzuncu',
  on: 'onuncu',
  yirmi: 'yirminci',
  otuz: 'otuzuncu',
  kırk: 'kırkıncı',
  elli: 'ellinci',
  altmış: 'altmışıncı',
  yetmiş: 'yetmişinci',
  seksen: 'sekseninci',
  doksan: 'doksanıncı',
  yüz: 'yüzüncü',
  bin: 'bininci',
  milyon: 'milyonuncu',
  milyar: 'milyarıncı',
  trilyon: 'trilyonuncu',
  katrilyon: 'katrilyonuncu',
  kentilyon: 'kentilyon',
};

export function turkish(): Numerals {
  /** `terse` drops inner groups below ten above the thousands, as the reference does in cardinals alone. */
  const words = (n: bigint, terse: boolean): string[] => {
    if (n >= 10n ** 21n - 1n) throw new Unsayable(`no words for ${n}`);
    if (n === 0n) return ['sıfır'];
    const groups = triads(n);
    const lastNonZero = groups.findLastIndex((group) => group !== 0);
    return groups.flatMap((group, i) => {
      const level = groups.length - 1 - i;
      if (group === 0) return [];
      const [hundreds, tens, ones] = [Math.floor(group / 100), Math.floor(group / 10) % 10, group % 10];
      const more = i < lastNonZero;
      // "Bin" is a thousand without "bir"; the reference loses the one of 101 000 too when a remainder follows.
      const leading = groups.length === 2 && ones === 1 && (group === 1 || (hundreds > 0 && more));
      const inner = group < 10 && (level === 1 ? ones === 1 : terse && level > 1 && more);
      const silent = i === 0 ? leading : inner;
      return [
        hundreds > 1 ? TURKISH_ONES[hundreds]! : '',
        hundreds ? 'yüz' : '',
        TURKISH_TENS[tens]!,
        silent ? '' : TURKISH_ONES[ones]!,
        TURKISH_SCALE[level]!,
      ].filter(Boolean);
    });
  };
  return {
    // The reference passes through a float, and says nothing where that is not exact.
    cardinal: (n) => {
      const said = words(n, true);
      return BigInt(Number(n)) === n ? said.join('') : '';
    },
    ordinal: (n) => {
      const said = words(n, false);
      return said.slice(0, -1).join('') + TURKISH_ORDINALS[said.at(-1)!]!;
    },
    decimal: (value) => {
      throw new Unsayable(`no words for ${value}`); // never asked: Turkish decimals are left as two numbers
    },
    currency: (amount) => {
      throw new Unsayable(`no words for ${amount}`);
    },
  };
}

const KOREAN_ORDINALS: Readonly<Record<string, string>> = {
  일: '한',
  이: '두',
  삼: '세',
  사: '네',
  오: '다섯',
  육: '여섯',
  칠: '일곱',
  팔: '여덟',
  구: '아홉',
  십: '열',
  이십: '스물',
  삼십: '서른',
  사십: '마흔',
  오십: '쉰',
  육십: '예순',
  칠십: '일흔',
  팔십: '여든',
  구십: '아흔',
};

export function korean(): Numerals {
  const scale = '만 억 조 경 해 자 양 구 간 정 재 극 항하사 아승기 나유타 불가사의 무량대수'.split(' ');
  const units = unitsOf(
    scale.map((word, i) => [4 * (i + 1), word]),
    pairs('1000 천 100 백'),
    '십 구 팔 칠 육 오 사 삼 이 일 영',
  );
  const cardinal = compose(units, (left, right) => {
    if (left.value === 1n && right.value <= 10_000n) return right.text;
    return left.value >= 10_000n && left.value > right.value
      ? `${left.text} ${right.text}`
      : left.text + right.text;
  });
  const native = (word: string): string => {
    const found = KOREAN_ORDINALS[word];
    if (!found) throw new Unsayable(`no ordinal for ${word}`);
    return found;
  };
  return {
    cardinal,
    ordinal: (n) => {
      if (n === 1n) return '첫 번째';
      const words = cardinal(n).split(' ');
      const parts = words.pop()!.split('백');
      const last = parts.pop()!;
      const tens = last.split('십');
      const low =
        tens.length > 1 ? native(`${tens[0]}십`) + (KOREAN_ORDINALS[tens[1]!] ?? tens[1]!) : native(last);
      return `${[...words, [...parts, low].join('백 ')].join(' ')} 번째`;
    },
    decimal: digitByDigit(cardinal, '점'),
    currency: (amount, code) => {
      if (code !== 'USD') throw new Unsayable(`no words for ${code}`);
      const { whole, cents } = toCents(amount);
      return `${cardinal(whole).replaceAll(' ', '')}달러 ${cardinal(cents)}센트`;
    },
  };
}

const ARABIC = {
  ones: [
    '',
    ...'واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة'.split(' '),
    'أحد عشر',
    'اثنا عشر',
    'ثلاثة عشر',
    'أربعة عشر',
    'خمسة عشر',
    'ستة عشر',
    'سبعة عشر',
    'ثمانية عشر',
    'تسعة عشر',
  ],
  feminine: [
    '',
    ...'إحدى اثنتان ثلاث أربع خمس ست سبع ثمان تسع عشر'.split(' '),
    'إحدى عشرة',
    'اثنتا عشرة',
    'ثلاث عشرة',
    'أربع عشرة',
    'خمس عشرة',
    'ست عشرة',
    'سبع عشرة',
    'ثماني عشرة',
    'تسع عشرة',
  ],
  ordinals: [
    '',
    ...'اول ثاني ثالث رابع خامس سادس سابع ثامن تاسع عاشر'.split(' '),
    'حادي عشر',
    'ثاني عشر',
    'ثالث عشر',
    'رابع عشر',
    'خامس عشر',
    'سادس عشر',
    'سابع عشر',
    'ثامن عشر',
    'تاسع عشر',
  ],
  tens: ['', '', ...'عشرون ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون'.split(' ')],
  hundreds: ['', ...'مائة مئتان ثلاثمائة أربعمائة خمسمائة ستمائة سبعمائة ثمانمائة تسعمائة'.split(' ')],
} as const;
const ARABIC_STEMS =
  'مليون مليار تريليون كوادريليون كوينتليون سكستيليون سبتيليون أوكتيليون نونيليون ديسيليون أندسيليون دوديسيليون تريديسيليون كوادريسيليون كوينتينيليون'.split(
    ' ',
  );
/** Thousand, million …: one, two, two and nothing else, a few, many. Two octillions end in a blank, as in the reference. */
const ARABIC_SCALE = [
  { one: 'مائة', two: 'مئتان', twoAlone: 'مئتا', few: '', many: '' },
  { one: 'ألف', two: 'ألفان', twoAlone: 'ألفا', few: 'آلاف', many: 'ألفاً' },
  ...ARABIC_STEMS.map((one, i) => ({
    one,
    two: `${one}ان${i === 7 || i === 8 ? ' ' : ''}`,
    twoAlone: `${one}ا${i === 7 ? ' ' : ''}`,
    few: i === 0 ? 'ملايين' : `${one}ات`,
    many: `${one}اً`,
  })),
];
const RIYALS = ['ريال', 'ريالان', 'ريالات', 'ريالاً'];
const HALALAS = ['هللة', 'هللتان', 'هللات', 'هللة'];

export function arabic(): Numerals {
  /** A group of three digits; `level` counts thousands, `ones` are the words of its last digit in the lowest group. */
  const groupOf = (group: number, level: number, whole: bigint, ones: readonly string[]): string => {
    const [hundreds, low] = [Math.floor(group / 100), group % 100];
    let text =
      hundreds === 0
        ? ''
        : low === 0 && hundreds === 2
          ? ARABIC_SCALE[0]!.twoAlone
          : ARABIC.hundreds[hundreds]!;
    if (text && low) text += ' و ';
    const words = level === 0 ? ones : ARABIC.ones;
    const scale = ARABIC_SCALE[level];
    if (low >= 20) {
      const one = low % 10;
      return `${text}${one ? `${words[one]} و ` : ''}${ARABIC.tens[Math.floor(low / 10)]}`;
    }
    if (low === 0) return text;
    if (!scale) throw new Unsayable(`no words for ${whole}`);
    if (level > 0 && low === 2 && hundreds === 0) {
      const power = Math.trunc(Math.log10(Number(whole)));
      return power % 3 === 0 && whole > 10n && whole === 2n * 10n ** BigInt(power)
        ? scale.twoAlone
        : scale.two;
    }
    return text + (level > 0 && low === 1 ? scale.one : words[low]!);
  };
  const integer = (n: bigint, ones: readonly string[]): string => {
    let said = '';
    triads(n)
      .reverse()
      .forEach((group, level) => {
        const words = groupOf(group, level, n, ones);
        if (!words) return;
        if (level > 0) {
          const scale = ARABIC_SCALE[level];
          if (!scale) throw new Unsayable(`no words for ${n}`);
          if (said) said = `و ${said}`;
          if (group > 2) {
            const few = group >= 3 && group <= 10;
            said = `${group % 100 === 1 ? scale.one : few ? scale.few : said ? scale.many : scale.one} ${said}`;
          }
        }
        said = `${words} ${said}`;
      });
    return said;
  };
  const counted = (n: bigint, forms: readonly string[], exactTwo: boolean): string => {
    const low = Number(n % 100n);
    if (low < 2) return forms[0]!;
    if (low === 2) return forms[exactTwo ? 1 : 0]!;
    return forms[low <= 10 ? 2 : 3]!;
  };
  /** Whole part and the first two decimals of a float: 12.5 has 50, 12.05 has 5. */
  const split = (value: number): { whole: bigint; part: number } => {
    const whole = Math.trunc(value);
    const digits = String(Math.round((value - whole) * 1e9))
      .padStart(9, '0')
      .replace(/0+$/, '');
    return { whole: BigInt(whole), part: Number(digits.padEnd(2, '0').slice(0, 2)) };
  };
  const part = (n: number) => groupOf(n, 0, BigInt(n), ARABIC.feminine);
  const cardinal = (n: bigint): string => {
    if (n >= 10n ** 51n) throw new Unsayable(`no words for ${n}`);
    return n === 0n ? 'صفر' : integer(n, ARABIC.ones).trim();
  };
  return {
    cardinal,
    ordinal: (n) => {
      if (n < 20n) return ARABIC.ordinals[Number(n)]!;
      return integer(n, n < 100n ? ARABIC.feminine : ARABIC.ones).trim();
    },
    decimal: (value) => {
      const { whole, part: cents } = split(value);
      if (value === 0) return cardinal(0n);
      if (cents === 0) return integer(whole, ARABIC.ones).trim();
      return `${integer(whole, ARABIC.ones)} , ${part(cents)}`.trim();
    },
    // The reference knows no dollars, euros or pounds: all are riyals.
    currency: (amount) => {
      if (amount === 0) return 'صفر';
      const { whole, part: cents } = split(amount);
      const units = whole === 0n ? '' : integer(whole, ARABIC.ones) + counted(whole, RIYALS, whole === 2n);
      return cents === 0 ? units : `${units} و ${part(cents)} ${counted(BigInt(cents), HALALAS, true)}`;
    },
  };
}
