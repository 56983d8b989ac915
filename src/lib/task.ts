/**
 * A task is what the user asks for: plain JSON, kept with every song. `checkTask` is the only way in: it fills
 * defaults from the model's limits and refuses, naming the field, the value and the range.
 */
import { Field, type Bounds } from './check.ts';
import type { AudioRef } from './family.ts';

export type SolverName = 'euler' | 'heun' | 'pingpong';
export type GuidanceName = 'cfg' | 'apg' | 'cfg_star';

/** How the flow is followed. Names and ranges: reference table 000.B of the official interface. */
export interface Sampling {
  readonly steps: number;
  readonly solver: SolverName;
  /** Mean shift ("granularity"), -100..100. */
  readonly omega: number;
  readonly guidance: {
    readonly type: GuidanceName;
    readonly scale: number;
    /** Double condition: both above 1 separate text and lyrics. 0 = off. */
    readonly textScale: number;
    readonly lyricScale: number;
    /** Share of the schedule, in its middle, where guidance works. 0..1 */
    readonly interval: number;
    /** 0..1: how far the scale falls towards minScale inside the interval. */
    readonly decay: number;
    readonly minScale: number;
  };
  readonly erg: { readonly tag: boolean; readonly lyric: boolean; readonly diffusion: boolean };
  /** Explicit steps of a 200-step (or `steps`-step) schedule; empty = off. */
  readonly ossSteps: readonly number[];
}

/** Musical facts. Empty string / null = "any": the model or its planner decides. */
export interface Score {
  readonly bpm: number | null;
  readonly key: string;
  readonly meter: string;
  readonly chords: string;
}

export interface LoraUse {
  readonly file: string;
  readonly weight: number;
}

interface Song {
  readonly model: string;
  readonly prompt: string;
  /** What the song should not be; '' = guidance leads away from no prompt at all. */
  readonly negativePrompt: string;
  readonly lyrics: string;
  /** Override of the detected language for every line; '' = detect. A line may start with "[lang:xx]" of its own. */
  readonly language: string;
  readonly seconds: number;
  /** One song a seed; more than one is the official batch (omega mixes its items). */
  readonly seeds: readonly number[];
  readonly score: Score;
  readonly sampling: Sampling;
  readonly loras: readonly LoraUse[];
}

interface Again {
  readonly retakeSeeds: readonly number[];
  readonly variance: number;
}

export interface Region {
  readonly start: number;
  readonly end: number;
}

export interface TaskTypes {
  text2music: Song;
  retake: Song & Again;
  repaint: Song & Again & { readonly source: AudioRef; readonly regions: readonly Region[] };
  extend: Song & Again & { readonly source: AudioRef; readonly before: number; readonly after: number };
  edit: Song & {
    readonly retakeSeeds: readonly number[];
    readonly source: AudioRef;
    readonly target: { readonly prompt: string; readonly lyrics: string };
    readonly nMin: number;
    readonly nMax: number;
    readonly nAvg: number;
  };
  audio2audio: Song & { readonly source: AudioRef; readonly strength: number };
}

export type TaskKind = keyof TaskTypes;
export type TaskOf<K extends TaskKind> = { [P in K]: { readonly kind: P } & TaskTypes[P] }[K];
export type Task = TaskOf<TaskKind>;

/** Range and default of one number. `step` is for controls. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly default: number;
}

/** What a model can do and within which limits: the one source for forms, checks and documentation. */
export interface TaskLimits {
  readonly kinds: readonly TaskKind[];
  readonly seconds: Range;
  readonly steps: Range;
  /** Quality presets: label -> sampling. The first is the default. */
  readonly presets: Readonly<
    Record<
      string,
      Partial<Omit<Sampling, 'guidance'>> & { readonly guidance?: Partial<Sampling['guidance']> }
    >
  >;
  readonly sampling: Sampling;
  readonly maxPrompt: number;
  readonly maxLyrics: number;
  readonly maxSeeds: number;
  /** False: the model cannot sing; lyrics are refused with a notice in the form. */
  readonly sings: boolean;
  /** Score fields that the model listens to. */
  readonly score: readonly (keyof Score)[];
  readonly erg: boolean;
  readonly loras: boolean;
}

/** What the sampling fields may hold, for any model: the ranges of the reference's interface. */
export const SAMPLING_BOUNDS = {
  omega: { min: -100, max: 100 },
  scale: { min: 0, max: 200 },
  share: { min: 0, max: 1 },
} as const satisfies Record<string, Bounds>;

