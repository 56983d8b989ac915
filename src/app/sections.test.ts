import { expect, test } from 'vitest';
import { numbered } from './sections.ts';

test('sections that come more than once are numbered, others are not', () => {
  const sections = ['intro', 'verse', 'chorus', 'verse'].map((name, i) => ({ name, start: i, end: i + 1 }));
  expect(numbered(sections).map(({ number }) => number)).toEqual([null, 1, null, 2]);
});
