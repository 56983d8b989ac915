/**
 * The quality gates on freshly made clips:
 *
 *   npm run quality -- [--model nano] [--clips 40] [--threads N] [--json OUT] [--keep FOLDER]
 *
 * training/nano/evaluate.py writes tasks that no training saw, the shipped engine makes them as it does in the page, and
 * evaluate.py measures the result beside real music. A clip of 12 s takes some 5 s on two quiet cores. Exits with 1
 * when a gate fails.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { audioFile } from '../src/engine/songs.ts';
import { NO_WISH } from '../src/lib/placement.ts';
import { openNodeModel, ROOT } from './lib/node-host.ts';
import { ensurePython, PYTHON, run } from './setup.mjs';

const EVALUATE = fileURLToPath(new URL('training/nano/evaluate.py', ROOT));
const CACHE = fileURLToPath(new URL('.cache/', ROOT));

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'nano' },
    clips: { type: 'string', default: '40' },
    threads: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'string' },
  },
});
const clips = Number(values.clips);
if (!(Number.isInteger(clips) && clips >= 1)) {
  console.error(`--clips must be a whole number of at least 1 (got ${values.clips}).`);
  process.exit(2);
}

if (!existsSync(PYTHON)) await ensurePython();
await mkdir(CACHE, { recursive: true });
const folder = values.keep ? path.resolve(values.keep) : await mkdtemp(path.join(CACHE, 'quality-'));
let failed = false;
try {
  const wavs = path.join(folder, 'wavs');
  await rm(wavs, { recursive: true, force: true }); // the measures take every WAV that lies there
  await mkdir(wavs, { recursive: true });
  const tasks = path.join(folder, 'tasks.json');
  await run(PYTHON, [EVALUATE, 'tasks', '--n', String(clips), '--out', tasks]);
  const model = await openNodeModel(values.model, {
    ...NO_WISH,
    threads: values.threads === undefined ? null : Number(values.threads),
  });
  const inputs = JSON.parse(await readFile(tasks, 'utf8')) as readonly object[]; // as evaluate.py wrote it
  for (const [i, input] of inputs.entries()) {
    const { made, timings } = await model.generate(input, () => undefined);
    for (const { pcm } of made) {
      await writeFile(path.join(wavs, `${String(i).padStart(4, '0')}.wav`), audioFile(pcm));
    }
    console.log(`clip ${i + 1} of ${inputs.length}: ${(timings.total / 1000).toFixed(1)} s`);
  }
  const json = values.json ? ['--json', path.resolve(values.json)] : [];
  await run(PYTHON, [EVALUATE, 'score', '--wavs', wavs, '--tasks', tasks, '--check', ...json]);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  failed = true;
} finally {
  if (!values.keep) await rm(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0); // the runtime's threads would keep the process alive
