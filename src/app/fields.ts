/**
 * The Advanced drawer as a table: one row a control. Ranges and hints follow the official interface
 * (reference table 000.B); steps come from the model's limits. A new sampling option is a new row.
 */
import { WORK_RANGES, type Sampling, type TaskLimits } from '../lib/task.ts';

export type GroupId = 'sampling' | 'guidance' | 'erg';

/** Controls of the form beside Sampling, with the ranges of the official interface. */
export const SONG_RANGES = {
  /** What "random length" draws from, seconds, as far as the model goes. */
  randomSeconds: { min: 30, max: 240 },
  loraWeight: { min: -3, max: 3, step: 0.05, default: 1 },
  referenceStrength: WORK_RANGES.strength,
} as const;

/** In the field for the exact length: draw one. */
export const RANDOM_LENGTH = -1;

interface Row {
  readonly id: string;
  /** Its row in the list of the official interface's controls (scripts/controls.ts). */
  readonly feature: string;
  readonly group: GroupId;
  /** False where the model does not listen to it. */
  readonly heard?: (limits: TaskLimits) => boolean;
  /** False where another control has switched it off. */
  readonly active?: (sampling: Sampling) => boolean;
}

export interface NumberRow extends Row {
  readonly kind: 'number';
  readonly range: (limits: TaskLimits) => { min: number; max: number; step: number };
  readonly get: (s: Sampling) => number;
  readonly set: (s: Sampling, value: number) => Sampling;
}

export interface ChoiceRow extends Row {
  readonly kind: 'choice';
  readonly options: readonly string[];
  readonly get: (s: Sampling) => string;
  readonly set: (s: Sampling, value: string) => Sampling;
}

export interface SwitchRow extends Row {
  readonly kind: 'switch';
  readonly get: (s: Sampling) => boolean;
  readonly set: (s: Sampling, value: boolean) => Sampling;
}

export interface ListRow extends Row {
  readonly kind: 'list';
  readonly get: (s: Sampling) => readonly number[];
  readonly set: (s: Sampling, value: readonly number[]) => Sampling;
}

export type Field = NumberRow | ChoiceRow | SwitchRow | ListRow;

const fixed = (min: number, max: number, step: number) => () => ({ min, max, step });

const guide = (s: Sampling, part: Partial<Sampling['guidance']>): Sampling => ({
  ...s,
  guidance: { ...s.guidance, ...part },
});
const erg = (s: Sampling, part: Partial<Sampling['erg']>): Sampling => ({ ...s, erg: { ...s.erg, ...part } });

/** Both scales above 1 separate text from lyrics; 5 and 1.5 are what the authors advise. */
const APART = { textScale: 5, lyricScale: 1.5 };
const isApart = ({ guidance }: Sampling): boolean => guidance.textScale > 1 && guidance.lyricScale > 1;
const sings = (limits: TaskLimits): boolean => limits.sings;
const hasErg = (limits: TaskLimits): boolean => limits.erg;

const numberRow = (
  id: string,
  feature: string,
  group: GroupId,
  range: NumberRow['range'],
  get: NumberRow['get'],
  set: NumberRow['set'],
  rest: Pick<Row, 'heard' | 'active'> = {},
): NumberRow => ({ kind: 'number', id, feature, group, range, get, set, ...rest });

