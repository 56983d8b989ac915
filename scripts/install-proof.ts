/**
 * The whole way of a full-size model, measured:
 *
 *   npm run install-proof -- [--folder FOLDER] [--precisions q4f16,q8] [--stage NAMES] [--size official|small] [--keep]
 *
 * Writes a checkpoint of seeded random weights with the official files, keys and sizes (8.3 GB), serves it with ranges,
 * and has the built application install it in a real Chromium, which is killed three times on the way. Every weight
 * file is then compared with the Python converter's, and a song of one second and one step is made from the installed
 * model on WebAssembly and compared with native onnxruntime on the same weights.
 *
 * It goes in stages (STAGES and TAIL below). FOLDER/report.json keeps every figure as soon as it is known and which
 * stages are done: started again with the same folder it goes on from there. `--stage` runs just those, done or not:
 * `compare` for all precisions, `compare:q8` for one; `import` stands in for the installation. `--size small` goes the same way in seconds. Without --keep the
 * large files are deleted once everything has passed. Needs some 25 GB of disk, 10 GB of memory and half an hour;
 * Linux, for the memory figures.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Engine, Result } from '../src/engine/engine.ts';
import { Host } from '../src/engine/host.ts';
import type { InstallProgress } from '../src/engine/install.ts';
import type { Models, Shelved } from '../src/engine/models.ts';
import { openRuntime } from '../src/engine/ort.ts';
import { readLatents } from '../src/engine/songs.ts';
import type { ModelManifest, Precision } from '../src/lib/manifest.ts';
import { NO_WISH, place } from '../src/lib/placement.ts';
import { checkTask } from '../src/lib/task.ts';
import { reduced } from '../src/lib/template.ts';
import { nodeCapabilities, openNodePack, ROOT, worldOf } from './lib/node-host.ts';
import { openTab } from './lib/devtools.ts';
import type { Tab } from './lib/devtools.ts';
import { CPU_BUILDS } from './lib/node-ort.ts';
import { sampleMemory } from './lib/processes.ts';
import type { Sampler } from './lib/processes.ts';
import { addressOf, serve } from './serve.mjs';
import { ensureChromium, PYTHON } from './setup.mjs';
import { ensureSite, SITE } from './site.mjs';

const ID = 'ace-step-v1-3.5b';
const GIB = 2 ** 30;
const MIB = 2 ** 20;
const LIMITS = {
  rendererBytes: GIB,
  heapBytes: 512 * MIB,
  warmMs: 500,
  writeBytes: 90 * MIB,
};
/**
 * Relative rms between two runtimes with the same weights. Half precision rounds wherever a runtime joins operators in
 * another way: native onnxruntime differs from itself by 1.0e-2 when its optimisations are off. So what is held there is
 * the gate of half precision everywhere, a cosine of 0.999.
 */
const allowed = (precision: Precision): number => (precision === 'q4f16' ? Math.sqrt(2 * (1 - 0.999)) : 1e-2);
/** Shares of an installation at which the browser is killed: its tab's process twice, then all of it. */
const KILLS = [0.2, 0.5, 0.8];
const STALL_MS = 60_000;
const TASK = {
  kind: 'text2music',
  prompt: 'slow waltz',
  lyrics: '',
  seconds: 1,
  seed: 7,
  sampling: { steps: 1 },
};

/** What each precision goes through, in this order. */
const STAGES: Readonly<Record<string, (address: string, precision: Precision) => Promise<void>>> = {
  install: installed,
  warm: warmStart,
  python: pythonPack,
  compare: compareFiles,
  native: nativeSong,
  wasm: compareSongs,
  remove: removed,
};
/** Only when asked for: with the Python converter's pack in the place of an installation, to prove what comes after. */
const ON_DEMAND: typeof STAGES = { import: imported };
/** At the end, whatever is installed. */
const TAIL: Readonly<Record<string, (address: string) => Promise<void>>> = { rate: writeRate };

interface Figure {
  readonly stage: string;
  readonly name: string;
  readonly value: string;
  /** Empty where it is for information only. */
  readonly limit: string;
  readonly passed: boolean;
}

