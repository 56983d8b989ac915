/**
 * One block of the real denoiser (2560 wide, 20 heads, seeded weights) with 60 s of sound, and its keys and values:
 * native onnxruntime in float32 and in integers beside our PyTorch module, in turn in one process; then the same graphs on
 * WebAssembly in Chromium. Integers are q8 as WebAssembly loads it (src/lib/int8.ts).
 *
 * What is compared is a song: 60 steps of the block, and its keys and values once. The block's graph has the model's ends
 * (patches, time, last layer) too, as PyTorch's has.
 */
import { spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Ort from 'onnxruntime-web';
import { chromium } from 'playwright-core';
import { dynamicInt8 } from '../../src/lib/int8.ts';
import { ROOT } from '../lib/node-host.ts';
import { addressOf, serve } from '../serve.mjs';
import { ensureChromium, ensurePython, PYTHON } from '../setup.mjs';
import { gateLine, median } from './options.ts';
import type { Options, Outcome } from './options.ts';

const LATENTS = 646; // 60 s
const CONDITION = 300; // a prompt and lyrics
const STEPS = 60; // the reference's default
/** Of PyTorch's time in float32. */
const GATES = { fp32: 1, int8: 0.5 } as const;
const GRAPHS = ['denoiser', 'cross_kv'] as const;
const PRECISIONS = ['fp32', 'int8'] as const;

const HELPER = fileURLToPath(new URL('scripts/lib/bench_block.py', ROOT));
const RUNTIME = fileURLToPath(new URL('node_modules/onnxruntime-web/dist', ROOT));
const RUNTIME_FILES = ['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'];

/** Of one run; processor time is that of all threads. */
interface Clocks {
  readonly ms: number;
  readonly processorMs: number;
}
interface Native {
  readonly [backend: string]: Readonly<Record<string, Clocks & { readonly error: number }>>;
}

export async function benchBlock({ rounds, threads: wished }: Options): Promise<Outcome> {
  await ensurePython();
  const threads = wished ?? availableParallelism();
  const folder = await mkdtemp(path.join(tmpdir(), 'cadenza-block-'));
  try {
    const files = Object.assign(
      {},
      ...python('export', folder).map((line) => JSON.parse(line) as object),
    ) as Record<string, string[]>; // as the helper's docstring says
    for (const graph of GRAPHS) await writeInt8(folder, graph, files[`${graph}.q8`] ?? []);
    const [line = ''] = python('time', folder, ...[rounds, threads, LATENTS, CONDITION].map(String));
    const native = JSON.parse(line) as Native; // as above
    const browser: Record<string, Readonly<Record<string, Clocks>>> = {};
    for (const precision of PRECISIONS) {
      const stored = precision === 'int8' ? 'q8' : precision;
      const weightsOf = (graph: string): readonly string[] => files[`${graph}.${stored}`] ?? [];
      browser[precision] = await browserTimes(folder, rounds, threads, precision, weightsOf);
    }
    return told(native, browser, threads, rounds);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Of the block in a song. */
const song = (of: Readonly<Record<string, Clocks>> | undefined, clock: keyof Clocks): number =>
  STEPS * (of?.['denoiser']?.[clock] ?? NaN) + (of?.['cross_kv']?.[clock] ?? NaN);

function told(
  native: Native,
  browser: Readonly<Record<string, Readonly<Record<string, Clocks>>>>,
  threads: number,
  rounds: number,
): Outcome {
  const base = native['pytorch'];
  const step = base?.['denoiser']?.ms ?? NaN;
  console.log(
    `one block, 60 s of sound, ${STEPS} steps and its keys and values once; ${threads} threads, medians of ${rounds}, load average ${loadavg()[0]!.toFixed(1)}\n` +
      `PyTorch fp32: ${(song(base, 'ms') / 1000).toFixed(1)} s, a step ${step.toFixed(0)} ms, keys and values ${base?.['cross_kv']?.ms.toFixed(0)} ms`,
  );
  const ratios = (of: Readonly<Record<string, Clocks>> | undefined) => ({
    time: song(of, 'ms') / song(base, 'ms'),
    processor: song(of, 'processorMs') / song(base, 'processorMs'),
  });
  const shown = ({ time, processor }: ReturnType<typeof ratios>): string =>
    `${time.toFixed(2)} (processor time ${processor.toFixed(2)})`;
  const gates = PRECISIONS.map((precision) => {
    const ratio = ratios(native[precision]);
    const errors = GRAPHS.map((graph) => `${graph} ${native[precision]?.[graph]?.error.toExponential(1)}`);
    const passed = ratio.time <= GATES[precision];
    const gate = `native ${precision}, at most ${GATES[precision]} of PyTorch's time`;
    console.log(gateLine(passed, gate, `${shown(ratio)}; relative errors: ${errors.join(', ')}`));
    return { precision, ...ratio, passed };
  });
  for (const precision of PRECISIONS) {
    console.log(
      `     Chromium, WebAssembly ${precision} of PyTorch's time: ${shown(ratios(browser[precision]))}`,
    );
  }
  const narrow = song(browser['int8'], 'processorMs') / song(browser['fp32'], 'processorMs');
  console.log(`     Chromium, int8 of fp32's processor time: ${narrow.toFixed(2)}`);
  if (loadavg()[0]! > availableParallelism() + 1) {
    console.log('The machine was busy: processor time is the fairer measure.');
  }
  return { report: { native, browser, gates }, passed: gates.every(({ passed }) => passed) };
}

function python(...args: string[]): string[] {
  const run = spawnSync(PYTHON, [HELPER, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (run.status !== 0) throw new Error('scripts/lib/bench_block.py failed; its message is above.');
  return run.stdout.trim().split('\n');
}

/** GRAPH.int8.onnx, and the q8 files in the form that it reads. */
async function writeInt8(folder: string, graph: string, paths: readonly string[]): Promise<void> {
  const stored = new Map<string, Uint8Array>();
  for (const name of paths) stored.set(name, new Uint8Array(await readFile(path.join(folder, name))));
  const int8 = dynamicInt8(new Uint8Array(await readFile(path.join(folder, `${graph}.q8.onnx`))));
  if (int8 === null) throw new Error(`${graph}: the q8 graph has no 8-bit products`);
  await writeFile(path.join(folder, `${graph}.int8.onnx`), int8.model);
  const read = int8.weights((location, into, at) => {
    const piece = stored.get(location)!.subarray(at, at + into.length);
    into.set(piece);
    return piece.length;
  });
  for (const [name, { length }] of stored) {
    const changed = new Uint8Array(length);
    if ((await read(name, changed, 0)) !== length) throw new Error(`${name}: shorter than it is stored`);
    await writeFile(path.join(folder, name), changed);
  }
}

/** A run of each graph in a real browser, after a first one. */
async function browserTimes(
  folder: string,
  rounds: number,
  threads: number,
  precision: string,
  weightsOf: (graph: string) => readonly string[],
): Promise<Readonly<Record<string, Clocks>>> {
  for (const name of RUNTIME_FILES) await copyFile(path.join(RUNTIME, name), path.join(folder, name));
  await writeFile(path.join(folder, 'index.html'), '<!doctype html><title>block</title>');
  const server = await serve({ root: folder, port: 0 });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  try {
    const devtools = await browser.newBrowserCDPSession();
    const processorMs = async (): Promise<number> => {
      const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
      const pages = processInfo.filter(({ type }) => type === 'renderer');
      return 1000 * pages.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
    };
    const page = await browser.newPage();
    const base = addressOf(server);
    await page.goto(base);
    const times: Record<string, Clocks> = {};
    for (const graph of GRAPHS) {
      const weights = weightsOf(graph);
      await page.evaluate(load, {
        base, threads, model: `${graph}.${precision}.onnx`, weights, feeds: FEEDS[graph],
      }); // prettier-ignore
      const runs: Clocks[] = [];
      for (let i = 0; i <= rounds; i++) {
        const before = await processorMs();
        const ms = await page.evaluate(once);
        if (i > 0) runs.push({ ms, processorMs: (await processorMs()) - before });
      }
      await page.evaluate(() => (window as unknown as BlockWindow).release()); // as in `once`
      times[graph] = {
        ms: median(runs.map((run) => run.ms)),
        processorMs: median(runs.map((run) => run.processorMs)),
      };
    }
    return times;
  } finally {
    await browser.close();
    server.close();
  }
}

const D = 2560;
const [HEADS, HEAD] = [20, 128];
/** Shapes of the inputs. */
const FEEDS: Readonly<Record<(typeof GRAPHS)[number], Readonly<Record<string, readonly number[]>>>> = {
  denoiser: {
    latents: [1, 8, 16, LATENTS],
    time_features: [1, 256],
    k: [1, HEADS, HEAD, CONDITION],
    v: [1, HEADS, CONDITION, HEAD],
    rope_cos: [LATENTS, HEAD],
    rope_sin: [LATENTS, HEAD],
    erg_scale: [],
  },
  cross_kv: { condition: [1, CONDITION, D], rope_cos: [CONDITION, HEAD], rope_sin: [CONDITION, HEAD] },
};

interface Order {
  readonly base: string;
  readonly threads: number;
  readonly model: string;
  readonly weights: readonly string[];
  readonly feeds: Readonly<Record<string, readonly number[]>>;
}

/** The page's window once `load` has run there. */
interface BlockWindow {
  run(): Promise<unknown>;
  release(): Promise<void>;
}

/** Runs inside the page. */
async function load({ base, threads, model, weights, feeds }: Order): Promise<void> {
  const ort = (await import(`${base}ort.wasm.min.mjs`)) as typeof Ort; // the copied file
  ort.env.wasm.wasmPaths = base;
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(`${base}${model}`, {
    executionProviders: ['wasm'],
    externalData: weights.map((name) => ({ path: name, data: `${base}${name}` })),
  });
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, dims]) => {
      const count = dims.reduce((n, d) => n * d, 1);
      const data = Float32Array.from({ length: count }, (_, i) =>
        dims.length ? Math.sin(i * 1.7) * 0.5 : 1,
      );
      return [name, new ort.Tensor('float32', data, dims)];
    }),
  );
  Object.assign(window, { run: () => session.run(inputs), release: () => session.release() });
}

/** Runs inside the page: milliseconds of one run. */
async function once(): Promise<number> {
  const started = performance.now();
  await (window as unknown as BlockWindow).run(); // `load` made it
  return performance.now() - started;
}
