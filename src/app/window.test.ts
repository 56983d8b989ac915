import { expect, test } from 'vitest';
import { rowsSeen, scrollTo } from './window.ts';

test('only what is seen is drawn, with some to spare', () => {
  expect(rowsSeen(0, 600, 60, 10_000, 4)).toEqual({ from: 0, to: 14 });
  expect(rowsSeen(300_030, 600, 60, 10_000, 4)).toEqual({ from: 4996, to: 5015 });
  expect(rowsSeen(599_400, 600, 60, 10_000, 4)).toEqual({ from: 9986, to: 10_000 });
  expect(rowsSeen(-200, 600, 60, 10_000, 0), 'the list begins below the top').toEqual({ from: 0, to: 7 });
  expect(rowsSeen(0, 600, 60, 3, 4)).toEqual({ from: 0, to: 3 });
  expect(rowsSeen(9000, 600, 60, 3, 4), 'scrolled past a list that has shrunk').toEqual({ from: 3, to: 3 });
  expect(rowsSeen(0, 600, 60, 0, 4)).toEqual({ from: 0, to: 0 });
  expect(rowsSeen(0, 600, 0, 9, 4), 'before it is laid out').toEqual({ from: 0, to: 0 });
});

test('every row that touches the window is drawn, whatever the position', () => {
  for (let top = -130; top < 3000; top += 7) {
    const { from, to } = rowsSeen(top, 333, 61, 40, 0);
    for (let row = 0; row < 40; row++) {
      const touches = row * 61 < top + 333 && (row + 1) * 61 > top;
      expect(row >= from && row < to, `row ${row} at ${top}`).toBe(touches);
    }
  }
});

test('scrolling moves as little as it must', () => {
  expect(scrollTo(5, 300, 600, 60)).toBe(0);
  expect(scrollTo(4, 300, 600, 60)).toBe(-60);
  expect(scrollTo(14, 300, 600, 60)).toBe(0);
  expect(scrollTo(15, 300, 600, 60)).toBe(60);
});
