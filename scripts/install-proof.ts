/**
 * The whole way of a full-size model, measured:
 *
 *   npm run install-proof -- [--folder FOLDER] [--precisions q4f16,q8] [--phase all|install|songs] [--keep]
 *
 * Writes a checkpoint of seeded random weights with the official files, keys and sizes (8.3 GB), serves it with ranges,
 * and has the built application install it in a real Chromium, which is killed three times on the way. Every weight
 * file is then compared with the Python converter's. Where a precision runs on WebAssembly, a song of one second and
 * one step is made from the installed model and compared with native onnxruntime on the same weights; the others run
 * in native onnxruntime alone. `--phase songs` goes on from what `--phase install --keep` left. Needs some 25 GB of disk, 8 GB of memory and half an hour; Linux, for the memory figures.
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
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import type { Engine, Result } from '../src/engine/engine.ts';
import { Host } from '../src/engine/host.ts';
import type { InstallProgress } from '../src/engine/install.ts';
import type { Models, Shelved } from '../src/engine/models.ts';
import { openRuntime } from '../src/engine/ort.ts';
import { readLatents } from '../src/engine/songs.ts';
import type { Precision } from '../src/lib/manifest.ts';
import { NO_WISH, place } from '../src/lib/placement.ts';
import { checkTask } from '../src/lib/task.ts';
import { reduced } from '../src/lib/template.ts';
import { nodeCapabilities, openNodePack, ROOT, worldOf } from './lib/node-host.ts';
import { CPU_BUILDS } from './lib/node-ort.ts';
import { sampleMemory } from './lib/processes.ts';
import type { Sampler } from './lib/processes.ts';
import { addressOf, serve } from './serve.mjs';
import { ensureChromium, PYTHON } from './setup.mjs';
import { ensureSite, SITE } from './site.mjs';

const ID = 'ace-step-v1-3.5b';
const PORT = 4319; // one origin for all runs: storage belongs to it
const GIB = 2 ** 30;
const MIB = 2 ** 20;
const LIMITS = {
  rendererBytes: GIB,
  heapBytes: 512 * MIB,
  warmMs: 500,
  writeBytes: 90 * MIB,
  difference: 1e-2,
};
/** Shares of an installation at which the browser is killed. */
const KILLS = [0.2, 0.5, 0.8];
const TASK = {
  kind: 'text2music',
  prompt: 'slow waltz',
  lyrics: '',
  seconds: 1,
  seed: 7,
  sampling: { steps: 1 },
};

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '.cache/install-proof' },
    precisions: { type: 'string', default: 'q4f16,q8' },
    phase: { type: 'string', default: 'all' },
    keep: { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(ROOT);
const folder = path.resolve(values.folder);
const precisions = values.precisions.split(',') as Precision[]; // the manifest refuses strangers
const checkpoint = path.join(folder, 'checkpoint');
const site = path.join(folder, 'site');
const profile = path.join(folder, 'profile');
/** Source bytes that the run before had behind it when it was ended. */
let reached = 0;
const gates: {
  readonly name: string;
  readonly value: string;
  readonly limit: string;
  readonly passed: boolean;
}[] = [];

const gib = (bytes: number): string => `${(bytes / GIB).toFixed(2)} GiB`;
const gate = (name: string, value: string, limit: string, passed: boolean): void => {
  gates.push({ name, value, limit, passed });
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${name}: ${value} (${limit})`);
};

try {
  await ensureSite();
  mkdirSync(folder, { recursive: true });
  if (!existsSync(path.join(checkpoint, 'umt5-base/tokenizer.json'))) {
    exporter('seeded', checkpoint, '--size', 'official');
  }
  if (values.phase !== 'songs') {
    await overlay();
    rmSync(profile, { recursive: true, force: true });
  }
  const server = await serve({ root: site, port: PORT });
  try {
    for (const [i, precision] of precisions.entries()) await prove(addressOf(server), precision, i === 0);
  } finally {
    server.closeAllConnections();
    server.close();
  }
} finally {
  if (!values.keep)
    for (const part of [checkpoint, site, profile]) rmSync(part, { recursive: true, force: true });
}
console.log(
  gates
    .map(({ name, value, limit, passed }) => `${passed ? 'ok  ' : 'FAIL'} ${name}: ${value} (${limit})`)
    .join('\n'),
);
const failed = gates.filter(({ passed }) => !passed).length;
console.log(`${gates.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

async function prove(address: string, precision: Precision, first: boolean): Promise<void> {
  console.log(`\n${precision}`);
  const pack = path.join(folder, `pack.${precision}`);
  if (values.phase !== 'songs') {
    await installed(address, precision);
    if (first) await writeRate(address);
    const started = performance.now();
    exporter(
      'convert',
      checkpoint,
      pack,
      '--precision',
      precision,
      '--recipes',
      path.join(site, 'models', ID),
    );
    console.log(`Python converter: ${seconds(performance.now() - started)}`);
    await compareFiles(address, precision, pack);
  }
  if (values.phase !== 'install') {
    await compareSongs(address, precision, pack);
    await withBrowser(address, async ({ models }) => models.remove(ID, precision));
    rmSync(pack, { recursive: true, force: true });
  }
}

/** Installs, with a kill at each of KILLS, and reports memory and time. */
async function installed(address: string, precision: Precision): Promise<void> {
  let peak = 0;
  let heap = 0;
  let spent = 0;
  let again = 0;
  for (let run = 0; run <= KILLS.length; run++) {
    const killAt = KILLS[run] ?? Infinity;
    const outcome = await withBrowser(address, async ({ page, sampler, models, workerHeap, kill }) => {
      const begun = performance.now();
      const [shelved] = (await models.list()).filter(({ id }) => id === ID);
      const before = shelved?.unfinished?.done ?? 0;
      sampler.take();
      const work = models.install(ID, precision).then(
        () => 'done' as const,
        (thrown: unknown) => {
          if (killAt === Infinity) throw thrown;
          return 'killed' as const;
        },
      );
      let last: InstallProgress | null = null;
      let over = false;
      void work.then(
        () => (over = true),
        () => (over = true),
      );
      while (!over) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        last = await page.evaluate(() => (window as unknown as ProofWindow).progress).catch(() => last); // killed: none
        heap = Math.max(heap, await workerHeap().catch(() => 0));
        if (last && last.done / last.total >= killAt) await kill(run);
      }
      const how = await work;
      return {
        how,
        before,
        at: last?.done ?? 0,
        total: last?.total ?? 0,
        ms: performance.now() - begun,
        peaks: sampler.take(),
      };
    });
    peak = Math.max(peak, outcome.peaks['renderer'] ?? 0);
    spent += outcome.ms;
    console.log(
      `run ${run + 1}: from ${gib(outcome.before)} to ${gib(outcome.at)} of ${gib(outcome.total)} in ${seconds(outcome.ms)}, ${outcome.how}; renderer peak ${gib(outcome.peaks['renderer'] ?? 0)}`,
    );
    if (run > 0) again += Math.max(0, reached - outcome.before);
    reached = outcome.at;
  }
  gate(
    `${precision} installed with ${KILLS.length} kills`,
    `${seconds(spent)}, ${gib(again)} read again`,
    'finished',
    true,
  );
  gate(
    `${precision} renderer peak while installing`,
    gib(peak),
    `at most ${gib(LIMITS.rendererBytes)}`,
    peak <= LIMITS.rendererBytes,
  );
  gate(
    `${precision} JS heap of the worker, buffers included`,
    `${(heap / MIB).toFixed(0)} MiB`,
    'at most 512 MiB',
    heap > 0 && heap <= LIMITS.heapBytes,
  );
}

/** A warm start; then every byte hashed in the browser, and every hash compared with the Python converter's file. */
async function compareFiles(address: string, precision: Precision, pack: string): Promise<void> {
  await withBrowser(address, async ({ models, page }) => {
    await models.list(); // the worker is up, and the catalogue read
    const warm = await page.evaluate(async () => {
      const start = performance.now();
      await (window as unknown as ProofWindow).models.list();
      return performance.now() - start;
    });
    gate(
      `${precision} warm start verification`,
      `${warm.toFixed(0)} ms`,
      `at most ${LIMITS.warmMs} ms`,
      warm <= LIMITS.warmMs,
    );
    const started = performance.now();
    const bad = await models.verify(ID);
    const found = (await models.list()).find(({ id }) => id === ID)?.installed;
    const bytes = found?.bytes ?? 0;
    const ms = performance.now() - started;
    console.log(
      `full verification: ${gib(bytes)} in ${seconds(ms)}, ${(bytes / MIB / (ms / 1000)).toFixed(0)} MiB/s`,
    );
    const weights = found
      ? Object.values(reduced(found.manifest, [precision]).graphs).flatMap(({ variants }) =>
          variants.flatMap((v) => v.weights),
        )
      : [];
    let equal = 0;
    for (const { path: name, sha256 } of weights)
      if ((await hashOf(path.join(pack, name))) === sha256) equal++;
    const all = readdirSync(pack).filter((name) => name.endsWith('.bin')).length;
    gate(
      `${precision} weight files equal to the Python converter's`,
      `${equal} of ${all}, ${gib(weights.reduce((sum, w) => sum + w.bytes, 0))}`,
      'all',
      bad.length === 0 && equal === all && equal === weights.length,
    );
  });
}

async function compareSongs(address: string, precision: Precision, pack: string): Promise<void> {
  const native = await nativeSong(pack);
  const wasm = native.providers.every((providers) => providers.includes('wasm'));
  if (!wasm) {
    gate(
      `${precision} in native onnxruntime (not made for WebAssembly)`,
      `one step finite, ${seconds(native.ms)}`,
      'finite',
      native.latents.every(Number.isFinite),
    );
    return;
  }
  await withBrowser(address, async ({ page, sampler }) => {
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
    for (const { graph, ms: load, bytes } of song.loads)
      console.log(`  loaded ${graph}: ${gib(bytes)} in ${seconds(load)}`);
    const off = difference(song.latents, native.latents);
    const sound = difference(song.sound, native.sound);
    console.log(
      `  song of ${TASK.seconds} s: ${seconds(ms)} in Chromium (WASM), ${seconds(native.ms)} native; renderer peak ${gib(peaks['renderer'] ?? 0)}, WebAssembly heap ${gib(song.heapBytes)}`,
    );
    const finite = [...song.latents, ...song.sound].every(Number.isFinite);
    gate(
      `${precision} one denoiser step, against native onnxruntime`,
      `relative rms ${off.toExponential(1)}`,
      `at most ${LIMITS.difference}, finite`,
      finite && off <= LIMITS.difference,
    );
    gate(
      `${precision} one decoder window, against native onnxruntime`,
      `relative rms ${sound.toExponential(1)}`,
      `at most ${LIMITS.difference}, finite`,
      finite && sound <= LIMITS.difference,
    );
  });
}

/** The same task on the Python converter's files with onnxruntime's native CPU provider. */
async function nativeSong(
  pack: string,
): Promise<{ latents: number[]; sound: number[]; ms: number; providers: (readonly string[])[] }> {
  const opened = await openNodePack(path.join(pack, 'manifest.json'));
  const providers = Object.values(opened.manifest.graphs).map(({ variants }) => variants[0]!.needs.providers);
  // The CPU provider runs float16 graphs as well; manifests keep them to GPUs because they gain nothing there.
  const graphs = Object.entries(opened.manifest.graphs).map(([name, spec]) => [
    name,
    {
      ...spec,
      variants: spec.variants.map((v) => ({
        ...v,
        needs: { ...v.needs, providers: ['wasm'] as const, features: [] },
      })),
    },
  ]);
  const manifest = {
    ...opened.manifest,
    graphs: Object.fromEntries(graphs) as typeof opened.manifest.graphs,
  };
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
  return {
    latents: [...(made.latents.data as Float32Array)],
    sound: made.pcm.channels.flatMap((channel) => [...channel]),
    ms,
    providers,
  };
}

/** Bytes a second from the local server into the model's folder, hashed, written, read back and renamed. */
async function writeRate(address: string): Promise<void> {
  const FILES = 12;
  const bytes = 64 * MIB;
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
        return fetched + written;
      },
      {
        url: `${address}checkpoint/ace_step_transformer/diffusion_pytorch_model.safetensors`,
        files: FILES,
        bytes,
      },
    );
    const rate = (FILES * bytes) / (ms / 1000);
    gate(
      'written to private storage from the local server',
      `${(rate / MIB).toFixed(0)} MiB/s`,
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
  readonly page: Page;
  readonly sampler: Sampler;
  readonly models: {
    list(): Promise<readonly Shelved[]>;
    install(id: string, precision: Precision): Promise<void>;
    verify(id: string): Promise<readonly string[]>;
    remove(id: string, precision: Precision | null): Promise<void>;
  };
  /** Bytes of the install worker's heap and array buffers. */
  workerHeap(): Promise<number>;
  /** Ends the tab's process; every third time the whole browser. */
  kill(run: number): Promise<void>;
}

async function withBrowser<T>(address: string, use: (session: Session) => Promise<T>): Promise<T> {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: await ensureChromium(),
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--unlimited-storage'],
  });
  const sampler = sampleMemory(profile);
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(0);
    await page.goto(`${address}models/index.json`);
    await page.evaluate(
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
      workerHeap: await heapOfWorker(context, page),
      async kill(run) {
        if (run % 3 === 2) await context.close().catch(() => undefined);
        else for (const pid of sampler.renderers()) process.kill(pid, 'SIGKILL');
      },
    });
  } finally {
    sampler.stop();
    await context.close().catch(() => undefined); // the whole browser may be gone
  }
}

