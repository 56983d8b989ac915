/**
 * Damaged files and strange texts for the readers of both:
 *
 *   npm run fuzz -- [--count 10000] [--seed N]
 *
 * Case number i has the seed N + i, which repeats it alone: `--seed THAT --count 1`. A case may end in a result or in
 * an EngineError, within two seconds, and without asking for more memory than its input justifies. Exit code 1 on any
 * finding; a case that never ends is reported after half a minute.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { runCase, TARGETS, warmUp } from './fuzz/targets.ts';

const { values } = parseArgs({
  options: { count: { type: 'string', default: '10000' }, seed: { type: 'string' } },
});
const count = Number(values.count);
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  console.error('usage: npm run fuzz -- [--count N] [--seed N]');
  process.exit(2);
}

const MOST_FINDINGS = 20;
const LINES = 20; // of progress

console.log(`seed ${seed}, ${count} cases: ${Object.keys(TARGETS).join(', ')}`);
const watch = await warmUp();
const current = new Uint32Array(new SharedArrayBuffer(4));
const watchdog = new Worker(new URL('fuzz/watchdog.mjs', import.meta.url), { workerData: current });
const started = performance.now();
let findings = 0;
for (let i = 0; i < count && findings < MOST_FINDINGS; i++) {
  current[0] = seed + i;
  const finding = await runCase(seed + i, watch);
  if (finding) {
    findings++;
    console.log(`FOUND ${finding.target}, seed ${finding.seed}: ${finding.what}`);
  }
  if ((i + 1) % Math.ceil(count / LINES) === 0) {
    const seconds = (performance.now() - started) / 1000;
    console.log(`${i + 1} of ${count}, ${Math.round((i + 1) / seconds)} a second`);
  }
}
await watchdog.terminate();
console.log(`${count} cases, ${findings} findings, ${((performance.now() - started) / 1000).toFixed(0)} s`);
process.exit(findings > 0 ? 1 : 0);