/**
 * What the tools that work on a sound ask, with the ranges and defaults of the reference's interface (features 000.B24 to
 * B27, B10). They differ from what `checkTask` fills in, which follows the reference's library: there an edit covers
 * all steps.
 */
export const WORK_RANGES = {
  variance: { min: 0, max: 1, step: 0.01, default: 0.2 },
  before: { min: 0, max: 240, step: 0.1, default: 0 },
  after: { min: 0, max: 240, step: 0.1, default: 30 },
  nMin: { min: 0, max: 1, step: 0.01, default: 0.6 },
  nMax: { min: 0, max: 1, step: 0.01, default: 1 },
  strength: { min: 0, max: 1, step: 0.01, default: 0.5 },
} as const satisfies Record<string, Range>;

/** Share of the steps that each way of editing covers at first: new words to the same music, or other music. */
export const EDIT_SHARES = {
  lyrics: { nMin: WORK_RANGES.nMin.default, nMax: WORK_RANGES.nMax.default },
  remix: { nMin: 0.2, nMax: 0.4 },
} as const;

const SOLVERS = ['euler', 'heun', 'pingpong'] as const satisfies readonly SolverName[];
const GUIDANCES = ['apg', 'cfg', 'cfg_star'] as const satisfies readonly GuidanceName[];
const SEED: Bounds = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };
const BPM: Bounds = { min: 30, max: 300 };
const LORA_WEIGHT: Bounds = { min: -10, max: 10 };
const MAX_SHORT_TEXT = 100;
const MAX_CHORDS = 4000;
const MAX_LORAS = 16;
const MAX_REGIONS = 64;
const MAX_AVERAGES = 16;
/** Of sounds to start from, seconds. */
const TIME: Bounds = { min: 0, max: 3600 };

/** Fields that a caller may write at the top although the task keeps them deeper. */
const SHORT = [
  'seed',
  'preset',
  'bpm',
  'key',
  'meter',
  'chords',
  'steps',
  'solver',
  'omega',
  'guidance',
  'lora',
];
const SONG = [
  'kind', 'model', 'prompt', 'negativePrompt', 'lyrics', 'language', 'seconds', 'seeds', 'score', 'sampling', 'loras',
]; // prettier-ignore
const AGAIN = ['retakeSeeds', 'variance'];

/** What belongs to a kind beside the song: the names of its fields, and how they are read. */
interface Special<K extends TaskKind> {
  readonly fields: readonly string[];
  read(task: Field, song: Song, limits: TaskLimits, random: () => number): Omit<TaskTypes[K], keyof Song>;
}

const SPECIAL: { readonly [K in TaskKind]: Special<K> } = {
  text2music: { fields: [], read: () => ({}) },
  retake: { fields: AGAIN, read: (task, song, limits, random) => again(task, song, limits, random, 0.2) },
  repaint: {
    fields: [...AGAIN, 'source', 'regions', 'start', 'end'],
    read: (task, song, limits, random) => ({
      ...again(task, song, limits, random, 0.2),
      source: source(task.at('source')),
      regions: task.at('regions').missing
        ? [region(task)]
        : task.at('regions').list({ min: 1, max: MAX_REGIONS }).map(region),
    }),
  },
  extend: {
    fields: [...AGAIN, 'source', 'before', 'after'],
    read: (task, song, limits, random) => {
      const longest: Bounds = { min: 0, max: limits.seconds.max };
      const [before, after] = [or(task.at('before'), 0), or(task.at('after'), 0)].map((f) =>
        f.number(longest),
      );
      if (!before && !after) task.at('after').refuse('above 0, unless before is');
      return {
        ...again(task, song, limits, random, 1),
        source: source(task.at('source')),
        before: before ?? 0,
        after: after ?? 0,
      };
    },
  },
  edit: {
    fields: ['retakeSeeds', 'source', 'target', 'nMin', 'nMax', 'nAvg'],
    read: (task, song, limits, random) => {
      const target = or(task.at('target'), {});
      target.only(['prompt', 'lyrics']);
      const nMin = or(task.at('nMin'), 0).number(SAMPLING_BOUNDS.share);
      const nMax = or(task.at('nMax'), 1).number(SAMPLING_BOUNDS.share);
      if (nMin > nMax) task.at('nMin').refuse(`at most nMax, ${nMax}`);
      return {
        retakeSeeds: seeds(task.at('retakeSeeds'), limits, random, song.seeds.length),
        source: source(task.at('source')),
        target: {
          prompt: text(or(target.at('prompt'), song.prompt), limits.maxPrompt),
          lyrics: text(or(target.at('lyrics'), song.lyrics), limits.maxLyrics),
        },
        nMin,
        nMax,
        nAvg: or(task.at('nAvg'), 1).integer({ min: 1, max: MAX_AVERAGES }),
      };
    },
  },
  audio2audio: {
    fields: ['source', 'strength'],
    read: (task) => ({
      source: source(task.at('source')),
      strength: or(task.at('strength'), 0.5).number(SAMPLING_BOUNDS.share),
    }),
  },
};

