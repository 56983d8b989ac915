import { describe, expect, test } from 'vitest';
import { COMMANDS } from './commands.ts';
import { marked, rank } from './palette.ts';
import { caps, commandFor, pressed } from './shortcuts.ts';
import { TEXT } from './text.ts';

const NO_KEYS = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, isComposing: false };
const press = (key: string, code = '', held: Partial<typeof NO_KEYS> = {}): string =>
  pressed({ key, code, ...NO_KEYS, ...held });

describe('keys', () => {
  test('are named whatever the layout', () => {
    expect(press('f', 'KeyF')).toBe('F');
    expect(press('а', 'KeyF')).toBe('F');
    expect(press('ArrowLeft', 'ArrowLeft', { shiftKey: true })).toBe('Shift ArrowLeft');
    expect(press('?', 'Minus', { shiftKey: true })).toBe('?');
    expect(press(' ', 'Space')).toBe('Space');
    expect(press('Enter', 'Enter', { metaKey: true })).toBe('Mod Enter');
    expect(press('“', 'BracketLeft', { altKey: true })).toBe('Alt [');
    expect(press('Z', 'KeyZ', { ctrlKey: true, shiftKey: true })).toBe('Mod Shift Z');
    // A French keyboard has Z where others have W.
    expect(press('z', 'KeyW', { ctrlKey: true })).toBe('Mod Z');
  });

  test('have caps as they are printed', () => {
    expect(caps('Mod Enter', false)).toEqual(['Ctrl', 'Enter']);
    expect(caps('Mod Enter', true)).toEqual(['⌘', '↵']);
    expect(caps('Shift ArrowLeft', false)).toEqual(['Shift', '←']);
  });

  test('the first command that can be done is done', () => {
    const rows = ['playPause', 'loop'].map((id) => ({ ...COMMANDS.find((c) => c.id === id)!, keys: 'L' }));
    expect(commandFor('L', () => true, rows)?.id).toBe('playPause');
    expect(commandFor('L', ({ id }) => id === 'loop', rows)?.id).toBe('loop');
    expect(commandFor('X', () => true, rows)).toBeNull();
  });
});

describe('commands', () => {
  test('have an id of their own and words, and spell their keys as presses are spelt', () => {
    const ids = COMMANDS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(ids)).toEqual(new Set(Object.keys(TEXT.commands)));
    for (const { id, keys } of COMMANDS) {
      if (keys === undefined) continue;
      const parts = keys.split(' ');
      const held = { Mod: 'ctrlKey', Alt: 'altKey', Shift: 'shiftKey' } as const;
      const name = parts.at(-1)!;
      const flags = Object.fromEntries(parts.slice(0, -1).map((part) => [held[part as 'Mod'], true]));
      const key = name === 'Space' ? ' ' : name;
      expect(press(key, /^[A-Z]$/u.test(name) ? `Key${name}` : name, flags), id).toBe(keys);
    }
  });

  test('every expected key is in the table', () => {
    const keys = new Set(COMMANDS.map(({ keys }) => keys));
    for (const key of ['Space', 'ArrowLeft', 'Shift ArrowLeft', 'Home', 'End', 'L', 'M', 'ArrowUp', 'J', 'K'])
      expect(keys, key).toContain(key);
    for (const key of ['I', 'O', '[', ']', 'Alt [', 'P', 'E', 'R', 'Escape', 'Mod Shift Z'])
      expect(keys, key).toContain(key);
    for (const key of ['F', 'Delete', 'Mod Enter', 'Mod .', 'Mod S', 'Mod Z', 'Mod K', '?'])
      expect(keys, key).toContain(key);
  });
});

describe('palette', () => {
  test('what begins with the query comes before what holds it, and that before what is said elsewhere', () => {
    const of = (title: string, also = ''): number | null => rank({ title, also }, 'om');
    expect([of('Omega'), of('Sampling: Omega'), of('Home'), of('Scale', 'omega'), of('Scale')]).toEqual([
      0,
      1,
      2,
      3,
      null,
    ]);
    expect(rank({ title: 'Café rain' }, 'rain cafe')).toBe(2);
  });

  test('the found part is marked', () => {
    expect(marked('Stop and keep', 'AND')).toEqual(['Stop ', 'and', ' keep']);
    expect(marked('Stop', '')).toEqual(['Stop', '', '']);
  });
});
