/** The form that the user fills: a draft, kept over reloads, and the task that it stands for. */
import type { Sampling, Task, TaskLimits } from '../lib/task.ts';
import { checkTask } from '../lib/task.ts';
import { asEngineError } from '../lib/errors.ts';
import { amount } from './format.ts';
import { differs, fieldsFor, presetOf, presetSampling, SONG_RANGES } from './fields.ts';
import { STARTERS } from './ideas.ts';
import { readScore, writeScore, type ScoreField } from './score.ts';
import type { Keep } from './settings.svelte.ts';
import { TEXT } from './text.ts';

/** A LoRA that the user brought: its file is a blob. */
export interface DraftLora {
  readonly file: string;
  readonly name: string;
  readonly weight: number;
  /** False: kept in the list, not used. */
  readonly on: boolean;
}

/** A sound to start from: its file is a blob. */
export interface DraftReference {
  readonly file: string;
  readonly name: string;
}

export interface Draft {
  /** Only style, lyrics and length are shown; what else was set stays and counts. */
  readonly simple: boolean;
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly lyrics: string;
  readonly instrumental: boolean;
  /** Of the lyrics; '' = each line as detected. */
  readonly language: string;
  readonly seconds: number;
  /** A length is drawn for each take. */
  readonly randomLength: boolean;
  /** Null: a new one each time. */
  readonly seed: number | null;
  readonly takes: number;
  /** A list of seeds as typed, one take each; '' = `seed` and `takes` count. */
  readonly seeds: string;
  readonly bpm: string;
  readonly key: string;
  readonly meter: string;
  readonly chords: string;
  readonly preset: string;
  /** Null: as the preset says. */
  readonly sampling: Sampling | null;
  readonly loras: readonly DraftLora[];
  readonly reference: DraftReference | null;
  /** How much of the reference is kept, 0..1. */
  readonly strength: number;
}

export const EMPTY_DRAFT: Draft = {
  simple: false,
  model: '',
  prompt: '',
  negativePrompt: '',
  lyrics: '',
  instrumental: false,
  language: '',
  seconds: 0,
  randomLength: false,
  seed: null,
  takes: 1,
  seeds: '',
  bpm: '',
  key: '',
  meter: '',
  chords: '',
  preset: '',
  sampling: null,
  loras: [],
  reference: null,
  strength: SONG_RANGES.referenceStrength.default,
};

/** Something that keeps Generate from starting: what to say, and the control to go to. */
export interface Problem {
  readonly field: string;
  readonly message: string;
}

export const MAX_TAKES = 8;
/** Seeds of one list: each is a song in line. */
export const MAX_SEEDS = 64;
export const BPM = { min: 30, max: 300 } as const;

const TYPING_MS = 1000;
const MAX_UNDO = 100;

/** A seed for those who do not care which: any whole number may be typed instead. */
export const rollSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

/** "1, 2 3" -> [1, 2, 3]; null where something in it is not a whole number that a seed can be. */
export function parseSeeds(text: string): readonly number[] | null {
  const words = text.split(/[\s,;]+/u).filter((word) => word !== '');
  const seeds = words.map((word) => (/^[+-]?\d{1,16}$/u.test(word) ? Number(word) : NaN));
  return seeds.length <= MAX_SEEDS && seeds.every(Number.isSafeInteger) ? seeds : null;
}

/** Lengths that "random" draws from: the official range, as far as the model goes. */
export function randomRange({ seconds }: TaskLimits): { readonly min: number; readonly max: number } {
  const { min, max } = SONG_RANGES.randomSeconds;
  return { min: clamp(min, seconds), max: clamp(max, seconds) };
}

export class Compose {
  readonly #keep: Keep<Draft>;
  limits = $state.raw<TaskLimits | null>(null);
  /** What controls complain about, by control. */
  complaints = $state.raw<Readonly<Record<string, string>>>({});

  constructor(keep: Keep<Draft>) {
    this.#keep = keep;
  }

  get draft(): Draft {
    return this.#keep.current;
  }