/**
 * A task from untrusted JSON, with the model's defaults for what is left out. Beside the fields of Task it takes
 * `seed`, `preset`, `bpm`, `key`, `meter`, `chords`, `steps`, `solver`, `omega`, `guidance` (the scale) and `lora` (a
 * file) at the top, `start` and `end` for one region, and a path in place of a source. What it returns passes again,
 * unchanged.
 *
 * @param random draws a seed where none is given; whole numbers of at least 0
 * @throws EngineError('bad-task') naming the field, what it must be, and what it is
 */
export function checkTask(
  input: unknown,
  limits: TaskLimits,
  random: () => number = () => Math.floor(Math.random() * 2 ** 32),
): Task {
  const task = new Field(input, '', 'bad-task');
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    new Field(input, 'the task', 'bad-task').refuse('an object');
  }
  const kind = or(task.at('kind'), 'text2music').oneOf(limits.kinds);
  const special: Special<TaskKind> = SPECIAL[kind];
  task.only([...SONG, ...SHORT, ...special.fields]);
  const song = readSong(task, limits, random);
  if (song.sampling.ossSteps.length > 0 && (kind === 'edit' || kind === 'audio2audio')) {
    task.at('sampling').at('ossSteps').refuse(`empty: ${kind} has a schedule of its own`);
  }
  return { kind, ...song, ...special.read(task, song, limits, random) } as Task; // kind and row come from one table
}

function readSong(task: Field, limits: TaskLimits, random: () => number): Song {
  const sampling = readSampling(task, limits);
  return {
    model: text(or(task.at('model'), ''), MAX_SHORT_TEXT),
    prompt: text(or(task.at('prompt'), ''), limits.maxPrompt),
    negativePrompt: text(or(task.at('negativePrompt'), ''), limits.maxPrompt),
    lyrics: text(or(task.at('lyrics'), ''), limits.maxLyrics),
    language: language(or(task.at('language'), '')),
    seconds: or(task.at('seconds'), limits.seconds.default).number(limits.seconds),
    seeds: seeds(task.at('seeds').missing ? task.at('seed') : task.at('seeds'), limits, random, 1),
    score: readScore(task),
    sampling,
    loras: readLoras(task, limits),
  };
}

function readScore(task: Field): Score {
  const score = or(task.at('score'), {});
  score.only(['bpm', 'key', 'meter', 'chords']);
  const given = (name: string): Field => (task.at(name).missing ? score.at(name) : task.at(name));
  const bpm = given('bpm');
  return {
    bpm: bpm.missing || bpm.value === null ? null : bpm.number(BPM),
    key: text(or(given('key'), ''), MAX_SHORT_TEXT),
    meter: text(or(given('meter'), ''), MAX_SHORT_TEXT),
    chords: text(or(given('chords'), ''), MAX_CHORDS),
  };
}

/** Given at the top, or in `sampling`, or by the preset, or by the model: the first that is there. */
function readSampling(task: Field, limits: TaskLimits): Sampling {
  const { omega, scale, share } = SAMPLING_BOUNDS;
  const given = or(task.at('sampling'), {});
  given.only(Object.keys(limits.sampling));
  const preset = task.at('preset').missing
    ? {}
    : limits.presets[task.at('preset').oneOf(Object.keys(limits.presets))]!; // oneOf proved it
  const base = { ...limits.sampling, ...preset };
  const top = (name: 'steps' | 'solver' | 'omega'): Field =>
    task.at(name).missing ? or(given.at(name), base[name]) : task.at(name);

  // `guidance` at the top may be the scale alone.
  const short = task.at('guidance');
  const guidance = or(short.missing || typeof short.value === 'number' ? given.at('guidance') : short, {});
  const baseGuidance = { ...limits.sampling.guidance, ...preset.guidance };
  guidance.only(Object.keys(baseGuidance));
  const amount = (name: 'textScale' | 'lyricScale' | 'minScale'): number =>
    or(guidance.at(name), baseGuidance[name]).number(scale);
  const portion = (name: 'interval' | 'decay'): number =>
    or(guidance.at(name), baseGuidance[name]).number(share);

  const erg = or(given.at('erg'), {});
  erg.only(Object.keys(base.erg));
  const flag = (name: 'tag' | 'lyric' | 'diffusion'): boolean => or(erg.at(name), base.erg[name]).boolean();

  const solver = top('solver').oneOf(SOLVERS);
  return {
    steps: top('steps').integer(limits.steps),
    solver,
    omega: top('omega').number(omega),
    guidance: {
      type: or(guidance.at('type'), baseGuidance.type).oneOf(GUIDANCES),
      scale: (typeof short.value === 'number' ? short : or(guidance.at('scale'), baseGuidance.scale)).number(
        scale,
      ),
      textScale: amount('textScale'),
      lyricScale: amount('lyricScale'),
      interval: portion('interval'),
      decay: portion('decay'),
      minScale: amount('minScale'),
    },
    erg: { tag: flag('tag'), lyric: flag('lyric'), diffusion: flag('diffusion') },
    ossSteps: ossSteps(or(given.at('ossSteps'), base.ossSteps), limits, solver),
  };
}

