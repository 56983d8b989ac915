/** French, Spanish, Portuguese, Italian. */
import { floatText, py } from '../python.ts';
import { pairs, replaceEnding } from './germanic.ts';
import {
  amountIn,
  compose,
  digitByDigit,
  latinStems,
  longScale,
  oneOrMany,
  unitsOf,
  Unsayable,
  type Join,
  type Money,
  type Numerals,
} from './numerals.ts';

const MILLION = 1_000_000n;

export function french(): Numerals {
  const join: Join = (left, right) => {
    let [before, after] = [left.text, right.text];
    if (left.value === 1n) {
      if (right.value < MILLION) return after;
    } else {
      const round = (left.value - 80n) % 100n === 0n || (left.value % 100n === 0n && left.value < 1000n);
      if (round && right.value < MILLION && before.endsWith('s')) before = before.slice(0, -1);
      if (left.value < 1000n && right.value !== 1000n && !after.endsWith('s') && right.value % 100n === 0n)
        after += 's';
    }
    if (right.value < left.value && left.value < 100n) {
      return right.value % 10n === 1n && left.value !== 80n ? `${before} et ${after}` : `${before}-${after}`;
    }
    return `${before} ${after}`;
  };
  const tens = pairs('1000 mille 100 cent 80 quatre-vingts 60 soixante 50 cinquante 40 quarante 30 trente');
  const small =
    'vingt dix-neuf dix-huit dix-sept seize quinze quatorze treize douze onze dix neuf huit sept six cinq quatre trois deux un zéro';
  const cardinal = compose(unitsOf(longScale(latinStems(), 'illion', 'illiard'), tens, small), join);
  const money: Money = {
    USD: [
      ['dollar', 'dollars'],
      ['cent', 'cents'],
    ],
    EUR: [
      ['euro', 'euros'],
      ['centime', 'centimes'],
    ],
    GBP: [
      ['livre', 'livres'],
      ['penny', 'pence'],
    ],
  };
  return {
    cardinal,
    ordinal: (n) => {
      if (n === 1n) return 'premier';
      return replaceEnding(cardinal(n), [
        ['cinq', 'cinquième'],
        ['neuf', 'neuvième'],
        ['e', 'ième'],
        ['', 'ième'],
      ]);
    },
    decimal: digitByDigit(cardinal, 'virgule'),
    currency: amountIn(money, cardinal, oneOrMany, ' et'),
  };
}

const SPANISH_ORDINALS: ReadonlyMap<bigint, string> = new Map(
  pairs(
    '1 primer 2 segund 3 tercer 4 cuart 5 quint 6 sext 7 séptim 8 octav 9 noven 10 décim 20 vigésim 30 trigésim ' +
      '40 quadragésim 50 quincuagésim 60 sexagésim 70 septuagésim 80 octogésim 90 nonagésim 100 centésim ' +
      '200 ducentésim 300 tricentésim 400 cuadrigentésim 500 quingentésim 600 sexcentésim 700 septigentésim ' +
      '800 octigentésim 900 noningentésim 1000 milésim 1000000 millonésim 1000000000 billonésim ' +
      '1000000000000 trillonésim 1000000000000000 cuadrillonésim',
  ).map(([value, word]) => [BigInt(value), `${word}o`]),
);

