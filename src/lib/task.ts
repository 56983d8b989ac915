/**
 * A task is what the user asks for: plain JSON, kept with every song. `checkTask` is the only way in: it fills
 * defaults from the model's limits and refuses, naming the field, the value and the range.
 */
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