/** One start of the browser for an installation. */
interface InstallRun {
  readonly from: number;
  readonly to: number;
  readonly total: number;
  readonly ms: number;
  /** 'stalled': it did not move for STALL_MS, and was killed. */
  readonly ended: 'finished' | 'tab killed' | 'browser killed' | 'stalled';
  readonly rendererBytes: number;
  readonly heapBytes: number;
}

interface Report {
  readonly machine: { readonly processor: string; readonly cores: number; readonly memoryBytes: number };
  readonly size: string;
  figures: readonly Figure[];
  /** Seconds, by the name of the stage; null where it has not gone through. */
  readonly done: Record<string, number | null>;
  /** Why it has not. */
  readonly failed: Record<string, string | null>;
  /** By precision. */
  readonly installs: Record<string, InstallRun[]>;
}

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '.cache/install-proof' },
    precisions: { type: 'string', default: 'q4f16,q8' },
    stage: { type: 'string', default: '' },
    size: { type: 'string', default: 'official' },
    keep: { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(ROOT);
const folder = path.resolve(values.folder);
const precisions = values.precisions.split(',') as Precision[]; // the manifest refuses strangers
const small = values.size === 'small';
/** One origin for all runs of a folder: storage belongs to it. */
const port = small ? 4320 : 4319;
const only = values.stage === '' ? null : values.stage.split(',');
const checkpoint = path.join(folder, 'checkpoint');
const site = path.join(folder, 'site');
const profile = path.join(folder, 'profile');
const recipes = path.join(site, 'models', ID);
const packOf = (precision: Precision): string => path.join(folder, `pack.${precision}`);
const songOf = (precision: Precision): string => path.join(folder, `native.${precision}.json`);
const gib = (bytes: number): string =>
  bytes < GIB / 16 ? `${(bytes / MIB).toFixed(1)} MiB` : `${(bytes / GIB).toFixed(2)} GiB`;

mkdirSync(folder, { recursive: true });
const report = openReport();
/** The stage at work. */
let stage = '';

await run('checkpoint', async () => {
  // The tokenizer is written last.
  if (!existsSync(path.join(checkpoint, 'umt5-base/tokenizer.json')))
    exporter('seeded', checkpoint, '--size', values.size);
});
await run('site', overlay);
if (report.failed['checkpoint'] || report.failed['site']) process.exit(1);
const server = await serve({ root: site, port });
if (small) slowDown(server, 40); // else it is over before it can be killed
const address = addressOf(server);
for (const precision of precisions) {
  for (const [name, work] of Object.entries(only ? { ...ON_DEMAND, ...STAGES } : STAGES)) {
    const sound = await run(`${name}:${precision}`, () => work(address, precision));
    if (!sound) break; // what comes after builds on it
  }
}
for (const [name, work] of Object.entries(TAIL)) await run(name, () => work(address));
server.closeAllConnections();
server.close();

for (const figure of report.figures) console.log(line(figure));
const failed = Object.entries(report.failed).filter(([, why]) => why !== null);
for (const [name, why] of failed) console.log(`FAIL ${name}: ${why}`);
const missed = report.figures.filter(({ passed }) => !passed).length + failed.length;
console.log(
  `${report.figures.filter(({ limit, passed }) => limit !== '' && passed).length} passed, ${missed} failed`,
);
if (missed === 0 && only === null && !values.keep)
  for (const part of [checkpoint, site, profile]) rmSync(part, { recursive: true, force: true });
process.exit(missed > 0 ? 1 : 0);

/** Runs a stage that is wanted and not done yet. False: it failed, and is in the report. */
async function run(name: string, work: () => Promise<void>): Promise<boolean> {
  const wanted = only
    ? only.some((one) => one === name || one === name.split(':')[0])
    : typeof report.done[name] !== 'number';
  if (!wanted) return true;
  console.log(`\n${new Date().toISOString().slice(11, 19)} ${name}`);
  stage = name;
  report.figures = report.figures.filter((figure) => figure.stage !== name);
  report.failed[name] = report.done[name] = null;
  const started = performance.now();
  try {
    await work();
    report.done[name] = (performance.now() - started) / 1000;
    return true;
  } catch (thrown) {
    console.error(thrown);
    report.failed[name] = thrown instanceof Error ? thrown.message : String(thrown);
    return false;
  } finally {
    saveReport();
  }
}

/** A figure with a limit. */
function gate(name: string, value: string, limit: string, passed: boolean): void {
  const figure = { stage, name, value, limit, passed };
  report.figures = [...report.figures, figure];
  saveReport();
  console.log(line(figure));
}

/** A figure without one. */
function note(name: string, value: string): void {
  gate(name, value, '', true);
}

function line({ stage: of, name, value, limit, passed }: Figure): string {
  const mark = limit === '' ? '    ' : passed ? 'ok  ' : 'FAIL';
  return `${mark} ${of} ${name}: ${value}${limit === '' ? '' : ` (${limit})`}`;
}

function openReport(): Report {
  const file = path.join(folder, 'report.json');
  if (existsSync(file)) {
    const found = JSON.parse(readFileSync(file, 'utf8')) as Report; // written below
    if (found.size === values.size) return found;
    throw new Error(`${folder} holds a run of --size ${found.size}: choose another --folder, or delete it.`);
  }
  const machine = {
    processor: cpus()[0]?.model ?? '',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
  return { machine, size: values.size, figures: [], done: {}, failed: {}, installs: {} };
}

function saveReport(): void {
  const file = path.join(folder, 'report.json');
  writeFileSync(`${file}.part`, `${JSON.stringify(report, null, 1)}\n`);
  renameSync(`${file}.part`, file);
}

/** Installs, with a kill at each of KILLS, and reports memory and time. Goes on after the kills that were made. */
async function installed(address: string, precision: Precision): Promise<void> {
  const before = report.installs[precision];
  const again = before?.at(-1)?.ended === 'finished';
  if (again) await removed(address, precision);
  const runs = again ? [] : (before ?? []);
  report.installs[precision] = runs;
  while (runs.at(-1)?.ended !== 'finished') {
    const made = await installOnce(address, precision, runs.filter(killed).length);
    runs.push(made);
    saveReport();
    console.log(
      `  run ${runs.length}: from ${gib(made.from)} to ${gib(made.to)} of ${gib(made.total)} in ${seconds(made.ms)}, ${made.ended}; renderer ${gib(made.rendererBytes)}, heap ${gib(made.heapBytes)}`,
    );
  }
  const kills = runs.filter(killed).length;
  const stalls = runs.filter(({ ended }) => ended === 'stalled').length;
  const ms = runs.reduce((sum, one) => sum + one.ms, 0);
  const repeated = runs.reduce((sum, { from }, i) => sum + Math.max(0, (runs[i - 1]?.to ?? 0) - from), 0);
  const most = (of: (made: InstallRun) => number): number => Math.max(...runs.map(of));
  gate(
    'killed and finished',
    `${kills} kills, ${seconds(ms)} in all, ${gib(repeated)} of ${gib(runs[0]!.total)} read again`,
    `${KILLS.length} kills`,
    kills === KILLS.length,
  );
  gate('stalled', `${stalls} times`, 'never', stalls === 0);
  gate(
    'renderer, peak',
    gib(most(({ rendererBytes }) => rendererBytes)),
    `at most ${gib(LIMITS.rendererBytes)}`,
    most(({ rendererBytes }) => rendererBytes) <= LIMITS.rendererBytes,
  );
  const heap = most(({ heapBytes }) => heapBytes);
  gate(
    "install worker's JS heap and its buffers, peak",
    gib(heap),
    `at most ${gib(LIMITS.heapBytes)}`,
    heap > 0 && heap <= LIMITS.heapBytes,
  );
}

function killed({ ended }: InstallRun): boolean {
  return ended === 'tab killed' || ended === 'browser killed';
}

async function installOnce(address: string, precision: Precision, number: number): Promise<InstallRun> {
  const killAt = KILLS[number] ?? Infinity;
  const whole = number % 3 === 2;
  return withBrowser(address, async ({ page, sampler, models, kill }) => {
    const begun = performance.now();
    const { quota = 0, usage = 0 } = await page.evaluate(() => navigator.storage.estimate());
    const from = (await models.list()).find(({ id }) => id === ID)?.unfinished?.done ?? 0;
    if (number === 0) note('storage that Chromium grants', `${gib(quota)}, ${gib(usage)} in use`);
    sampler.take();
    let heapBytes = 0;
    let last: InstallProgress | null = null;
    let told = performance.now();
    const stalls = stallWatch();
    const result = (ended: InstallRun['ended']): InstallRun => ({
      from,
      to: last?.done ?? from,
      total: last?.total ?? 0,
      ms: performance.now() - begun,
      ended,
      rendererBytes: sampler.take()['renderer'] ?? 0,
      heapBytes,
    });
    const work = models.install(ID, precision);
    let over = false;
    const end = (): void => void (over = true);
    work.then(end, end);
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, small ? 5 : 250));
      last = await page.evaluate(() => (window as unknown as ProofWindow).progress);
      heapBytes = Math.max(heapBytes, await page.workerHeap());
      if (small) await page.collectGarbage(); // as often as in an hour of a large one
      const stalled = stalls(last);
      if (stalled || (last && last.done / last.total >= killAt)) {
        const made = result(stalled ? 'stalled' : whole ? 'browser killed' : 'tab killed');
        await kill(whole);
        return made; // nobody hears of `work` any more
      }
      if (performance.now() - told > 15_000) {
        told = performance.now();
        const speed = ((last?.done ?? from) - from) / MIB / ((told - begun) / 1000);
        console.log(`  ${gib(last?.done ?? 0)} of ${gib(last?.total ?? 0)}, ${speed.toFixed(0)} MiB/s`);
      }
    }
    await work; // throws what the installation threw
    last = await page.evaluate(() => (window as unknown as ProofWindow).progress);
    return result('finished');
  });
}