function ossSteps(field: Field, limits: TaskLimits, solver: SolverName): number[] {
  const steps = field
    .list({ min: 0, max: limits.steps.max })
    .map((step) => step.integer({ min: 1, max: limits.steps.max }));
  if (steps.some((step, i) => i > 0 && step <= steps[i - 1]!)) field.refuse('a list of rising steps');
  // The reference's Heun takes no explicit schedule. SPEC 5.4
  if (steps.length > 0 && solver === 'heun') field.refuse('empty with heun', 'Choose euler or pingpong.');
  return steps;
}

function again(task: Field, song: Song, limits: TaskLimits, random: () => number, variance: number): Again {
  return {
    retakeSeeds: seeds(task.at('retakeSeeds'), limits, random, song.seeds.length),
    variance: or(task.at('variance'), variance).number(SAMPLING_BOUNDS.share),
  };
}

/** A number, a list, or a text such as "1, 2, 3"; missing or null: `count` drawn ones. */
function seeds(field: Field, limits: TaskLimits, random: () => number, count: number): readonly number[] {
  const { value } = field;
  if (field.missing || value === null) return Array.from({ length: count }, random);
  if (typeof value === 'number') return [field.integer(SEED)];
  if (typeof value !== 'string')
    return field.list({ min: 1, max: limits.maxSeeds }).map((seed) => seed.integer(SEED));
  const parts = value.split(',');
  const parsed = parts.map((part) => (/^\s*-?\d{1,16}\s*$/.test(part) ? Number(part) : NaN));
  if (parsed.length > limits.maxSeeds || !parsed.every(Number.isSafeInteger)) {
    field.refuse(`1 to ${limits.maxSeeds} whole numbers with commas between them`);
  }
  return parsed;
}

function readLoras(task: Field, limits: TaskLimits): readonly LoraUse[] {
  const single = task.at('lora');
  const list = single.missing
    ? or(task.at('loras'), []).list({ min: 0, max: MAX_LORAS })
    : [new Field({ file: single.text() }, 'lora', 'bad-task')];
  if (list.length > 0 && !limits.loras) task.at('loras').refuse('empty: this model takes no LoRA');
  return list.map((use) => {
    use.only(['file', 'weight']);
    return { file: text(use.at('file'), 4096), weight: or(use.at('weight'), 1).number(LORA_WEIGHT) };
  });
}

/** A source is an object with a blob id; a path alone will do. */
function source(field: Field): AudioRef {
  if (typeof field.value === 'string') return { blob: text(field, 4096) };
  field.only(['blob']);
  return { blob: text(field.at('blob'), 4096) };
}

function region(field: Field): Region {
  if (field.path !== '') field.only(['start', 'end']);
  const start = field.at('start').number(TIME);
  const end = field.at('end').number(TIME);
  if (end <= start) field.at('end').refuse(`after the start, ${start} s`);
  return { start, end };
}

function language(field: Field): string {
  const code = field.text();
  return code === '' || /^[a-z]{2}(-[a-z]{2})?$/.test(code)
    ? code
    : field.refuse("'' or a code such as en, zh, pt");
}

/** Without lone surrogates, which no file format takes. */
const text = (field: Field, maxLength: number): string => field.text(maxLength).toWellFormed();

/** The field, or one with the fallback in its place where it is missing. */
const or = (field: Field, fallback: unknown): Field =>
  field.missing ? new Field(fallback, field.path, 'bad-task') : field;
