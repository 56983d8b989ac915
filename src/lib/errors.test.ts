import { expect, test } from 'vitest';
import { asEngineError, assert, EngineError, ERRORS } from './errors.ts';

/** What Comlink leaves of a thrown error. */
const posted = ({ name, message }: Error): Error => Object.assign(new Error(message), { name });

test('an error keeps its code across the worker border', () => {
  for (const code of Object.keys(ERRORS) as (keyof typeof ERRORS)[]) {
    const rebuilt = asEngineError(posted(new EngineError(code, 'what')));
    expect([rebuilt.code, rebuilt.message]).toEqual([code, 'what']);
  }
});

test('foreign errors are bugs, except memory that could not be had', () => {
  expect(asEngineError(new RangeError('Array buffer allocation failed')).code).toBe('memory');
  expect(asEngineError(new RangeError('Invalid array index')).code).toBe('bug');
  expect(asEngineError(Object.assign(new Error('x'), { name: 'constructor' })).code).toBe('bug');
  expect(asEngineError('text').message).toBe('text');
  const own = new EngineError('graph', 'x');
  expect(asEngineError(own)).toBe(own);
});

test('assert throws a bug with its message', () => {
  expect(() => assert(false, 'frames differ')).toThrowError(
    expect.objectContaining({ code: 'bug' }) as Error,
  );
  expect(() => assert(1, '')).not.toThrow();
});