/** Says of the progress that it is given whether it has been the same for too long. */
function stallWatch(): (progress: InstallProgress | null) => boolean {
  let moved = { done: -1, at: performance.now() };
  return (progress) => {
    const done = progress?.done ?? 0;
    if (done !== moved.done || progress?.phase !== 'read') moved = { done, at: performance.now() };
    return performance.now() - moved.at > STALL_MS;
  };
}

/** What the page waits for before an installed model can be used: sizes and times against the receipts. */
async function warmStart(address: string): Promise<void> {
  await withBrowser(address, async ({ page }) => {
    const list = (): Promise<number> =>
      page.evaluate(async () => {
        const start = performance.now();
        await (window as unknown as ProofWindow).models.list();
        return performance.now() - start;
      });
    note('first look after the start, with the catalogue', `${(await list()).toFixed(0)} ms`);
    const ms = await list();
    gate('verification', `${ms.toFixed(0)} ms`, `at most ${LIMITS.warmMs} ms`, ms <= LIMITS.warmMs);
  });
}

async function pythonPack(_: string, precision: Precision): Promise<void> {
  const making = `${packOf(precision)}.making`;
  if (existsSync(packOf(precision))) return note('converter', 'its files are here already');
  rmSync(making, { recursive: true, force: true });
  const started = performance.now();
  exporter('convert', checkpoint, making, '--precision', precision, '--recipes', recipes);
  renameSync(making, packOf(precision));
  note('converter', seconds(performance.now() - started));
}

