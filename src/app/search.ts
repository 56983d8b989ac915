/**
 * Finding songs. A query is words, "phrases", and conditions of the form field:value: `waltz bpm:90-120 key:"A minor"
 * fav -vocal`. Every part must hold. What is no condition that we know is a word, so nothing that is typed is an error.
 */
import type { Track } from '../storage/library.ts';

export type Searched = Pick<
  Track,
  | 'title'
  | 'createdAt'
  | 'seconds'
  | 'seed'
  | 'model'
  | 'favourite'
  | 'loudness'
  | 'plan'
  | 'tags'
  | 'stoppedAt'
  | 'deletedAt'
> & {
  readonly task: Pick<Track['task'], 'prompt' | 'lyrics' | 'score'>;
};

type Test = (track: Searched) => boolean;

const ORDER = {
  newest: (a, b) => b.createdAt - a.createdAt,
  oldest: (a, b) => a.createdAt - b.createdAt,
  title: (a, b) => ALPHABET.compare(a.title, b.title) || b.createdAt - a.createdAt,
  longest: (a, b) => b.seconds - a.seconds || b.createdAt - a.createdAt,
  shortest: (a, b) => a.seconds - b.seconds || b.createdAt - a.createdAt,
  slowest: (a, b) => (bpmOf(a) ?? Infinity) - (bpmOf(b) ?? Infinity) || b.createdAt - a.createdAt,
  loudest: (a, b) => (b.loudness ?? -Infinity) - (a.loudness ?? -Infinity) || b.createdAt - a.createdAt,
} satisfies Record<string, (a: Searched, b: Searched) => number>;

export type Sort = keyof typeof ORDER;
export const SORTS = Object.keys(ORDER) as readonly Sort[];

const ALPHABET = new Intl.Collator(undefined, { numeric: true });

/** The songs that a query finds, in order. */
export function found<T extends Searched>(tracks: readonly T[], query: string, sort: Sort): readonly T[] {
  const tests = parseQuery(query);
  return tracks.filter((track) => tests.every((test) => test(track))).sort(ORDER[sort]);
}

/** Tempo and key as the model planned them, or as they were asked for. */
export const bpmOf = ({ plan, task }: Searched): number | null => plan?.bpm ?? task.score.bpm;
export const keyOf = ({ plan, task }: Searched): string => plan?.key || task.score.key;

const text =
  (read: (track: Searched) => string) =>
  (value: string): Test | null => {
    const wanted = fold(value);
    return (track) => fold(read(track)).includes(wanted);
  };

const number =
  (read: (track: Searched) => number | null) =>
  (value: string): Test | null => {
    const range = rangeOf(value);
    if (!range) return null;
    return (track) => {
      const got = read(track);
      return got !== null && got >= range.min && got <= range.max;
    };
  };

/** Conditions by name. Null: the value makes no sense there, and the whole is taken as a word. */
const FIELDS: Readonly<Record<string, (value: string) => Test | null>> = {
  title: text(({ title }) => title),
  style: text(({ task }) => task.prompt),
  lyrics: text(({ task }) => task.lyrics),
  key: text(keyOf),
  model: text(({ model }) => model),
  chords: text(({ plan, task }) => plan?.chords || task.score.chords),
  bpm: number(bpmOf),
  length: number(({ seconds }) => seconds),
  loudness: number(({ loudness }) => loudness),
  seed: number(({ seed }) => seed),
  tag: (value) => {
    const wanted = fold(value);
    return ({ tags = [] }) => tags.some((tag) => fold(tag) === wanted);
  },
  is: (value) => FLAGS[value] ?? null,
};

const FLAGS: Readonly<Record<string, Test>> = {
  fav: ({ favourite }) => favourite,
  favourite: ({ favourite }) => favourite,
  instrumental: ({ task }) => task.lyrics.trim() === '',
  unfinished: ({ stoppedAt }) => stoppedAt !== undefined,
};

