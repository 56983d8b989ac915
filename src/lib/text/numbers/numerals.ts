/**
 * What every language must be able to say, and the grammar that most of them share. Word for word num2words 0.5.14,
 * mistakes included: the model was trained on its output. Checked against it by fixtures/numbers.json.gz.
 */
import { floatText } from '../python.ts';

export type Currency = 'USD' | 'EUR' | 'GBP';

export interface Numerals {
  cardinal(n: bigint): string;
  ordinal(n: bigint): string;
  /** A finite number as Python's float holds it: 2.0 is said as a float too. */
  decimal(value: number): string;
  currency(amount: number, code: Currency): string;
}

/** The reference raises here; what surrounds the number is then left as it was written. */
export class Unsayable extends Error {}

/** A phrase and the number it stands for. */
export interface Said {
  readonly text: string;
  readonly value: bigint;
}

export type Join = (left: Said, right: Said) => string;
/** Named numbers, greatest first, down to zero. */
export type Units = readonly Said[];

/**
 * Says n = count · unit + rest for the greatest unit: `join` puts the count before the unit and the rest behind both.
 * Its two cases differ by which side is greater.
 */
export function compose(units: Units, join: Join): (n: bigint) => string {
  const one = units.at(-2)!;
  const limit = 1000n * units[0]!.value;
  const merge = (left: Said, right: Said): Said => ({
    text: join(left, right),
    value: right.value > left.value ? left.value * right.value : left.value + right.value,
  });
  const say = (n: bigint): Said => {
    const unit = units.find(({ value }) => value <= n)!;
    const count = n === 0n ? 1n : n / unit.value;
    const rest = n === 0n ? 0n : n % unit.value;
    const head = { ...merge(count === 1n ? one : say(count), unit), value: count * unit.value };
    return rest === 0n ? head : merge(head, say(rest));
  };
  return (n) => {
    if (n >= limit) throw new Unsayable(`no words for ${n}`);
    return say(n).text;
  };
}

/** Units from words: the scale words by power of ten, [value, word] pairs, then words counting down to zero. */
export function unitsOf(
  scale: readonly (readonly [power: number, word: string])[],
  tens: readonly (readonly [value: number, word: string])[],
  small: string,
): Units {
  const words = small.split(' ');
  return [
    ...[...scale].sort((a, b) => b[0] - a[0]).map(([power, text]) => ({ text, value: 10n ** BigInt(power) })),
    ...tens.map(([value, text]) => ({ text, value: BigInt(value) })),
    ...words.map((text, i) => ({ text, value: BigInt(words.length - 1 - i) })),
  ];
}

const LATIN_UNITS = ['', 'un', 'duo', 'tre', 'quattuor', 'quin', 'sex', 'sept', 'octo', 'novem'];
const LATIN_TENS = 'dec vigint trigint quadragint quinquagint sexagint septuagint octogint nonagint'.split(
  ' ',
);
const LATIN_LOW = 'm b tr quadr quint sext sept oct non'.split(' ');

/** Stems of million, billion … centillion; `respell` adapts them to a language. */
export function latinStems(respell: (stem: string, low: boolean) => string = (stem) => stem): string[] {
  return [
    ...LATIN_LOW.map((stem) => respell(stem, true)),
    ...LATIN_TENS.flatMap((ten) => LATIN_UNITS.map((unit) => respell(unit + ten, false))),
    respell('cent', false),
  ];
}

/** Powers of ten of the long scale: 10⁶ⁱ ends in `million`, 10⁶ⁱ⁺³ in `milliard` (none without it). */
export function longScale(stems: readonly string[], million: string, milliard?: string): [number, string][] {
  return stems.flatMap((stem, i): [number, string][] => [
    [6 * (i + 1), stem + million],
    ...(milliard === undefined ? [] : [[6 * (i + 1) + 3, stem + milliard] as [number, string]]),
  ]);
}

/** "12 point 5": digits behind the point one by one; a whole number as an integer. */
export function digitByDigit(cardinal: (n: bigint) => string, point: string): (value: number) => string {
  return (value) => {
    if (Number.isInteger(value)) return cardinal(BigInt(value));
    const whole = Math.trunc(value);
    const places = decimalPlaces(value);
    // The reference's own arithmetic: the rounding of (value − whole) · 10ⁿ decides the last digits.
    const scaled = Math.abs(value - whole) * 10 ** places;
    const near = Math.round(scaled);
    const digits = String(Math.abs(near - scaled) < 0.01 ? near : Math.floor(scaled)).padStart(places, '0');
    const spoken = [...digits].slice(0, places).map((digit) => cardinal(BigInt(digit)));
    return [cardinal(BigInt(whole)), point, ...spoken].join(' ');
  };
}

/** Digits behind the point in the shortest writing of a fraction. */
function decimalPlaces(value: number): number {
  const [digits, exponent = '0'] = floatText(value).split('e') as [string, string?]; // split gives at least one part
  return (digits.split('.')[1]?.length ?? 0) - Number(exponent);
}

export type Forms = readonly string[];
export type Money = Partial<Record<Currency, readonly [unit: Forms, cent: Forms]>>;

/** "20 euros et 15 centimes": both parts are said, zero cents included; `plural` picks the form. */
export function amountIn(
  money: Money,
  cardinal: (n: bigint) => string,
  plural: (n: bigint, forms: Forms) => string,
  separator: string,
): (amount: number, code: Currency) => string {
  return (amount, code) => {
    const { whole, cents } = toCents(amount);
    const forms = money[code];
    if (!forms) throw new Unsayable(`no words for ${code}`);
    return `${cardinal(whole)} ${plural(whole, forms[0])}${separator} ${cardinal(cents)} ${plural(cents, forms[1])}`;
  };
}

/** One, or any other number. */
export function oneOrMany(n: bigint, forms: Forms): string {
  return forms[n === 1n ? 0 : 1]!;
}

/** Units and cents of a float, halves rounded up on its exact binary value. */
export function toCents(amount: number): { whole: bigint; cents: bigint } {
  if (amount >= 1e26) throw new Unsayable(`no words for ${amount}`); // 28 digits are the reference's precision
  const bits = new BigUint64Array(Float64Array.of(amount).buffer)[0]!;
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const mantissa = (bits & 0xfffffffffffffn) | (exponent ? 1n << 52n : 0n);
  const shift = BigInt(1075 - Math.max(1, exponent));
  const hundredfold = mantissa * 100n;
  const all = shift > 0n ? (hundredfold + (1n << (shift - 1n))) >> shift : hundredfold << -shift;
  return { whole: all / 100n, cents: all % 100n };
}

/** Groups of three digits, the highest first. */
export function triads(n: bigint): number[] {
  const groups: number[] = [];
  for (let rest = n; rest > 0n; rest /= 1000n) groups.unshift(Number(rest % 1000n));
  return groups.length ? groups : [0];
}
