/**
 * Time and memory of the embedded model, beside native runtimes on the same machine at the same time.
 *
 * A round is a whole song in a real Chromium (WebAssembly), then one run of each of its graphs, with the song's
 * shapes, in native onnxruntime and in PyTorch. Rounds alternate so that other load hits all alike; medians are
 * compared. On a busy machine look at processor time, which other load hardly changes.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import type { GraphStatistics, Timings } from '../../src/engine/host.ts';
import { NO_WISH } from '../../src/lib/placement.ts';
import { openBrowserEngine } from '../lib/browser.ts';
import type { BrowserEngine } from '../lib/browser.ts';
import { openNodePack, ROOT } from '../lib/node-host.ts';
import { ensurePython, PYTHON } from '../setup.mjs';
import { ensureSite, SITE } from '../site.mjs';
import { gateLine, median } from './options.ts';
import type { Options, Outcome } from './options.ts';

/** Seconds for a 30 s song on two cores, and bytes of compressed JavaScript before the engine loads. */
const GATES = { songSeconds: 15, ofSeconds: 30, shellBytes: 250_000 };

const TASK = { prompt: 'slow jazz waltz, piano trio, 96 bpm, A minor', seed: 7 };

const CHECKPOINT = fileURLToPath(new URL('training/nano/checkpoint', ROOT));
const HELPER = fileURLToPath(new URL('scripts/lib/bench_native.py', ROOT));

type Milliseconds = Readonly<Record<string, number>>;

interface Round {
  readonly timings: Timings;
  /** Of the whole song, by graph. */
  readonly wasm: Milliseconds;
  readonly runs: Readonly<Record<string, number>>;
  /** Of the song, all threads. */
  readonly processorMs: number;
  /** Of one run, by backend and graph. */
  readonly native: NativeRound;
}

type NativeRound = Readonly<
  Record<string, Readonly<Record<string, { readonly ms: number; readonly processorMs: number }>>>
>;

export async function benchSong({ seconds, rounds, threads }: Options): Promise<Outcome> {
  if (!existsSync(PYTHON)) await ensurePython();
  await ensureSite();
  const shellBytes = await appShellBytes();
  const engine = await openBrowserEngine(SITE, { ...NO_WISH, provider: 'wasm', threads });
  const folder = await mkdtemp(path.join(tmpdir(), 'cadenza-bench-'));
  try {
    const report = await measure(engine, folder, { seconds, rounds, shellBytes });
    print(report);
    return { report, passed: report.gates.every(({ passed }) => passed) };
  } finally {
    await engine.close();
    await rm(folder, { recursive: true });
  }
}

async function measure(
  engine: BrowserEngine,
  folder: string,
  { seconds, rounds, shellBytes }: { seconds: number; rounds: number; shellBytes: number },
) {
  const task = { ...TASK, seconds };
  const placement = await engine.place('');
  const first = (await engine.generate(task)).result;
  let before = await statistics(engine);
  const native = await startNative(folder, first.model, placement.threads, before);
  const done: Round[] = [];
  try {
    for (let i = 0; i < rounds; i++) {
      const processor = await engine.processorSeconds();
      const { timings } = (await engine.generate(task)).result;
      const processorMs = ((await engine.processorSeconds()) - processor) * 1000;
      const after = await statistics(engine);
      const difference = (key: 'ms' | 'runs'): Record<string, number> =>
        Object.fromEntries(
          [...after].map(([name, now]) => [name, now[key] - (before.get(name)?.[key] ?? 0)]),
        );
      done.push({
        timings,
        processorMs,
        wasm: difference('ms'),
        runs: difference('runs'),
        native: await native.round(),
      });
      before = after;
    }
  } finally {
    native.end();
  }
  const { heapBytes, graphs } = await engine.memory();
  const song = medians(done.map(({ timings }) => timings));
  const runs = done[0]?.runs ?? {};
  /** Of all runs of a song, by backend and graph. */
  const ofSong = (key: 'ms' | 'processorMs'): Record<string, Milliseconds> =>
    Object.fromEntries(
      native.backends.map((backend) => {
        const one = done.map((round) => mapValues(round.native[backend] ?? {}, (times) => times[key]));
        return [backend, mapValues(medians(one), (ms, name) => ms * (runs[name] ?? 0))];
      }),
    );
  const songSeconds = (song.total ?? NaN) / 1000;
  return {
    machine: { cpu: cpus()[0]?.model ?? '', cores: availableParallelism(), loadAverage: loadavg()[0] ?? 0 },
    model: first.model,
    seconds: first.songs[0]?.seconds ?? NaN,
    threads: placement.threads,
    rounds,
    firstSongMs: first.timings,
    songMs: song,
    realTimeFactor: songSeconds / (first.songs[0]?.seconds ?? NaN),
    runs,
    /** Milliseconds that the graphs of one song take. */
    graphMs: { wasm: medians(done.map(({ wasm }) => wasm)), ...ofSong('ms') },
    /** Processor time of one song: all of it in the browser, its graphs elsewhere. */
    processorMs: {
      ...medians(done.map(({ processorMs }) => ({ wasm: processorMs }))),
      ...mapValues(ofSong('processorMs'), (graphs) => Object.values(graphs).reduce((a, b) => a + b, 0)),
    },
    memory: { heapBytes, graphBytes: graphs.reduce((sum, { liveBytes }) => sum + liveBytes, 0) },
    shellBytes,
    gates: [
      {
        gate: `${GATES.ofSeconds} s of sound in at most ${GATES.songSeconds} s`,
        value: `${((songSeconds / seconds) * GATES.ofSeconds).toFixed(1)} s`,
        passed: (songSeconds / seconds) * GATES.ofSeconds <= GATES.songSeconds,
      },
      {
        gate: `app shell of at most ${GATES.shellBytes / 1000} kB (brotli)`,
        value: `${(shellBytes / 1000).toFixed(1)} kB`,
        passed: shellBytes <= GATES.shellBytes,
      },
    ],
  };
}

