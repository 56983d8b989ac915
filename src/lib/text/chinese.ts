/**
 * Chinese lyrics: numbers, dates, money and phone numbers in characters, punctuation as commas, then pinyin with tone
 * digits. Rules of the reference (chn_text_norm as XTTS carries it; pypinyin 0.53.0 without a word segmenter).
 */
import { py } from './python.ts';
import type { Table } from './table.ts';

const DIGITS = '零一二三四五六七八九';
const UNITS: readonly (readonly [power: number, character: string])[] = [
  ...[...'载正涧沟穰秭垓京兆亿'].map((character, i): [number, string] => [44 - 4 * i, character]),
  [4, '万'],
  [3, '千'],
  [2, '百'],
  [1, '十'],
];
const UNIT_POWER = new Map(UNITS.map(([power, character]) => [character, power]));

const SCALE = '(?:亿|千万|百万|万|千|百)';
const CURRENCY_UNIT = `(?:${SCALE}|${SCALE}元|${SCALE}?块|角|毛|分)`;
const MEASURE =
  '(?:[匹张座回场尾条个首阙阵网炮顶丘棵只支袭辆挑担颗壳窠曲墙群腔砣客贯扎捆刀令打手罗坡山岭江溪钟队单双对出口头脚板跳枝件贴针线管名位身堂课本页家户层丝毫厘分钱两斤铢石钧锱忽寸尺丈里寻常铺程撮勺合升斗盘碗碟叠桶笼盆盒杯斛锅簋篮罐瓶壶卮盏箩箱煲啖袋钵年月日季刻时周天秒旬纪岁世更夜春夏秋冬代伏辈丸泡粒幢堆根道面片块]|[千毫微]克|[千分厘毫微]米)';

