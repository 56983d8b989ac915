import { expect, test } from 'vitest';
import { begin, canRedo, canUndo, redo, step, undo } from './history.ts';

test('every step can be taken back and done again', () => {
  let history = begin('a');
  expect([canUndo(history), canRedo(history)]).toEqual([false, false]);
  for (const value of ['b', 'c']) history = step(history, value);
  history = undo(undo(history));
  expect([history.present, canUndo(history), canRedo(history)]).toEqual(['a', false, true]);
  expect(undo(history).present).toBe('a');
  expect(redo(redo(redo(history))).present).toBe('c');
  expect(canRedo(step(history, 'd'))).toBe(false);
});

test('steps of one kind in a row are one step', () => {
  let history = begin(0);
  for (const value of [1, 2, 3]) history = step(history, value, 'nudge');
  history = step(history, 4);
  history = step(history, 5, 'nudge');
  expect(undo(history).present).toBe(4);
  expect(undo(undo(history)).present).toBe(3);
  expect(undo(undo(undo(history))).present).toBe(0);
});

test('what does not change is no step, and the past has an end', () => {
  let history = begin(0);
  expect(step(history, 0)).toBe(history);
  for (let i = 1; i <= 500; i++) history = step(history, i);
  expect(history.past).toHaveLength(100);
});
