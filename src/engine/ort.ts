/**
 * The one file that knows ONNX Runtime. A graph's inputs and outputs are float32 and int64 in every variant, so
 * precision, provider and file layout end here; foreign errors are wrapped here, once.
 *
 * Not used, because measured wrong or stalling on 1.30: graph capture, Blob.stream() of OPFS files.
 */
import type * as Ort from 'onnxruntime-web';
import { asEngineError, assert, EngineError } from '../lib/errors.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Provider } from '../lib/events.ts';
import type { FileRef, GraphSpec, Variant, WeightRef } from '../lib/manifest.ts';
import type { Capabilities, Wish } from '../lib/placement.ts';
import type { DeviceTensor, DType, Tensor, Value } from '../lib/tensor.ts';
import { memorySource, SourceBlob, watched, widened } from './weights.ts';
import type { OpenSource } from './weights.ts';

export type OrtModule = typeof Ort;

/** Builds of the runtime, leanest first. */
export type Build = 'jspi' | 'webgpu' | 'wasm';

/** Where a build comes from; browsers and Node differ. */
export interface BuildLoader {
  /** @throws EngineError 'unsupported' where this place has no such build. */
  load(build: Build): Promise<OrtModule>;
  /** What its module calls our providers. */
  readonly providers: Readonly<Record<Provider, string>>;
  /** Takes Blobs as weights and leaves outputs on the GPU; native modules do neither. */
  readonly web: boolean;
}

/** All files are served from our own origin; a page fetches those of the build it chose and no others. */
const BROWSER_FILES: Readonly<
  Record<Build, { module(): Promise<OrtModule>; mjs(): Promise<Url>; wasm(): Promise<Url> }>
> = {
  jspi: {
    module: () => import('onnxruntime-web/jspi'),
    mjs: () => import('onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs?url'),
    wasm: () => import('onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url'),
  },
  webgpu: {
    module: () => import('onnxruntime-web/webgpu'),
    mjs: () => import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url'),
    wasm: () => import('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url'),
  },
  wasm: {
    module: () => import('onnxruntime-web/wasm'),
    mjs: () => import('onnxruntime-web/ort-wasm-simd-threaded.mjs?url'),
    wasm: () => import('onnxruntime-web/ort-wasm-simd-threaded.wasm?url'),
  },
};

interface Url {
  readonly default: string;
}

export interface WebBuilds extends BuildLoader {
  /** Files that a build needs beside the application's own code. */
  urls(build: Build): Promise<readonly string[]>;
}

export const BROWSER_BUILDS: WebBuilds = {
  providers: { webgpu: 'webgpu', wasm: 'wasm' },
  web: true,
  async load(build) {
    const { module, mjs, wasm } = BROWSER_FILES[build];
    const ort = await module();
    ort.env.wasm.wasmPaths = { mjs: absolute(await mjs()), wasm: absolute(await wasm()) };
    return ort;
  },
  async urls(build) {
    const { mjs, wasm } = BROWSER_FILES[build];
    return [absolute(await mjs()), absolute(await wasm())];
  },
};

/** The bundler gives paths that are relative to this file or to the root; absolute ones suit every importer. */
const absolute = (url: Url): string => new URL(url.default, import.meta.url).href;

/** JSPI where the browser has it; else Asyncify where a GPU may be used, and plain WebAssembly where none will be. */
export function buildFor(caps: Capabilities, wish: Wish): Build {
  if (caps.jspi) return 'jspi';
  return caps.gpu !== null && wish.provider !== 'wasm' ? 'webgpu' : 'wasm';
}

export type ReadFile = (file: FileRef) => Promise<Uint8Array>;

