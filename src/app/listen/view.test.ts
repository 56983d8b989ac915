import { describe, expect, it } from 'vitest';
import { clampFrom, mostZoom, rulerOf, zoomedFrom } from './view.svelte.ts';

describe('the view of a song', () => {
  it('keeps the anchor where it is on the screen, and the song inside', () => {
    const anchor = 0.4;
    const [from, zoom] = [0.25, 2];
    const place = (anchor - from) * zoom;
    const next = zoomedFrom(from, zoom, 8, anchor);
    expect((anchor - next) * 8).toBeCloseTo(place, 12);
    expect(zoomedFrom(0, 4, 1, 0.2), 'the whole song again').toBe(0);
    expect(zoomedFrom(0.9, 10, 2, 0.95), 'not beyond the end').toBe(0.5);
    expect(clampFrom(-1, 3)).toBe(0);
    expect(clampFrom(1, 4)).toBe(0.75);
  });

  it('enlarges up to half a second across, short songs not at all', () => {
    expect(mostZoom(240)).toBe(480);
    expect(mostZoom(0.3)).toBe(1);
  });

  it('has a ruler with few round labels at every zoom', () => {
    expect(rulerOf(152, 1, 0)).toEqual({ step: 30, at: [0, 30, 60, 90, 120, 150].filter((at) => at < 145) });
    for (const [seconds, zoom] of [
      [240, 1],
      [240, 7],
      [240, 100],
      [240, 480],
      [2, 1],
      [0.4, 1],
    ] as const) {
      for (const from of [0, 0.5, 1 - 1 / zoom]) {
        const { step, at } = rulerOf(seconds, zoom, from);
        const shown = at.filter((x) => x >= from * seconds && x <= (from + 1 / zoom) * seconds);
        expect(shown.length, `${seconds} s at ${zoom}`).toBeLessThanOrEqual(8);
        expect(at.length).toBeLessThanOrEqual(16);
        expect(at.every((x) => Math.abs(x / step - Math.round(x / step)) < 1e-6)).toBe(true);
      }
    }
  });
});
