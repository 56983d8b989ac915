/** Presets at work: the user's own, and hearing one of the gallery before it is used. */
import { checkTask, type Task, type TaskLimits } from '../lib/task.ts';
import type { Track } from '../storage/library.ts';
import { OwnPresets } from './own-presets.svelte.ts';
import { heard, LISTEN_SECONDS, LISTEN_SEED, type Preset } from './presets.ts';

/** The embedded model: it is there from the first visit on, and quick. */
export const LISTEN_MODEL = 'nano';

interface Desk {
  limits(model: string): TaskLimits | null;
  tracks(): readonly Track[];
  /** Tasks in line or being made. */
  pending(): readonly Task[];
  enqueue(task: Task, title: string): void;
  play(track: Track): Promise<void>;
  pause(): void;
  /** The song that can be heard now. */
  playing(): Track | null;
}

export class Gallery {
  readonly own = new OwnPresets();
  readonly #desk: Desk;
  /** Presets whose song is to be played as soon as it is there. */
  readonly #wanted = new Set<string>();

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** What "Listen" would do: make a song, wait for the one in line, play what there is, or stop it. */
  stateOf(preset: Preset): 'none' | 'waiting' | 'ready' | 'playing' {
    if (this.#desk.pending().some((task) => isOf(preset, task, task.seeds[0]))) return 'waiting';
    const track = heard(preset, LISTEN_MODEL, this.#desk.tracks());
    if (!track) return 'none';
    return this.#desk.playing()?.id === track.id ? 'playing' : 'ready';
  }

  async listen(preset: Preset): Promise<void> {
    const state = this.stateOf(preset);
    const limits = this.#desk.limits(LISTEN_MODEL);
    const track = heard(preset, LISTEN_MODEL, this.#desk.tracks());
    if (state === 'playing') return this.#desk.pause();
    if (state === 'ready' && track) return this.#desk.play(track);
    if (state === 'waiting' || !limits) return;
    const { prompt, negativePrompt = '' } = preset;
    const seconds = Math.min(LISTEN_SECONDS, limits.seconds.max);
    const wanted = { model: LISTEN_MODEL, prompt, negativePrompt, seconds, seeds: [LISTEN_SEED] };
    this.#wanted.add(prompt);
    this.#desk.enqueue(checkTask(wanted, limits), preset.name);
  }

  /** A song was made: it plays if somebody waits to hear it. */
  arrived(track: Track): void {
    if (track.model === LISTEN_MODEL && track.seed === LISTEN_SEED && this.#wanted.delete(track.task.prompt))
      void this.#desk.play(track);
  }
}

const isOf = (preset: Preset, task: Task, seed: number | undefined): boolean =>
  task.model === LISTEN_MODEL && seed === LISTEN_SEED && task.prompt === preset.prompt;