/** Where a graph comes from. */
export interface GraphSource {
  readonly model: Uint8Array;
  /** A weight file of the variant, as it is stored: whole, or to be read in pieces until the graph is loaded. */
  weights(file: WeightRef): Promise<Uint8Array | OpenSource>;
  /** Further external files, by the location that the model names. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A variant just as its files are. */
export async function asStored({ graph }: Variant, read: ReadFile): Promise<GraphSource> {
  return { model: await read(graph), weights: read, files: new Map() };
}

export interface GraphToLoad {
  readonly name: string;
  readonly spec: GraphSpec;
  readonly variant: Variant;
  readonly provider: Provider;
}

/** A kept output: stays where its graph made it until somebody reads it. */
export interface KeptTensor extends DeviceTensor {
  readonly disposed: boolean;
  /** Copies the values to the CPU and frees the GPU buffer; the tensor stays usable. */
  leaveGpu(): Promise<void>;
}

export interface LoadedGraph {
  run(feeds: Readonly<Record<string, Value>>): Promise<Readonly<Record<string, Tensor | KeptTensor>>>;
  release(): Promise<void>;
}

export interface Runtime {
  readonly build: Build;
  readonly threads: number;
  /** Size of the WebAssembly heap: it never shrinks, so this is its peak. Null before the first graph. */
  heapBytes(): number | null;
  load(graph: GraphToLoad, source: GraphSource): Promise<LoadedGraph>;
}

/** One runtime a worker: its heap and its GPU device live as long as the worker does. */
export async function openRuntime(loader: BuildLoader, build: Build, threads: number): Promise<Runtime> {
  let ort: OrtModule;
  try {
    ort = await loader.load(build);
  } catch (thrown) {
    if (thrown instanceof EngineError) throw thrown;
    const message = `The ${build} build of the runtime did not load: ${asEngineError(thrown).message}`;
    throw new EngineError('network', message, { cause: thrown });
  }
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  const heap = watchHeap();
  return {
    build,
    threads,
    heapBytes: () => heap.bytes(),
    async load(graph, source) {
      try {
        return await loadGraph(ort, loader, graph, source, heap);
      } catch (thrown) {
        throw wrap(thrown, `Loading ${describe(graph)}`, heap);
      } finally {
        heap.stop();
      }
    },
  };
}

async function loadGraph(
  ort: OrtModule,
  loader: BuildLoader,
  graph: GraphToLoad,
  source: GraphSource,
  heap: Heap,
): Promise<LoadedGraph> {
  const { spec, variant } = graph;
  const location = (name: string): 'gpu-buffer' | 'cpu' => (spec.keep.includes(name) ? 'gpu-buffer' : 'cpu');
  const open: OpenSource[] = [];
  const watch = watched(`Loading ${describe(graph)}`);
  let session: Ort.InferenceSession;
  try {
    const externalData: { path: string; data: Blob | Uint8Array }[] = [];
    for (const file of variant.weights) {
      const found = await source.weights(file);
      if (!(found instanceof Uint8Array)) open.push(found);
      const stored = watch.over(found instanceof Uint8Array ? memorySource(found) : found);
      const blob = new SourceBlob(file.widen ? widened(stored, file.widen) : stored);
      const data = loader.web ? blob : new Uint8Array(await blob.arrayBuffer());
      externalData.push({ path: file.location, data });
    }
    for (const [path, data] of source.files) externalData.push({ path, data });
    const creation = ort.InferenceSession.create(source.model, {
      executionProviders: [loader.providers[graph.provider]],
      externalData,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      ...(graph.provider === 'webgpu' &&
        loader.web && {
          preferredOutputLocation: Object.fromEntries(spec.outputs.map((name) => [name, location(name)])),
        }),
    });
    session = await watch.guard(creation);
  } finally {
    for (const one of open) one.close();
  }
  try {
    sameNames('inputs', spec.inputs, session.inputNames, graph);
    sameNames('outputs', spec.outputs, session.outputNames, graph);
  } catch (thrown) {
    await session.release();
    throw thrown;
  }
  return {
    async run(feeds) {
      const missing = spec.inputs.find((name) => feeds[name] === undefined);
      assert(
        missing === undefined,
        `${graph.name} needs the input ${missing}; given: ${Object.keys(feeds).join(', ')}`,
      );
      const given = spec.inputs.map((name) => [name, feeds[name]!] as const); // none is missing
      try {
        const inputs: Record<string, Ort.Tensor> = {};
        for (const [name, value] of given) inputs[name] = await toOrt(ort, value, graph.provider);
        const results = await session.run(inputs);
        const outputs: Record<string, Tensor | KeptTensor> = {};
        for (const name of spec.outputs) {
          const tensor = results[name] as Ort.Tensor; // our graphs give tensors, never sequences or maps
          outputs[name] = spec.keep.includes(name) ? new OrtTensor(tensor) : await toPlain(tensor);
        }
        return outputs;
      } catch (thrown) {
        const dims = given.map(([name, value]) => `${name} [${value.dims.join(', ')}]`);
        throw wrap(thrown, `Running ${describe(graph)} with ${dims.join(', ')}`, heap);
      }
    },
    release: () => session.release(),
  };
}

class OrtTensor implements KeptTensor {
  readonly tensor: Ort.Tensor;
  disposed = false;
  readonly dtype: DType;
  readonly dims: readonly number[];

  constructor(tensor: Ort.Tensor) {
    this.tensor = tensor;
    this.dtype = dtypeOf(tensor);
    this.dims = tensor.dims;
  }

  get onGpu(): boolean {
    return this.tensor.location === 'gpu-buffer';
  }