export const FIELDS: readonly Field[] = [
  numberRow(
    'steps',
    'B12',
    'sampling',
    (limits) => limits.steps,
    (s) => s.steps,
    (s, steps) => ({ ...s, steps }),
  ),
  {
    kind: 'choice',
    id: 'solver',
    feature: 'B16',
    group: 'sampling',
    options: ['euler', 'heun', 'pingpong'] satisfies Sampling['solver'][],
    get: (s) => s.solver,
    set: (s, solver) => ({ ...s, solver: solver as Sampling['solver'] }), // one of the options above
  },
  numberRow(
    'omega',
    'B19',
    'sampling',
    fixed(-100, 100, 1),
    (s) => s.omega,
    (s, omega) => ({ ...s, omega }),
  ),
  {
    kind: 'list',
    id: 'ossSteps',
    feature: 'B23',
    group: 'sampling',
    get: (s) => s.ossSteps,
    set: (s, ossSteps) => ({ ...s, ossSteps }),
  },
  {
    kind: 'choice',
    id: 'guidance.type',
    feature: 'B17',
    group: 'guidance',
    options: ['apg', 'cfg', 'cfg_star'] satisfies Sampling['guidance']['type'][],
    get: (s) => s.guidance.type,
    set: (s, type) => guide(s, { type: type as Sampling['guidance']['type'] }), // one of the options above
  },
  numberRow(
    'guidance.scale',
    'B13',
    'guidance',
    fixed(0, 30, 0.1),
    (s) => s.guidance.scale,
    (s, scale) => guide(s, { scale }),
  ),
  numberRow(
    'guidance.interval',
    'B20',
    'guidance',
    fixed(0, 1, 0.05),
    (s) => s.guidance.interval,
    (s, interval) => guide(s, { interval }),
  ),
  numberRow(
    'guidance.decay',
    'B21',
    'guidance',
    fixed(0, 1, 0.05),
    (s) => s.guidance.decay,
    (s, decay) => guide(s, { decay }),
  ),
  numberRow(
    'guidance.minScale',
    'B22',
    'guidance',
    fixed(0, 200, 0.5),
    (s) => s.guidance.minScale,
    (s, minScale) => guide(s, { minScale }),
    { active: (s) => s.guidance.decay > 0 },
  ),
  {
    kind: 'switch',
    id: 'guidance.apart',
    feature: 'B14',
    group: 'guidance',
    heard: sings,
    get: isApart,
    set: (s, on) => guide(s, on ? APART : { textScale: 0, lyricScale: 0 }),
  },
  numberRow(
    'guidance.textScale',
    'B14',
    'guidance',
    fixed(0, 10, 0.1),
    (s) => s.guidance.textScale,
    (s, textScale) => guide(s, { textScale }),
    { heard: sings, active: isApart },
  ),
  numberRow(
    'guidance.lyricScale',
    'B14',
    'guidance',
    fixed(0, 10, 0.1),
    (s) => s.guidance.lyricScale,
    (s, lyricScale) => guide(s, { lyricScale }),
    { heard: sings, active: isApart },
  ),
  ...(['tag', 'lyric', 'diffusion'] as const).map((part): SwitchRow => ({
    kind: 'switch',
    id: `erg.${part}`,
    feature: 'B18',
    group: 'erg',
    heard: (limits) => hasErg(limits) && (part !== 'lyric' || limits.sings),
    get: (s) => s.erg[part],
    set: (s, on) => erg(s, { [part]: on }),
  })),
];

/** The rows that this model listens to. */
export const fieldsFor = (limits: TaskLimits): readonly Field[] =>
  FIELDS.filter((field) => field.heard?.(limits) ?? true);

/** Sampling of a quality preset, whole. An unknown name gives the model's own defaults. */
export function presetSampling(limits: TaskLimits, preset: string): Sampling {
  const { guidance, ...part } = limits.presets[preset] ?? {};
  return { ...limits.sampling, ...part, guidance: { ...limits.sampling.guidance, ...guidance } };
}

/** Name of the preset that stands for these settings; '' where none does. */
export const presetOf = (limits: TaskLimits, sampling: Sampling): string =>
  Object.keys(limits.presets).find(
    (name) => JSON.stringify(presetSampling(limits, name)) === JSON.stringify(sampling),
  ) ?? '';

/** Names of the presets, the quickest first. */
export const presetsByEffort = (limits: TaskLimits): readonly string[] =>
  Object.keys(limits.presets).toSorted(
    (a, b) => presetSampling(limits, a).steps - presetSampling(limits, b).steps,
  );

/** True where `sampling` says something else than `base` in this row. */
export const differs = (field: Field, sampling: Sampling, base: Sampling): boolean =>
  String(field.get(sampling)) !== String(field.get(base));

/** The row put back to what `base` says. */
export function reset(field: Field, sampling: Sampling, base: Sampling): Sampling {
  switch (field.kind) {
    case 'number':
      return field.set(sampling, field.get(base));
    case 'choice':
      return field.set(sampling, field.get(base));
    case 'switch':
      return field.id === 'guidance.apart'
        ? guide(sampling, {
            textScale: base.guidance.textScale,
            lyricScale: base.guidance.lyricScale,
          })
        : field.set(sampling, field.get(base));
    case 'list':
      return field.set(sampling, field.get(base));
  }
}

/** "16, 29 52" -> [16, 29, 52]; null where something in it is not a whole number. */
export function parseList(text: string): readonly number[] | null {
  const words = text.split(/[\s,;]+/u).filter((word) => word !== '');
  return words.every((word) => /^\d{1,9}$/u.test(word)) ? words.map(Number) : null;
}
