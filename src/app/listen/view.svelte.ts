/**
 * Which part of a song is shown, and how. Lane, waveform, regions and ruler lie in a box as wide as the song at this
 * zoom, inside one that scrolls: places are shares of the song for all of them, and fingers scroll it as they do a page.
 * What is drawn in pixels sticks to the visible part and draws that.
 */

/** Closer than this there is nothing more to see, seconds across the view. */
const CLOSEST_SECONDS = 0.5;
/** What a narrow screen shows of a song at first. */
export const NARROW_SECONDS = 47;
/** Below this a screen is narrow, CSS pixels: the phone layout. */
export const NARROW_PIXELS = 768;
const STEP = 1.6;

export const SHAPES = ['waveform', 'spectrum'] as const;
export type Shape = (typeof SHAPES)[number];

/** Share of the song at the left edge when `anchor` (a share) keeps its place in the view. */
export function zoomedFrom(from: number, zoom: number, next: number, anchor: number): number {
  const place = (anchor - from) * zoom; // 0..1 across the view
  return clampFrom(anchor - place / next, next);
}

export const clampFrom = (from: number, zoom: number): number => Math.min(Math.max(0, from), 1 - 1 / zoom);

/** The most that a song of this length can be enlarged. */
export const mostZoom = (seconds: number): number => Math.max(1, seconds / CLOSEST_SECONDS);

/** Steps of a ruler, seconds. */
const STEPS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120] as const;
const MOST_LABELS = 7;

/** Labels of a ruler, seconds, for the shown part and a little more on either side: few and round. */
export function rulerOf(
  seconds: number,
  zoom: number,
  from: number,
): { step: number; at: readonly number[] } {
  const shown = seconds / zoom;
  const step = STEPS.find((one) => shown / one <= MOST_LABELS) ?? STEPS.at(-1)!;
  const first = Math.max(0, Math.floor((from * seconds - shown / 2) / step));
  const last = Math.min(seconds / step - 0.25, (from * seconds + 1.5 * shown) / step);
  const at: number[] = [];
  for (let i = first; i <= last || i === 0; i++) at.push(Number((i * step).toFixed(3)));
  return { step, at };
}

export class View {
  shape = $state<Shape>('waveform');
  /** Times the width of the view. */
  zoom = $state(1);
  /** Share of the song at the left edge. */
  from = $state(0);
  seconds = $state(0);
  /** CSS pixels across the view. */
  width = $state(0);
  #song = '';

  /** Another song: the whole of it; on a narrow screen as much as can be read. */
  open(song: string, seconds: number, narrow: boolean): void {
    if (song === this.#song) return;
    this.#song = song;
    this.seconds = seconds;
    this.from = 0;
    this.zoom = narrow ? Math.max(1, seconds / NARROW_SECONDS) : 1;
  }

  /** Seconds at the edges. */
  get start(): number {
    return this.from * this.seconds;
  }
  get end(): number {
    return (this.from + 1 / this.zoom) * this.seconds;
  }
  get most(): number {
    return mostZoom(this.seconds);
  }

  /** Enlarges by a factor; a place, a share of the song, stays where it is: by itself the middle. */
  zoomBy(factor: number, anchor = this.from + 0.5 / this.zoom): void {
    const next = Math.min(this.most, Math.max(1, this.zoom * factor));
    this.from = zoomedFrom(this.from, this.zoom, next, anchor);
    this.zoom = next;
  }

  /** One step in (1) or out (-1), about a moment of the song where that is in view. */
  step(by: 1 | -1, seconds: number): void {
    const inView = seconds >= this.start && seconds <= this.end && this.seconds > 0;
    this.zoomBy(by === 1 ? STEP : 1 / STEP, inView ? seconds / this.seconds : undefined);
  }

  whole(): void {
    this.zoom = 1;
    this.from = 0;
  }

  moveTo(from: number): void {
    this.from = clampFrom(from, this.zoom);
  }
}