/** Every byte hashed in the browser, and every hash compared with the Python converter's file. */
async function compareFiles(address: string, precision: Precision): Promise<void> {
  await withBrowser(address, async ({ models }) => {
    const started = performance.now();
    const bad = await models.verify(ID);
    const ms = performance.now() - started;
    const found = (await models.list()).find(({ id }) => id === ID)?.installed;
    if (!found) throw new Error(`${ID} is not installed`);
    const rate = found.bytes / MIB / (ms / 1000);
    note(
      'full verification in the browser',
      `${gib(found.bytes)} in ${seconds(ms)}, ${rate.toFixed(0)} MiB/s`,
    );
    const { graphs } = reduced(found.manifest, [precision]);
    const variants = Object.values(graphs).flatMap((spec) => spec.variants);
    const files = variants.flatMap(({ graph, weights }) => [graph, ...weights]);
    let equal = 0;
    for (const { path: name, sha256 } of files) {
      if ((await hashOf(path.join(packOf(precision), name))) === sha256) equal++;
      else console.log(`  ${name} differs`);
    }
    const all = readdirSync(packOf(precision)).filter((name) => /\.(bin|onnx)$/.test(name)).length;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    gate(
      "files equal to the Python converter's",
      `${equal} of ${all}, ${gib(bytes)}`,
      'all',
      bad.length === 0 && equal === all && equal === files.length,
    );
  });
}