export function spanish(): Numerals {
  const hundreds: Readonly<Record<string, string>> = {
    '5': 'quinientos',
    '7': 'setecientos',
    '9': 'novecientos',
  };
  const join: Join = (left, right) => {
    let before = left.text;
    let after = right.text;
    if (left.value === 1n) {
      if (right.value < MILLION) return after;
      before = 'un';
    } else if (left.value === 100n && right.value % 1000n !== 0n) before += 'to';
    if (right.value < left.value) return left.value < 100n ? `${before} y ${after}` : `${before} ${after}`;
    if (right.value === 100n) return hundreds[String(left.value)] ?? `${before}${after}tos`;
    if (right.value % MILLION === 0n && left.value > 1n) after = `${after.slice(0, -3)}lones`;
    return `${before} ${after}`;
  };
  const tens = pairs(
    '1000 mil 100 cien 90 noventa 80 ochenta 70 setenta 60 sesenta 50 cincuenta 40 cuarenta 30 treinta',
  );
  const small =
    'veintinueve veintiocho veintisiete veintiséis veinticinco veinticuatro veintitrés veintidós veintiuno veinte diecinueve dieciocho diecisiete dieciséis quince catorce trece doce once diez nueve ocho siete seis cinco cuatro tres dos uno cero';
  const cardinal = compose(unitsOf(longScale(['m', 'b', 'tr', 'cuatr'], 'illón'), tens, small), join);
  const ordinal = (n: bigint): string => {
    if (n === 0n) return '';
    if (n <= 10n) return SPANISH_ORDINALS.get(n)!;
    if (n <= 12n) return `${SPANISH_ORDINALS.get(10n)}${ordinal(n - 10n)}`;
    const step = n <= 100n ? 10n : n <= 1000n ? 100n : 0n;
    if (step) {
      const round = n - (n % step);
      return `${SPANISH_ORDINALS.get(round)} ${ordinal(n - round)}`.trim();
    }
    if (n >= 10n ** 18n) return cardinal(n);
    // A logarithm in floating point: 10⁹ counts as a thousand millions because of its rounding.
    const unit = 1000n ** BigInt(Math.trunc(Math.log(Number(n)) / Math.log(1000)));
    const count = n / unit;
    return `${count === 1n ? '' : cardinal(count)}${SPANISH_ORDINALS.get(unit)} ${ordinal(n % unit)}`.trim();
  };
  const money: Money = {
    USD: [
      ['dólar', 'dólares'],
      ['centavo', 'centavos'],
    ],
    EUR: [
      ['euro', 'euros'],
      ['céntimo', 'céntimos'],
    ],
    GBP: [
      ['libra', 'libras'],
      ['penique', 'peniques'],
    ],
  };
  const amount = amountIn(money, cardinal, oneOrMany, ' con');
  const masculine = (text: string) => text.replaceAll('veintiuno', 'veintiún').replaceAll('uno', 'un');
  return {
    cardinal,
    ordinal,
    decimal: digitByDigit(cardinal, 'punto'),
    currency: (value, code) => {
      const [whole, cents] = amount(value, code).split(' con ') as [string, string]; // amountIn joined two parts
      const feminine =
        code === 'GBP' ? whole.replaceAll('uno', 'una').replaceAll('cientos', 'cientas') : whole;
      return `${masculine(feminine)} con ${masculine(cents)}`;
    },
  };
}

const PORTUGUESE_ORDINALS = [
  ['', 'primeiro', 'segundo', 'terceiro', 'quarto', 'quinto', 'sexto', 'sétimo', 'oitavo', 'nono'],
  [
    '',
    'décimo',
    'vigésimo',
    'trigésimo',
    'quadragésimo',
    'quinquagésimo',
    'sexagésimo',
    'septuagésimo',
    'octogésimo',
    'nonagésimo',
  ],
  [
    '',
    'centésimo',
    'ducentésimo',
    'tricentésimo',
    'quadrigentésimo',
    'quingentésimo',
    'seiscentésimo',
    'septigentésimo',
    'octigentésimo',
    'nongentésimo',
  ],
] as const;
const PORTUGUESE_THOUSANDTHS = [
  '',
  'milésimo',
  'milionésimo',
  'milésimo milionésimo',
  'bilionésimo',
  'milésimo bilionésimo',
];
const PORTUGUESE_HUNDREDS =
  'cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos'.split(' ');