  set(change: Partial<Draft>): void {
    this.#keep.set(change);
  }

  /** Takes the limits of the model in use; what does not fit them any more moves to the nearest that does. */
  adopt(model: string, limits: TaskLimits): void {
    this.limits = limits;
    const { seconds, preset } = this.draft;
    const names = Object.keys(limits.presets);
    this.set({
      model,
      seconds: seconds === 0 ? limits.seconds.default : clamp(seconds, limits.seconds),
      preset: names.includes(preset) ? preset : (names[0] ?? ''),
    });
  }

  readonly sampling: Sampling | null = $derived.by(() =>
    this.limits ? (this.draft.sampling ?? presetSampling(this.limits, this.draft.preset)) : null,
  );

  readonly base: Sampling | null = $derived.by(() =>
    this.limits ? presetSampling(this.limits, this.draft.preset) : null,
  );

  readonly fields = $derived.by(() => (this.limits ? fieldsFor(this.limits) : []));

  /** How many Advanced settings differ from the preset. */
  readonly changed: number = $derived.by(() => {
    const { sampling, base } = this;
    return sampling && base ? this.fields.filter((field) => differs(field, sampling, base)).length : 0;
  });

  choosePreset(preset: string): void {
    this.set({ preset, sampling: null });
  }

  setSampling(sampling: Sampling): void {
    this.set({ sampling: JSON.stringify(sampling) === JSON.stringify(this.base) ? null : sampling });
  }

  /** Lyrics as they were, oldest first, for undo. */
  #past = $state.raw<readonly string[]>([]);
  #typedAt = 0;

  get canUndoLyrics(): boolean {
    return this.#past.length > 0;
  }

