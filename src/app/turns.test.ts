import { expect, test } from 'vitest';
import { pause, turn } from './turns.ts';

/** A task that something else, say the keyboard, has waiting. */
const other = (seen: string[]): void => void setTimeout(() => seen.push('another task'));

test('turns come in order, in tasks of their own, and nothing waits once all have come', async () => {
  const seen: string[] = [];
  const first = turn()?.then(() => {
    seen.push('first');
    other(seen);
    return turn()?.then(() => seen.push('inside the first')); // as a part that holds parts
  });
  const second = turn()?.then(() => {
    seen.push('second');
    other(seen);
  });
  expect(seen).toEqual([]);
  await Promise.all([first, second]);
  expect(seen).toEqual(['first', 'another task', 'second', 'another task', 'inside the first']);
  await pause();
  await pause();
  expect(turn()).toBeNull();
});