interface NativeSong {
  readonly latents: number[];
  readonly sound: number[];
  readonly ms: number;
}

/** The same task on the Python converter's files with onnxruntime's native CPU provider, kept for the comparison. */
async function nativeSong(_: string, precision: Precision): Promise<void> {
  const opened = await openNodePack(path.join(packOf(precision), 'manifest.json'));
  const manifest = { ...opened.manifest, graphs: onProcessor(opened.manifest) };
  const wish = { ...NO_WISH, provider: 'wasm' } as const;
  const placement = { ...place(manifest, await nodeCapabilities(wish), wish), residency: 'one' as const };
  const runtime = await openRuntime(CPU_BUILDS, 'wasm', placement.threads);
  const host = new Host(manifest, opened.config, placement, runtime, worldOf(opened));
  const started = performance.now();
  const { value } = await host.perform(
    (model) => opened.family.generate(checkTask(TASK, opened.limits), model),
    () => undefined,
  );
  const ms = performance.now() - started;
  await host.release();
  const [made] = value;
  if (!made) throw new Error('no song was made');
  const song: NativeSong = {
    latents: [...(made.latents.data as Float32Array)],
    sound: made.pcm.channels.flatMap((channel) => [...channel]),
    ms,
  };
  writeFileSync(songOf(precision), JSON.stringify(song));
  const finite = [...song.latents, ...song.sound].every(Number.isFinite);
  gate(
    `song of ${TASK.seconds} s and one step, native onnxruntime`,
    `finite, ${seconds(ms)}`,
    'finite',
    finite,
  );
}

/**
 * The processor's providers run float16 graphs as well, in float32; manifests keep those to GPUs because they gain
 * nothing elsewhere. Here they are let through.
 */
function onProcessor({ graphs }: ModelManifest): ModelManifest['graphs'] {
  const needs = { providers: ['webgpu', 'wasm'] as const, features: [] };
  const open = Object.entries(graphs).map(([name, spec]) => {
    const variants = spec.variants.map((variant) => ({ ...variant, needs: { ...variant.needs, ...needs } }));
    return [name, { ...spec, variants }] as const;
  });
  return Object.fromEntries(open);
}

async function compareSongs(address: string, precision: Precision): Promise<void> {
  const native = JSON.parse(readFileSync(songOf(precision), 'utf8')) as NativeSong; // written above
  await withBrowser(address, async ({ page, sampler, models }) => {
    const found = (await models.list()).find(({ id }) => id === ID)?.installed;
    if (!found) throw new Error(`${ID} is not installed`);
    const variants = Object.values(reduced(found.manifest, [precision]).graphs).flatMap(
      (spec) => spec.variants,
    );
    if (!variants.every(({ needs }) => needs.providers.includes('wasm'))) {
      note('manifest', `changed for this run: ${precision} is made for GPUs`);
      await page.evaluate(
        async ({ id, json }) => {
          const folders = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
          const file = await (await folders.getDirectoryHandle(id)).getFileHandle('manifest.json');
          const stream = await file.createWritable();
          await stream.write(json);
          await stream.close();
        },
        { id: ID, json: JSON.stringify({ ...found.manifest, graphs: onProcessor(found.manifest) }) },
      );
    }
    sampler.take();
    const started = performance.now();
    const song = await page.evaluate(songInPage, {
      task: { ...TASK, model: ID },
      base: address,
      precision,
      worker: workerOf('engine'),
    });
    const ms = performance.now() - started;
    const peaks = sampler.take();
    for (const { graph, dtype, ms: load, bytes } of song.loads)
      note(`loading ${graph} (${dtype})`, `${gib(bytes)} in ${seconds(load)}`);
    const loading = song.loads.reduce((sum, load) => sum + load.ms, 0);
    note(
      'loading all graphs, one at a time',
      `${seconds(loading)}; renderer peak ${gib(peaks['renderer'] ?? 0)}, WebAssembly heap ${gib(song.heapBytes)}`,
    );
    note(
      `song of ${TASK.seconds} s in Chromium`,
      `${seconds(ms)}, loading included; native ${seconds(native.ms)}`,
    );
    const finite = [...song.sound].every(Number.isFinite);
    const limit = allowed(precision);
    for (const [name, off] of [
      ['one denoiser step', difference(latentsOf(song.latents), native.latents)],
      ['one decoder window', difference(song.sound, native.sound)],
    ] as const) {
      gate(
        `${name} on WebAssembly against native onnxruntime`,
        `finite, relative rms ${off.toExponential(1)}`,
        `at most ${limit.toPrecision(2)}`,
        finite && off <= limit, // never true of NaN
      );
    }
  });
}

