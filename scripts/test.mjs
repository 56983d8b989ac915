/**
 * `npm test`: sets up what is missing, then runs every check of the project and counts it.
 *
 *   npm test                      everything
 *   npm test -- --quick           without the exporter's parity run and without the browser
 *   npm test -- unit e2e          only the parts named
 *
 * A failing part never stops the others. The last line is `N passed, N failed`, with `, N skipped` where tests could
 * not run; the exit code is 1 when anything failed. Plain Node, because it runs before there are packages.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { checkNode, ensureChromium, ensurePackages, ensurePython, PYTHON, ROOT } from './setup.mjs';
import { ensureSite } from './site.mjs';

const MINUTE = 60_000;
const scratch = mkdtempSync(path.join(os.tmpdir(), 'cadenza-test-'));
const inModules = (...parts) => path.join(ROOT, 'node_modules', ...parts);
const golden = path.join(ROOT, '..', 'shared', 'golden', 'ace-step-v1');

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
const none = { passed: 0, failed: 0, skipped: 0 };
const verdict = (ok) => (ok ? { ...none, passed: 1 } : { ...none, failed: 1 });

/** Tools that only pass or fail: each call counts as one check. */
const tool =
  (...commands) =>
  async () => {
    let counts = none;
    for (const [script, ...args] of commands) {
      counts = add(counts, verdict((await node(inModules(script), args)).code === 0));
    }
    return counts;
  };

/**
 * The parts in the order they run. `run` resolves to counts; a part that throws counts as one failure. `needs` names
 * what must be installed; `slow` parts are left out by --quick.
 */
const PARTS = {
  files: { run: checkFiles },
  types: {
    needs: ['packages'],
    run: tool(
      ...['lib', 'engine', 'node'].map((name) => ['typescript/bin/tsc', '-p', `tsconfig.${name}.json`]),
      ['svelte-check/bin/svelte-check', '--tsconfig', './tsconfig.app.json', '--fail-on-warnings'],
    ),
  },
  lint: {
    needs: ['packages'],
    run: tool(
      ['eslint/bin/eslint.js', '.'],
      ['prettier/bin/prettier.cjs', '--check', '.', '--log-level=warn'],
    ),
  },
  'lint python': {
    needs: ['python'],
    run: async () => verdict((await child(PYTHON, ['-m', 'ruff', 'check', ...pythonFolders()])).code === 0),
  },
  unit: { needs: ['packages', 'python'], run: runVitest },
  python: { needs: ['python'], run: runPytest },
  build: {
    needs: ['packages'],
    run: async () => {
      await ensureSite();
      return verdict(true);
    },
  },
  parity: { needs: ['packages', 'python'], slow: true, run: runParity },
  e2e: { needs: ['packages', 'python', 'chromium'], slow: true, run: runPlaywright },
};

const SETUP = { packages: ensurePackages, python: ensurePython, chromium: ensureChromium };

// --- the parts

/** What a clone must look like: the licence is there, and the lock file ties nobody to one package host. */
async function checkFiles() {
  const read = (name) => readFileSync(path.join(ROOT, name), 'utf8');
  const lock = JSON.parse(read('package-lock.json'));
  const manifest = JSON.parse(read('package.json'));
  const packages = Object.entries(lock.packages).filter(([name]) => name !== '');
  const pinned = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
  const checks = {
    'LICENSE is Apache-2.0': /Apache License\s+Version 2\.0/.test(read('LICENSE')),
    'package.json names the licence': manifest.license === 'Apache-2.0',
    'package-lock.json names no address (delete what npm adds: resolved, funding)': !/https?:/.test(
      read('package-lock.json'),
    ),
    'every locked package has a checksum': packages.every(([, { integrity, link }]) => integrity || link),
    'dependencies are exact versions': pinned.every((version) => /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
  };
  for (const [name, ok] of Object.entries(checks)) console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}`);
  return Object.values(checks).map(verdict).reduce(add);
}

async function runVitest() {
  const report = path.join(scratch, 'vitest.json');
  const { code } = await node(inModules('vitest', 'vitest.mjs'), [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile=${report}`,
  ]);
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = readReport(report);
  const counts = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
  return orFailure(code, counts);
}

const pythonFolders = () =>
  ['export-scripts', 'training'].filter((folder) => existsSync(path.join(ROOT, folder)));