export function portuguese(): Numerals {
  const join: Join = (left, right) => {
    let before = left.text;
    let after = right.text;
    if (left.value === 1n) {
      if (right.value < MILLION) return after;
      before = 'um';
    } else if (left.value === 100n && right.value % 1000n !== 0n) before = 'cento';
    if (right.value < left.value) return `${before} e ${after}`;
    if (right.value % 1_000_000_000n === 0n && left.value > 1n) after = `${after.slice(0, -4)}liões`;
    else if (right.value % MILLION === 0n && left.value > 1n) after = `${after.slice(0, -4)}lhões`;
    if (after === 'milião') after = 'milhão';
    return right.value === 100n ? PORTUGUESE_HUNDREDS[Number(left.value) - 1]! : `${before} ${after}`;
  };
  const tens = pairs(
    '1000 mil 100 cem 90 noventa 80 oitenta 70 setenta 60 sessenta 50 cinquenta 40 quarenta 30 trinta',
  );
  const small =
    'vinte dezanove dezoito dezassete dezasseis quinze catorze treze doze onze dez nove oito sete seis cinco quatro três dois um zero';
  const plain = compose(unitsOf(longScale(['m', 'b', 'tr', 'quatr'], 'ilião'), tens, small), join);
  // "mil e cento e catorze" loses its first "e"; "mil e cento" keeps it. Decimals count as a continuation.
  const smooth = (text: string): string =>
    ['mil', 'milhão', 'milhões', 'mil milhões', 'bilião', 'biliões', 'mil biliões'].reduce(
      (done, word) =>
        done.search(py(`${word} e \\w*entos? (?=.*e)`)) >= 0 ? done.replaceAll(`${word} e`, word) : done,
      text,
    );
  const cardinal = (n: bigint) => smooth(plain(n));
  const decimal = digitByDigit(cardinal, 'vírgula');
  const money: Money = {
    USD: [
      ['dólar', 'dólares'],
      ['cêntimo', 'cêntimos'],
    ],
    EUR: [
      ['euro', 'euros'],
      ['cêntimo', 'cêntimos'],
    ],
    GBP: [
      ['libra', 'libras'],
      ['péni', 'pence'],
    ],
  };
  const amount = amountIn(money, cardinal, oneOrMany, ' e');
  return {
    cardinal,
    ordinal: (n) => {
      const words: string[] = [];
      let thousandth = '';
      [...String(n)].reverse().forEach((digit, place) => {
        if (place && place % 3 === 0) {
          const word = PORTUGUESE_THOUSANDTHS[place / 3];
          if (!word) throw new Unsayable(`no ordinal for ${n}`);
          thousandth = word;
        }
        if (digit !== '0' && thousandth) {
          words.unshift(thousandth);
          thousandth = '';
        }
        words.unshift(PORTUGUESE_ORDINALS[place % 3]![Number(digit)]!);
      });
      const text = words.filter(Boolean).join(' ');
      return text.startsWith('primeiro') && n !== 1n ? text.slice('primeiro '.length) : text;
    },
    decimal: (value) => smooth(decimal(value)),
    currency: (value, code) => {
      const unit = money[code]![0][1]!;
      const linked = ['milhão', 'milhões', 'bilião', 'biliões', 'trilião', 'triliões'].reduce(
        (text, word) => (text.includes(`${word} ${unit}`) ? text.replace(word, `${word} de`) : text),
        amount(value, code),
      );
      return linked.replaceAll(' e zero cêntimos', '');
    },
  };
}

const ITALIAN =
  'zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove'.split(
    ' ',
  );
const ITALIAN_ORDINALS =
  'zero primo secondo terzo quarto quinto sesto settimo ottavo nono decimo undicesimo dodicesimo tredicesimo quattordicesimo quindicesimo sedicesimo diciassettesimo diciottesimo diciannovesimo'.split(
    ' ',
  );
