/**
 * Builds of ONNX Runtime for Node: onnxruntime-web's own Node build for WebAssembly, and onnxruntime-node for WebGPU,
 * which Node itself does not have.
 */
import type { BuildLoader, OrtModule } from '../../src/engine/ort.ts';
import { EngineError } from '../../src/lib/errors.ts';

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

/** @throws EngineError 'unsupported' saying how to get it, when this Node has no WebGPU. */
async function loadNative(): Promise<OrtModule> {
  try {
    const ort = await import('onnxruntime-node');
    if (ort.listSupportedBackends().some(({ name }) => name === 'webgpu')) return ort;
  } catch {
    // Not installed, or not built for this system: the same way out.
  }
  throw new EngineError(
    'unsupported',
    'Node has no WebGPU here: onnxruntime-node is missing or was built without it. Leave --provider out, or choose wasm.',
  );
}