/** What every punctuation mark becomes a comma of: ASCII's and the full-width ones. */
const PUNCTUATION =
  /[!-\/:-@\[-`\{-~！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃《》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏·〈〉]/gv;

type Replace = (groups: readonly string[]) => readonly [found: string, spoken: string];

/** In this order. Each match is looked up again from the line's beginning, so an equal earlier text is replaced instead. */
const STEPS: readonly (readonly [RegExp, Replace])[] = [
  [
    py('\\D((([089]\\d|(19|20)\\d{2})年)?(\\d{1,2}月(\\d{1,2}[日号])?)?)'),
    ([date]) => [date!, speakDate(date!)],
  ],
  [
    py(`\\D((\\d+(\\.\\d+)?)[多余几]?${CURRENCY_UNIT}(\\d${CURRENCY_UNIT}?)?)`),
    ([money]) => [
      money!,
      [...money!.matchAll(/\p{Nd}+(?:\.\p{Nd}+)?/gv)].reduce(
        (text, [n]) => text.replaceAll(n, count(n)),
        money!,
      ),
    ],
  ],
  [py('\\D((\\+?86 ?)?1([38]\\d|5[0-35-9]|7[678]|9[89])\\d{8})\\D'), ([phone]) => [phone!, spell(phone!)]],
  [py('\\D((0(10|2[1-3]|[3-9]\\d{2})-?)?[1-9]\\d{6,7})\\D'), ([phone]) => [phone!, spell(phone!)]],
  [
    py('(?<!\\d)(\\d+)\\/(\\d+)'),
    ([upper, lower]) => [`${upper}/${lower}`, `${count(lower!)}分之${count(upper!)}`],
  ],
  [py('(?<!\\d)(\\d+(?:\\.\\d+)?)%'), ([percent]) => [`${percent}%`, `百分之${count(percent!)}`]],
  [py(`(?<!\\d)(\\d+(?:\\.\\d+)?)[多余几]?${MEASURE}`), ([number]) => [number!, count(number!)]],
  [py('(\\d{4,32})'), ([number]) => [number!, spell(number!)]],
  [py('(\\d+(?:\\.\\d+)?)'), ([number]) => [number!, count(number!)]],
  [py('(?<![a-zA-Z])([a-zA-Z]+)二([a-zA-Z]+)'), ([left, right]) => [`${left}二${right}`, `${left}2${right}`]],
];
const PERCENT_STEP = 5;

/** Numbers in characters and punctuation as commas. */
export function normalizeChinese(line: string): string {
  let text = `^${line}$`;
  STEPS.forEach(([pattern, replace], i) => {
    if (i === PERCENT_STEP) text = text.replaceAll('％', '%');
    for (const match of [...text.matchAll(pattern)]) {
      const [found, spoken] = replace(match.slice(1));
      text = text.replace(found, () => spoken);
    }
  });
  return text.replace(/^\^+/, '').replace(/\$+$/, '').replace(PUNCTUATION, ',');
}

/** 1999年10月3日: the year digit by digit, month and day as numbers. */
function speakDate(date: string): string {
  return date.replace(/^\p{Nd}+(?=年)/v, spell).replace(/\p{Nd}+(?=[月日号])/gv, count);
}

/** Digit by digit; signs and blanks between them are silent. */
function spell(text: string): string {
  return [...text].map((character) => (/\p{Nd}/v.test(character) ? DIGITS[digitOf(character)] : '')).join('');
}

/** A number as one counts: 12.5 is 十二点五, 2000 is 两千. */
function count(number: string): string {
  const [whole = '', digits] = number.split('.');
  const symbols = [...whole].length > 1 ? compose([...whole].map(digitOf)) : [DIGITS[digitOf(whole)]!];
  const said = symbols.map((symbol, i) => {
    if (symbol !== '二') return symbol;
    const before = symbols[i - 1];
    const next = UNIT_POWER.get(symbols[i + 1] ?? '') ?? 1;
    const previous = before === undefined ? 0 : (UNIT_POWER.get(before) ?? 1);
    return next !== 1 && previous !== 1 ? '两' : symbol;
  });
  const text = said.join('') + (digits === undefined ? '' : `点${spell(digits)}`);
  if (text.startsWith('点')) return `零${text}`;
  return text.startsWith('一十') ? text.slice(1) : text;
}

/** Digits and units; a gap of zeros is said once, zeros alone not at all. */
function compose(digits: readonly number[]): string[] {
  const zeros = digits.findIndex((digit) => digit !== 0);
  if (zeros < 0) return [];
  const rest = digits.slice(zeros);
  if (rest.length === 1) return [...(zeros > 0 ? ['零'] : []), DIGITS[rest[0]!]!];
  const [power, character] = UNITS.find(([size]) => size < rest.length)!;
  return [...compose(digits.slice(0, -power)), character, ...compose(rest.slice(-power))];
}

/** Value of a decimal digit of any script: digits come in runs of ten that begin with a zero. */
function digitOf(character: string): number {
  const code = character.codePointAt(0)!;
  let start = code;
  while (/\p{Nd}/v.test(String.fromCodePoint(start - 1))) start--;
  return (code - start) % 10;
}

/** Characters that pypinyin takes for Chinese; runs of others pass through untouched. */
const HAN =
  /[\u3007\ue815-\ue864\ufa18\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a703}-\u{2b73f}\u{2b740}-\u{2b81d}\u{2b825}-\u{2bf6e}\u{2c029}-\u{2ce93}\u{2d016}\u{2d11b}-\u{2ebd9}\u{2f80a}-\u{2fa1f}\u{300f7}-\u{31288}]+/gv;

/** Pinyin of the Chinese in a text, syllables joined: 你好 is ni3hao3. The table is lyrics/pinyin.bin. */
export function pinyinOf(text: string, table: Table): string {
  const dictionary = dictionaryOf(table);
  return text.replace(HAN, (run) =>
    cut([...run], dictionary)
      .map((word) => dictionary.read(word))
      .join(''),
  );
}

interface Dictionary {
  /** 'phrase', 'beginning' of one, or neither. */
  kind(text: string): 'phrase' | 'beginning' | null;
  read(word: string): string;
}

const dictionaries = new WeakMap<Table, Dictionary>();

function dictionaryOf(table: Table): Dictionary {
  const found = dictionaries.get(table) ?? makeDictionary(table);
  dictionaries.set(table, found);
  return found;
}

function makeDictionary(table: Table): Dictionary {
  const syllables = table.text('syllables').split('\n');
  const phrases = table.text('phrases').split('\n'); // sorted by UTF-16, as < compares
  const readings = table.u16('readings'); // per character of all phrases: 0, or 1 + syllable
  const single = new Map<string, string>();
  const spoken = table.u16('spoken');
  table.u32('steps').reduce((before, step, i) => {
    single.set(String.fromCodePoint(before + step), syllables[spoken[i]!]!);
    return before + step;
  }, 0);
  const starts = new Uint32Array(phrases.length + 1);
  phrases.forEach((phrase, i) => (starts[i + 1] = starts[i]! + [...phrase].length));
  const place = (text: string): number => {
    let low = 0;
    let high = phrases.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (phrases[middle]! < text) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    kind(text) {
      const found = phrases[place(text)];
      return found === text ? 'phrase' : found?.startsWith(text) ? 'beginning' : null;
    },
    read(word) {
      const characters = [...word];
      const at = characters.length > 1 ? place(word) : -1;
      return characters
        .map((character, i) => {
          const reading = at < 0 || phrases[at] !== word ? 0 : readings[starts[at]! + i]!;
          return reading ? syllables[reading - 1]! : (single.get(character) ?? character);
        })
        .join('');
    },
  };
}

/**
 * Words from the left: the longest stretch that begins some phrase. Where that is no phrase itself, its first
 * character stands alone; where it ends the run, all its characters do.
 */
function cut(run: readonly string[], dictionary: Dictionary): string[] {
  const words: string[] = [];
  for (let at = 0; at < run.length;) {
    let end = at;
    let text = '';
    let kind: 'phrase' | 'beginning' | null = null;
    while (end < run.length) {
      const next = dictionary.kind(text + run[end]!);
      if (next === null) break;
      kind = next;
      text += run[end++]!;
    }
    if (kind === 'phrase') {
      words.push(text);
      at = end;
    } else if (end === run.length) return [...words, ...run.slice(at)];
    else words.push(run[at++]!);
  }
  return words;
}
