import { expect, test } from 'vitest';
import { Compose, EMPTY_DRAFT } from './compose.svelte.ts';
import { STARTERS } from './ideas.ts';
import { LIMITS } from './limits.testing.ts';
import { Keep } from './settings.svelte.ts';

function form(): Compose {
  const compose = new Compose(new Keep('cadenza.draft', EMPTY_DRAFT, () => ({})));
  compose.adopt('nano', LIMITS);
  return compose;
}

test('a surprise is another style each time, and its seed stays free', () => {
  const compose = form();
  for (let n = 0; n < 50; n++) {
    const before = compose.draft.prompt;
    compose.surprise();
    expect(STARTERS).toContain(compose.draft.prompt);
    expect(compose.draft.prompt).not.toBe(before);
    expect(compose.draft.seed).toBeNull();
  }
  const drawn = Array.from({ length: 4 }, () => compose.tasks()[0]?.seeds[0]);
  expect(new Set(drawn).size).toBe(4);
  compose.set({ seed: 5 });
  compose.surprise();
  expect(compose.draft.seed, 'a seed that was fixed stays fixed').toBe(5);
});
