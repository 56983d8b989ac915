/** Asks the browser what it has. Nothing here decides anything: that is lib/placement.ts. */
import type { Capabilities, Gpu } from '../lib/placement.ts';

const GIB = 2 ** 30;

/** Where the browser does not say (Firefox, Safari): what every desktop of the last ten years has. */
const UNKNOWN_MEMORY_GIB = 4;

/** The rest is for the system, the page and the runtime. */
const MODEL_SHARE = 0.5;

/** The parts of WebGPU that are read here; TypeScript's libraries do not carry it. */
interface AdapterInfo {
  readonly vendor?: string;
  readonly architecture?: string;
  readonly device?: string;
  readonly description?: string;
  readonly isFallbackAdapter?: boolean;
}

interface Adapter {
  readonly info?: AdapterInfo;
  readonly isFallbackAdapter?: boolean;
  readonly features: ReadonlySet<string>;
  readonly limits: { readonly maxBufferSize: number; readonly maxStorageBufferBindingSize: number };
}

interface Navigator {
  readonly gpu?: {
    requestAdapter(options: { powerPreference: 'high-performance' }): Promise<Adapter | null>;
  };
  readonly hardwareConcurrency?: number;
  /** GiB, rounded and capped by the browser. */
  readonly deviceMemory?: number;
}

export async function probe(navigator: Navigator = globalThis.navigator ?? {}): Promise<Capabilities> {
  const { gpu, absent } = await probeGpu(navigator);
  return {
    gpu,
    gpuAbsent: absent,
    jspi: 'Suspending' in WebAssembly,
    simd: WebAssembly.validate(SIMD_MODULE),
    isolated: globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer !== 'undefined',
    cores: navigator.hardwareConcurrency ?? 1,
    memoryBytes: (navigator.deviceMemory ?? UNKNOWN_MEMORY_GIB) * GIB * MODEL_SHARE,
  };
}

async function probeGpu(navigator: Navigator): Promise<{ gpu: Gpu | null; absent: string }> {
  if (navigator.gpu === undefined) return { gpu: null, absent: 'this browser has no WebGPU' };
  try {
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) return { gpu: null, absent: 'the browser offers no WebGPU adapter for this GPU' };
    const { info = {} } = adapter;
    return {
      absent: '',
      gpu: {
        adapter: {
          vendor: info.vendor ?? '',
          architecture: info.architecture ?? '',
          device: info.device ?? '',
          description: info.description ?? '',
        },
        // Moved from the adapter to its info in 2025; browsers have one or the other.
        software: info.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false,
        features: [...adapter.features].sort(),
        maxBufferBytes: adapter.limits.maxBufferSize,
        maxBindingBytes: adapter.limits.maxStorageBufferBindingSize,
        selfCheck: { fp32: 'untested', fp16: 'untested' },
      },
    };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return { gpu: null, absent: `asking for a WebGPU adapter failed (${reason})` };
  }
}

/** (module (func (result v128) i32.const 0 i8x16.splat)): valid only where SIMD is. */
const SIMD_MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version 1
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // types: () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // one function of type 0
  ...[0x0a, 0x08, 0x01, 0x06, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x0b], // its body
);
