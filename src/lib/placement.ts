/**
 * Which variant of each graph runs where. The choice follows capabilities alone (features, limits, memory), never a
 * vendor's name, so a new GPU needs no new line here. Each step down the ladder carries its reason and its cost.
 */
import { EngineError } from './errors.ts';
import type { Provider } from './events.ts';
import type { ModelManifest, Precision, Variant } from './manifest.ts';

/** 'wrong': it ran and gave false numbers. 'failed': it did not run. */
export type CheckResult = 'untested' | 'passed' | 'wrong' | 'failed';

export interface Gpu {
  /** As the browser tells it; empty strings where it does not. For display and reports only. */
  readonly adapter: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
  };
  /** The adapter is emulated on the processor. */
  readonly software: boolean;
  readonly features: readonly string[];
  /** GPUSupportedLimits.maxBufferSize and .maxStorageBufferBindingSize, bytes. */
  readonly maxBufferBytes: number;
  readonly maxBindingBytes: number;
  readonly selfCheck: { readonly fp32: CheckResult; readonly fp16: CheckResult };
}

/** What this machine and this browser can do. */
export interface Capabilities {
  readonly gpu: Gpu | null;
  /** Why `gpu` is null, as a clause ("this browser has no WebGPU"); empty otherwise. */
  readonly gpuAbsent: string;
  /** WebAssembly JavaScript promise integration: the lean build of the runtime. */
  readonly jspi: boolean;
  readonly simd: boolean;
  /** crossOriginIsolated: shared memory, hence more than one thread. */
  readonly isolated: boolean;
  /** Logical processors. */
  readonly cores: number;
  /** Estimate of what models may occupy, bytes. */
  readonly memoryBytes: number;
}

/** What the user asks for; 'auto' and null leave it to place(). */
export interface Wish {
  readonly provider: Provider | 'auto';
  readonly precision: Precision | 'auto';
  readonly memoryBytes: number | null;
  readonly threads: number | null;
}

export const NO_WISH: Wish = { provider: 'auto', precision: 'auto', memoryBytes: null, threads: null };

export interface Notice {
  readonly code: string;
  /** Reason and cost, a sentence or two. */
  readonly text: string;
}

export interface Placed {
  readonly provider: Provider;
  readonly variant: Variant;
  /** Why this one: what stood in the way of each better one. */
  readonly why: string;
}