/** Takes the Python converter's pack in as the Models page does. */
async function imported(address: string, precision: Precision): Promise<void> {
  const link = path.join(site, `pack.${precision}`);
  if (!existsSync(link)) symlinkSync(packOf(precision), link);
  await withBrowser(address, async ({ page, sampler }) => {
    sampler.take();
    const started = performance.now();
    const bytes = await page.evaluate(
      async ({ base, names }) => {
        const { models, Comlink } = window as unknown as ProofWindow;
        const files = [];
        for (const name of names)
          files.push({ path: name, file: await (await fetch(base + name, { cache: 'no-store' })).blob() });
        await models.importPack(
          files,
          Comlink.proxy(() => undefined),
        );
        return files.reduce((sum, { file }) => sum + file.size, 0);
      },
      { base: `${address}pack.${precision}/`, names: readdirSync(packOf(precision)) },
    );
    const ms = performance.now() - started;
    note(
      'pack of the Python converter taken in',
      `${gib(bytes)} in ${seconds(ms)}; renderer peak ${gib(sampler.take()['renderer'] ?? 0)}`,
    );
  });
}

async function removed(address: string, precision: Precision): Promise<void> {
  await withBrowser(address, ({ models }) => models.remove(ID, precision));
  rmSync(packOf(precision), { recursive: true, force: true });
}

/** Bytes a second from the local server into the model's folder, hashed, written, read back and renamed. */
async function writeRate(address: string): Promise<void> {
  const FILES = 12;
  const bytes = small ? MIB / 32 : 64 * MIB;
  await withBrowser(address, async ({ page }) => {
    const ms = await page.evaluate(
      async ({ url, files, bytes: size }) => {
        const { models, Comlink } = window as unknown as ProofWindow;
        const start = performance.now();
        const parts = await Promise.all(
          Array.from({ length: files }, async (_, i) => {
            const headers = { Range: `bytes=${i * size}-${(i + 1) * size - 1}` };
            return (await fetch(url, { headers, cache: 'no-store' })).blob();
          }),
        );
        const fetched = performance.now() - start;
        const refs = await Promise.all(
          parts.map(async (part, i) => {
            const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await part.arrayBuffer()));
            const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
            return { path: `rate.${i}.bin`, bytes: size, sha256 };
          }),
        );
        const graph = {
          path: 'rate.onnx',
          bytes: 1,
          sha256: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
        };
        const needs = { providers: ['wasm'], features: [], bufferBytes: 0, memoryBytes: 0 };
        const variant = {
          precision: 'fp32',
          graph,
          weights: refs.map((ref) => ({ ...ref, location: ref.path })),
          needs,
          error: null,
        };
        const manifest = {
          schema: 1, id: 'rate', family: 'none', title: 'rate', description: 'rate', license: 'none',
          source: { repo: '', revision: '' }, config: {}, files: {},
          graphs: { g: { inputs: [], outputs: ['y'], keep: [], variants: [variant] } },
        }; // prettier-ignore
        const local = [
          { path: 'manifest.json', file: new Blob([JSON.stringify(manifest)]) },
          { path: 'rate.onnx', file: new Blob([Uint8Array.of(0)]) },
          ...parts.map((file, i) => ({ path: `rate.${i}.bin`, file })),
        ];
        const begun = performance.now();
        await models.importPack(
          local,
          Comlink.proxy(() => undefined),
        );
        const written = performance.now() - begun;
        await models.remove('rate', null);
        return { fetched, written };
      },
      {
        url: `${address}checkpoint/ace_step_transformer/diffusion_pytorch_model.safetensors`,
        files: FILES,
        bytes,
      },
    );
    const rate = (FILES * bytes) / ((ms.fetched + ms.written) / 1000);
    gate(
      'from the local server into private storage, hashed and read back',
      `${(rate / MIB).toFixed(0)} MiB/s (${gib(FILES * bytes)}: fetched in ${seconds(ms.fetched)}, written in ${seconds(ms.written)})`,
      'at least 90 MiB/s',
      rate >= LIMITS.writeBytes,
    );
  });
}

