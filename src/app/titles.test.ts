import { expect, test } from 'vitest';
import { LIMITS } from './limits.testing.ts';
import type { Task } from '../lib/task.ts';
import { takeNumber, takesOf, titleOf } from './titles.ts';

test('a title is the beginning of the style, without the facts', () => {
  expect(titleOf('slow jazz waltz, piano trio, 96 bpm, A minor', '?')).toBe('Slow jazz waltz, piano trio');
  expect(titleOf('96 bpm, techno, dark', '?')).toBe('Techno, dark');
  expect(titleOf('120 bpm', '?')).toBe('120 bpm');
  expect(titleOf('  ', 'Untitled')).toBe('Untitled');
  expect(titleOf('<b>bold</b>, x', '?')).toBe('<b>bold</b>, x');
});

test('a long title ends in an ellipsis and never in half of a character', () => {
  const title = titleOf('🎷'.repeat(80), '?');
  expect([...title]).toHaveLength(48);
  expect(title.isWellFormed()).toBe(true);
  expect(title.endsWith('…')).toBe(true);
});

const track = (id: string, prompt: string, createdAt: number) => ({
  id,
  createdAt,
  model: 'nano',
  task: { prompt, lyrics: '', sampling: LIMITS.sampling } as Task, // the fields that grouping reads
});

test('takes are songs of the same words, numbered in the order they were made', () => {
  const tracks = [track('c', 'jazz', 3), track('b', 'rock', 2), track('a', 'jazz', 1)];
  const [newest, other, first] = tracks as [
    ReturnType<typeof track>,
    ReturnType<typeof track>,
    ReturnType<typeof track>,
  ];
  expect(takesOf(newest, tracks).map(({ id }) => id)).toEqual(['c', 'a']);
  expect([newest, other, first].map((one) => takeNumber(one, tracks))).toEqual([2, 1, 1]);
});
