/** The regions of the song in the studio: what is selected, what is being dragged, and the way back. */
import type { Track } from '../storage/library.ts';
import { begin, canRedo, canUndo, redo, step, undo, type History } from './history.ts';
import {
  added,
  between,
  gridOf,
  moved,
  resized,
  without,
  type Edge,
  type Grid,
  type Region,
} from './regions.ts';

type List = readonly Region[];

/** Key presses closer together than this are one step back. */
const ONE_STEP_MS = 1000;

export class Regions {
  track = $state.raw<Track | null>(null);
  #history = $state.raw<History<List>>(begin([]));
  /** What a pointer is doing; settled when it lets go. */
  #drag = $state.raw<List | null>(null);
  #selected = $state<number | null>(null);
  snap = $state(true);
  /** Seconds beyond an end of the song that a pointer has pulled an edge to; null while it does not. */
  beyond = $state.raw<{ readonly edge: Edge; readonly seconds: number } | null>(null);
  #next = 1;
  #pressedAt = 0;
  /** A song that is shown again has its regions again, as long as the page lives. */
  readonly #kept = new Map<string, History<List>>();

  readonly list: List = $derived(this.#drag ?? this.#history.present);
  readonly length: number = $derived(this.track?.seconds ?? 0);
  /** Beats of the song, whether edges snap to them or not. */
  readonly beats: Grid | null = $derived(this.track ? gridOf(this.track) : null);
  readonly grid: Grid | null = $derived(this.snap ? this.beats : null);
  readonly selected: Region | null = $derived(
    this.list.find(({ id }) => id === this.#selected) ?? this.list[0] ?? null,
  );

  get canUndo(): boolean {
    return canUndo(this.#history);
  }
  get canRedo(): boolean {
    return canRedo(this.#history);
  }

  /** Follows the song in the player. */
  show(track: Track | null): void {
    if (track?.id !== this.track?.id) {
      if (this.track) this.#kept.set(this.track.id, this.#history);
      this.#history = (track && this.#kept.get(track.id)) ?? begin([]);
      this.#drag = null;
      this.#selected = null;
    }
    this.track = track;
  }

  select(id: number): void {
    this.#selected = id;
  }

  // ---- a pointer: any number of moves, then `settle`

  /** A region between two moments: beside those that are there, or in their place. */
  draw(from: number, to: number, beside: boolean, free: boolean): void {
    const before = beside ? this.#history.present : [];
    const region = between(before, this.#next, from, to, free ? null : this.grid, this.length);
    this.#drag = region ? added(before, region) : null;
    if (region) this.#selected = region.id;
  }

  pull(id: number, edge: Edge, to: number, free: boolean): void {
    this.#drag = resized(this.#history.present, id, edge, to, free ? null : this.grid, this.length);
  }

  carry(id: number, start: number, free: boolean): void {
    this.#drag = moved(this.#history.present, id, start, free ? null : this.grid, this.length);
  }

  settle(): void {
    const { list } = this;
    this.#drag = null;
    this.beyond = null;
    this.#next += 1;
    this.#history = step(this.#history, list);
  }

  drop(): void {
    this.#drag = null;
    this.beyond = null;
  }

  // ---- a key, a button: one step each

  /** An edge to a moment; `free` ignores the beat. */
  setEdge(id: number, edge: Edge, to: number, free: boolean): void {
    this.#press(resized(this.list, id, edge, to, free ? null : this.grid, this.length), `${edge} ${id}`);
  }

  move(id: number, start: number, free: boolean): void {
    this.#press(moved(this.list, id, start, free ? null : this.grid, this.length), `move ${id}`);
  }

  /** A region between two moments; null where others leave no room. */
  add(from: number, to: number, beside = true, free = false): Region | null {
    const before = beside ? this.list : [];
    const region = between(before, this.#next, from, to, free ? null : this.grid, this.length);
    if (!region) return null;
    this.#next += 1;
    this.#history = step(this.#history, added(before, region));
    this.#selected = region.id;
    return region;
  }

  remove(id: number): void {
    this.#history = step(this.#history, without(this.list, id));
  }

  clear(): void {
    if (this.list.length > 0) this.#history = step(this.#history, []);
  }

  /** False where there is nothing to take back. */
  undo(): boolean {
    if (!this.canUndo) return false;
    this.#history = undo(this.#history);
    return true;
  }

  redo(): boolean {
    if (!this.canRedo) return false;
    this.#history = redo(this.#history);
    return true;
  }

  #press(list: List, kind: string): void {
    const now = performance.now();
    this.#history = step(this.#history, list, now - this.#pressedAt < ONE_STEP_MS ? kind : '');
    this.#history = { ...this.#history, kind };
    this.#pressedAt = now;
  }
}
