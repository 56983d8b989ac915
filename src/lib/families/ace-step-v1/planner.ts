/**
 * nano's rule planner: from a prompt and the song's fields to tempo, meter, key and a chord and a section for each half
 * bar, and from there to the numbers that the graphs read. training/nano/planner.py is the same in Python and writes
 * planner-tables.json (from the composer's own tables) and planner.golden.json.
 *
 * Chords are written bar by bar with spaces (and, if one likes, | , or -) between: "Am F C G"; a slash puts two chords in
 * a bar: "Am/F C G". A chord is a note, # or b, and one of: nothing or maj, m or min, dim, maj7, m7 or min7, 7, sus4, 5.
 * The bars repeat until the song ends, whatever its sections.
 */
import { EngineError } from '../../errors.ts';
import json from './planner-tables.json' with { type: 'json' };

export interface SongFields {
  readonly prompt: string;
  readonly seconds: number;
  readonly seed: number;
  /** An empty or missing field is decided by the prompt, or drawn. */
  readonly bpm?: number;
  readonly key?: string;
  readonly meter?: string;
  readonly chords?: string;
}

export interface SongPlan {
  readonly genre: string;
  /** Beats a minute; in 6/8 a beat is a dotted quarter. */
  readonly bpm: number;
  /** "3/4", "4/4" or "6/8". */
  readonly meter: string;
  /** Pitch class, C = 0. */
  readonly key: number;
  readonly mode: Mode;
  /** The progressions in writing: verse, and chorus where it differs. */
  readonly loops: readonly string[];
  /** By half bar: 1 + root + 12 * quality. */
  readonly chords: readonly number[];
  /** By half bar: index of `TABLES.sections`. */
  readonly sections: readonly number[];
  readonly mood: MoodAxes;
  /** Seconds of the first bar that lie before the song: music was put in front that is no whole number of bars. */
  readonly lead?: number;
}

/** By latent: phase is (T, 24), sines then cosines. */
export interface FrameControls {
  readonly phase: Float32Array;
  readonly chord: BigInt64Array;
  readonly section: BigInt64Array;
}

/** Energy, valence and space, from -1 to 1. */
type MoodAxes = readonly [energy: number, valence: number, space: number];
type Mode = 'major' | 'minor';
type Bar = readonly [number, number];
type Degree = number | readonly [number, number];

interface Genre {
  readonly name: string;
  readonly names: readonly string[];
  /** Moods and instruments with their weights. */
  readonly hints: Readonly<Record<string, number>>;
  readonly bpm: readonly [number, number];
  /** The usual one first. */
  readonly meters: readonly string[];
  readonly scales: readonly string[];
  readonly progressions: Readonly<Record<Mode, readonly (readonly Degree[])[]>>;
  /** Probability of seventh chords. */
  readonly sevenths: number;
  /** Every chord is a dominant seventh, as in a blues. */
  readonly dominant: boolean;
}

interface Mood {
  readonly names: readonly string[];
  readonly axes: MoodAxes;
}

interface Tables {
  readonly genres: readonly Genre[];
  /** Semitones of the seven degrees. */
  readonly scales: Readonly<Record<string, readonly number[]>>;
  /** Scale -> what captions call it. */
  readonly modes: Readonly<Record<string, Mode>>;
  /** Semitones above the root; the order gives the codes. */
  readonly qualities: Readonly<Record<string, readonly number[]>>;
  readonly sections: readonly string[];
  readonly bodies: readonly (readonly string[])[];
  readonly keys: readonly string[];
  readonly suffixes: Readonly<Record<string, string>>;
  readonly otherSuffixes: Readonly<Record<string, string>>;
  /** A bar in quarter notes, in which music is written, and in beats, which bpm counts. */
  readonly meters: Readonly<Record<string, { readonly quarters: number; readonly beats: number }>>;
  readonly moods: readonly Mood[];
  /** |valence| from which a mood chooses the mode, and |energy| from which it chooses the tempo. */
  readonly moodDecides: number;
  readonly tempo: {
    readonly slowBelow: number;
    readonly fastFrom: number;
    readonly names: Readonly<Record<'slow' | 'medium' | 'fast', readonly string[]>>;
  };
}

const TABLES = json as unknown as Tables; // JSON widens its tuples and keys; the golden test reads every field
const QUALITY_NAMES = Object.keys(TABLES.qualities);

