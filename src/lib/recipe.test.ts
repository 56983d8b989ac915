import { describe, expect, it } from 'vitest';
import { LIMITS, SINGER } from '../app/limits.testing.ts';
import { readRecipe, recipeOf } from './recipe.ts';
import { checkTask } from './task.ts';

const task = checkTask(
  { prompt: 'jazz', lyrics: 'la', seconds: 12, seeds: [3], bpm: 90, key: 'A minor', steps: 20 },
  SINGER,
);

describe('readRecipe', () => {
  it('gives back what recipeOf kept, with the seed of the song', () => {
    const recipe: unknown = JSON.parse(JSON.stringify(recipeOf('Title', task, 99)));
    expect(readRecipe(recipe, SINGER)).toEqual({ title: 'Title', task: { ...task, seeds: [99] }, left: [] });
  });

  it('reads what the engine and the command line write', () => {
    expect(readRecipe({ task, seed: 5 }, SINGER).task.seeds).toEqual([5]);
    expect(readRecipe({ prompt: 'rock', seed: 4, seconds: 3 }, SINGER).task).toMatchObject({
      prompt: 'rock',
      seeds: [4],
    });
  });

  it('says what the model in use cannot take', () => {
    const repaint = {
      ...task,
      kind: 'repaint',
      source: { blob: 'x' },
      regions: [],
      loras: [{ file: 'y', weight: 1 }],
    };
    const { task: read, left } = readRecipe({ cadenza: 1, task: repaint }, LIMITS);
    expect(left).toEqual(['source', 'loras']);
    expect(read).toMatchObject({ kind: 'text2music', prompt: 'jazz', loras: [] });
    const far = { ...task, seconds: 1e9, sampling: { ...task.sampling, steps: 1000 } };
    expect(readRecipe({ task: far }, LIMITS)).toMatchObject({
      left: ['sampling'],
      task: { seconds: 60, sampling: { steps: 16 } },
    });
  });

  it.each([
    [null, /not an object/],
    [[1], /not an object/],
    ['x', /not an object/],
    [{}, /names no style/],
    [{ task: { prompt: 7 } }, /names no style/],
    [{ cadenza: 2, task }, /newer Cadenza \(version 2, this one reads 1\)\. Update/],
    [{ cadenza: 'x', task }, /unknown version/],
    [{ task: { prompt: 'x'.repeat(5000) } }, /prompt must be at most 1000 characters/],
    [{ task: { prompt: 'x', seconds: '12' } }, /seconds must be/],
    [{ task: { prompt: 'x', score: { bpm: 9999 } } }, /bpm must be 30 to 300/],
    [{ task: { prompt: 'x', sampling: [] } }, null],
    [JSON.parse('{"task":{"prompt":"x","__proto__":{"polluted":1}}}') as unknown, null],
  ])('%#: refuses, or leaves out, whatever does not fit', (value, message) => {
    if (message) expect(() => readRecipe(value, LIMITS)).toThrow(message);
    else expect(readRecipe(value, LIMITS).task.prompt).toBe('x');
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});
