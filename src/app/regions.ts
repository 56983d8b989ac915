/**
 * Arithmetic of the regions of a song: parts of it, in seconds, that a tool works on. They are in order, never overlap,
 * and never get shorter than a beat. Pure: pointer, keyboard and screen reader all end up here.
 */
import type { Track } from '../storage/library.ts';

export interface Region {
  /** Stays the same while the region moves. */
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

export type Edge = 'start' | 'end';

/** Beats of a song; seconds. */
export interface Grid {
  readonly beat: number;
  readonly bar: number;
  /** Where the first bar begins. */
  readonly first: number;
}

/** The shortest region of a song whose beat is not known, and the steps in it. */
export const FREE: Grid = { beat: 0.5, bar: 2, first: 0 };
/** Steps without the grid. */
export const FINE_SECONDS = 0.01;

/** Beats as the song's plan, or the words it was made from, say; null where neither does. */
export function gridOf(track: Pick<Track, 'plan' | 'task'>): Grid | null {
  const { bpm, meter } = track.plan ?? track.task.score;
  if (bpm === null || !(bpm > 0)) return null;
  const beats = Number(/^(\d+)\/\d+$/u.exec(meter)?.[1] ?? 4);
  const beat = 60 / bpm;
  return { beat, bar: beats * beat, first: track.plan?.firstBar ?? 0 };
}

/** The nearest beat inside of the song; the moment itself without a grid. The song's ends count as beats. */
export function snapped(seconds: number, grid: Grid | null, length: number): number {
  const inside = clamp(seconds, 0, length);
  if (!grid) return inside;
  const { beat, first } = grid;
  const nearest = first + Math.round((inside - first) / beat) * beat;
  const beats = [nearest, 0, length].filter((at) => at >= 0 && at <= length);
  return beats.reduce((best, at) => (Math.abs(at - inside) < Math.abs(best - inside) ? at : best));
}

/** Number of the bar that a moment lies in, from 1; what comes before the first bar is bar 0. */
export const barAt = (seconds: number, { bar, first }: Grid): number =>
  Math.floor((seconds - first) / bar + 1e-6) + 1;

/** The free stretch around a moment that holds no region but `own`. */
function gap(regions: readonly Region[], at: number, length: number, own?: number): Omit<Region, 'id'> {
  const others = regions.filter(({ id }) => id !== own);
  return {
    start: Math.max(0, ...others.filter(({ end }) => end <= at + 1e-9).map(({ end }) => end)),
    end: Math.min(length, ...others.filter(({ start }) => start >= at - 1e-9).map(({ start }) => start)),
  };
}

export const shortest = (grid: Grid | null, length: number): number => Math.min(length, (grid ?? FREE).beat);

/**
 * The region between two moments, in either order, as far as its neighbours leave room around the first one; null where
 * there is none, or too little.
 */
export function between(
  regions: readonly Region[],
  id: number,
  from: number,
  to: number,
  grid: Grid | null,
  length: number,
): Region | null {
  const anchor = clamp(from, 0, length);
  if (regions.some(({ start, end }) => anchor > start && anchor < end)) return null;
  const room = gap(regions, anchor, length);
  const [a, b] = [snapped(from, grid, length), snapped(to, grid, length)];
  const start = clamp(Math.min(a, b), room.start, room.end);
  const end = clamp(Math.max(a, b), room.start, room.end);
  return end - start >= shortest(grid, length) - 1e-6 ? { id, start, end } : null;
}

/** With one region more, in order. */
export const added = (regions: readonly Region[], region: Region): readonly Region[] =>
  [...regions, region].toSorted((a, b) => a.start - b.start);

export const without = (regions: readonly Region[], id: number): readonly Region[] =>
  regions.filter((region) => region.id !== id);

/** One edge of a region moved to a moment; it stops at its neighbour, and a beat before the other edge. */
export function resized(
  regions: readonly Region[],
  id: number,
  edge: Edge,
  to: number,
  grid: Grid | null,
  length: number,
): readonly Region[] {
  return replaced(regions, id, (region) => {
    const room = gap(regions, region.start, length, id);
    const least = shortest(grid, length);
    const at = snapped(to, grid, length);
    return edge === 'start'
      ? { ...region, start: clamp(at, room.start, Math.max(room.start, region.end - least)) }
      : { ...region, end: clamp(at, Math.min(room.end, region.start + least), room.end) };
  });
}

/** A whole region moved so that it starts at a moment, as far as its neighbours let it; its length stays. */
export function moved(
  regions: readonly Region[],
  id: number,
  start: number,
  grid: Grid | null,
  length: number,
): readonly Region[] {
  return replaced(regions, id, (region) => {
    const room = gap(regions, region.start, length, id);
    const size = region.end - region.start;
    const at = clamp(snapped(start, grid, length), room.start, Math.max(room.start, room.end - size));
    return { ...region, start: at, end: at + size };
  });
}

/** What lies between the regions. */
export function outside(regions: readonly Region[], length: number): readonly Omit<Region, 'id'>[] {
  const edges = [0, ...regions.flatMap(({ start, end }) => [start, end]), length];
  return Array.from({ length: edges.length / 2 }, (_, i) => ({
    start: edges[2 * i] ?? 0,
    end: edges[2 * i + 1] ?? length,
  })).filter(({ start, end }) => end > start);
}

export const totalSeconds = (regions: readonly Pick<Region, 'start' | 'end'>[]): number =>
  regions.reduce((sum, { start, end }) => sum + end - start, 0);

function replaced(
  regions: readonly Region[],
  id: number,
  change: (region: Region) => Region,
): readonly Region[] {
  let same = true;
  const next = regions.map((region) => {
    if (region.id !== id) return region;
    const changed = change(region);
    same &&= changed.start === region.start && changed.end === region.end;
    return changed;
  });
  return same ? regions : next;
}

const clamp = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value));
