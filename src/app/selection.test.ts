import { describe, expect, test } from 'vitest';
import {
  all,
  kept,
  none,
  NOTHING,
  only,
  pressed,
  ranged,
  toggled,
  typed,
  type Selection,
} from './selection.ts';

const IDS = ['a', 'b', 'c', 'd', 'e'];
const shown = ({ chosen, at }: Selection): string => `${[...chosen].sort().join('')}@${at ?? '-'}`;

test('one, several, a range, all, none', () => {
  expect(shown(only('b'))).toBe('b@b');
  expect(shown(toggled(only('b'), 'd'))).toBe('bd@d');
  expect(shown(toggled(toggled(only('b'), 'd'), 'd'))).toBe('b@d');
  expect(shown(ranged(only('d'), 'b', IDS))).toBe('bcd@b');
  // A second range starts from the same anchor.
  expect(shown(ranged(ranged(only('d'), 'b', IDS), 'e', IDS))).toBe('de@e');
  expect(shown(ranged(NOTHING, 'c', IDS))).toBe('c@c');
  expect(shown(ranged(only('gone'), 'c', IDS))).toBe('c@c');
  expect(shown(all(only('b'), IDS))).toBe('abcde@b');
  expect(shown(none(all(only('b'), IDS)))).toBe('@b');
});

describe('keys', () => {
  const walk = (...presses: readonly string[]): string => {
    let selection = only('c');
    for (const press of presses) {
      const key = press.replace(/^[+^]+/, '');
      selection =
        pressed(selection, { key, shift: press.startsWith('+'), mod: press.startsWith('^') }, IDS, 3) ??
        selection;
    }
    return shown(selection);
  };
  test.each([
    [['ArrowDown'], 'd@d'],
    [['ArrowDown', 'ArrowDown', 'ArrowDown'], 'e@e'],
    [['Home'], 'a@a'],
    [['End'], 'e@e'],
    [['PageUp'], 'a@a'],
    [['+ArrowDown', '+ArrowDown'], 'cde@e'],
    [['+ArrowDown', '+ArrowUp', '+ArrowUp'], 'bc@b'],
    [['+Home'], 'abc@a'],
    [['^ArrowDown', '^ArrowDown', ' '], 'ce@e'],
    [[' '], '@c'],
    [['^a'], 'abcde@c'],
    [['x'], 'c@c'],
  ])('%s', (presses, expected) => expect(walk(...presses)).toBe(expected));

  test('an empty list has no keys, and the first arrow in a fresh one goes to its first row', () => {
    expect(pressed(NOTHING, { key: 'ArrowDown', shift: false, mod: false }, [], 3)).toBeNull();
    expect(shown(pressed(NOTHING, { key: 'ArrowDown', shift: false, mod: false }, IDS, 3)!)).toBe('a@a');
  });
});

test('when songs go, the keyboard stays where it was', () => {
  expect(shown(kept(only('c'), IDS, ['a', 'b', 'd', 'e']))).toBe('@d');
  expect(shown(kept(only('e'), IDS, ['a', 'b']))).toBe('@b');
  expect(shown(kept(toggled(only('a'), 'c'), IDS, ['a', 'b']))).toBe('a@b');
  expect(shown(kept(only('a'), IDS, []))).toBe('@-');
  const same = only('b');
  expect(kept(same, IDS, ['b', 'x'])).toBe(same);
});

test('typing goes to a title', () => {
  const titles = ['Rain', 'Moss', 'Rust', 'rumba', 'Élan'];
  expect(typed(titles, 0, 'r')).toBe(2);
  expect(typed(titles, 2, 'r')).toBe(3);
  expect(typed(titles, 3, 'rr')).toBe(0);
  expect(typed(titles, 0, 'ru')).toBe(2);
  expect(typed(titles, 2, 'ru')).toBe(2);
  expect(typed(titles, 2, 'rum')).toBe(3);
  expect(typed(titles, 0, 'é')).toBe(4);
  expect(typed(titles, 0, 'x')).toBe(-1);
});
