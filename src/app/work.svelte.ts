/**
 * Working on a song: its regions, the tool that is open, what that tool asks, and the task that comes out of it. Every
 * task starts from the song in the player and makes a child of it.
 */
import type { Changed } from '../lib/audio/changed.ts';
import { asEngineError, EngineError } from '../lib/errors.ts';
import {
  checkTask,
  EDIT_SHARES,
  WORK_RANGES,
  type Range,
  type Sampling,
  type Task,
  type TaskKind,
  type TaskLimits,
} from '../lib/task.ts';
import type { Track } from '../storage/library.ts';
import { Regions } from './regions.svelte.ts';
import type { DraftReference } from './compose.svelte.ts';
import { totalSeconds, type Edge, type Region } from './regions.ts';
import { askSound } from './sound-client.ts';
import { lengthProblem } from './sources.ts';
import { TEXT } from './text.ts';

export const TOOLS = [
  'repaint',
  'extend',
  'edit',
  'retake',
  'audio2audio',
] as const satisfies readonly TaskKind[];
export type Tool = (typeof TOOLS)[number];
export type EditMode = keyof typeof EDIT_SHARES;

/** Numbers that tools ask for. */
export interface Amounts {
  readonly repaintVariance: number;
  readonly retakeVariance: number;
  readonly before: number;
  readonly after: number;
  readonly nMin: number;
  readonly nMax: number;
  readonly strength: number;
}

export const AMOUNT_RANGES: Readonly<Record<keyof Amounts, Range>> = {
  repaintVariance: WORK_RANGES.variance,
  retakeVariance: WORK_RANGES.variance,
  before: WORK_RANGES.before,
  after: WORK_RANGES.after,
  nMin: WORK_RANGES.nMin,
  nMax: WORK_RANGES.nMax,
  strength: WORK_RANGES.strength,
};

const DEFAULTS = Object.fromEntries(
  Object.entries(AMOUNT_RANGES).map(([name, range]) => [name, range.default]),
) as unknown as Amounts; // one number for each of its keys

/** Kinds that take no explicit steps: their schedule is their own. */
const OWN_SCHEDULE: readonly Tool[] = ['edit', 'audio2audio'];

type Span = Pick<Region, 'start' | 'end'>;

/** What working needs of the rest of the app. */
export interface Desk {
  /** Ranges of a model; null where it is not installed. */
  limits(model: string): TaskLimits | null;
  /** The model in use, and its settings: for sounds that no model made. */
  current(): { readonly model: string; readonly sampling: Sampling | null };
  roll(): number;
  enqueue(tasks: readonly Task[], parent: Track): void;
  say(text: string): void;
  /** The WAV file of a track. */
  sound(track: Track): Promise<Blob>;
  /** Keeps a sound; its blob id. */
  keep(wav: Uint8Array<ArrayBuffer>): Promise<string>;
  /** The sound becomes what the next song in Compose starts from. */
  compose(reference: DraftReference, strength: number, prompt: string): void;
}

export class Work {
  readonly regions = new Regions();
  tool = $state<Tool | null>(null);
  amounts = $state.raw<Amounts>(DEFAULTS);
  editMode = $state<EditMode>('lyrics');
  /** What is taken as reference where there are regions. */
  part = $state<'whole' | 'regions'>('regions');
  /** Words of the new song where they may differ; null: as in the source. */
  prompt = $state<string | null>(null);
  lyrics = $state<string | null>(null);
  /** As typed: numbers and "random", with commas between them. One song for each. */
  seeds = $state('');
  /** What controls complain about, by control. */
  complaints = $state.raw<Readonly<Record<string, string>>>({});
  /** How much versions differ from their parents, by track; words where that could not be measured. */
  changes = $state.raw<Readonly<Record<string, Changed | string>>>({});
  readonly #measuring = new Set<string>();
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  get track(): Track | null {
    return this.regions.track;
  }

