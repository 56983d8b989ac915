import { describe, expect, test } from 'vitest';
import { differs, FIELDS, fieldsFor, parseList, presetSampling, reset } from './fields.ts';
import { TEXT } from './text.ts';
import { LIMITS, SINGER } from './limits.testing.ts';

describe('Advanced settings', () => {
  test('every row has a label, and writes what it reads', () => {
    const base = LIMITS.sampling;
    for (const field of FIELDS) {
      expect(TEXT.fields, field.id).toHaveProperty([field.id]);
      switch (field.kind) {
        case 'number': {
          const { min, max, step } = field.range(LIMITS);
          expect(min).toBeLessThan(max);
          expect(step).toBeGreaterThan(0);
          expect(field.get(base), field.id).toBeGreaterThanOrEqual(min);
          expect(field.get(base), field.id).toBeLessThanOrEqual(max);
          expect(field.get(field.set(base, max))).toBe(max);
          break;
        }
        case 'choice':
          expect(field.options).toContain(field.get(base));
          for (const option of field.options) expect(field.get(field.set(base, option))).toBe(option);
          break;
        case 'switch':
          for (const on of [true, false]) expect(field.get(field.set(base, on)), field.id).toBe(on);
          break;
        case 'list':
          expect(field.get(field.set(base, [1, 2]))).toEqual([1, 2]);
      }
    }
  });

  test('a model that does not sing shows nothing about lyrics or ERG', () => {
    const ids = fieldsFor(LIMITS).map(({ id }) => id);
    expect(ids).not.toContain('guidance.lyricScale');
    expect(ids.filter((id) => id.startsWith('erg'))).toEqual([]);
    expect(fieldsFor(SINGER).map(({ id }) => id)).toEqual(FIELDS.map(({ id }) => id));
  });

  test('a preset changes only what it names', () => {
    const draft = presetSampling(LIMITS, 'Draft');
    expect(draft).toEqual({ ...LIMITS.sampling, steps: 8 });
    expect(presetSampling(LIMITS, 'High').guidance.type).toBe(LIMITS.sampling.guidance.type);
  });

  test('a changed row is seen, and reset puts it back', () => {
    const base = presetSampling(SINGER, 'Standard');
    for (const field of FIELDS) {
      let changed = base;
      if (field.kind === 'number') changed = field.set(base, field.range(SINGER).max);
      if (field.kind === 'choice') changed = field.set(base, field.options.at(-1) ?? '');
      if (field.kind === 'switch') changed = field.set(base, !field.get(base));
      if (field.kind === 'list') changed = field.set(base, [9]);
      expect(differs(field, changed, base), field.id).toBe(true);
      expect(reset(field, changed, base), field.id).toEqual(base);
    }
  });

  test('explicit steps are whole numbers', () => {
    expect(parseList(' 16, 29;52 96 ')).toEqual([16, 29, 52, 96]);
    expect(parseList('')).toEqual([]);
    expect(parseList('16, 2.5')).toBeNull();
    expect(parseList('-3')).toBeNull();
  });
});