  /** Typing in one go is one step of undo. */
  setLyrics(lyrics: string): void {
    const before = this.draft.lyrics;
    if (lyrics === before) return;
    const now = Date.now();
    const flowing = now - this.#typedAt < TYPING_MS && Math.abs(lyrics.length - before.length) <= 1;
    if (!flowing || this.#past.length === 0) this.#past = [...this.#past.slice(-MAX_UNDO), before];
    this.#typedAt = now;
    this.set({ lyrics });
  }

  undoLyrics(): void {
    const before = this.#past.at(-1);
    if (before === undefined) return;
    this.#past = this.#past.slice(0, -1);
    this.#typedAt = 0;
    this.set({ lyrics: before });
  }

  complain(field: string, message: string | null): void {
    const { [field]: before, ...rest } = this.complaints;
    if (before === (message ?? undefined)) return;
    this.complaints = message === null ? rest : { ...rest, [field]: message };
  }

  /** The text leads; the chip's own value counts only where the text is silent. */
  score(field: ScoreField): string {
    return readScore(this.draft.prompt, field) || this.draft[field];
  }

  setScore(field: ScoreField, value: string): void {
    const prompt = writeScore(this.draft.prompt, field, value);
    this.set(prompt === this.draft.prompt ? { [field]: value } : { prompt, [field]: '' });
  }

  /** Another whole style than the one that stands there; the seed stays free, or what it was fixed to. */
  surprise(): void {
    const others = STARTERS.filter((prompt) => prompt !== this.draft.prompt);
    const prompt = others[Math.floor(Math.random() * others.length)];
    if (prompt !== undefined) this.set({ prompt });
  }

  /** Adds a tag to the style text, or takes it out again. */
  toggleTag(tag: string): void {
    const tags = this.draft.prompt
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    const rest = tags.filter((part) => part.toLowerCase() !== tag.toLowerCase());
    this.set({ prompt: (rest.length < tags.length ? rest : [...tags, tag]).join(', ') });
  }

  hasTag(tag: string): boolean {
    return this.draft.prompt.split(',').some((part) => part.trim().toLowerCase() === tag.toLowerCase());
  }

  /** The first thing in the way of a song; null when there is none. */
  readonly problem: Problem | null = $derived.by(() => {
    const { draft, limits } = this;
    if (!limits) return null;
    if (draft.prompt.trim() === '') return { field: 'style', message: TEXT.generate.missing };
    const text = this.textProblem('prompt') ?? this.textProblem('lyrics');
    if (text) return text;
    const [complaint] = Object.entries(this.complaints);
    if (complaint) return { field: complaint[0], message: complaint[1] };
    try {
      this.task(0);
      return null;
    } catch (thrown) {
      return { field: 'style', message: asEngineError(thrown).message };
    }
  });

  /** Too long, or holding half of a character. */
  textProblem(which: 'prompt' | 'lyrics'): Problem | null {
    const { limits } = this;
    if (!limits) return null;
    const value = which === 'prompt' ? this.draft.prompt : this.#lyrics();
    const limit = which === 'prompt' ? limits.maxPrompt : limits.maxLyrics;
    const name = which === 'prompt' ? TEXT.compose.style : TEXT.compose.lyrics;
    const field = which === 'prompt' ? 'style' : 'lyrics';
    if (value.length > limit) {
      return { field, message: TEXT.problems.tooLong(name, amount(value.length), amount(limit)) };
    }
    if (!value.isWellFormed()) {
      return { field, message: TEXT.problems.surrogate(name, loneSurrogate(value) + 1) };
    }
    return null;
  }

  /** The list of seeds, as far as there is one. */
  readonly seedList: readonly number[] = $derived.by(() => parseSeeds(this.draft.seeds) ?? []);

  /** How many songs Generate makes. */
  readonly takes: number = $derived.by(() =>
    this.seedList.length > 0 ? this.seedList.length : this.draft.takes,
  );

  /** There is a sound to start from, and the model can. */
  readonly usesReference: boolean = $derived.by(
    () => this.draft.reference !== null && (this.limits?.kinds.includes('audio2audio') ?? false),
  );

  /**
   * One task for each take: the seeds of the list, else the seed and those after it, else drawn ones.
   * @param roll draws a seed
   */
  tasks(roll: () => number = rollSeed): readonly Task[] {
    const { seed } = this.draft;
    return Array.from({ length: this.takes }, (_, i) =>
      this.task(this.seedList[i] ?? (seed === null ? roll() : seed + i)),
    );
  }

  /**
   * The draft as a task with this seed.
   * @throws EngineError 'bad-task' naming the field, the value and the range.
   */
  task(seed: number): Task {
    const { draft, limits, sampling } = this;
    if (!limits || !sampling) throw new Error('compose has no model yet');
    // What the text says reaches the model with the text; the chips' own values count where it is silent.
    const own = (field: ScoreField): string => (readScore(draft.prompt, field) === '' ? draft[field] : '');
    const bpm = own('bpm');
    const hears = (field: 'bpm' | 'key' | 'meter' | 'chords'): boolean => limits.score.includes(field);
    const loras = draft.loras.filter(({ on }) => on).map(({ file, weight }) => ({ file, weight }));
    return checkTask(
      {
        ...(this.usesReference
          ? {
              kind: 'audio2audio',
              source: { blob: draft.reference?.file },
              strength: draft.strength,
            }
          : { kind: 'text2music' }),
        model: draft.model,
        prompt: draft.prompt.trim(),
        negativePrompt: draft.negativePrompt.trim(),
        lyrics: this.#lyrics(),
        language: limits.sings ? draft.language : '',
        seconds: draft.randomLength ? drawn(randomRange(limits)) : draft.seconds,
        seeds: [seed],
        score: {
          bpm: hears('bpm') && bpm !== '' ? Number(bpm) : null,
          key: hears('key') ? own('key') : '',
          meter: hears('meter') ? own('meter') : '',
          chords: hears('chords') ? draft.chords.trim() : '',
        },
        sampling,
        loras: limits.loras ? loras : [],
      },
      limits,
    );
  }

  addLora(lora: Pick<DraftLora, 'file' | 'name'>): void {
    const others = this.draft.loras.filter(({ file }) => file !== lora.file);
    this.set({ loras: [...others, { ...lora, weight: SONG_RANGES.loraWeight.default, on: true }] });
  }

  changeLora(file: string, change: Partial<Pick<DraftLora, 'weight' | 'on'>>): void {
    this.set({
      loras: this.draft.loras.map((lora) => (lora.file === file ? { ...lora, ...change } : lora)),
    });
  }

  removeLora(file: string): void {
    this.set({ loras: this.draft.loras.filter((lora) => lora.file !== file) });
  }

  /** Files that the form names: they stay, whether or not a song was made with them. */
  get files(): readonly string[] {
    const { loras, reference } = this.draft;
    return [...loras.map(({ file }) => file), ...(reference ? [reference.file] : [])];
  }

  /** Puts the settings of a song back into the form. Seeds are taken over, so the same song can be made again. */
  reuse(task: Task): void {
    const { limits } = this;
    if (!limits) return;
    const preset = presetOf(limits, task.sampling) || this.draft.preset;
    const { bpm, key, meter, chords } = task.score;
    const silent = (field: ScoreField, value: string): string =>
      readScore(task.prompt, field) === '' ? value : '';
    this.complaints = {};
    this.set({
      prompt: task.prompt,
      negativePrompt: task.negativePrompt,
      lyrics: task.lyrics,
      instrumental: limits.sings && task.lyrics === '',
      seconds: clamp(task.seconds, limits.seconds),
      randomLength: false,
      language: task.language,
      seed: task.seeds[0] ?? null,
      seeds: '',
      takes: 1,
      loras: this.#withLoras(task.loras),
      bpm: silent('bpm', bpm === null ? '' : String(bpm)),
      key: silent('key', key),
      meter: silent('meter', meter),
      chords,
      preset,
    });
    this.setSampling(task.sampling);
  }

  /** The list of LoRAs with those of a song switched on, and the others off. */
  #withLoras(used: Task['loras']): readonly DraftLora[] {
    const known = this.draft.loras.map((lora) => {
      const use = used.find(({ file }) => file === lora.file);
      return { ...lora, on: use !== undefined, weight: use?.weight ?? lora.weight };
    });
    const more = used.filter(({ file }) => !known.some((lora) => lora.file === file));
    return [
      ...known,
      ...more.map(({ file, weight }) => ({ file, name: file.slice(0, 8), weight, on: true })),
    ];
  }