/** What the page below holds; only evaluated inside the browser. */
interface ProofWindow {
  models: Models;
  progress: InstallProgress | null;
  Comlink: {
    wrap<T>(worker: Worker): new (options: unknown) => Promise<T>;
    proxy<T>(value: T): T;
  };
}

interface Session {
  readonly page: Tab;
  readonly sampler: Sampler;
  readonly models: {
    list(): Promise<readonly Shelved[]>;
    install(id: string, precision: Precision): Promise<void>;
    verify(id: string): Promise<readonly string[]>;
    remove(id: string, precision: Precision | null): Promise<void>;
  };
  /** Ends the tab's process, or the whole browser, without a warning; returns when it is gone. */
  kill(whole: boolean): Promise<void>;
}

async function withBrowser<T>(address: string, use: (session: Session) => Promise<T>): Promise<T> {
  const page = await openTab(await ensureChromium(), profile, `${address}models/index.json`);
  const sampler = sampleMemory(profile);
  try {
    await page.script(
      readFileSync(createRequire(import.meta.url).resolve('comlink/dist/umd/comlink.min.js'), 'utf8'),
    );
    await page.evaluate(
      async ({ url, base }) => {
        const here = window as unknown as ProofWindow; // the scripts make it one
        const worker = new Worker(url, { type: 'module' });
        here.progress = null;
        here.models = await new (here.Comlink.wrap<Models>(worker))({ base });
      },
      { url: `${address}assets/${workerOf('models')}`, base: address },
    );
    return await use({
      page,
      sampler,
      models: {
        list: () => page.evaluate(() => (window as unknown as ProofWindow).models.list()),
        install: (id, precision) =>
          page.evaluate(
            async (args) => {
              const here = window as unknown as ProofWindow;
              const from = { address: null, files: null };
              await here.models.install(
                args.id,
                args.precision,
                from,
                here.Comlink.proxy((p) => void (here.progress = p)),
              );
            },
            { id, precision },
          ),
        verify: (id) =>
          page.evaluate((one) => {
            const here = window as unknown as ProofWindow;
            return here.models.verify(
              one,
              here.Comlink.proxy(() => undefined),
            );
          }, id),
        remove: (id, precision) =>
          page.evaluate((args) => (window as unknown as ProofWindow).models.remove(args.id, args.precision), {
            id,
            precision,
          }),
      },
      async kill(whole) {
        const victims = sampler.running(whole ? 'browser' : 'renderer');
        for (const pid of victims) process.kill(pid, 'SIGKILL');
        while (sampler.running(whole ? 'browser' : 'renderer').some((pid) => victims.includes(pid)))
          await new Promise((resolve) => setTimeout(resolve, 50));
      },
    });
  } finally {
    sampler.stop();
    await page.close();
  }
}

/** Runs in the page: a song from the installed model, with everything that is compared. */
async function songInPage(args: {
  task: unknown;
  base: string;
  precision: Precision;
  worker: string;
}): Promise<{
  latents: number[];
  sound: number[];
  heapBytes: number;
  loads: { graph: string; dtype: string; ms: number; bytes: number }[];
}> {
  const { Comlink } = window as unknown as ProofWindow;
  const wish = { provider: 'wasm', precision: args.precision, memoryBytes: 8 * 2 ** 30, threads: null };
  const worker = new Worker(`${args.base}assets/${args.worker}`, { type: 'module' });
  const engine = await new (Comlink.wrap<Engine>(worker))({ base: args.base, wish });
  const loads: { graph: string; dtype: string; ms: number; bytes: number }[] = [];
  const result: Result = await engine.generate(
    args.task,
    Comlink.proxy((event) => {
      if (event.type === 'load')
        loads.push({ graph: event.graph, dtype: event.dtype, ms: event.ms, bytes: event.bytes });
    }),
  );
  const { heapBytes } = await engine.memory();
  const [song] = result.songs;
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('blobs');
  const bytesOf = async (id: string): Promise<ArrayBuffer> =>
    (await (await folder.getFileHandle(id)).getFile()).arrayBuffer();
  const wav = await bytesOf(song!.audio);
  const file = new Uint8Array(await bytesOf(song!.latents));
  worker.terminate();
  // 32-bit float samples after the 'data' chunk's header; the latents' file is parsed outside.
  const view = new DataView(wav);
  let at = 12;
  while (String.fromCharCode(...new Uint8Array(wav, at, 4)) !== 'data')
    at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1);
  const samples = new Float32Array(wav.slice(at + 8, at + 8 + (view.getUint32(at + 4, true) & ~3)));
  const channels = 2;
  const sound: number[] = [];
  for (let c = 0; c < channels; c++)
    for (let i = c; i < samples.length; i += channels) sound.push(samples[i]!);
  return { latents: [...file], sound, heapBytes: heapBytes ?? 0, loads };
}

