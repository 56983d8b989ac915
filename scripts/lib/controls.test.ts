import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FAMILIES } from '../../src/lib/families/index.ts';
import type { ModelManifest } from '../../src/lib/manifest.ts';
import { compare, readWanted } from './controls.ts';

const LIST = new URL('../../../shared/reference/features.md', import.meta.url);
const PACK = new URL('../../public/models/ace-step-v1-3.5b/manifest.json', import.meta.url);
const there = existsSync(LIST);
if (!there)
  console.log(
    'Skipped, 1 test: the list of the official interface is not at ../shared/reference/features.md.',
  );

test.skipIf(!there)(
  'every control of the official interface is here, with its range and default (needs ../shared)',
  async () => {
    // The pack has no weights before it is installed, so their hashes are not there and the whole cannot be parsed.
    const manifest = JSON.parse(readFileSync(PACK, 'utf8')) as ModelManifest; // its limits read config and graph names
    const family = await FAMILIES[manifest.family]!();
    const limits = family.limits(family.parseConfig(manifest.config), manifest);
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