  /** Measures how much a version differs from its parent, once. */
  async measure(track: Track, parent: Track): Promise<void> {
    if (track.id in this.changes || this.#measuring.has(track.id)) return;
    this.#measuring.add(track.id);
    let found: Changed | string;
    try {
      const [now, before] = await Promise.all([this.#desk.sound(track), this.#desk.sound(parent)]);
      const { sourceStart = 0 } = track;
      found = await askSound({ type: 'changed', now, before, sourceStart });
    } catch (thrown) {
      found = asEngineError(thrown).message;
    }
    this.#measuring.delete(track.id);
    this.changes = { ...this.changes, [track.id]: found };
  }

  offers(tool: Tool): boolean {
    return this.tools.includes(tool);
  }

  /** The model that goes on with this song: its own, or the one in use where that is not here. */
  readonly model: string = $derived.by(() => {
    const own = this.track?.model ?? '';
    return this.#desk.limits(own) ? own : this.#desk.current().model;
  });

  readonly limits: TaskLimits | null = $derived.by(() => this.#desk.limits(this.model));

  /** Tools that the model has. */
  readonly tools: readonly Tool[] = $derived(TOOLS.filter((tool) => this.limits?.kinds.includes(tool)));

  /** Tools for any song: those of its own model, or of the one in use where that is not here. */
  toolsFor(track: Track): readonly Tool[] {
    const limits = this.#desk.limits(track.model) ?? this.#desk.limits(this.#desk.current().model);
    const made = track.model !== '';
    return TOOLS.filter((tool) => (tool !== 'retake' || made) && limits?.kinds.includes(tool));
  }

  /** The reference is the regions, not the whole song. */
  readonly fromRegions: boolean = $derived(
    this.tool === 'audio2audio' && this.part === 'regions' && this.regions.list.length > 0,
  );

  /** Follows the song in the player. */
  show(track: Track | null): void {
    if (track?.id !== this.track?.id) {
      this.tool = null;
      this.prompt = null;
      this.lyrics = null;
      this.complaints = {};
    }
    this.regions.show(track);
  }

  /** Opens a tool, or closes it where it is open. */
  toggle(tool: Tool): void {
    this.complaints = {};
    this.tool = this.tool === tool ? null : tool;
    if (this.tool === 'edit') this.setEditMode(this.limits?.sings ? 'lyrics' : 'remix');
  }

  open(tool: Tool): void {
    if (this.tool !== tool) this.toggle(tool);
  }

  set(amounts: Partial<Amounts>): void {
    this.amounts = { ...this.amounts, ...amounts };
  }

  /** An end of the song was pulled so far beyond itself. */
  extendBy(edge: Edge, seconds: number): void {
    const name = edge === 'start' ? 'before' : 'after';
    const other = edge === 'start' ? 'after' : 'before';
    const range = this.range(name);
    this.set({
      [name]: Math.min(range.max, Math.round(seconds * 10) / 10),
      // What stands at the other end counts only where this tool was open already.
      ...(this.tool !== 'extend' && { [other]: 0 }),
    });
    this.open('extend');
  }

  range(name: keyof Amounts): Range {
    const range = AMOUNT_RANGES[name];
    const most = this.limits?.seconds.max ?? range.max;
    return name === 'before' || name === 'after' ? { ...range, max: Math.min(range.max, most) } : range;
  }

  setEditMode(mode: EditMode): void {
    this.editMode = mode;
    this.set(EDIT_SHARES[mode]);
  }

  complain(field: string, message: string | null): void {
    const { [field]: before, ...rest } = this.complaints;
    if (before === (message ?? undefined)) return;
    this.complaints = message === null ? rest : { ...rest, [field]: message };
  }

  /** Words of the song as it is: what an edit turned it into, not what it came from. */
  readonly words: { readonly prompt: string; readonly lyrics: string } = $derived.by(() => {
    const task = this.track?.task;
    if (!task) return { prompt: '', lyrics: '' };
    return task.kind === 'edit' ? task.target : { prompt: task.prompt, lyrics: task.lyrics };
  });

  /** Words that the tool will send. */
  readonly said: { readonly prompt: string; readonly lyrics: string } = $derived({
    prompt: this.prompt ?? this.words.prompt,
    lyrics: this.lyrics ?? this.words.lyrics,
  });

  /** What keeps the open tool from running; empty when nothing does. */
  readonly problem: string = $derived.by(() => {
    const { tool, track } = this;
    if (!tool || !track) return '';
    const T = TEXT.work;
    const [complaint] = Object.values(this.complaints);
    if (complaint) return complaint;
    if (tool === 'repaint' && this.regions.list.length === 0) return T.needsRegion;
    if (tool === 'extend' && this.amounts.before === 0 && this.amounts.after === 0) return T.needsSeconds;
    if (tool === 'retake' && track.model === '') return T.needsSong;
    if (this.said.prompt.trim() === '') return T.needsStyle;
    if (tool === 'edit' && this.unchanged) return this.editMode === 'lyrics' ? T.needsLyrics : T.needsWords;
    if (this.seedList === null) return T.badSeeds;
    try {
      this.tasks(() => 0);
      return '';
    } catch (thrown) {
      return asEngineError(thrown).message;
    }
  });

  get unchanged(): boolean {
    return this.said.prompt === this.words.prompt && this.said.lyrics === this.words.lyrics;
  }

  /** One entry a song, null for a random seed; null where the text is no list of seeds. */
  readonly seedList: readonly (number | null)[] | null = $derived.by(() => {
    const parts = this.seeds.split(/[,;\s]+/u).filter((part) => part !== '');
    if (parts.length === 0) return [null];
    const seeds = parts.map((part) =>
      /^-?\d{1,15}$/u.test(part) ? Number(part) : part === TEXT.compose.random ? null : NaN,
    );
    return seeds.length > (this.limits?.maxSeeds ?? 1) || seeds.some(Number.isNaN) ? null : seeds;
  });

  /** Seconds of the song that will come out. */
  readonly seconds: number = $derived.by(() => {
    const length = this.fromRegions ? this.regionSeconds : (this.track?.seconds ?? 0);
    return this.tool === 'extend' ? this.amounts.before + length + this.amounts.after : length;
  });

  /** Share of the steps that the tool takes: what its time is judged by. */
  readonly effort: number = $derived.by(() => {
    const { repaintVariance, nMin, nMax, strength } = this.amounts;
    const EFFORT: Readonly<Record<Tool, number>> = {
      repaint: repaintVariance,
      extend: 1,
      edit: 2 * (nMax - nMin) + 1 - nMax,
      retake: 1,
      audio2audio: 1 - strength,
    };
    return this.tool ? EFFORT[this.tool] : 0;
  });

  /**
   * What the open tool makes, one task for each seed.
   * @param sound blob id of what it starts from, where that is not the whole song
   * @throws EngineError 'bad-task' naming the field, the value and the range.
   */
  tasks(roll: () => number, sound = this.track?.audio ?? ''): readonly Task[] {
    const { track, tool, limits, seedList } = this;
    if (!track || !tool || !limits || !seedList) return [];
    const { task } = track;
    const { sampling } = this.#desk.current();
    const made = track.model !== '';
    const length = this.fromRegions ? this.regionSeconds : track.seconds;
    const seconds = tool === 'retake' && task.kind !== 'extend' ? task.seconds : length;
    const { seconds: range } = limits;
    // Another model's settings mean nothing to this one.
    const settings = track.model === this.model ? task.sampling : (sampling ?? limits.sampling);
    const song = {
      model: this.model,
      ...this.words,
      negativePrompt: task.negativePrompt,
      language: task.language,
      seconds: Math.min(range.max, Math.max(range.min, seconds)),
      score: task.score,
      sampling: OWN_SCHEDULE.includes(tool) ? { ...settings, ossSteps: [] } : settings,
      loras: limits.loras ? task.loras : [],
    };
    return seedList.map((chosen) => {
      const seed = chosen ?? roll();
      const again =
        tool === 'audio2audio'
          ? { seeds: [seed] }
          : { seeds: [made ? track.seed : seed], retakeSeeds: [seed] };
      return checkTask({ kind: tool, ...song, ...again, ...this.#asked(tool, track, sound) }, limits);
    });
  }

  /** What each kind has beside the song. */
  #asked(tool: Tool, track: Track, sound: string): object {
    const { amounts, said } = this;
    const source = { blob: sound };
    switch (tool) {
      case 'repaint': {
        const regions = this.regions.list.map(({ start, end }) => ({ start, end }));
        return { ...said, source, regions, variance: amounts.repaintVariance };
      }
      case 'extend': {
        const { before, after } = amounts;
        return { ...said, source, before, after };
      }
      case 'retake':
        return { variance: amounts.retakeVariance };
      case 'edit': {
        const { nMin, nMax } = amounts;
        const words = track.model === '' ? said : this.words;
        return { ...words, source, target: said, nMin, nMax };
      }
      case 'audio2audio':
        return { ...said, source, strength: amounts.strength };
    }
  }

  /** Puts what the open tool makes in line; says why where it cannot. */
  async run(): Promise<void> {
    const { track, problem } = this;
    if (!track || !this.tool) return;
    if (problem) return this.#desk.say(problem);
    try {
      const sound = this.fromRegions ? await this.#cut(track, this.regions.list) : track.audio;
      this.#desk.enqueue(
        this.tasks(() => this.#desk.roll(), sound),
        track,
      );
      this.tool = null;
    } catch (thrown) {
      this.#desk.say(asEngineError(thrown).message);
    }
  }

  /** The song, or these parts of it, becomes the reference in Compose. */
  async toCompose(track: Track, parts: readonly Span[]): Promise<void> {
    const { title, audio } = track;
    const name = parts.length === 0 ? title : TEXT.send.named(title, TEXT.work.count(parts.length));
    try {
      const file = parts.length === 0 ? audio : await this.#cut(track, parts);
      this.#desk.compose({ file, name }, this.amounts.strength, this.prompt ?? track.task.prompt);
      this.tool = null;
    } catch (thrown) {
      this.#desk.say(asEngineError(thrown).message);
    }
  }

  /** @throws EngineError where the parts are too short to follow, or there is no room */
  async #cut(track: Track, parts: readonly Span[]): Promise<string> {
    const problem = lengthProblem(track.title, totalSeconds(parts));
    if (problem !== '') throw new EngineError('bad-task', problem);
    const file = await this.#desk.sound(track);
    const spans = parts.map(({ start, end }) => ({ start, end }));
    return this.#desk.keep(await askSound({ type: 'excerpt', file, parts: spans }));
  }

  readonly regionSeconds: number = $derived(totalSeconds(this.regions.list));
}
