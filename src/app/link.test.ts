import { deflateSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { recipeOf } from '../lib/recipe.ts';
import { checkTask } from '../lib/task.ts';
import { LIMITS } from './limits.testing.ts';
import { linkTo, MAX_LINK, settingsOf } from './link.ts';
import { isLink } from './router.svelte.ts';

const recipe = (lyrics: string) =>
  recipeOf('夜曲', checkTask({ prompt: 'naïve jazz ♯', lyrics, seed: 7 }, LIMITS), 7);
const hashOf = (bytes: Uint8Array): string =>
  `#s=${btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')}`;

describe('links', () => {
  it('carry settings there and back, and no sign that a chat would break', () => {
    const made = recipe('la\n'.repeat(100));
    const link = linkTo('https://host/app/', made);
    expect(link).toMatch(/^https:\/\/host\/app\/#s=[\w-]+$/);
    expect(link.length).toBeLessThan(1000);
    const { hash } = new URL(link);
    expect(isLink(hash)).toBe(true);
    expect(settingsOf(hash)).toEqual(made);
  });

  it('are not made longer than can be sent', () => {
    let text = '';
    for (let n = 0; text.length < 3900; n++) text += String.fromCodePoint(0x4e00 + ((n * 7919) % 20_000));
    expect(() => linkTo('x', recipe(text))).toThrow(/[\d,]+ characters; 8,000 is the most/);
  });

  it.each([
    ['#library'],
    ['#s='],
    ['#s=%%%'],
    ['#s=AAAA'],
    [`#s=${'A'.repeat(MAX_LINK + 1)}`],
    [hashOf(deflateSync(new TextEncoder().encode('{"task":')))],
    [hashOf(deflateSync(new TextEncoder().encode('7')))],
    [hashOf(deflateSync(new Uint8Array(4_000_000).fill(32)))], // a bomb: 4 kB of link, 4 MB of spaces
  ])('%s is refused', (hash) => {
    expect(() => settingsOf(hash)).toThrow(/holds no settings, or it was cut off/);
  });
});
