import { describe, expect, test } from 'vitest';
import {
  added,
  barAt,
  between,
  FREE,
  gridOf,
  moved,
  outside,
  resized,
  snapped,
  totalSeconds,
  without,
  type Grid,
  type Region,
} from './regions.ts';

const LENGTH = 20;
const GRID: Grid = { beat: 0.5, bar: 2, first: 0.25 };
const TWO: readonly Region[] = [
  { id: 1, start: 2.25, end: 4.25 },
  { id: 2, start: 8.25, end: 10.25 },
];
const task = { score: { bpm: null, key: '', meter: '', chords: '' } } as never; // what gridOf reads of it

describe('regions', () => {
  test('the beat comes from the plan, else from the words, else there is none', () => {
    const plan = { bpm: 120, key: '', meter: '3/4', chords: '', firstBar: 0.25, sections: [] };
    expect(gridOf({ plan, task })).toEqual({ beat: 0.5, bar: 1.5, first: 0.25 });
    expect(gridOf({ task })).toBeNull();
    expect(barAt(0.1, GRID)).toBe(0);
    expect(barAt(2.25, GRID)).toBe(2);
  });

  test('a moment snaps to the nearest beat or end of the song', () => {
    expect(snapped(3.4, GRID, LENGTH)).toBeCloseTo(3.25);
    expect(snapped(0.1, GRID, LENGTH)).toBe(0);
    expect(snapped(19.9, GRID, LENGTH)).toBe(LENGTH);
    expect(snapped(-5, GRID, LENGTH)).toBe(0);
    expect(snapped(3.4, null, LENGTH)).toBe(3.4);
  });

  test('a drag makes a region in either direction, no shorter than a beat', () => {
    expect(between([], 7, 3.2, 6.1, GRID, LENGTH)).toEqual({ id: 7, start: 3.25, end: 6.25 });
    expect(between([], 7, 6.1, 3.2, GRID, LENGTH)).toEqual({ id: 7, start: 3.25, end: 6.25 });
    expect(between([], 7, 3.2, 3.3, GRID, LENGTH)).toBeNull();
    expect(between([], 7, 3.2, 3.2 + FREE.beat, null, LENGTH)).not.toBeNull();
    expect(between([], 7, -3, 99, GRID, LENGTH)).toEqual({ id: 7, start: 0, end: LENGTH });
  });

  test('a region stops at its neighbours, whatever moves it', () => {
    expect(between(TWO, 7, 5, 30, GRID, LENGTH)).toEqual({ id: 7, start: 5.25, end: 8.25 });
    expect(between(TWO, 7, 3, 9, GRID, LENGTH)).toBeNull();
    expect(resized(TWO, 1, 'end', 15, GRID, LENGTH)[0]).toEqual({ id: 1, start: 2.25, end: 8.25 });
    expect(resized(TWO, 2, 'start', 0, GRID, LENGTH)[1]).toEqual({ id: 2, start: 4.25, end: 10.25 });
    expect(resized(TWO, 1, 'start', 9, GRID, LENGTH)[0]).toEqual({ id: 1, start: 3.75, end: 4.25 });
    expect(moved(TWO, 1, 7.9, GRID, LENGTH)[0]).toEqual({ id: 1, start: 6.25, end: 8.25 });
    expect(moved(TWO, 2, 50, GRID, LENGTH)[1]).toEqual({ id: 2, start: 18, end: LENGTH });
  });

  test('what does not move is the same list, so that nothing is drawn and nothing can be undone', () => {
    expect(moved(TWO, 1, 2.25, GRID, LENGTH)).toBe(TWO);
    expect(resized(TWO, 9, 'end', 3, GRID, LENGTH)).toBe(TWO);
  });

  test('regions are in order, and the rest of the song lies between them', () => {
    const three = added(TWO, { id: 3, start: 0, end: 1 });
    expect(three.map(({ id }) => id)).toEqual([3, 1, 2]);
    expect(without(three, 1).map(({ id }) => id)).toEqual([3, 2]);
    expect(outside(three, LENGTH)).toEqual([
      { start: 1, end: 2.25 },
      { start: 4.25, end: 8.25 },
      { start: 10.25, end: LENGTH },
    ]);
    expect(outside([], LENGTH)).toEqual([{ start: 0, end: LENGTH }]);
    expect(totalSeconds(three)).toBe(5);
  });

  test('no walk of edits ever breaks the order or the song’s ends', () => {
    let state = 1;
    const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
    let list = TWO;
    for (let i = 0; i < 2000; i++) {
      const at = random() * 30 - 5;
      const grid = random() < 0.5 ? GRID : null;
      const pick = list[Math.floor(random() * list.length)]?.id ?? 0;
      const act = Math.floor(random() * 4);
      if (act === 0) list = moved(list, pick, at, grid, LENGTH);
      if (act === 1) list = resized(list, pick, random() < 0.5 ? 'start' : 'end', at, grid, LENGTH);
      if (act === 2 && list.length > 4) list = without(list, pick);
      if (act === 3) {
        const region = between(list, 10 + i, at, at + random() * 5, grid, LENGTH);
        if (region) list = added(list, region);
      }
      list.forEach(({ start, end }, n) => {
        expect(start).toBeGreaterThanOrEqual(n === 0 ? 0 : list[n - 1]!.end - 1e-9);
        expect(end).toBeGreaterThan(start);
        expect(end).toBeLessThanOrEqual(LENGTH + 1e-9);
      });
    }
  });
});
