import { expect, test } from 'vitest';
import { runCase, TARGETS, warmUp } from './targets.ts';

/** The long version is `npm run fuzz`. */
const CASES = 4000;

test('readers take damaged files and strange texts without a crash, a hang or too much memory', async () => {
  const watch = await warmUp();
  const findings = [];
  try {
    for (let seed = 0; seed < CASES; seed++) findings.push(await runCase(seed, watch));
  } finally {
    watch.stop();
  }
  expect(findings.filter((finding) => finding !== null)).toEqual([]);
});

test('every reader gets its share of the cases', () => {
  expect(Object.values(TARGETS).reduce((sum, { share }) => sum + share, 0)).toBe(100);
});