/** Of the bytes of their file. */
function latentsOf(file: readonly number[]): readonly number[] {
  return [...(readLatents(Uint8Array.from(file)).latents.data as Float32Array)]; // as latentsFile writes them
}

/** Relative root of the mean square. */
function difference(got: readonly number[], wanted: readonly number[]): number {
  if (got.length !== wanted.length) return Infinity;
  let error = 0;
  let power = 0;
  wanted.forEach((value, i) => {
    error += (got[i]! - value) ** 2; // as long as the other
    power += value ** 2;
  });
  return Math.sqrt(error / power);
}

/** The built site with the seeded checkpoint beside it, and its sizes and hashes in sources.json. */
async function overlay(): Promise<void> {
  await ensureSite();
  rmSync(site, { recursive: true, force: true });
  rmSync(profile, { recursive: true, force: true });
  for (const precision of precisions) report.installs[precision] = [];
  cpSync(SITE, site, { recursive: true }); // a copy, so that a later build does not change it half-way
  symlinkSync(checkpoint, path.join(site, 'checkpoint'));
  if (small) {
    const variants = ['fp16', 'bf16', ...precisions].join(',');
    rmSync(recipes, { recursive: true });
    exporter(
      'recipe', recipes, '--checkpoint', checkpoint, '--id', ID, '--variants', variants, '--min-quantised', '1000',
    ); // prettier-ignore
  }
  for (const name of readdirSync(recipes))
    if (name.startsWith('sources.json.')) rmSync(path.join(recipes, name)); // compressed copies
  const published = JSON.parse(readFileSync(path.join(recipes, 'sources.json'), 'utf8')) as {
    files: { path: string; bytes: number; sha256: string; url?: string }[];
  };
  const files = [];
  for (const ref of published.files.filter(({ url }) => url === undefined)) {
    const place = path.join(checkpoint, ref.path);
    const { size } = statSync(place);
    files.push({ ...ref, bytes: size, sha256: await hashOf(place) });
    note(ref.path, `${size} bytes (published: ${ref.bytes})`);
  }
  writeFileSync(
    path.join(recipes, 'sources.json'),
    JSON.stringify({ schema: 1, base: '../../checkpoint/', files }),
  );
}

/** Answers requests for the checkpoint that much later. */
function slowDown(server: Server, ms: number): void {
  const [answer] = server.listeners('request') as [RequestListener]; // serve() gives it one
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    setTimeout(() => answer(request, response), request.url?.startsWith('/checkpoint/') ? ms : 0);
  });
}

function exporter(...args: string[]): void {
  const { status } = spawnSync(PYTHON, ['-m', 'export_onnx', ...args], {
    cwd: path.join(root, 'export-scripts'),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error(`export_onnx ${args[0]} failed`);
}

function workerOf(name: string): string {
  const found = readdirSync(path.join(site, 'assets')).find((file) =>
    new RegExp(`^${name}\\.worker-.*\\.js$`).test(file),
  );
  if (found === undefined) throw new Error(`${site} has no ${name} worker. Run npm run build.`);
  return found;
}

async function hashOf(file: string): Promise<string> {
  if (!existsSync(file)) return '';
  const hash = createHash('sha256');
  for await (const part of createReadStream(file, { highWaterMark: MIB })) hash.update(part as Buffer);
  return hash.digest('hex');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
