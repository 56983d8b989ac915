/**
 * The app's controls beside the official interface's list (features.md, section 000.B). What the app offers is read from
 * the app's own tables; what is wanted is read from the list. Nothing is written down twice.
 */
import { COMMANDS } from '../../src/app/commands.ts';
import { EMPTY_DRAFT } from '../../src/app/compose.svelte.ts';
import { FIELDS, RANDOM_LENGTH, SONG_RANGES, type Field } from '../../src/app/fields.ts';
import { FORMATS } from '../../src/app/export-formats.ts';
import { PRESETS } from '../../src/app/presets.ts';
import { fieldWords, TEXT } from '../../src/app/text.ts';
import { LYRIC_LANGUAGES } from '../../src/lib/families/ace-step-v1/languages.ts';
import { WORK_RANGES, type TaskLimits } from '../../src/lib/task.ts';

/** A row of the list. */
export interface Wanted {
  readonly id: string;
  readonly feature: string;
  /** "1–200, 60 (27 fast)". */
  readonly rangeAndDefault: string;
}

export interface Verdict extends Wanted {
  /** What the app has, in the list's own way of writing; empty: nothing. */
  readonly found: string;
  readonly faults: readonly string[];
}

/** Rows B1, B2 … of the table in section 000.B. */
export function readWanted(markdown: string): readonly Wanted[] {
  const section = markdown.split('### 000.B')[1]?.split('\n### ')[0] ?? '';
  return [...section.matchAll(/^\|\s*(B\d+)\s*\|([^|]*)\|([^|]*)\|/gmu)].map(
    ([, id = '', feature = '', range = '']) => ({
      id,
      feature: feature.trim(),
      rangeAndDefault: range.trim(),
    }),
  );
}

interface Control {
  readonly name: string;
  readonly min?: number;
  readonly max?: number;
  /** As the list writes defaults: 60, 'apg', 'on'. */
  readonly default?: string;
  readonly options?: readonly string[];
}

const numberOf = (text: string): number => Number(text.replace(/[−–]/gu, '-').replace(/\s/gu, ''));

function sampled(field: Field, limits: TaskLimits): Control {
  const { label, hint } = fieldWords(field.id);
  const name = `${TEXT.advanced.groups[field.group].title} ${label} ${hint} ${field.id}`;
  const { sampling } = limits;
  switch (field.kind) {
    case 'number': {
      const { min, max } = field.range(limits);
      return { name, min, max, default: String(field.get(sampling)) };
    }
    case 'choice':
      return { name, options: field.options, default: field.get(sampling) };
    case 'switch':
      return { name, default: field.get(sampling) ? 'on' : 'off' };
    case 'list':
      return { name, default: field.get(sampling).join(',') };
  }
}

const ranged = (
  name: string,
  { min, max, default: value }: { min: number; max: number; default: number },
): Control => ({
  name,
  min,
  max,
  default: String(value),
});
const inForm = (key: keyof typeof EMPTY_DRAFT, name: string): Control[] =>
  key in EMPTY_DRAFT ? [{ name }] : [];
const command = (...ids: readonly string[]): Control[] =>
  COMMANDS.filter(({ id }) => ids.includes(id)).map(({ id }) => ({ name: TEXT.commands[id] }));
/** Controls of these kinds of task; none of them where the model lacks one of the kinds. */
const kind = (
  limits: TaskLimits,
  kinds: TaskLimits['kinds'],
  controls: readonly Control[] = [],
): readonly Control[] =>
  kinds.every((one) => limits.kinds.includes(one)) ? [...kinds.map((name) => ({ name })), ...controls] : [];

/** Controls by row of the list. `limits` are those of the official model. */
function offered(limits: TaskLimits): Readonly<Record<string, readonly Control[]>> {
  const T = TEXT.compose;
  const { variance, before, after, nMin, nMax } = WORK_RANGES;
  const work = { ...WORK_RANGES.before, max: limits.seconds.max };
  const rows: Record<string, readonly Control[]> = {
    B1: kind(limits, ['text2music']),
    B2: inForm('prompt', T.style),
    B3: inForm('lyrics', T.lyrics),
    B4: inForm('instrumental', T.instrumental),
    B5: [
      { name: TEXT.advanced.seconds, min: RANDOM_LENGTH, max: limits.seconds.max },
      { name: T.randomLength, ...SONG_RANGES.randomSeconds },
    ],
    B6: [
      {
        name: TEXT.exporting.format,
        options: Object.entries(FORMATS).flatMap(([id, { extension }]) => [
          id,
          extension,
          ...(id === 'opus' ? ['ogg'] : []),
        ]),
        default: Object.keys(FORMATS)[0] ?? '',
      },
    ],
    B7: command('surprise'),
    B8: command('reuse'),
    B9: [{ name: TEXT.presets.title, options: [...PRESETS.map(({ name }) => name), 'Custom'] }],
    B10: kind(limits, ['audio2audio'], [ranged(TEXT.advanced.strength, SONG_RANGES.referenceStrength)]),
    B11: limits.loras ? [ranged('LoRA weight', SONG_RANGES.loraWeight)] : [],
    B15: [...inForm('seed', T.seed), ...inForm('seeds', TEXT.advanced.seeds)],
    B24: kind(limits, ['retake'], [ranged('variance', variance)]),
    B25: kind(limits, ['repaint'], [{ name: 'start, end', min: work.min, max: work.max }]),
    B26: kind(
      limits,
      ['edit'],
      [
        { name: 'n_min', default: String(nMin.default) },
        { name: 'n_max', default: String(nMax.default) },
      ],
    ),
    B27: kind(
      limits,
      ['extend'],
      [
        { name: 'left', min: before.min, max: before.max },
        { name: 'right', min: after.min, max: after.max },
      ],
    ),
    B28: kind(limits, ['retake', 'repaint', 'edit', 'extend']),
    B29: [{ name: TEXT.song.recipe }],
    B30: inForm('takes', T.takes),
    B31: [{ name: 'language', options: LYRIC_LANGUAGES }],
    B32: [{ name: T.sections }],
    B33: [{ name: TEXT.presets.title, options: PRESETS.map(({ name }) => name) }],
    B34: limits.loras ? inForm('loras', 'LoRA') : [],
    B35: [
      {
        name: TEXT.exporting.rate,
        options: FORMATS.wav.sampleRates.map((rate) => String(rate / 1000)),
        default: Object.keys(FORMATS)[0] ?? '',
      },
    ],
  };
  for (const field of FIELDS) rows[field.feature] = [...(rows[field.feature] ?? []), sampled(field, limits)];
  return rows;
}

