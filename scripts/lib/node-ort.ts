/**
 * Builds of ONNX Runtime for Node: onnxruntime-web's own Node build for WebAssembly, and onnxruntime-node for WebGPU,
 * which Node itself does not have.
 */
import { fileURLToPath } from 'node:url';
import type { BuildLoader, OrtModule } from '../../src/engine/ort.ts';
import { EngineError } from '../../src/lib/errors.ts';

/** Any graph would do. */
const tiny = (precision: 'fp32' | 'fp16'): string =>
  fileURLToPath(new URL(`../../public/models/selfcheck/upsample.${precision}.onnx`, import.meta.url));

export const NODE_BUILDS: BuildLoader = {
  providers: { webgpu: 'webgpu', wasm: 'wasm' },
  web: true,
  load: async () => import('onnxruntime-web'),
};

export const NATIVE_BUILDS: BuildLoader = {
  providers: { webgpu: 'webgpu', wasm: 'cpu' },
  web: false,
  load: loadNative,
};

/** onnxruntime-node's CPU provider in the place of WebAssembly: what the others are compared with. */
export const CPU_BUILDS: BuildLoader = {
  providers: { webgpu: 'cpu', wasm: 'cpu' },
  web: false,
  load: async () => import('onnxruntime-node'),
};

/** @throws EngineError 'unsupported' saying what is missing, when this Node has no WebGPU or finds no GPU. */
async function loadNative(): Promise<OrtModule> {
  try {
    const ort = await import('onnxruntime-node');
    if (!ort.listSupportedBackends().some(({ name }) => name === 'webgpu'))
      throw new Error('not built with it');
    // Whether there is an adapter shows when the first session asks for one.
    await runTiny(ort, 'fp32');
    return ort;
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message.trim().split(': ').at(-1) : String(thrown);
    throw new EngineError(
      'unsupported',
      `Node has no WebGPU here (onnxruntime-node: ${reason}). Leave --provider out, or choose wasm.`,
      { cause: thrown },
    );
  }
}

/** WebGPU features of the adapter that onnxruntime-node finds: it tells none, so half floats are tried out. */
export async function nativeFeatures(): Promise<readonly string[]> {
  const ort = await loadNative();
  try {
    await runTiny(ort, 'fp16');
    return ['shader-f16'];
  } catch {
    return []; // the runtime's words for a missing feature are of no further use
  }
}

async function runTiny(ort: OrtModule, precision: 'fp32' | 'fp16'): Promise<void> {
  const session = await ort.InferenceSession.create(tiny(precision), { executionProviders: ['webgpu'] });
  const [name = ''] = session.inputNames;
  await session.run({ [name]: new ort.Tensor('float32', new Float32Array(36), [1, 4, 9]) });
  await session.release();
}