async function statistics(engine: BrowserEngine): Promise<ReadonlyMap<string, GraphStatistics>> {
  const { graphs } = await engine.memory();
  return new Map(graphs.filter(({ runs }) => runs > 0).map((graph) => [graph.graph, graph]));
}

interface Native {
  readonly backends: readonly string[];
  /** One run of each graph in each backend, ms. */
  round(): Promise<NativeRound>;
  end(): void;
}

async function startNative(
  folder: string,
  model: string,
  threads: number,
  graphs: ReadonlyMap<string, GraphStatistics>,
): Promise<Native> {
  const pack = await openNodePack(model);
  const plan = path.join(folder, 'plan.json');
  const shapes = Object.fromEntries(
    [...graphs].map(([graph, { dims }]) => {
      const inputs = pack.manifest.graphs[graph]?.inputs ?? [];
      return [graph, Object.fromEntries(inputs.map((name) => [name, dims[name]]))];
    }),
  );
  const checkpoint = existsSync(path.join(CHECKPOINT, 'model.safetensors')) ? CHECKPOINT : null;
  if (checkpoint === null) console.error('No PyTorch column: training/nano/checkpoint is not there.');
  await writeFile(plan, JSON.stringify({ threads, graphs: shapes, checkpoint }));
  const child = spawn(PYTHON, [HELPER, fileURLToPath(pack.url), plan], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('scripts/lib/bench_native.py ended; its message is above.');
    return JSON.parse(value) as unknown;
  };
  return {
    backends: (await line()) as string[], // as the helper's docstring says
    async round() {
      child.stdin.write('go\n');
      return (await line()) as NativeRound; // as above
    },
    end: () => void child.stdin.end(),
  };
}

/** Compressed bytes of all JavaScript that the page loads at once: the entry and what it imports statically. */
async function appShellBytes(): Promise<number> {
  const html = await readFile(path.join(SITE, 'index.html'), 'utf8');
  const entries = [...html.matchAll(/(?:src|href)="\.?\/?(assets\/[^"]+\.js)"/g)].map(([, file]) => file!);
  const seen = new Set<string>();
  let bytes = 0;
  for (const file of entries) await visit(path.join(SITE, file));
  return bytes;

  async function visit(file: string): Promise<void> {
    if (seen.has(file)) return;
    seen.add(file);
    const code = await readFile(file, 'utf8');
    bytes += brotliCompressSync(code).byteLength;
    for (const [, name] of code.matchAll(
      /(?:^|[;}\s])(?:import|export)\b[^;"'()]*["'](\.\/[^"']+\.js)["']/g,
    )) {
      await visit(path.join(path.dirname(file), name!));
    }
  }
}

function print({ machine, ...r }: Awaited<ReturnType<typeof measure>>): void {
  const s = (ms: number | undefined): string => ((ms ?? NaN) / 1000).toFixed(2).padStart(8);
  console.log(
    `${r.model}, ${r.seconds.toFixed(1)} s of sound, ${r.threads} threads, median of ${r.rounds} songs\n` +
      `${machine.cpu}, ${machine.cores} cores, load average ${machine.loadAverage.toFixed(1)}\n`,
  );
  console.log('stage         seconds   first song');
  for (const stage of Object.keys(r.firstSongMs) as (keyof Timings)[]) {
    console.log(`${stage.padEnd(12)} ${s(r.songMs[stage])}     ${s(r.firstSongMs[stage])}`);
  }
  console.log(`real-time factor ${r.realTimeFactor.toFixed(2)}\n`);
  const columns = Object.keys(r.graphMs);
  const others = columns.filter((name) => name !== 'wasm');
  console.log(
    `graph             runs ${columns.map((c) => `${c} s`.padStart(16)).join('')}` +
      others.map((c) => `wasm/${c}`.padStart(18)).join(''),
  );
  const table: Readonly<Record<string, Milliseconds>> = r.graphMs;
  const row = (title: string, runs: string, of: (column: string) => number): void =>
    console.log(
      `${title.padEnd(18)}${runs.padStart(4)} ${columns.map((c) => s(of(c)).padStart(16)).join('')}` +
        others.map((c) => `${(of('wasm') / of(c)).toFixed(1)} x`.padStart(18)).join(''),
    );
  for (const graph of Object.keys(r.runs)) row(graph, String(r.runs[graph]), (c) => table[c]?.[graph] ?? NaN);
  row('all graphs', '', (c) => Object.values(table[c] ?? {}).reduce((a, b) => a + b, 0));
  const time: Milliseconds = r.processorMs;
  row('processor time', '', (c) => time[c] ?? NaN);
  if (machine.loadAverage > machine.cores + 1) {
    console.log('The machine was busy: processor time is the fairer measure.');
  }
  const mb = (bytes: number | null): string => `${((bytes ?? 0) / 1e6).toFixed(0)} MB`;
  console.log(`\nWebAssembly heap ${mb(r.memory.heapBytes)}, of it graphs ${mb(r.memory.graphBytes)}`);
  for (const { gate, value, passed } of r.gates) console.log(gateLine(passed, gate, value));
}

function medians(records: readonly Milliseconds[]): Record<string, number> {
  return mapValues(records[0] ?? {}, (_, key) => median(records.map((record) => record[key] ?? NaN)));
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