/** Flags that need no `is:` before them; in quotes they are words. */
const BARE = new Set(['fav']);

/** Negation, then a field with a value that may be quoted, or a phrase, or a word. */
const PART = /(-?)(?:(\p{L}+):(?:"([^"]*)"?|([^\s"]*))|"([^"]*)"?|([^\s"]+))/gu;

/** Names of the conditions, for help and suggestions. */
export const FIELD_NAMES = Object.keys(FIELDS);

export function parseQuery(query: string): readonly Test[] {
  const tests: Test[] = [];
  for (const [whole, minus, field, quoted, plain, phrase, word] of query.matchAll(PART)) {
    const test = testOf(whole.slice(minus?.length), field, quoted ?? plain, phrase, word);
    // A field whose value is still to be typed asks for nothing yet.
    if (test) tests.push(minus === '-' ? (track) => !test(track) : test);
  }
  return tests;
}

function testOf(
  whole: string,
  field: string | undefined,
  value: string | undefined,
  phrase: string | undefined,
  word: string | undefined,
): Test | null {
  if (word === '-') return null; // what it is to leave out is still to be typed
  const name = field?.toLowerCase() ?? '';
  const make = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (make) {
    if (value === undefined || value === '') return null;
    const test = make(value);
    if (test) return test;
  }
  if (word !== undefined && BARE.has(word.toLowerCase())) return FLAGS[word.toLowerCase()]!; // BARE are flags
  const wanted = fold(phrase ?? whole);
  return wanted === '' ? null : (track) => textOf(track).includes(wanted);
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** "90-120", ">100", ">=100", "<1:30", "120", "-16--12"; minutes may be written as 1:30. A plain number is met exactly to its last place. */
export function rangeOf(value: string): Bounds | null {
  const one = String.raw`-?\d+(?::\d\d)?(?:\.\d+)?`;
  const between = new RegExp(`^(${one})?(?:-|–|\\.\\.)(${one})?$`, 'u').exec(value);
  const exact = new RegExp(`^(${one})$`, 'u').exec(value);
  const bound = new RegExp(`^([<>]=?)(${one})$`, 'u').exec(value);
  if (exact?.[1]) {
    const [, fraction = ''] = exact[1].split('.');
    const half = 0.5 * 10 ** -fraction.length;
    const at = valueOf(exact[1]);
    return { min: at - half, max: at + half };
  }
  if (bound?.[1] && bound[2]) {
    const at = valueOf(bound[2]);
    const past = bound[1].endsWith('=') ? 0 : Number.EPSILON * Math.max(1, Math.abs(at));
    return bound[1].startsWith('>') ? { min: at + past, max: Infinity } : { min: -Infinity, max: at - past };
  }
  if (!between || (between[1] === undefined && between[2] === undefined)) return null;
  return {
    min: between[1] === undefined ? -Infinity : valueOf(between[1]),
    max: between[2] === undefined ? Infinity : valueOf(between[2]),
  };
}

function valueOf(text: string): number {
  const [minutes, seconds] = text.split(':');
  return seconds === undefined ? Number(text) : 60 * Number(minutes) + Number(seconds);
}

/** What a person would remember of a song, folded once for each record: a library of thousands is searched at every key. */
const texts = new WeakMap<Searched, string>();

function textOf(track: Searched): string {
  const known = texts.get(track);
  if (known !== undefined) return known;
  const { title, seed, model, task, tags = [], plan } = track;
  const chords = plan?.chords || task.score.chords;
  const facts = [bpmOf(track) ?? '', keyOf(track), plan?.meter || task.score.meter, chords];
  const all = fold([title, task.prompt, task.lyrics, seed, model, ...facts, ...tags].join('\n'));
  texts.set(track, all);
  return all;
}

/** Case and accents do not matter: "Café" is found by "cafe". */
export function fold(text: string): string {
  // All of ASCII has no accents to look for.
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}
