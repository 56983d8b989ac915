import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FAMILIES } from '../../src/lib/families/index.ts';
import type { ModelManifest } from '../../src/lib/manifest.ts';
import type { TaskLimits } from '../../src/lib/task.ts';
import { compare, readWanted } from './controls.ts';

const LIST = new URL('../../../shared/reference/features.md', import.meta.url);
const PACK = new URL('../../public/models/ace-step-v1-3.5b/manifest.json', import.meta.url);
const there = existsSync(LIST);
if (!there)
  console.log(
    'Skipped, 2 tests: the list of the official interface is not at ../shared/reference/features.md.',
  );

/** What the app offers for the official model. */
async function official(): Promise<TaskLimits> {
  // The pack has no weights before it is installed, so their hashes are not there and the whole cannot be parsed.
  const manifest = JSON.parse(readFileSync(PACK, 'utf8')) as ModelManifest; // its limits read config and graph names
  const family = await FAMILIES[manifest.family]!();
  return family.limits(family.parseConfig(manifest.config), manifest);
}

/** Rows whose second column is a sample or a remark and asks for nothing. */
const WITHOUT_NUMBERS = ['B2', 'B9', 'B23', 'B35'];

test.skipIf(!there /* needs ../shared */)(
  'a range, a default or a choice that is altered on either side is found out (needs ../shared)',
  async () => {
    const limits = await official();
    const wanted = readWanted(readFileSync(LIST, 'utf8'));
    const faults = (id: string, rangeAndDefault: string, feature?: string): number => {
      const rows = wanted.map((row) =>
        row.id === id ? { ...row, rangeAndDefault, feature: feature ?? row.feature } : row,
      );
      return compare(rows, limits).find((row) => row.id === id)!.faults.length;
    };
    let tried = 0;
    for (const { id, feature, rangeAndDefault } of wanted) {
      if (WITHOUT_NUMBERS.includes(id)) continue;
      expect(faults(id, rangeAndDefault), `${id} as it is`).toBe(0);
      // Every number outside of a remark, one after the other, becomes another one.
      const remarks = /\(.*?\)|;.*$/gu;
      const plain = rangeAndDefault.replace(remarks, (remark) => ' '.repeat(remark.length));
      for (const match of plain.matchAll(/(?<![\w.])\d+(?:\.\d+)?/gu)) {
        const altered = `${rangeAndDefault.slice(0, match.index)}7.77${rangeAndDefault.slice(match.index + match[0].length)}`;
        expect(faults(id, altered), `${id}: ${rangeAndDefault} as ${altered}`).toBeGreaterThan(0);
        tried++;
      }
      for (const word of ['euler', 'apg', 'wav', 'on'])
        if (new RegExp(`\\b${word}\\b`, 'u').test(plain)) {
          const other = plain.replace(
            new RegExp(`\\b${word}\\b`, 'u'),
            word === 'on' ? 'off' : word === 'euler' ? 'wav' : 'euler',
          );
          // "on / off / on": one of three is off already, so only a word that none has can be told apart.
          if (!(word === 'on' && plain.includes('off')))
            expect(faults(id, other), `${id}: ${other}`).toBeGreaterThan(0);
          tried++;
        }
      const choices = /([\w.]+) \/ ([\w.]+)/u.exec(feature);
      if (choices && ['B16', 'B17'].includes(id)) {
        expect(faults(id, rangeAndDefault, feature.replace(choices[1]!, 'unheard')), id).toBeGreaterThan(0);
        tried++;
      }
    }
    const { feature: edit } = wanted.find(({ id }) => id === 'B26')!;
    for (const [from, to] of [
      ['n_min 0.6', 'n_min 0.5'],
      ['n_max 1.0', 'n_max 0.9'],
    ] as const)
      expect(faults('B26', '', edit.replace(from, to)), to).toBe(1);
    expect(tried, 'alterations').toBeGreaterThan(35);
    // The other side: the app's own range moves.
    const narrow = { ...limits, steps: { ...limits.steps, max: limits.steps.max - 1 } };
    expect(compare(wanted, narrow).find(({ id }) => id === 'B12')!.faults).toEqual([
      'its range must be 1 to 200',
    ]);
    const short = { ...limits, seconds: { ...limits.seconds, max: 200 } };
    const missing = compare(wanted, { ...short, kinds: ['text2music'], loras: false })
      .filter((row) => row.faults.length > 0)
      .map(({ id }) => id);
    expect(missing).toEqual(expect.arrayContaining(['B10', 'B11', 'B24', 'B25', 'B26', 'B27', 'B28', 'B34']));
  },
);

test.skipIf(!there /* needs ../shared */)(
  'every control of the official interface is here, with its range and default (needs ../shared)',
  async () => {
    const limits = await official();
    const verdicts = compare(readWanted(readFileSync(LIST, 'utf8')), limits);
    expect(verdicts.length, 'rows of the list').toBeGreaterThan(30);
    for (const { id, feature, found, faults } of verdicts)
      console.log(
        `${faults.length === 0 ? 'ok  ' : 'LACK'} ${id.padEnd(4)} ${feature.slice(0, 60).padEnd(60)} ${found}`,
      );
    const good = verdicts.filter(({ faults }) => faults.length === 0).length;
    console.log(`${good} of ${verdicts.length} controls, ${(100 * good) / verdicts.length}%`);
    expect(
      verdicts
        .filter(({ faults }) => faults.length > 0)
        .map(({ id, faults }) => `${id}: ${faults.join(', ')}`),
    ).toEqual([]);
  },
);