  #lyrics(): string {
    return this.draft.instrumental ? '' : this.draft.lyrics;
  }
}

/** To a tenth of a second. */
const drawn = ({ min, max }: { min: number; max: number }): number =>
  Math.round(10 * (min + Math.random() * (max - min))) / 10;

const clamp = (value: number, { min, max }: { min: number; max: number }): number =>
  Math.min(max, Math.max(min, value));

/** Index of the first half of a surrogate pair that stands alone; the text is known to hold one. */
function loneSurrogate(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0xd800 || code > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return i;
    i += 1;
  }
  return -1;
}

/** The draft as it was stored, with whatever does not fit left out. */
export function parseDraft(stored: Readonly<Record<string, unknown>>): Partial<Draft> {
  const draft: Record<string, unknown> = {};
  for (const [key, fallback] of Object.entries(EMPTY_DRAFT)) {
    if (key in stored && typeof stored[key] === typeof fallback && stored[key] !== null)
      draft[key] = stored[key];
  }
  if (Number.isSafeInteger(stored['seed'])) draft['seed'] = stored['seed'];
  if (typeof stored['sampling'] === 'object') draft['sampling'] = stored['sampling']; // checkTask has the last word
  draft['loras'] = Array.isArray(stored['loras']) ? stored['loras'].filter(isLora) : [];
  if (isNamedFile(stored['reference'])) draft['reference'] = stored['reference'];
  return draft as Partial<Draft>; // each field has the type of its default
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const isNamedFile = (value: unknown): value is DraftReference =>
  isRecord(value) && typeof value['file'] === 'string' && typeof value['name'] === 'string';

const isLora = (value: unknown): value is DraftLora =>
  isNamedFile(value) &&
  isRecord(value) &&
  Number.isFinite(value['weight']) &&
  typeof value['on'] === 'boolean';
