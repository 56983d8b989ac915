/**
 * Makes songs without a browser:
 *
 *   npm run generate -- TASK.json --out OUT.wav [--model ID] [--provider wasm|webgpu] [--precision P] [--threads N]
 *
 * TASK.json holds one task or a list of them. Beside each WAV lie its settings, timings and peak memory (.json) and
 * its latents (.latents.safetensors), which a later task on this WAV uses instead of encoding it again. More than
 * one song: OUT-1.wav, OUT-2.wav … Progress goes to stderr.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Timings } from '../src/engine/host.ts';
import { audioFile, factsOf, latentsFile } from '../src/engine/songs.ts';
import { asEngineError, EngineError, ERRORS } from '../src/lib/errors.ts';
import type { EngineEvent } from '../src/lib/events.ts';
import { PRECISIONS, PROVIDERS } from '../src/lib/manifest.ts';
import { NO_WISH } from '../src/lib/placement.ts';
import type { Wish } from '../src/lib/placement.ts';
import type { Task } from '../src/lib/task.ts';
import { latentsPath, openNodeModel } from './lib/node-host.ts';
import type { NodeModel } from './lib/node-host.ts';

const USAGE =
  'usage: npm run generate -- TASK.json --out OUT.wav [--model ID] [--provider wasm|webgpu] [--precision P] [--threads N]';

/** What lies beside a song: all that made it, and what it cost. */
interface Report {
  readonly task: Task;
  readonly model: string;
  readonly seed: number;
  readonly seconds: number;
  readonly sampleRate: number;
  /** Integrated, LUFS; null for silence. */
  readonly loudness: number | null;
  /** Milliseconds by stage; of the whole task, also where it made several songs. */
  readonly timings: Timings;
  /** The most this process has held so far (resident set). */
  readonly peakMemoryBytes: number;
  readonly wasmHeapBytes: number | null;
  readonly graphs: Readonly<Record<string, { readonly provider: string; readonly precision: string }>>;
}

async function main(args: readonly string[]): Promise<void> {
  const { path, out, model: chosen, wish } = optionsOf(args);
  const inputs = await tasksOf(path);
  const stem = out.replace(/\.wav$/i, '');
  await mkdir(dirname(resolve(out)), { recursive: true });
  const models = new Map<string, NodeModel>();
  let count = 0;
  for (const [i, input] of inputs.entries()) {
    if (inputs.length > 1) console.error(`Task ${i + 1} of ${inputs.length}`);
    const id = chosen ?? modelOf(input);
    const model = models.get(id) ?? (await openNodeModel(id, wish));
    models.set(id, model);
    const { task, made, timings } = await cancellable(model, () => model.generate(input, tell));
    for (const song of made) {
      count += 1;
      const wav = inputs.length > 1 || made.length > 1 ? `${stem}-${count}.wav` : `${stem}.wav`;
      const { peaks: _, ...facts } = factsOf(song);
      const report: Report = {
        task,
        model: model.pack.manifest.id,
        ...facts,
        timings,
        peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
        wasmHeapBytes: model.heapBytes(),
        graphs: Object.fromEntries(
          Object.entries(model.host.placement.graphs).map(([name, { provider, variant }]) => [
            name,
            { provider, precision: variant.precision },
          ]),
        ),
      };
      await writeFile(wav, audioFile(song.pcm, { task, seed: song.seed }));
      await writeFile(latentsPath(wav), latentsFile(song));
      await writeFile(wav.replace(/\.wav$/, '.json'), `${JSON.stringify(report, null, 2)}\n`);
      console.log(`${wav}: ${facts.seconds.toFixed(2)} s of sound in ${(timings.total / 1000).toFixed(1)} s`);
    }
  }
}

/** Ctrl-C ends the song between two steps, so that files are never left half written. */
async function cancellable<T>(model: NodeModel, work: () => Promise<T>): Promise<T> {
  const cancel = (): void => model.host.cancel();
  process.once('SIGINT', cancel);
  try {
    return await work();
  } finally {
    process.off('SIGINT', cancel);
  }
}

interface Options {
  readonly path: string;
  readonly out: string;
  readonly model: string | undefined;
  readonly wish: Wish;
}

function optionsOf(args: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { out: text, model: text, provider: text, precision: text, threads: text },
  });
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0 || values.out === undefined) throw new TypeError(USAGE);
  const threads = values.threads === undefined ? null : Number(values.threads);
  if (threads !== null && !(Number.isInteger(threads) && threads >= 1)) {
    throw new TypeError(`--threads must be a whole number of at least 1 (got ${values.threads}).`);
  }
  const provider = oneOf('--provider', values.provider, PROVIDERS);
  const precision = oneOf('--precision', values.precision, PRECISIONS);
  return { path, out: values.out, model: values.model, wish: { ...NO_WISH, provider, precision, threads } };
}

function oneOf<T extends string>(name: string, value: string | undefined, known: readonly T[]): T | 'auto' {
  if (value === undefined) return 'auto';
  const found = known.find((k) => k === value);
  if (found === undefined) throw new TypeError(`${name} must be one of ${known.join(', ')} (got ${value}).`);
  return found;
}

async function tasksOf(path: string): Promise<readonly unknown[]> {
  try {
    const json: unknown = JSON.parse(await readFile(path, 'utf8'));
    return Array.isArray(json) ? json : [json];
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new EngineError('bad-task', `${path} cannot be read as a task: ${message}`, { cause: thrown });
  }
}

function modelOf(input: unknown): string {
  const model = typeof input === 'object' && input !== null && 'model' in input ? input.model : '';
  return typeof model === 'string' ? model : '';
}

function tell(event: EngineEvent): void {
  if (event.type === 'notice') console.error(event.text);
  if (event.type === 'stage') console.error(event.stage);
  if (event.type === 'step')
    console.error(`step ${event.step} of ${event.steps}, ${Math.round(event.ms)} ms`);
}

try {
  await main(process.argv.slice(2));
} catch (thrown) {
  if (thrown instanceof TypeError) {
    console.error(thrown.message); // of optionsOf, or of parseArgs: how it was called
    process.exit(2);
  }
  const { code, message } = asEngineError(thrown);
  console.error(`${code}: ${message} ${ERRORS[code]}`);
  if (code === 'bug') console.error(thrown);
  process.exit(1);
}
process.exit(0); // the runtime's threads would keep the process alive