  async read(): Promise<Tensor> {
    return { dtype: this.dtype, dims: this.dims, data: arrayOf(await this.tensor.getData()) };
  }

  async leaveGpu(): Promise<void> {
    if (this.onGpu) await this.tensor.getData(true);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.tensor.dispose();
  }
}

async function toOrt(ort: OrtModule, value: Value, provider: Provider): Promise<Ort.Tensor> {
  if (value instanceof OrtTensor) {
    if (value.onGpu && provider !== 'webgpu') return toOrt(ort, await value.read(), provider);
    return value.tensor;
  }
  const tensor = 'data' in value ? value : await value.read();
  return tensor.data instanceof Float32Array
    ? new ort.Tensor('float32', tensor.data, tensor.dims)
    : new ort.Tensor('int64', tensor.data, tensor.dims);
}

async function toPlain(tensor: Ort.Tensor): Promise<Tensor> {
  return { dtype: dtypeOf(tensor), dims: tensor.dims, data: arrayOf(await tensor.getData()) };
}

function dtypeOf({ type }: Ort.Tensor): DType {
  if (type === 'float32' || type === 'int64') return type;
  throw new EngineError('manifest', `An output has type ${type}; graphs must give float32 or int64.`);
}

function arrayOf(data: Ort.Tensor.DataType): Float32Array | BigInt64Array {
  assert(data instanceof Float32Array || data instanceof BigInt64Array, 'dtypeOf let another type pass');
  return data;
}

function sameNames(
  what: string,
  expected: readonly string[],
  actual: readonly string[],
  graph: GraphToLoad,
): void {
  if ([...expected].sort().join() === [...actual].sort().join()) return;
  throw new EngineError(
    'manifest',
    `${describe(graph)} has the ${what} ${actual.join(', ')}; its manifest says ${expected.join(', ')}.`,
  );
}

const describe = ({ name, variant, provider }: GraphToLoad): string =>
  `${name} (${variant.precision} on ${provider})`;

/** How the runtime's own words tell the kinds of failure apart. First match wins. */
const SIGNS: readonly (readonly [ErrorCode, RegExp])[] = [
  ['device-lost', /device (?:was |is |has been )?lost|lost device|DXGI_ERROR_DEVICE|AbortError|mapAsync/i],
  ['memory', /out of memory|bad_alloc|alloc(?:ate|ation)\b.*fail|fail\w* to alloc|OOM|invalid array length/i],
];

function wrap(thrown: unknown, doing: string, heap: Heap): EngineError {
  if (thrown instanceof EngineError) return thrown;
  // A C++ exception that nobody caught arrives as a bare pointer; in practice it is std::bad_alloc.
  if (typeof thrown === 'number') {
    return new EngineError('memory', `${doing}: the runtime ran out of memory.`, { cause: thrown });
  }
  const { name, message } = thrown instanceof Error ? thrown : { name: '', message: String(thrown) };
  // An exception thrown for want of memory can end in a trap of any name, as its own handling wants memory, too.
  if (thrown instanceof WebAssembly.RuntimeError && heap.full()) {
    return new EngineError('memory', `${doing}: the runtime ran out of memory (${message}).`, {
      cause: thrown,
    });
  }
  const code = SIGNS.find(([, sign]) => sign.test(`${name} ${message}`))?.[0] ?? 'graph';
  return new EngineError(code, `${doing}: ${message}`, { cause: thrown });
}

interface Heap {
  /** Null before the runtime has made it. */
  bytes(): number | null;
  /** Whether SPARE_PAGES more are refused. Takes them where they are not: ask only when the runtime has ended. */
  full(): boolean;
  /** No further memory is noted. */
  stop(): void;
}

/** Pages of 64 KiB: 256 MiB, more than the largest buffer that a graph asks for at once. */
const SPARE_PAGES = 4096;

/**
 * The runtime makes its WebAssembly.Memory in JavaScript and keeps it to itself; noting it as it is made is the only
 * way to know how large the heap has grown.
 */
function watchHeap(): Heap {
  const Native = WebAssembly.Memory;
  const made: WebAssembly.Memory[] = [];
  WebAssembly.Memory = class extends Native {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      made.push(this);
    }
  };
  return {
    bytes: () => made.reduce<number | null>((max, { buffer }) => Math.max(max ?? 0, buffer.byteLength), null),
    full: () =>
      made.some((memory) => {
        try {
          memory.grow(SPARE_PAGES);
          return false;
        } catch {
          return true; // RangeError: its maximum, or the browser's
        }
      }),
    stop: () => {
      WebAssembly.Memory = Native;
    },
  };
}
