/**
 * Compares this application with the reference, case by case:
 *
 *   npm run parity -- FOLDER [--pack FOLDER] [--only PREFIX] [--lyric-vocab FILE] [--threads N]
 *                     [--provider wasm|webgpu] [--precision P] [--stages]
 *
 * FOLDER holds outputs of the official ACE-Step v1 code on small networks: checkpoints/ and any of modules/,
 * schedulers/, guidance/, lyrics/, lora-formats/, pipeline/ (its MANIFEST.md describes them). The checkpoints are
 * exported with export-scripts into .cache/parity, once for each content, and run through onnxruntime-web by the same
 * host and family that the page uses; `--pack` takes a pack of these checkpoints that is there already, such as
 * `npm run convert` writes. Sizes, seeds, shapes and names of cases come from the folder.
 *
 * A precision other than fp32 asks how far that variant turns the result: whole runs and LoRAs alone, by the cosine of their
 * latents; matrices of these small networks are quantised from 1000 weights on. WebGPU is that of onnxruntime-node.
 * `--stages` adds a table with the worst error of each stage; at those precisions the single networks are told, not judged.
 *
 * Prints `name max_abs_error tolerance ok|FAIL` for each case, then `N passed, N failed`; exit code 1 on any failure.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EngineError } from '../src/lib/errors.ts';
import type { AceStepConfig } from '../src/lib/families/ace-step-v1/config.ts';
import type { Model } from '../src/lib/family.ts';
import { PRECISIONS, PROVIDERS } from '../src/lib/manifest.ts';
import { NO_WISH } from '../src/lib/placement.ts';
import { openNodeModel, ROOT } from './lib/node-host.ts';
import { checkForward, checkLoraFormats } from './parity/lora.ts';
import { checkGuidance, checkLyrics, checkSchedulers } from './parity/maths.ts';
import { checkModules } from './parity/modules.ts';
import { checkPipelines } from './parity/pipeline.ts';
import { Report } from './parity/report.ts';

/** The case that stands for the run itself. */
const RUN = 'run';

const root = fileURLToPath(ROOT);
const EXPORTER = join(root, 'export-scripts');
const CACHE = join(root, '.cache/parity');
/** Weights; the exporter's own limit is above every matrix of a small network. */
const MIN_QUANTISED = '1000';
/** Where the official lyric vocabulary may lie; it cannot be part of this repository. */
const VOCABULARIES = ['reference/ace-step-v1/lyric-vocab.json', 'lyric-vocab.json'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pack: { type: 'string' },
    only: { type: 'string' },
    'lyric-vocab': { type: 'string' },
    threads: { type: 'string' },
    provider: { type: 'string', default: 'wasm' },
    precision: { type: 'string', default: 'fp32' },
    stages: { type: 'boolean', default: false },
  },
});
const [given] = positionals;
if (given === undefined) {
  console.error(
    'usage: npm run parity -- FOLDER [--pack FOLDER] [--only PREFIX] [--lyric-vocab FILE] [--threads N] [--provider P] [--precision P] [--stages]',
  );
  process.exit(2);
}
const provider = oneOf('provider', values.provider, PROVIDERS);
const precision = oneOf('precision', values.precision, PRECISIONS);
const folder = resolve(given);
const { only } = values;
const wanted = (part: string): boolean =>
  only === undefined || part.startsWith(only) || only.startsWith(part);
const exact = precision === 'fp32';
const report = new Report(
  (line) => console.log(line),
  (name) => name === RUN || only === undefined || name.startsWith(only),
  (name) => exact || !name.startsWith('modules'),
);