/** Asks the install worker's isolate through the debugger, as no page can. */
async function heapOfWorker(context: BrowserContext, page: Page): Promise<() => Promise<number>> {
  const devtools: CDPSession = await context.newCDPSession(page);
  const found = new Promise<string>((resolve) => {
    devtools.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (targetInfo.type === 'worker') resolve(sessionId);
    });
  });
  await devtools.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  const session = await found;
  let next = 0;
  return () =>
    new Promise((resolve, reject) => {
      const id = ++next;
      const timer = setTimeout(() => reject(new Error('no answer')), 2000);
      const answer = ({ sessionId, message }: { sessionId: string; message: string }): void => {
        const reply = JSON.parse(message) as {
          id?: number;
          result?: { usedSize: number; backingStorageSize?: number };
        };
        if (sessionId !== session || reply.id !== id) return;
        clearTimeout(timer);
        devtools.off('Target.receivedMessageFromTarget', answer);
        resolve((reply.result?.usedSize ?? 0) + (reply.result?.backingStorageSize ?? 0));
      };
      devtools.on('Target.receivedMessageFromTarget', answer);
      const message = JSON.stringify({ id, method: 'Runtime.getHeapUsage' });
      devtools.send('Target.sendMessageToTarget', { sessionId: session, message }).catch(reject);
    });
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
  loads: { graph: string; ms: number; bytes: number }[];
}> {
  const { Comlink } = window as unknown as ProofWindow;
  const wish = { provider: 'wasm', precision: args.precision, memoryBytes: 8 * 2 ** 30, threads: null };
  const worker = new Worker(`${args.base}assets/${args.worker}`, { type: 'module' });
  const engine = await new (Comlink.wrap<Engine>(worker))({ base: args.base, wish });
  const loads: { graph: string; ms: number; bytes: number }[] = [];
  const result: Result = await engine.generate(
    args.task,
    Comlink.proxy((event) => {
      if (event.type === 'load') loads.push({ graph: event.graph, ms: event.ms, bytes: event.bytes });
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

function difference(got: readonly number[], wanted: readonly number[]): number {
  // Latents come as the bytes of their file.
  const values =
    got.length === wanted.length
      ? got
      : [...(readLatents(Uint8Array.from(got)).latents.data as Float32Array)];
  if (values.length !== wanted.length) return Infinity;
  let error = 0;
  let power = 0;
  values.forEach((value, i) => {
    error += (value - wanted[i]!) ** 2; // as long as the other
    power += wanted[i]! ** 2;
  });
  return Math.sqrt(error / power);
}

/** The built site with the seeded checkpoint beside it, and its sizes and hashes in sources.json. */
async function overlay(): Promise<void> {
  rmSync(site, { recursive: true, force: true });
  cpSync(SITE, site, { recursive: true }); // a copy, so that a later build does not change it half-way
  const own = path.join(site, 'models', ID);
  symlinkSync(checkpoint, path.join(site, 'checkpoint'));
  for (const name of readdirSync(own)) if (name.startsWith('sources.json.')) rmSync(path.join(own, name));
  const published = JSON.parse(readFileSync(path.join(own, 'sources.json'), 'utf8')) as {
    files: { path: string; bytes: number; sha256: string; url?: string }[];
  };
  const files = [];
  for (const ref of published.files.filter(({ url }) => url === undefined)) {
    const place = path.join(checkpoint, ref.path);
    const { size } = statSync(place);
    console.log(`${ref.path}: ${size} bytes (published ${ref.bytes})`);
    files.push({ ...ref, bytes: size, sha256: await hashOf(place) });
  }
  writeFileSync(
    path.join(site, 'models', ID, 'sources.json'),
    JSON.stringify({ schema: 1, base: '../../checkpoint/', files }),
  );
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