const MIN_BPM = 30;
const MAX_BPM = 300;
/** Shorter songs are a verse and a chorus, without intro and ending. */
const EXCERPT_SECONDS = 24;
/** After the last bar, as the composer leaves it. */
const RING_OUT_SECONDS = 1.5;
const OUTRO_BARS = 2;
const DEFAULT_GENRE = 'pop';
const NEUTRAL: MoodAxes = [0, 0, 0];

const SPEAKER = 512;
const HALF_BARS = 248;
const FIRST_MOOD = 7;
const FIRST_CHORD = 16;
const FIRST_SECTION = 264;
const BEAT_MULTIPLES = [2, 1, 0.5, 0.25, 0.125, 0.0625];
const BAR_MULTIPLES = [4, 2, 1, 0.5, 0.25, 0.125];

// Taken out of the prompt for the caption, which states the plan's own.
const BPM_PATTERN = /\b(\d{2,3})\s*bpm\b/;
const KEY_PATTERN = /\b(?:in\s+)?([a-g](?:#|b)?)\s*(major|minor)\b/;
const METER_PATTERN = /\b(3\/4|4\/4|6\/8)\b/;
const METER_WORDS: Readonly<Record<string, string>> = { waltz: '3/4', jig: '6/8' };

/**
 * The plan of a song. Fields win over what the prompt says, and that over what the seed draws. Every draw has its own
 * place in the stream, so that fixing one field leaves the others as they were.
 */
export function planSong(fields: SongFields): SongPlan {
  const { prompt, seconds, seed } = fields;
  const lower = prompt.toLowerCase();
  const words = splitWords(prompt);
  const draw = mulberry32(seed);
  const drawn = {
    tempo: draw(),
    mode: draw(),
    tonic: draw(),
    scale: draw(),
    verse: draw(),
    same: draw(),
    chorus: draw(),
    sevenths: draw(),
    harmonic: draw(),
  };

  const hinted = words.map((word) => METER_WORDS[word]).find((meter) => meter !== undefined);
  const asked = fields.meter?.trim()
    ? parseMeter(fields.meter)
    : (METER_PATTERN.exec(lower)?.[1] ?? hinted ?? null);
  const genre = chooseGenre(words, asked);
  const mood = chooseMood(words);
  const meter = asked ?? genre.meters[0]!;

  const saidBpm = BPM_PATTERN.exec(lower)?.[1];
  const bpm =
    fields.bpm ||
    (saidBpm ? Number(saidBpm) : chooseBpm(words, tempiIn(genre.bpm, meter), mood, drawn.tempo));
  if (!(bpm >= MIN_BPM && bpm <= MAX_BPM)) {
    throw new EngineError('bad-task', `bpm must be ${MIN_BPM} to ${MAX_BPM} (got ${bpm})`);
  }

  const given = fields.chords?.trim() ? parseChords(fields.chords) : null;
  const saidKey = KEY_PATTERN.exec(lower);
  const [key, mode]: readonly [number, Mode] = fields.key?.trim()
    ? parseKey(fields.key)
    : saidKey
      ? [parseNote(saidKey[1]!), saidKey[2] as Mode] // the pattern's two groups
      : given
        ? keyOfChords(given)
        : [Math.floor(drawn.tonic * 12), chooseMode(genre.scales, mood, drawn.mode)];

  const scales = genre.scales.filter((scale) => TABLES.modes[scale] === mode);
  const scale = pick(scales.length ? scales : [mode], drawn.scale);
  const code = (degree: number): number =>
    chordOf(degree, key, scale, genre, drawn.sevenths < genre.sevenths, drawn.harmonic < 0.6);
  const bar = (degree: Degree): Bar => {
    const [first, second] = typeof degree === 'number' ? [degree, degree] : degree;
    return [code(first), code(meter === '3/4' ? first : second)];
  };
  const progressions = genre.progressions[mode];
  const verse = given ?? pick(progressions, drawn.verse).map(bar);
  const chorus = given ?? (drawn.same < 0.4 ? verse : pick(progressions, drawn.chorus).map(bar));

  const barSeconds = (TABLES.meters[meter]!.beats * 60) / bpm;
  const excerpt = seconds < EXCERPT_SECONDS;
  const tail = excerpt ? 0 : Math.min(RING_OUT_SECONDS, barSeconds);
  const bars = Math.max(
    1,
    excerpt ? Math.ceil(seconds / barSeconds) : Math.floor((seconds - tail) / barSeconds),
  );
  const names = form(draw, bars, excerpt);
  let inside = 0;
  const chords = names.flatMap((name, i) => {
    inside = i > 0 && names[i - 1] === name ? inside + 1 : 0;
    if (given) return given[i % given.length]!; // what the user wrote goes on over the sections
    const loop = name === 'chorus' || name === 'bridge' || name === 'outro' ? chorus : verse;
    return name === 'outro' && inside > 0 ? bar(1) : loop[inside % loop.length]!;
  });
  const sections = names.flatMap((name) => [TABLES.sections.indexOf(name), TABLES.sections.indexOf(name)]);
  const loops = [...new Set([writeChords(verse), writeChords(chorus)])];
  return { genre: genre.name, mood, bpm, meter, key, mode, loops, chords, sections };
}

/** How long a bar is, and how many quarter notes a minute has. */
export const barSecondsOf = ({ bpm, meter }: SongPlan): number => (TABLES.meters[meter]!.beats * 60) / bpm;
const quartersAMinute = (plan: SongPlan): number =>
  (plan.bpm * TABLES.meters[plan.meter]!.quarters) / TABLES.meters[plan.meter]!.beats;

/** The 512 floats of the speaker slot: layout in training/nano/planner.py. What is longer than 248 half bars is cut. */
export function speakerOf(plan: SongPlan): Float32Array {
  const speaker = new Float32Array(SPEAKER);
  const { quarters } = TABLES.meters[plan.meter]!;
  speaker.set([1, quartersAMinute(plan), quarters, 1 + plan.key, plan.mode === 'major' ? 1 : 2, 1]);
  speaker.set(plan.mood, FIRST_MOOD);
  speaker.set(plan.chords.slice(0, HALF_BARS), FIRST_CHORD);
  speaker.set(plan.sections.slice(0, HALF_BARS), FIRST_SECTION);
  return speaker;
}

/**
 * Beat phase, chord and section at the centre of each of `latents` latents. Phase: 2π times BEAT_MULTIPLES of the quarter
 * and BAR_MULTIPLES of the bar. After the last half bar its chord and section go on.
 *
 * @param first latents of the song before the first of these; need not be whole
 */
export function frameControls(plan: SongPlan, latents: number, latentRate: number, first = 0): FrameControls {
  const half = BEAT_MULTIPLES.length + BAR_MULTIPLES.length;
  const phase = new Float32Array(latents * 2 * half);
  const chord = new BigInt64Array(latents);
  const section = new BigInt64Array(latents);
  const tempo = quartersAMinute(plan);
  const { quarters } = TABLES.meters[plan.meter]!;
  for (let i = 0; i < latents; i++) {
    const beat = (((first + i + 0.5) / latentRate + (plan.lead ?? 0)) * tempo) / 60;
    const bar = beat / quarters;
    const turns = [...BEAT_MULTIPLES.map((m) => m * beat), ...BAR_MULTIPLES.map((m) => m * bar)];
    turns.forEach((turn, k) => {
      phase[i * 2 * half + k] = Math.sin(2 * Math.PI * turn);
      phase[i * 2 * half + half + k] = Math.cos(2 * Math.PI * turn);
    });
    const halfBar = Math.min(Math.floor(bar * 2), plan.chords.length - 1);
    chord[i] = BigInt(plan.chords[halfBar]!);
    section[i] = BigInt(plan.sections[halfBar]!);
  }
  return { phase, chord, section };
}

/** What the user sees, in the spelling that the fields accept. */
export function describePlan(plan: SongPlan): { bpm: number; key: string; meter: string; chords: string } {
  return {
    bpm: plan.bpm,
    key: `${TABLES.keys[plan.key]} ${plan.mode}`,
    meter: plan.meter,
    chords: plan.loops.join(' | '),
  };
}

/** The sections in time, seconds: runs of half bars of one kind, from 0 to the end of the song. */
export function formOf(
  plan: SongPlan,
  seconds: number,
): readonly { readonly name: string; readonly start: number; readonly end: number }[] {
  const halfBar = barSecondsOf(plan) / 2;
  const { lead = 0 } = plan;
  const starts = plan.sections.flatMap((section, i) => {
    const start = Math.max(0, i * halfBar - lead);
    return section !== plan.sections[i - 1] && start < seconds ? [{ section, start }] : [];
  });
  return starts.map(({ section, start }, i) => ({
    name: TABLES.sections[section]!,
    start,
    end: starts[i + 1]?.start ?? seconds,
  }));
}

/** Seconds at which the first whole bar of the song begins. */
export const firstBarOf = (plan: SongPlan): number =>
  plan.lead !== undefined && plan.lead > 0 ? barSecondsOf(plan) - plan.lead : 0;

/**
 * The plan of a song with music put before and after it: its own chords and sections stay where they are, bar lines
 * go through, and verses and choruses with the song's own progressions take turns around it. A last section that
 * closed the song closes it again.
 *
 * @param known seconds of the song as it was
 */
export function extendPlan(plan: SongPlan, before: number, known: number, after: number): SongPlan {
  const bar = barSecondsOf(plan);
  const own = barsOf(plan);
  const lead = plan.lead ?? 0;
  const fronts = before > 0 ? Math.max(0, Math.ceil((before - lead) / bar - 1e-6)) : 0;
  const [verse, chorus] = loopsOf(plan);
  const chordsIn = (name: string, i: number): Bar => {
    const loop = name === 'chorus' || name === 'bridge' || name === 'outro' ? chorus : verse;
    return loop[i % loop.length]!;
  };

  const opening = Math.min(fronts, PHRASE_BARS, fronts % PHRASE_BARS || PHRASE_BARS);
  const front = [
    ...Array.from({ length: opening }, () => 'intro'),
    ...phrases('chorus', Math.max(0, fronts - opening)),
  ];

  // The bars up to the end of the sound as it was: what rang out goes on to the bar line, what never came is dropped.
  const heard = after > 0 ? Math.max(1, Math.ceil((known + lead) / bar - 1e-6)) : own.length;
  const kept = Array.from({ length: heard }, (_, i) => own[Math.min(i, own.length - 1)]!);
  const last = kept.at(-1)!;
  const rest = after > 0 ? Math.max(0, Math.ceil((known + lead + after) / bar - 1e-6) - heard) : 0;
  const closes = nameOf(last) === 'outro' && rest > OUTRO_BARS + 1;
  const spoken = kept.findLast((one) => nameOf(one) !== 'outro') ?? last;
  const back = [
    ...phrases(nameOf(spoken), closes ? rest - OUTRO_BARS : rest),
    ...(closes ? ['outro', 'outro'] : []),
  ];

  const written = (names: readonly string[]): PlannedBar[] => {
    let inside = 0;
    return names.map((name, i) => {
      inside = i > 0 && names[i - 1] === name ? inside + 1 : 0;
      const section = TABLES.sections.indexOf(name);
      const closing = name === 'outro' && inside > 0;
      return { chords: closing ? last.chords : chordsIn(name, inside), sections: [section, section] };
    });
  };
  const bars = [...written(front), ...kept, ...written(back)];
  const { lead: _, ...facts } = plan;
  const shifted = lead + fronts * bar - before;
  return {
    ...facts,
    chords: bars.flatMap(({ chords }) => chords),
    sections: bars.flatMap(({ sections }) => sections),
    ...(shifted > 1e-6 && { lead: shifted }),
  };
}

/** A plan that was kept as JSON, or null where it is none. Older songs have no mood: theirs is neutral. */
export function parsePlan(json: unknown): SongPlan | null {
  const plan = json as Partial<Record<keyof SongPlan, unknown>> | null;
  const whole = (list: unknown, below: number): boolean =>
    Array.isArray(list) && list.length > 0 && list.every((x) => Number.isInteger(x) && x >= 0 && x < below);
  const number = (x: unknown, min: number, max: number): boolean =>
    typeof x === 'number' && x >= min && x <= max;
  const fits =
    typeof plan === 'object' &&
    plan !== null &&
    typeof plan.genre === 'string' &&
    number(plan.bpm, MIN_BPM, MAX_BPM) &&
    typeof plan.meter === 'string' &&
    plan.meter in TABLES.meters &&
    whole([plan.key], 12) &&
    (plan.mode === 'major' || plan.mode === 'minor') &&
    Array.isArray(plan.loops) &&
    plan.loops.length > 0 &&
    plan.loops.every((loop) => typeof loop === 'string') &&
    whole(plan.chords, 1 + 12 * QUALITY_NAMES.length) &&
    whole(plan.sections, TABLES.sections.length) &&
    (plan.chords as unknown[]).length === (plan.sections as unknown[]).length &&
    (plan.mood === undefined ||
      (Array.isArray(plan.mood) && plan.mood.length === 3 && plan.mood.every((x) => number(x, -1, 1)))) &&
    (plan.lead === undefined || number(plan.lead, 0, 60));
  return fits ? { mood: NEUTRAL, ...(plan as Omit<SongPlan, 'mood'>) } : null; // field by field, just above
}

/** What the text encoder gets: the plan in the wording of training, then the rest of the prompt. */
export function nanoCaption(prompt: string, plan: SongPlan): string {
  const { slowBelow, fastFrom, names } = TABLES.tempo;
  const tempo = names[plan.bpm < slowBelow ? 'slow' : plan.bpm < fastFrom ? 'medium' : 'fast'][0]!;
  const patterns = [BPM_PATTERN, KEY_PATTERN, METER_PATTERN];
  const rest = splitWords(
    patterns.reduce((text, pattern) => text.replace(new RegExp(pattern, 'g'), ''), prompt.toLowerCase()),
  );
  const facts = [plan.genre, `${plan.bpm} bpm`, `${TABLES.keys[plan.key]} ${plan.mode}`, plan.meter, tempo];
  return [...facts, ...(rest.length ? [rest.join(' ')] : [])].join(', ');
}

/** What the words themselves say, in a field or in the prompt; null where the planner would choose. */
export function factsOf(
  prompt: string,
  fields: { readonly bpm: number | null; readonly key: string; readonly meter: string },
): {
  readonly bpm: number | null;
  readonly meter: string | null;
  readonly key: readonly [number, Mode] | null;
} {
  const lower = prompt.toLowerCase();
  const bpm = BPM_PATTERN.exec(lower)?.[1];
  const key = KEY_PATTERN.exec(lower);
  const meter = METER_PATTERN.exec(lower)?.[1];
  return {
    bpm: fields.bpm ?? (bpm === undefined ? null : Number(bpm)),
    meter: fields.meter.trim() ? parseMeter(fields.meter) : (meter ?? null),
    key: fields.key.trim()
      ? parseKey(fields.key)
      : key
        ? [parseNote(key[1]!), key[2] as Mode] // the pattern's two groups
        : null,
  };
}

// ---- a plan bar by bar

/** Verses and choruses of what is added take turns after so many bars, as the composer's do. */
const PHRASE_BARS = 4;

interface PlannedBar {
  readonly chords: readonly [number, number];
  readonly sections: readonly [number, number];
}

const nameOf = ({ sections }: PlannedBar): string => TABLES.sections[sections[1]]!;

function barsOf({ chords, sections }: SongPlan): PlannedBar[] {
  return Array.from({ length: Math.ceil(chords.length / 2) }, (_, i) => {
    const [a, b] = [2 * i, Math.min(2 * i + 1, chords.length - 1)];
    return { chords: [chords[a]!, chords[b]!], sections: [sections[a]!, sections[b]!] };
  });
}

/** The progressions of verse and chorus. */
function loopsOf({ loops }: SongPlan): readonly [readonly Bar[], readonly Bar[]] {
  const verse = parseChords(loops[0] ?? '');
  return [verse, loops[1] === undefined ? verse : parseChords(loops[1])];
}

/** Names of `bars` bars that go on after a section: chorus after verse, verse after anything else. */
function phrases(after: string, bars: number): string[] {
  const first = after === 'verse' ? ['chorus', 'verse'] : ['verse', 'chorus'];
  return Array.from({ length: bars }, (_, i) => first[Math.floor(i / PHRASE_BARS) % 2]!);
}

// ---- reading and writing music

function parseMeter(text: string): string {
  const meter = text.trim();
  if (!(meter in TABLES.meters)) {
    const known = Object.keys(TABLES.meters).join(', ');
    throw new EngineError('bad-task', `meter must be one of ${known} (got "${text}")`);
  }
  return meter;
}

/** "A minor", "Am", "F# major", "Bb" */
function parseKey(text: string): readonly [number, Mode] {
  const match = /^([A-Ga-g][#b]?)\s*(major|maj|M|minor|min|m|)$/.exec(text.trim());
  if (!match) {
    throw new EngineError(
      'bad-task',
      `key must be a note and a mode, such as "A minor" or "F# major" (got "${text}")`,
    );
  }
  return [parseNote(match[1]!), ['minor', 'min', 'm'].includes(match[2]!) ? 'minor' : 'major'];
}

function parseNote(text: string): number {
  const natural = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 }[text[0]!.toUpperCase()]!;
  const accidental = text[1] === '#' ? 1 : text[1] === 'b' ? -1 : 0;
  return (natural + accidental + 12) % 12;
}

function parseChord(text: string): number {
  const match = /^([A-G][#b]?)(.*)$/.exec(text);
  for (const table of [TABLES.suffixes, TABLES.otherSuffixes]) {
    for (const [quality, suffix] of Object.entries(table)) {
      if (match && match[2] === suffix) return chordCode(parseNote(match[1]!), quality);
    }
  }
  const suffixes = Object.values(TABLES.suffixes).filter(Boolean).join(', ');
  throw new EngineError(
    'bad-task',
    `chords: "${text}" is no chord; write a note A to G, # or b, and nothing or one of ${suffixes}`,
  );
}

function parseChords(text: string): Bar[] {
  const bars = text.split(/[\s|,-]+/).filter(Boolean);
  return bars.map((bar) => {
    const halves = bar.split('/');
    if (halves.length > 2)
      throw new EngineError('bad-task', `chords: a bar holds at most two chords (got "${bar}")`);
    const codes = halves.map(parseChord);
    return [codes[0]!, codes.at(-1)!];
  });
}

function writeChords(bars: readonly Bar[]): string {
  return bars.map(([a, b]) => (a === b ? writeChord(a) : `${writeChord(a)}/${writeChord(b)}`)).join(' ');
}

const writeChord = (code: number): string => TABLES.keys[rootOf(code)]! + TABLES.suffixes[qualityOf(code)]!;
const chordCode = (root: number, quality: string): number => 1 + root + 12 * QUALITY_NAMES.indexOf(quality);
const rootOf = (code: number): number => (code - 1) % 12;
const qualityOf = (code: number): string => QUALITY_NAMES[Math.floor((code - 1) / 12)]!;

/** The key whose scale holds most of the chords' notes; of equals, that of the first chord. */
function keyOfChords(bars: readonly Bar[]): readonly [number, Mode] {
  const notes = bars
    .flat()
    .flatMap((code) => TABLES.qualities[qualityOf(code)]!.map((i) => (rootOf(code) + i) % 12));
  const first = bars[0]![0];
  const firstMode: Mode = TABLES.qualities[qualityOf(first)]!.includes(3) ? 'minor' : 'major';
  let best: readonly [number, Mode] = [0, 'major'];
  let bestScore = -1;
  for (const mode of ['major', 'minor'] as const) {
    for (let key = 0; key < 12; key++) {
      const inside = notes.filter((n) => TABLES.scales[mode]!.includes((n - key + 12) % 12)).length;
      const score = inside + (key === rootOf(first) && mode === firstMode ? 0.5 : 0);
      if (score > bestScore) [best, bestScore] = [[key, mode], score];
    }
  }
  return best;
}

/** The chord on scale degree 1..7. `harmonic`: the fifth degree of a minor key is major. */
function chordOf(
  degree: number,
  key: number,
  scale: string,
  genre: Genre,
  sevenths: boolean,
  harmonic: boolean,
): number {
  const notes = TABLES.scales[scale]!;
  const note = (k: number): number => notes[k % 7]! + 12 * Math.floor(k / 7);
  const root = note(degree - 1);
  const [third, fifth, seventh] = [2, 4, 6].map((k) => note(degree - 1 + k) - root) as [
    number,
    number,
    number,
  ]; // three in, three out
  const pitch = (key + root) % 12;
  if (genre.dominant) return chordCode(pitch, 'dom7');
  if (scale === 'minor' && degree === 5 && harmonic) return chordCode(pitch, sevenths ? 'dom7' : 'maj');
  const triad = fifth === 6 ? 'dim' : third === 4 ? 'maj' : 'min';
  if (!sevenths || triad === 'dim') return chordCode(pitch, triad);
  return chordCode(pitch, triad === 'min' ? 'min7' : seventh === 11 ? 'maj7' : 'dom7');
}

// ---- choosing

/** Lower-case words and numbers: "92 BPM, F# minor" -> 92, bpm, f#, minor. */
const splitWords = (text: string): string[] => text.toLowerCase().match(/[a-z#]+|\d+/g) ?? [];

/** How many letters of the phrase the words contain as a run: its length, or 0. */
function mentions(words: readonly string[], phrase: string): number {
  const wanted = splitWords(phrase);
  const found = words.some((_, i) => wanted.every((word, j) => words[i + j] === word));
  return found ? wanted.join('').length : 0;
}

/**
 * The genre whose longest name the prompt mentions; without one, that with most of its moods and instruments. Only genres
 * in the asked meter are in question: the model knows no others.
 */
function chooseGenre(words: readonly string[], meter: string | null): Genre {
  const score = (genre: Genre): number => {
    const named = Math.max(...genre.names.map((name) => mentions(words, name)));
    const hints = Object.entries(genre.hints).filter(([hint]) => mentions(words, hint) > 0);
    const hinted = hints.reduce((sum, [, weight]) => sum + weight, 0);
    return 100 * named + hinted + (genre.name === DEFAULT_GENRE ? 0.5 : 0);
  };
  const candidates = TABLES.genres.filter((genre) => meter === null || genre.meters.includes(meter));
  return candidates.reduce((best, genre) => (score(genre) > score(best) ? genre : best));
}

/** The first mood whose name the prompt mentions, else the first of whose other names; a neutral one without. */
function chooseMood(words: readonly string[]): MoodAxes {
  const mentioned = (names: readonly string[]): boolean => names.some((name) => mentions(words, name) > 0);
  const mood =
    TABLES.moods.find(({ names }) => mentioned(names.slice(0, 1))) ??
    TABLES.moods.find(({ names }) => mentioned(names.slice(1)));
  return mood?.axes ?? NEUTRAL;
}

/** A genre's tempi in a meter: in 6/8 two thirds of the quarters, but from 44 to 132. */
function tempiIn([low, high]: readonly [number, number], meter: string): readonly [number, number] {
  if (meter !== '6/8') return [low, high];
  return [Math.max(44, Math.floor((low * 2) / 3)), Math.max(50, Math.min(132, Math.floor((high * 2) / 3)))];
}

/** A tempo of the range; its lower or upper third where the prompt says slow or fast, else the mood's half. */
function chooseBpm(
  words: readonly string[],
  [least, most]: readonly [number, number],
  [energy]: MoodAxes,
  draw: number,
): number {
  let [low, high] = [least, most];
  const third = Math.floor((high - low) / 3);
  const middle = Math.floor((low + high) / 2);
  const says = (tempo: 'slow' | 'fast'): boolean =>
    TABLES.tempo.names[tempo].some((name) => mentions(words, name) > 0);
  if (says('slow')) high = low + third;
  else if (says('fast')) low = high - third;
  else if (energy <= -TABLES.moodDecides) high = middle;
  else if (energy >= TABLES.moodDecides) low = middle;
  return low + Math.floor(draw * (high - low + 1));
}

/** The mode of the prompt's mood where the genre has it, else one of the genre's. */
function chooseMode(scales: readonly string[], [, valence]: MoodAxes, draw: number): Mode {
  const offered = scales.map((scale) => TABLES.modes[scale]!);
  const felt = offered.filter((mode) => mode === (valence > 0 ? 'major' : 'minor'));
  return pick(felt.length && Math.abs(valence) >= TABLES.moodDecides ? felt : offered, draw);
}

/** Section name a bar. An excerpt is half verse, half chorus; a song has the composer's form. */
function form(draw: () => number, bars: number, excerpt: boolean): string[] {
  const repeat = (name: string, count: number): string[] => Array.from({ length: count }, () => name);
  if (excerpt || bars < 6) {
    const verse = Math.ceil(bars / 2);
    return [...repeat('verse', verse), ...repeat('chorus', bars - verse)];
  }
  const unit = bars >= 13 ? 4 : 2;
  const names = draw() < 0.75 ? repeat('intro', pick([2, unit], draw())) : [];
  const body = pick(TABLES.bodies, draw());
  for (let i = 0; names.length < bars - OUTRO_BARS; i++) {
    const name = body[i % body.length]!;
    names.push(
      ...repeat(name, name === 'verse' || name === 'chorus' ? pick([unit, unit, 2 * unit], draw()) : unit),
    );
  }
  return [...names.slice(0, bars - OUTRO_BARS), ...repeat('outro', OUTRO_BARS)];
}

const pick = <T>(options: readonly T[], draw: number): T => options[Math.floor(draw * options.length)]!;

/** Uniform numbers in [0, 1) from the low 32 bits of a seed; training/nano/noise.py draws the same. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
