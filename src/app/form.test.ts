import { expect, test } from 'vitest';
import { arcsOf, formAt, formOf } from './form.ts';

const SECTIONS = [
  { name: 'intro', start: 0, end: 4 },
  { name: 'Verse', start: 4, end: 12 },
  { name: 'chorus', start: 12, end: 20 },
];

test('a moment has the colour of its section', () => {
  expect([0, 4, 11.9, 12, 19].map((t) => formAt(SECTIONS, t))).toEqual([
    'edge',
    'verse',
    'verse',
    'chorus',
    'chorus',
  ]);
  expect(formAt([], 3)).toBe('edge');
  expect(formOf('something new')).toBe('edge');
});

test('a cover is the arc cut in proportion, from left to right', () => {
  const arcs = arcsOf(SECTIONS);
  expect(arcs.map(({ form }) => form)).toEqual(['edge', 'verse', 'chorus']);
  expect(arcs[0]?.d).toMatch(/^M8\.40 28\.50A/);
  expect(arcs[2]?.d).toMatch(/35\.60 28\.50$/);
  expect(arcsOf([])).toHaveLength(1);
});
