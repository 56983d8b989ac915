import { expect, test } from 'vitest';
import { EMPTY_DRAFT } from './compose.svelte.ts';
import { draftOf, OWN_FIELDS, ownFields, PRESET_GROUPS, PRESETS } from './presets.ts';
import { readScore } from './score.ts';
import { TEXT } from './text.ts';

test('the gallery has forty presets and more, each its own, in every group', () => {
  expect(PRESETS.length).toBeGreaterThanOrEqual(40);
  for (const key of ['id', 'name', 'prompt'] as const)
    expect(new Set(PRESETS.map((preset) => preset[key])).size, key).toBe(PRESETS.length);
  expect(new Set(PRESETS.map(({ group }) => group))).toEqual(new Set(PRESET_GROUPS));
  expect(Object.keys(TEXT.presets.groups)).toEqual([...PRESET_GROUPS]);
});

test('a preset says its tempo and its key, and leaves seed, length and settings alone', () => {
  for (const preset of PRESETS) {
    expect(readScore(preset.prompt, 'bpm'), preset.id).not.toBe('');
    expect(readScore(preset.prompt, 'key'), preset.id).not.toBe('');
    for (const field of ['seed', 'seconds', 'sampling']) expect(draftOf(preset)).not.toHaveProperty(field);
  }
});

test('a preset of the user keeps the form without seed and model', () => {
  expect(Object.keys(ownFields(EMPTY_DRAFT))).toEqual([...OWN_FIELDS]);
  expect(ownFields(EMPTY_DRAFT)).not.toHaveProperty('seed');
  expect(ownFields(EMPTY_DRAFT)).not.toHaveProperty('model');
});
