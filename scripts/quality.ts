/**
 * The quality gates of nano, from the shipped pack:
 *
 *   npm run quality -- [--model nano] [--clips 100] [--edits 32] [--threads N] [--json FOLDER] [--keep FOLDER]
 *
 * training/nano/evaluate.py writes tasks that no training saw, the engine makes them as it does in the page and at the
 * shipped setting, retakes, repaints and extends some, and evaluate.py measures the results beside real music, the codec
 * and vocoder beside their originals, and what each condition is worth. A clip of 12 s takes some 5 s on two quiet cores,
 * everything about half an hour; --keep goes on where it was stopped. Exits with 1 when a gate fails.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { audioFile, latentsFile } from '../src/engine/songs.ts';
import { NO_WISH } from '../src/lib/placement.ts';
import { latentsPath, openNodeModel, ROOT } from './lib/node-host.ts';
import { ensurePython, PYTHON, run } from './setup.mjs';

const EVALUATE = fileURLToPath(new URL('training/nano/evaluate.py', ROOT));
const EXPORT = fileURLToPath(new URL('export-scripts/', ROOT));
const CACHE = fileURLToPath(new URL('.cache/', ROOT));

/** Seconds of a clip that a repaint makes anew, and that an extension adds. */
const REGION = { start: 4, end: 8 };
const ADDED = 4;
const RETAKE_VARIANCE = 0.5;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'nano' },
    clips: { type: 'string', default: '100' },
    edits: { type: 'string', default: '32' },
    threads: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'string' },
  },
});
const clips = count('clips', 1);
const edits = Math.min(count('edits', 0), clips);

function count(name: 'clips' | 'edits', least: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  console.error(`--${name} must be a whole number of at least ${least} (got ${values[name]}).`);
  process.exit(2);
}

if (!existsSync(PYTHON)) await ensurePython();
await mkdir(CACHE, { recursive: true });
const folder = values.keep ? path.resolve(values.keep) : await mkdtemp(path.join(CACHE, 'quality-'));
const [wavs, edited, checkpoint, tasks] = ['wavs', 'edits', 'checkpoint', 'tasks.json'].map((name) =>
  path.join(folder, name),
) as [string, string, string, string]; // four names
let failed = false;
try {
  await make();
  const json = async (name: string): Promise<string[]> => {
    if (!values.json) return [];
    await mkdir(values.json, { recursive: true });
    return ['--json', path.resolve(values.json, `${name}.json`)];
  };
  const measures: readonly (readonly [string, readonly string[]])[] = [
    ['score', ['--wavs', wavs, '--tasks', tasks]],
    ...(edits ? [['edits', ['--wavs', wavs, '--edits', edited, '--tasks', tasks]] as const] : []),
    ['codec', []],
    ['swap', ['--n', String(Math.max(16, 3 * clips))]], // the mood is worth a ten thousandth of the loss: it takes many to see it
  ];
  for (const [name, options] of measures) {
    console.log(`\n${name}`);
    const shared = ['--checkpoint', checkpoint, '--check', ...(await json(name))];
    try {
      await run(PYTHON, [EVALUATE, name, ...options, ...shared]);
    } catch {
      failed = true; // said by the command itself; the other measures are still worth having
    }
  }
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  failed = true;
} finally {
  if (!values.keep) await rm(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0); // the runtime's threads would keep the process alive

/** The clips and their edits that are not there yet, and a checkpoint of the pack. */
async function make(): Promise<void> {
  await Promise.all([wavs, edited].map((at) => mkdir(at, { recursive: true })));
  await run(PYTHON, [EVALUATE, 'tasks', '--n', String(clips), '--out', tasks]);
  const threads = values.threads === undefined ? null : Number(values.threads);
  const model = await openNodeModel(values.model, { ...NO_WISH, threads });
  const pack = path.dirname(fileURLToPath(model.pack.url));
  await run(PYTHON, ['-m', 'export_onnx', 'restore', pack, checkpoint], { cwd: EXPORT });

  const generate = async (input: object, file: string): Promise<void> => {
    if (existsSync(file)) return;
    const { made, timings } = await model.generate(input, () => undefined);
    const [first] = made;
    if (!first) throw new Error(`no song came of ${JSON.stringify(input)}`);
    await writeFile(latentsPath(file), latentsFile(first)); // as the page keeps them beside a song
    await writeFile(`${file}.part`, audioFile(first.pcm));
    await rename(`${file}.part`, file);
    console.log(`${path.basename(file)}: ${(timings.total / 1000).toFixed(1)} s`);
  };
  const inputs = JSON.parse(await readFile(tasks, 'utf8')) as readonly { readonly seed: number }[]; // as evaluate.py wrote it
  for (const [i, input] of inputs.entries()) {
    const name = String(i).padStart(4, '0');
    const source = path.join(wavs, `${name}.wav`);
    await generate(input, source);
    if (i >= edits) continue;
    const again = { ...input, retakeSeeds: [input.seed + 1] };
    const from = { ...again, source };
    const kinds = {
      retake: { ...again, kind: 'retake', variance: RETAKE_VARIANCE },
      repaint: { ...from, kind: 'repaint', regions: [REGION], variance: 1 },
      extend: { ...from, kind: 'extend', after: ADDED },
    };
    for (const [kind, task] of Object.entries(kinds)) {
      await generate(task, path.join(edited, `${name}.${kind}.wav`));
    }
  }
}
