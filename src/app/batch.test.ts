import { expect, test } from 'vitest';
import { readBatch, writeBatch, type World } from './batch.ts';
import { newJob } from './job.ts';
import { LIMITS } from './limits.testing.ts';

const world: World = {
  limits: (model) => (model === '' || model === 'nano' ? LIMITS : null),
  hasSound: (blob) => blob === 'here',
  untitled: 'Untitled',
};

const TEXT = `[
  {"prompt": "slow jazz, [brackets] and \\"quotes\\"", "seconds": 5, "seed": 7},
  { "title": "Second",
    "prompt": "rock", "seconds": 9999,
    "seed": 1 },

  {"prompt": "techno", "seed": 2, "title": "Third \\ud800"}, 7,
  {"cadenza": 1, "title": "From a file", "task": {"prompt": "folk", "seed": 3}},
  {"prompt": "x", "model": "other", "seed": 3},
  {"prompt": "x", "surprise": 1, "seed": 3}
]`;

test('songs are checked one by one, and faults are told by line', () => {
  const { work, faults } = readBatch(TEXT, world);
  expect(work.map(({ title }) => title)).toEqual(['Slow jazz', 'Third \ufffd', 'From a file']);
  expect(work.map(({ task }) => task.seeds)).toEqual([[7], [2], [3]]);
  expect(faults.map(({ line }) => line)).toEqual([3, 7, 9, 10]);
  expect(faults[0]!.message).toMatch(/^seconds must be .* \(got 9999\)/);
  expect(faults[1]!.message).toBe('A song must be an object.');
  expect(faults[2]!.message).toBe('The model "other" is not installed here.');
  expect(faults[3]!.message).toContain('surprise');
});

test('a line that was saved is the same line when it is read', () => {
  const { work } = readBatch(TEXT, world);
  const jobs = work.map(({ title, task, preset }, i) => newJob(String(i), title, task, preset));
  const again = readBatch(writeBatch(jobs), world);
  expect(again.faults).toEqual([]);
  expect(again.work).toEqual(work);
});

test('sounds that are not here are told before anything is made', () => {
  const limits = { ...LIMITS, kinds: ['text2music', 'repaint'] as const };
  const able: World = { ...world, limits: () => limits };
  const read = (source: string) =>
    readBatch(JSON.stringify([{ kind: 'repaint', prompt: 'x', seed: 1, source, start: 0, end: 1 }]), able);
  expect(read('here').faults).toEqual([]);
  expect(read('gone').faults[0]!.message).toBe('source gone is not in this library.');
});

test.each([
  ['', /not JSON/],
  ['[\n{"prompt": "x"},\n]', /not JSON/],
  ['{}', /array/],
  ['[]', /array/],
  [JSON.stringify(Array(1001).fill({})), /1001/],
])('what is no list is refused: %s', (text, message) =>
  expect(() => readBatch(text, world)).toThrow(message),
);
