/**
 * Lighthouse on the built site, served as people get it:
 *
 *   npm run lighthouse [-- --runs 3] [--desktop]
 *
 * Prints the figures of every run and fails unless the median of each category reaches its gate. It times, so it wants
 * a quiet machine and is no part of `npm test`. Its packages are installed here, beside it, when it is first run.
 */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { addressOf, serve } from '../serve.mjs';
import { ensureChromium, run } from '../setup.mjs';
import { ensureSite, SITE } from '../site.mjs';

/** Least score of each category, of 100. */
const GATES = { performance: 95, accessibility: 100, 'best-practices': 100 };
const METRICS = {
  'first-contentful-paint': 'FCP',
  'largest-contentful-paint': 'LCP',
  'total-blocking-time': 'TBT',
  'cumulative-layout-shift': 'CLS',
  'speed-index': 'SI',
};

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '3' }, desktop: { type: 'boolean', default: false } },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs must be 1 or more (got ${values.runs}).`);

const here = import.meta.dirname;
if (!existsSync(path.join(here, 'node_modules', '.package-lock.json')))
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here });
const { default: lighthouse, desktopConfig } = await import('lighthouse');

await ensureSite();
const server = await serve({ root: SITE, port: 0 });
const port = await freePort();
const browser = await chromium.launch({
  executablePath: await ensureChromium(),
  args: [
    `--remote-debugging-port=${port}`,
    // Chromium's own sandbox cannot be set up by root.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ],
});
try {
  const results = [];
  for (let n = 1; n <= runs; n++) {
    const { lhr } = await lighthouse(
      addressOf(server),
      { port, onlyCategories: Object.keys(GATES), logLevel: 'error' },
      values.desktop ? desktopConfig : undefined,
    );
    if (lhr.runtimeError) throw new Error(`Lighthouse: ${lhr.runtimeError.message}`);
    results.push(lhr);
    const scores = Object.keys(GATES).map((id) => `${id} ${scoreOf(lhr, id)}`);
    const metrics = Object.entries(METRICS).map(([id, name]) => `${name} ${lhr.audits[id].displayValue}`);
    console.log(`run ${n}: ${scores.join(', ')} (${metrics.join(', ')})`);
  }
  for (const [id, least] of Object.entries(GATES)) {
    const score = median(results.map((lhr) => scoreOf(lhr, id)));
    const passed = score >= least;
    console.log(`${passed ? 'passed' : 'FAILED'}: ${id} ${score}, at least ${least}`);
    if (passed) continue;
    process.exitCode = 1;
    for (const { title, detail } of lost(results.at(-1), id)) console.log(`  ${title}${detail}`);
  }
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}

function scoreOf(lhr, id) {
  return Math.round(100 * lhr.categories[id].score);
}

/** The lower of the two in the middle where their number is even. */
function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];
}

/** What cost points. */
function lost(lhr, id) {
  return lhr.categories[id].auditRefs
    .filter((ref) => ref.weight > 0 && (lhr.audits[ref.id].score ?? 1) < 1)
    .map(({ id: audit }) => {
      const { title, displayValue, details } = lhr.audits[audit];
      const where = (details?.items ?? []).map(({ node, url }) => node?.snippet ?? url ?? '').filter(Boolean);
      return { title, detail: [displayValue ? `: ${displayValue}` : '', ...where].join('\n    ') };
    });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