try {
  if (exact && wanted('schedulers')) await checkSchedulers(folder, report);
  if (exact && wanted('guidance')) await report.attempt('guidance', () => checkGuidance(folder, report));
  const threads = values.threads === undefined ? null : Number(values.threads);
  const manifest = join(values.pack ?? exported(join(folder, 'checkpoints')), 'manifest.json');
  const { host } = await openNodeModel(manifest, { ...NO_WISH, provider, precision, threads });
  // The pack's own family parsed its config.
  const perform = async <T>(work: (model: Model<AceStepConfig>) => Promise<T>): Promise<T> =>
    (
      await host.perform(
        (model) => work(model as Model<AceStepConfig>),
        () => {},
      )
    ).value;
  if ((exact || values.stages) && wanted('modules'))
    await perform((model) => checkModules(folder, model, report));
  if (exact && wanted('lyrics')) await perform((model) => checkLyrics(folder, model, report));
  if (exact && wanted('lora-formats')) await checkLoraFormats(folder, perform, report);
  if (!exact && wanted('lora-formats')) {
    await report.attempt('lora-formats', () => checkForward(folder, perform, precision, report));
  }
  if (wanted('pipeline')) await checkPipelines(folder, perform, precision, report);
  await host.release();
} catch (thrown) {
  const message =
    thrown instanceof EngineError ? thrown.message : String(thrown instanceof Error ? thrown.stack : thrown);
  console.error(message);
  report.add(RUN, Infinity, 'equal', 'the run ended early');
}
if (values.stages) console.log(report.stages(precision).join('\n'));
console.log(`${report.passed} passed, ${report.failed} failed`);
process.exit(report.failed > 0 ? 1 : 0);

function oneOf<T extends string>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  if (found !== undefined) return found;
  console.error(`--${option} must be one of ${known.join(', ')} (got ${value})`);
  process.exit(2);
}

/** The pack of a checkpoint folder, exported on first sight of its content and of the exporter's. */
function exported(checkpoints: string): string {
  const key = contentOf([checkpoints, join(EXPORTER, 'export_onnx')]);
  const target = join(CACHE, `${key}-${precision}`);
  if (existsSync(join(target, 'manifest.json'))) return target;
  mkdirSync(CACHE, { recursive: true });
  const making = `${target}.making`;
  rmSync(making, { recursive: true, force: true });
  const vocabulary = values['lyric-vocab'] ?? findVocabulary();
  exporter(
    'export', checkpoints, making, '--variants', precision, '--id', 'parity', '--no-errors',
    '--min-quantised', MIN_QUANTISED,
    ...(vocabulary === null ? [] : ['--lyric-vocab', vocabulary]),
  ); // prettier-ignore
  renameSync(making, target);
  return target;
}

function exporter(...args: string[]): void {
  const own = join(root, '.venv/bin/python');
  const python = existsSync(own) ? own : 'python3';
  const run = spawnSync(python, ['-m', 'export_onnx', ...args], { cwd: EXPORTER, encoding: 'utf8' });
  if (run.status !== 0) {
    const why = run.error?.message ?? run.stderr.trim().split('\n').slice(-3).join('\n');
    throw new EngineError('unsupported', `export_onnx ${args[0]} failed: ${why}`);
  }
}

/** Upwards from the golden folder, then beside the repository. */
function findVocabulary(): string | null {
  const bases = [folder, resolve(folder, '..'), resolve(folder, '../..'), resolve(root, '../shared')];
  const found = bases
    .flatMap((base) => VOCABULARIES.map((path) => join(base, path)))
    .find((path) => existsSync(path));
  return found ?? null;
}

function contentOf(folders: readonly string[]): string {
  const hash = createHash('sha256');
  for (const base of folders) {
    for (const path of filesIn(base)) {
      hash.update(relative(base, path)).update('\0').update(readFileSync(path));
    }
  }
  return hash.digest('hex').slice(0, 32);
}

function filesIn(base: string): string[] {
  return readdirSync(base)
    .filter((name) => name !== '__pycache__')
    .sort()
    .map((name) => join(base, name))
    .flatMap((path) => (statSync(path).isDirectory() ? filesIn(path) : [path]));
}