const ITALIAN_TENS = [
  '',
  '',
  'venti',
  'trenta',
  'quaranta',
  'cinquanta',
  'sessanta',
  'settanta',
  'ottanta',
  'novanta',
];
const ITALIAN_SCALE = ['zero', 'm', 'b', 'tr', 'quadr', 'quint', 'sest', 'sett', 'ott', 'nov', 'dec'];

export function italian(): Numerals {
  // Vowels that meet: ottantaotto → ottantotto.
  const elide = (text: string) =>
    [
      ['oo', 'o'],
      ['ao', 'o'],
      ['io', 'o'],
      ['au', 'u'],
      ['iu', 'u'],
    ].reduce((done, [from, to]) => done.replaceAll(from!, to!), text);
  // A "tre" that ends a compound gets an accent, all others lose theirs: said again within a longer number, the
  // last one loses it too, as in the reference.
  const accent = (text: string) =>
    text
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => {
        const bare = word.replaceAll('tré', 'tre');
        return word.endsWith('tre') && word.length > 3 ? `${bare.slice(0, -3)}tré` : bare;
      })
      .join(' ');
  const rest = (n: bigint) => (n === 0n ? '' : cardinal(n));
  const big = (n: bigint): string => {
    const digits = String(n);
    if (digits.length >= 66) throw new Unsayable(`no words for ${n}`);
    const head = digits.length % 3 || 3;
    const power = digits.length - head;
    const scale = `${ITALIAN_SCALE[Math.floor(power / 6)]}${power % 6 === 0 ? 'ilione' : 'iliardo'}`;
    const count = digits.slice(0, head);
    const before = count === '1' ? `un ${scale}` : `${cardinal(BigInt(count))} ${scale.slice(0, -1)}i`;
    const after = rest(BigInt(digits.slice(head)));
    return after ? `${before}${after.includes(' e ') ? ', ' : ' e '}${after}` : before;
  };
  const cardinal = (n: bigint): string => {
    if (n < 20n) return accent(ITALIAN[Number(n)]!);
    if (n < 100n) return accent(elide(ITALIAN_TENS[Number(n / 10n)]! + rest(n % 10n)));
    if (n < 1000n) return accent(elide(`${n < 200n ? '' : ITALIAN[Number(n / 100n)]}cento${rest(n % 100n)}`));
    if (n < MILLION) return accent(`${n < 2000n ? 'mille' : `${cardinal(n / 1000n)}mila`}${rest(n % 1000n)}`);
    return accent(big(n));
  };
  const money: Money = {
    USD: [
      ['dollaro', 'dollari'],
      ['centesimo', 'centesimi'],
    ],
    EUR: [
      ['euro', 'euro'],
      ['centesimo', 'centesimi'],
    ],
    GBP: [
      ['sterlina', 'sterline'],
      ['penny', 'penny'],
    ],
  };
  const amount = amountIn(money, cardinal, oneOrMany, ' e');
  return {
    cardinal,
    ordinal: (n) => {
      if (n < 20n) return ITALIAN_ORDINALS[Number(n)]!;
      const word = cardinal(n);
      const teen = n % 100n > 10n && n % 100n < 20n;
      if (!teen && n % 10n === 3n) return `${word.slice(0, -1)}eesimo`;
      if (!teen && n % 10n === 6n) return `${word}esimo`;
      return `${word.slice(0, -1)}${word.slice(-4, -1) === 'mil' ? 'l' : ''}esimo`;
    },
    decimal: (value) => {
      const [whole, digits] = floatText(value).split('.') as [string, string?]; // split gives at least one part
      if (digits === undefined || digits.includes('e')) throw new Unsayable(`no words for ${value}`);
      return accent(
        `${cardinal(BigInt(whole))} virgola ${[...digits].map((digit) => cardinal(BigInt(digit))).join(' ')}`,
      );
    },
    currency: (value, code) => {
      const text = amount(value, code);
      return (code === 'GBP' ? text.replace(/^uno /, 'una ') : text).replaceAll('uno', 'un');
    },
  };
}
