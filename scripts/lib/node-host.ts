/**
 * The engine without a browser: the same host, families and runtime, with files read from disk. WebAssembly is the
 * runtime's own Node build; WebGPU is onnxruntime-node's, where that is installed and finds a driver.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Host } from '../../src/engine/host.ts';
import type { Keeper, Timings, World } from '../../src/engine/host.ts';
import { openRuntime } from '../../src/engine/ort.ts';
import { manifestUrls, openPack } from '../../src/engine/pack.ts';
import type { Pack } from '../../src/engine/pack.ts';
import { keepingSource, readAudio, readLatents } from '../../src/engine/songs.ts';
import { EngineError } from '../../src/lib/errors.ts';
import type { EngineEvent } from '../../src/lib/events.ts';
import type { Made } from '../../src/lib/family.ts';
import type { FileRef } from '../../src/lib/manifest.ts';
import { NO_WISH, place } from '../../src/lib/placement.ts';
import type { Capabilities, Wish } from '../../src/lib/placement.ts';
import { checkTask } from '../../src/lib/task.ts';
import type { Task } from '../../src/lib/task.ts';
import { NATIVE_BUILDS, nativeFeatures, NODE_BUILDS } from './node-ort.ts';

/** The repository's root, as a URL that ends in a slash. */
export const ROOT = new URL('../../', import.meta.url);

/** Models that the application serves. */
const CATALOGUE = new URL('public/models/index.json', ROOT);

/** Every WebGPU device guarantees these; onnxruntime-node does not tell the adapter's own. */
const GUARANTEED = { maxBufferBytes: 256 * 2 ** 20, maxBindingBytes: 128 * 2 ** 20 };

export async function nodeCapabilities(wish: Wish): Promise<Capabilities> {
  const native = wish.provider === 'webgpu';
  const adapter = { vendor: '', architecture: '', device: '', description: 'onnxruntime-node' };
  const gpu = {
    ...GUARANTEED,
    adapter,
    software: false,
    features: native ? await nativeFeatures() : [],
    selfCheck: { fp32: 'untested', fp16: 'untested' },
  } as const;
  return {
    gpu: native ? gpu : null,
    gpuAbsent: 'Node uses WebGPU only when it is asked to (--provider webgpu)',
    jspi: false,
    simd: true,
    isolated: true,
    cores: availableParallelism(),
    memoryBytes: totalmem() / 2,
  };
}

/**
 * The pack with this id in the application's catalogue ('' for the default), or that of a manifest file.
 * @throws EngineError 'bad-task' naming the known models, 'manifest' naming the field.
 */
export async function openNodePack(model: string): Promise<Pack> {
  if (model.endsWith('.json'))
    return openPack(await readJson(pathToFileURL(model)), pathToFileURL(model).href);
  const urls = manifestUrls(await readJson(CATALOGUE), CATALOGUE.href);
  const packs = await Promise.all(urls.map(async (url) => openPack(await readJson(new URL(url)), url)));
  const pack = model === '' ? packs[0] : packs.find(({ manifest }) => manifest.id === model);
  if (pack) return pack;
  const known = packs.map(({ manifest }) => manifest.id).join(', ');
  throw new EngineError('bad-task', `model must be one of ${known}, or a manifest.json (got ${model}).`);
}

/** A model that makes songs from tasks, as the page's engine does. */
export interface NodeModel {
  readonly pack: Pack;
  readonly host: Host;
  /** @throws EngineError */
  generate(
    input: unknown,
    report: (event: EngineEvent) => void,
    keeper?: Keeper,
  ): Promise<{ readonly task: Task; readonly made: readonly Made[]; readonly timings: Timings }>;
  /** Size of the WebAssembly heap; null where there is none. */
  heapBytes(): number | null;
}

/** Audio sources of tasks are paths of WAV files, LoRAs paths of their files. */
export async function openNodeModel(
  model: string,
  wish: Wish = NO_WISH,
  builds = wish.provider === 'webgpu' ? NATIVE_BUILDS : NODE_BUILDS,
): Promise<NodeModel> {
  const pack = await openNodePack(model);
  const placement = place(pack.manifest, await nodeCapabilities(wish), wish);
  const build = wish.provider === 'webgpu' ? 'webgpu' : 'wasm';
  const runtime = await openRuntime(builds, build, placement.threads);
  const world = worldOf(pack);
  const host = new Host(pack.manifest, pack.config, placement, runtime, world);
  return {
    pack,
    host,
    heapBytes: runtime.heapBytes,
    async generate(input, report, keeper) {
      const task = { ...checkTask(input, pack.limits), model: pack.manifest.id };
      const { value, timings } = await host.perform(
        (model) => pack.family.generate(task, model),
        report,
        keeper,
      );
      return { task, made: await keepingSource(value, task, world.open), timings };
    },
  };
}

/** Files from disk. */
export function worldOf(pack: Pack): World {
  return {
    read: (file) => readVerified(file, pack.url),
    weights: async () => null,
    asset: (path) => bytesOf(new URL(`public/data/${path}`, ROOT)),
    open: async ({ blob }) => readAudio(await bytesOf(pathToFileURL(blob))),
    lora: (path) => bytesOf(pathToFileURL(path)),
    latentsOf: async ({ blob }) => {
      const path = latentsPath(blob);
      return existsSync(path) ? readLatents(await bytesOf(pathToFileURL(path))) : null;
    },
  };
}

/** Where the latents of a song lie: song.wav -> song.latents.safetensors. */
export const latentsPath = (wav: string): string => wav.replace(/\.wav$/i, '') + '.latents.safetensors';

async function readJson(url: URL): Promise<unknown> {
  const text = new TextDecoder().decode(await bytesOf(url));
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    throw new EngineError('manifest', `${fileURLToPath(url)} is not JSON.`, { cause: thrown });
  }
}

async function readVerified(file: FileRef, manifestUrl: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await bytesOf(new URL(file.path, manifestUrl));
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found === file.sha256) return bytes;
  const fault =
    bytes.byteLength === file.bytes ? 'its content is another' : `it has ${bytes.byteLength} bytes`;
  throw new EngineError('integrity', `${file.path} is not the file that its manifest names: ${fault}.`);
}

async function bytesOf(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(url));
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new EngineError('storage', `${fileURLToPath(url)} cannot be read: ${message}`, { cause: thrown });
  }
}