export interface Placement {
  readonly graphs: Readonly<Record<string, Placed>>;
  /** 'all': load once, keep. 'one': before a graph loads, the others are released. */
  readonly residency: 'all' | 'one';
  /** WASM threads, at least 1. */
  readonly threads: number;
  readonly notices: readonly Notice[];
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** wasm32 heaps end at 4 GiB; activations and the runtime need their share. */
const WASM_HEAP_BYTES = 3.5 * GIB;

/** Beyond this, threads of one matrix product mostly wait for each other. */
const MAX_THREADS = 8;

const bytes = (n: number): string =>
  n >= GIB ? `${(n / GIB).toFixed(1)} GiB` : `${Math.max(1, Math.round(n / MIB))} MiB`;

interface Obstacle extends Notice {
  /** Where the user may insist: what to expect then. */
  readonly anyway?: string;
}

interface Question {
  readonly provider: Provider;
  readonly variant: Variant;
  readonly caps: Capabilities;
  readonly budget: number;
}

/** One row: the first sentence is the reason, the second the cost. Null: no obstacle. */
type Rule = (question: Question) => Obstacle | null;

const SLOWER = 'The processor runs the model instead; expect it to be 5 to 20 times slower than a GPU.';

const gpuRule =
  (rule: (gpu: Gpu, question: Question) => Obstacle | null): Rule =>
  (question) =>
    question.provider === 'webgpu' && question.caps.gpu ? rule(question.caps.gpu, question) : null;

const halfFloats = (variant: Variant): boolean => variant.needs.features.includes('shader-f16');

/** In order of what the user should hear first. */
const RULES: readonly Rule[] = [
  ({ provider, variant }) =>
    variant.needs.providers.includes(provider)
      ? null
      : {
          code: `no-${provider}-variant`,
          text: `The ${variant.precision} variant is not made for ${provider}.`,
        },
  ({ provider, caps }) =>
    provider === 'webgpu' && caps.gpu === null
      ? { code: 'no-webgpu', text: `${sentence(caps.gpuAbsent || 'no WebGPU adapter was found')} ${SLOWER}` }
      : null,
  gpuRule((gpu) =>
    gpu.software
      ? {
          code: 'software-adapter',
          text: 'The only WebGPU adapter is emulated in software, which is slower than WebAssembly. The processor runs the model directly.',
          anyway: 'The WebGPU adapter is emulated in software: expect hours where WebAssembly takes minutes.',
        }
      : null,
  ),
  gpuRule((gpu, { variant }) => {
    const missing = variant.needs.features.filter((feature) => !gpu.features.includes(feature));
    return missing.length === 0
      ? null
      : {
          code: 'no-gpu-feature',
          text: `This GPU lacks ${missing.join(', ')}, which ${variant.precision} needs. The next variant takes up to twice the memory and time.`,
        };
  }),
  gpuRule((gpu, { variant }) => {
    const limit = Math.min(gpu.maxBufferBytes, gpu.maxBindingBytes);
    return variant.needs.bufferBytes <= limit
      ? null
      : {
          code: 'gpu-buffer-limit',
          text: `${variant.precision} binds a buffer of ${bytes(variant.needs.bufferBytes)}; this GPU allows ${bytes(limit)}. A smaller or slower variant is used.`,
        };
  }),
  gpuRule((gpu) => selfCheckObstacle('fp32', gpu.selfCheck.fp32)),
  gpuRule((gpu, { variant }) => (halfFloats(variant) ? selfCheckObstacle('fp16', gpu.selfCheck.fp16) : null)),
  ({ provider, caps }) =>
    provider === 'wasm' && !caps.simd
      ? {
          code: 'no-simd',
          text: 'This browser has no WebAssembly SIMD, which the runtime needs. Update the browser.',
        }
      : null,
  ({ provider, variant }) =>
    provider === 'wasm' && variant.needs.memoryBytes > WASM_HEAP_BYTES
      ? {
          code: 'wasm-heap',
          text: `${variant.precision} takes ${bytes(variant.needs.memoryBytes)}; WebAssembly can hold ${bytes(WASM_HEAP_BYTES)}. A smaller precision is coarser.`,
        }
      : null,
  ({ variant, budget }) =>
    variant.needs.memoryBytes > budget
      ? {
          code: 'memory',
          text: `${variant.precision} takes ${bytes(variant.needs.memoryBytes)}; the memory budget is ${bytes(budget)}. A smaller precision is coarser.`,
        }
      : null,
];

const ONE_THREAD: Notice = {
  code: 'one-thread',
  text: 'This page is not cross-origin isolated, so the browser allows one thread. On two cores that takes about twice as long.',
};

function selfCheckObstacle(set: 'fp32' | 'fp16', result: CheckResult): Obstacle | null {
  if (result === 'untested' || result === 'passed') return null;
  const what = result === 'wrong' ? 'gave wrong numbers' : 'did not run';
  return {
    code: `self-check-${set}`,
    text: `The ${set} self-check ${what} on this GPU, so its driver cannot be trusted with ${set}. A slower, safe path is used.`,
    anyway: `The ${set} self-check ${what} on this GPU: the music may be noise.`,
  };
}

/**
 * Places every graph of a model. Pure.
 * @throws EngineError 'unsupported' naming, for each variant of the graph that fits nowhere, what stands in the way.
 */
export function place(manifest: ModelManifest, caps: Capabilities, wish: Wish = NO_WISH): Placement {
  const budget = wish.memoryBytes ?? caps.memoryBytes;
  const notices = new Map<string, Notice>();
  const graphs: Record<string, Placed> = {};
  for (const [name, spec] of Object.entries(manifest.graphs)) {
    const { placed, obstacles } = placeGraph(name, spec.variants, { caps, budget, wish });
    graphs[name] = placed;
    for (const { code, text } of obstacles) if (!notices.has(code)) notices.set(code, { code, text });
  }
  const residency = residencyOf(Object.values(graphs), budget, (notice) => notices.set(notice.code, notice));
  const usesWasm = Object.values(graphs).some(({ provider }) => provider === 'wasm');
  if (usesWasm && !caps.isolated) notices.set(ONE_THREAD.code, ONE_THREAD);
  return { graphs, residency, threads: threadsOf(caps, wish), notices: [...notices.values()] };
}

function placeGraph(
  name: string,
  variants: readonly Variant[],
  { caps, budget, wish }: { caps: Capabilities; budget: number; wish: Wish },
): { placed: Placed; obstacles: readonly Notice[] } {
  const providers: readonly Provider[] = wish.provider === 'auto' ? ['webgpu', 'wasm'] : [wish.provider];
  // A wish for a precision binds the graphs that come in it; the others keep what they have.
  const wished = variants.filter(({ precision }) => precision === wish.precision);
  const obstacles: Obstacle[] = [];
  for (const provider of providers) {
    for (const variant of wished.length > 0 ? wished : variants) {
      const found = RULES.map((rule) => rule({ provider, variant, caps, budget })).filter((o) => o !== null);
      const blocking = found.find(({ anyway }) => anyway === undefined || wish.provider !== provider);
      if (blocking === undefined) {
        const told = obstacles.filter(({ code }) => !code.endsWith('-variant'));
        const warnings = found.map(({ code, anyway }) => ({
          code,
          text: `You chose ${provider}. ${anyway}`,
        }));
        return {
          placed: { provider, variant, why: reasons(told) || 'The best variant fits.' },
          obstacles: [...told, ...warnings],
        };
      }
      obstacles.push(blocking);
    }
  }
  const wishes = wish.provider === 'auto' && wish.precision === 'auto' ? '' : ' with these settings';
  throw new EngineError(
    'unsupported',
    `${name} cannot run here${wishes}: ${reasons(obstacles) || 'the model has no variant of it.'}`,
  );
}

const reasons = (obstacles: readonly Notice[]): string =>
  [...new Set(obstacles.map((o) => o.text))].join(' ');

function residencyOf(
  placed: readonly Placed[],
  budget: number,
  tell: (notice: Notice) => void,
): 'all' | 'one' {
  const on = (provider: Provider | null): number =>
    placed
      .filter((p) => provider === null || p.provider === provider)
      .reduce((sum, { variant }) => sum + variant.needs.memoryBytes, 0);
  const total = on(null);
  if (total <= budget && on('wasm') <= WASM_HEAP_BYTES) return 'all';
  const limit = total > budget ? budget : WASM_HEAP_BYTES;
  tell({
    code: 'one-at-a-time',
    text: `All graphs together take ${bytes(total)}, the limit is ${bytes(limit)}: one is loaded at a time. Each song loads them anew, which costs seconds.`,
  });
  return 'one';
}

/** Threads of the WebAssembly runtime: half the logical processors where there are many, as they come in pairs. */
export function threadsOf(caps: Capabilities, wish: Wish): number {
  if (!caps.isolated) return 1;
  const own = caps.cores <= 4 ? caps.cores : Math.ceil(caps.cores / 2);
  return Math.max(1, Math.min(wish.threads ?? Math.min(own, MAX_THREADS), caps.cores));
}

const sentence = (clause: string): string => `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
