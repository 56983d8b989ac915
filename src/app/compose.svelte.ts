/** The form that the user fills: a draft, kept over reloads, and the task that it stands for. */
import type { Sampling, Task, TaskLimits } from '../lib/task.ts';
import { checkTask } from '../lib/task.ts';
import { asEngineError } from '../lib/errors.ts';
import { amount } from './format.ts';
import { differs, fieldsFor, presetOf, presetSampling } from './fields.ts';
import { readScore, writeScore, type ScoreField } from './score.ts';
import type { Keep } from './settings.svelte.ts';
import { TEXT } from './text.ts';

export interface Draft {
  readonly model: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly lyrics: string;
  readonly instrumental: boolean;
  readonly seconds: number;
  /** Null: a new one each time. */
  readonly seed: number | null;
  readonly takes: number;
  readonly bpm: string;
  readonly key: string;
  readonly meter: string;
  readonly chords: string;
  readonly preset: string;
  /** Null: as the preset says. */
  readonly sampling: Sampling | null;
}

export const EMPTY_DRAFT: Draft = {
  model: '',
  prompt: '',
  negativePrompt: '',
  lyrics: '',
  instrumental: false,
  seconds: 0,
  seed: null,
  takes: 1,
  bpm: '',
  key: '',
  meter: '',
  chords: '',
  preset: '',
  sampling: null,
};

/** Something that keeps Generate from starting: what to say, and the control to go to. */
export interface Problem {
  readonly field: string;
  readonly message: string;
}

export const MAX_TAKES = 8;
export const BPM = { min: 30, max: 300 } as const;

/** A seed for those who do not care which: any whole number may be typed instead. */
export const rollSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

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
    return checkTask(
      {
        kind: 'text2music',
        model: draft.model,
        prompt: draft.prompt.trim(),
        negativePrompt: draft.negativePrompt.trim(),
        lyrics: this.#lyrics(),
        seconds: draft.seconds,
        seeds: [seed],
        score: {
          bpm: hears('bpm') && bpm !== '' ? Number(bpm) : null,
          key: hears('key') ? own('key') : '',
          meter: hears('meter') ? own('meter') : '',
          chords: hears('chords') ? draft.chords.trim() : '',
        },
        sampling,
      },
      limits,
    );
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
      seed: task.seeds[0] ?? null,
      takes: 1,
      bpm: silent('bpm', bpm === null ? '' : String(bpm)),
      key: silent('key', key),
      meter: silent('meter', meter),
      chords,
      preset,
    });
    this.setSampling(task.sampling);
  }

  #lyrics(): string {
    return this.draft.instrumental ? '' : this.draft.lyrics;
  }
}

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
  return draft as Partial<Draft>; // each field has the type of its default
}
