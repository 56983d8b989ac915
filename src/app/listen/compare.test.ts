import { describe, expect, it } from 'vitest';
import { amplitudeOf, comparison, matchingGains, open, reduceCompare, sides } from './compare.ts';

describe('matched loudness', () => {
  it('turns the louder one down to the quieter one, and never up', () => {
    expect(matchingGains(-14.2, -15.5)).toEqual({ a: expect.closeTo(-1.3, 10), b: 0 });
    expect(matchingGains(-16, -12)).toEqual({ a: 0, b: -4 });
    expect(matchingGains(-16, -16)).toEqual({ a: 0, b: 0 });
    expect(amplitudeOf(-20 * Math.log10(2))).toBeCloseTo(0.5, 12);
  });

  it('leaves silence alone', () => {
    expect(matchingGains(null, -12)).toEqual({ a: 0, b: 0 });
  });
});

describe('a comparison', () => {
  const start = comparison('take 3', 'take 1');

  it('begins with A and swaps', () => {
    expect(start.heard).toBe('a');
    const swapped = reduceCompare(start, { type: 'swap' });
    expect(swapped.heard).toBe('b');
    expect(reduceCompare(swapped, { type: 'swap' })).toEqual(start);
    expect(reduceCompare(start, { type: 'hear', side: 'b' })).toEqual(swapped);
  });

  it('hides names and order by lot until the listener has chosen, and then tells', () => {
    for (const [lot, order] of [
      [0.2, ['a', 'b']],
      [0.7, ['b', 'a']],
    ] as const) {
      const hidden = reduceCompare(reduceCompare(start, { type: 'swap' }), { type: 'hide', lot });
      expect(open(hidden)).toBe(false);
      expect(sides(hidden)).toEqual(order);
      expect(hidden.heard, 'the first button is heard first, so the start tells nothing').toBe(order[0]);
      const chosen = reduceCompare(hidden, { type: 'choose', side: order[1] });
      expect(open(chosen)).toBe(true);
      expect(chosen.blind).toMatchObject({ chosen: order[1] });
      expect(chosen.blind?.votes[order[1]]).toBe(1);
      expect(reduceCompare(chosen, { type: 'choose', side: order[0] }), 'one choice a round').toBe(chosen);
    }
  });

  it('counts the choices of several rounds and forgets them with the names shown', () => {
    let state = start;
    for (const side of ['a', 'b', 'b'] as const) {
      state = reduceCompare(state, { type: 'hide', lot: 0.1 });
      state = reduceCompare(state, { type: 'choose', side });
    }
    expect(state.blind?.votes).toEqual({ a: 1, b: 2 });
    const shown = reduceCompare(state, { type: 'show' });
    expect(shown.blind).toBeNull();
    expect(sides(shown)).toEqual(['a', 'b']);
  });
});