/** How many of something a row asks for: "30+ default and rap LoRA param files". */
const COUNT = /^(\d+)\+/u;
const RANGE = /([−–-]?\d+(?:\.\d+)?)[–…](\d+(?:\.\d+)?)/u;

export function compare(wanted: readonly Wanted[], limits: TaskLimits): readonly Verdict[] {
  const has = offered(limits);
  return wanted.map((row) => {
    const controls = has[row.id] ?? [];
    const faults = controls.length === 0 ? ['there is no such control'] : faultsOf(row, controls);
    return { ...row, found: controls.map(written).join('; '), faults };
  });
}

const written = ({ name, min, max, options, default: value }: Control): string =>
  [
    name.split(' ').slice(0, 4).join(' '),
    min === undefined ? '' : `${min}–${max}`,
    options ? `${options.length} choices` : '',
    value === undefined || value === '' ? '' : `default ${value}`,
  ]
    .filter((part) => part !== '')
    .join(', ');

function faultsOf(row: Wanted, controls: readonly Control[]): string[] {
  // A default in words ("funk/pop… 105 BPM") is a sample of free text, and a rate in kHz is one of the choices.
  const text = row.rangeAndDefault.replace(/^default .*|\d+ k\b/gu, '');
  return [
    ...rangeFaults(text, controls),
    ...(row.id === 'B9' ? [] : defaultFaults(text, controls)),
    ...choiceFaults(row, controls),
    ...namedFaults(row, controls),
  ];
}

function rangeFaults(text: string, controls: readonly Control[]): string[] {
  const numbers = controls.filter(({ min }) => min !== undefined);
  const range = RANGE.exec(text);
  const faults: string[] = [];
  if (range) {
    const [min, max] = [numberOf(range[1]!), numberOf(range[2]!)];
    if (!numbers.some((control) => control.min === min && control.max === max))
      faults.push(`its range must be ${min} to ${max}`);
  }
  if (/−1 = random/u.test(text) && !numbers.some(({ min }) => min === -1)) faults.push('−1 must mean random');
  return faults;
}

/** What is left of the second column beside the range; each must be the default of one of the controls. */
function defaultFaults(text: string, controls: readonly Control[]): string[] {
  if (/^−1 = random/u.test(text)) return [];
  const rest = text.replace(RANGE, '').replace(/\(.*?\)|e\.g\..*| s$/gu, '');
  const wanted = rest.match(/\b(?:on|off|euler|apg|wav)\b|(?<![\w.])\d+(?:\.\d+)?/gu) ?? [];
  const given = controls.map(({ default: value }) => value ?? '');
  return wanted
    .filter((value) => !given.some((one) => one === value || (one !== '' && Number(one) === Number(value))))
    .map((value) => `its default must be ${value}`);
}

/** Defaults that the row's words give beside a control's own name: "n_min 0.6". */
const namedFaults = ({ feature }: Wanted, controls: readonly Control[]): string[] =>
  [...feature.matchAll(/(\w+_\w+) (\d+(?:\.\d+)?)/gu)]
    .filter(
      ([, name, value]) =>
        !controls.some((one) => one.name === name && Number(one.default) === Number(value)),
    )
    .map(([, name, value]) => `${name} must be ${value} at first`);

/** Choices that the row's own words list: "Scheduler euler / heun / pingpong", ten genres, ten languages. */
function choiceFaults({ id, feature }: Wanted, controls: readonly Control[]): string[] {
  const choosers = controls.filter(({ options }) => options !== undefined);
  const options = choosers.flatMap((control) => control.options ?? []);
  const hasDefault = choosers.some(({ default: value }) => value !== undefined);
  const listed = hasDefault ? (/([\w.]+(?: ?\/ ?[\w.]+)+)/u.exec(feature)?.[1]?.split(/ ?\/ ?/u) ?? []) : [];
  const genres = id === 'B9' ? (/\((.*)\)/u.exec(feature)?.[1]?.split(', ') ?? []) : [];
  const languages = id === 'B31' ? (/\(([a-z ]+)\)/u.exec(feature)?.[1]?.split(' ') ?? []) : [];
  const missing = [...listed, ...genres, ...languages].filter((one) => !options.includes(one));
  const most = COUNT.exec(feature.replace(/^\D*/u, ''))?.[1];
  return [
    ...missing.map((one) => `the choice ${one} is missing`),
    ...(most !== undefined && options.length < Number(most) ? [`there must be ${most} or more`] : []),
  ];
}