async function runPytest() {
  let counts = none;
  for (const [folder, tests] of [
    ['export-scripts', 'tests'],
    ['training/nano', 'tests'],
  ]) {
    const cwd = path.join(ROOT, folder);
    if (!existsSync(path.join(cwd, tests))) continue;
    const report = path.join(scratch, 'pytest.xml');
    rmSync(report, { force: true });
    const args = ['-m', 'pytest', tests, '-q', '-rs', `--junitxml=${report}`];
    const { code } = await child(PYTHON, args, { cwd });
    const suite = /<testsuite [^>]*>/.exec(existsSync(report) ? readFileSync(report, 'utf8') : '')?.[0] ?? '';
    const [total, errors, failures, skipped] = ['tests', 'errors', 'failures', 'skipped'].map((name) =>
      Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0),
    );
    const failed = errors + failures;
    counts = add(counts, orFailure(code, { passed: total - failed - skipped, failed, skipped }));
  }
  return counts;
}

/** The golden data of the official code is not part of a clone; without it the run is a skip, not a pass. */
async function runParity() {
  if (!existsSync(path.join(golden, 'MANIFEST.md'))) {
    console.log(`skipped: no golden data at ${path.relative(ROOT, golden)}`);
    return { ...none, skipped: 1 };
  }
  const { code, lastLine } = await node(path.join(ROOT, 'scripts', 'run.mjs'), ['scripts/parity.ts', golden]);
  const match = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(lastLine);
  const [passed, failed, skipped] = match ? match.slice(1).map((n) => Number(n ?? 0)) : [0, 0, 0];
  return orFailure(code, { passed, failed, skipped });
}

async function runPlaywright() {
  const report = path.join(scratch, 'playwright.json');
  const { code } = await node(inModules('@playwright', 'test', 'cli.js'), ['test', '--reporter=list,json'], {
    env: { PLAYWRIGHT_JSON_OUTPUT_NAME: report, PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH: await ensureChromium() },
    limit: 40 * MINUTE, // a third of that on two quiet cores
  });
  const { expected, unexpected, flaky, skipped } = readReport(report).stats;
  return orFailure(code, { passed: expected + flaky, failed: unexpected, skipped });
}

// --- helpers

function add(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** A tool that fails without counting a failure (a crash, no test found) must still fail the run. */
function orFailure(code, counts) {
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function readReport(file) {
  if (!existsSync(file)) throw new Error('the test runner ended without a report');
  return JSON.parse(readFileSync(file, 'utf8'));
}

const node = (script, args, options) => child(process.execPath, [script, ...args], options);

/** Runs a command with its output shown; resolves to its exit code (1 when it cannot start or hangs) and last line. */
function child(command, args, { cwd = ROOT, env = {}, limit = 20 * MINUTE } = {}) {
  return new Promise((resolve) => {
    const started = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, FORCE_COLOR: process.stdout.isTTY ? '1' : '0', ...env },
    });
    const timer = setTimeout(() => {
      console.error(`stopped: still running after ${limit / MINUTE} minutes`);
      started.kill();
    }, limit);
    let tail = '';
    started.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      tail = (tail + chunk).slice(-500);
    });
    const end = (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, lastLine: tail.trimEnd().split('\n').at(-1) ?? '' });
    };
    started.on('error', (error) => {
      console.error(error.message);
      end(1);
    });
    started.on('close', end);
  });
}

/** Parts to run, from the command line. */
function choose() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false } },
  });
  const unknown = positionals.filter((name) => !(name in PARTS));
  if (unknown.length > 0) {
    throw new Error(`No part is called ${unknown.join(', ')}. There are: ${Object.keys(PARTS).join(', ')}.`);
  }
  return Object.entries(PARTS).filter(([name, { slow }]) =>
    positionals.length > 0 ? positionals.includes(name) : !(values.quick && slow),
  );
}

async function main() {
  checkNode();
  const parts = choose();
  const broken = new Map();
  for (const need of new Set(parts.flatMap(([, { needs = [] }]) => needs))) {
    try {
      await SETUP[need]();
    } catch (error) {
      console.error(error.message);
      broken.set(need, error.message);
    }
  }

  const rows = [];
  for (const [index, [name, { needs = [], run }]] of parts.entries()) {
    console.log(`\n=== [${index + 1}/${parts.length}] ${name}`);
    const begun = Date.now();
    let counts;
    try {
      const missing = needs.find((need) => broken.has(need));
      if (missing) throw new Error(broken.get(missing));
      counts = await run();
    } catch (error) {
      console.error(error.message);
      counts = verdict(false);
    }
    rows.push({ name, ...counts, seconds: Math.round((Date.now() - begun) / 1000) });
  }

  console.log(
    `\n${'part'.padEnd(14)}${['passed', 'failed', 'skipped', 'seconds'].map((h) => h.padStart(9)).join('')}`,
  );
  for (const { name, passed, failed, skipped, seconds } of rows) {
    console.log(
      name.padEnd(14) + [passed, failed, skipped, seconds].map((n) => String(n).padStart(9)).join(''),
    );
  }
  const total = rows.reduce(add, none);
  console.log(
    `\n${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`,
  );
  return total.failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
