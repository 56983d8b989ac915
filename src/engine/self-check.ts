/**
 * Runs tiny graphs with known answers on the GPU before it is trusted with a model: some drivers and runtime builds
 * compute attention or transposed convolution wrongly and report success. The graphs are a pack of their own
 * (public/models/selfcheck, written by export-scripts/selfcheck.py).
 */
import { asEngineError, assert } from '../lib/errors.ts';
import type { ModelManifest } from '../lib/manifest.ts';
import type { Capabilities, CheckResult } from '../lib/placement.ts';
import { float32 } from '../lib/tensor.ts';
import type { Tensor } from '../lib/tensor.ts';
import { asStored } from './ort.ts';
import type { ReadFile, Runtime } from './ort.ts';

export interface CheckReport {
  readonly graph: string;
  readonly precision: 'fp32' | 'fp16';
  readonly result: CheckResult;
  /** Largest error as a share of the largest answer; null when it did not run. */
  readonly error: number | null;
  /** Loading and running together. */
  readonly ms: number;
  /** What went wrong, in the runtime's words; empty otherwise. */
  readonly detail: string;
}

interface Numbers {
  readonly dims: readonly number[];
  readonly values: readonly number[];
}

/** The pack's config; written by our own script, so it is trusted once its files are verified. */
interface CheckConfig {
  readonly tolerance: Readonly<Record<'fp32' | 'fp16', number>>;
  readonly answers: Readonly<
    Record<string, { readonly inputs: Record<string, Numbers>; readonly outputs: Record<string, Numbers> }>
  >;
}

/** Every graph of the pack in every precision that this GPU claims to know. */
export async function selfCheck(
  pack: ModelManifest,
  runtime: Runtime,
  read: ReadFile,
  caps: Capabilities,
): Promise<readonly CheckReport[]> {
  assert(caps.gpu, 'the self-check is for GPUs');
  const { features } = caps.gpu;
  const reports: CheckReport[] = [];
  for (const name of Object.keys(pack.graphs)) {
    for (const variant of pack.graphs[name]?.variants ?? []) {
      if (!variant.needs.features.every((feature) => features.includes(feature))) continue;
      const precision = variant.precision === 'fp16' ? 'fp16' : 'fp32';
      const start = performance.now();
      const outcome = await check(pack, name, precision, runtime, read);
      reports.push({ graph: name, precision, ...outcome, ms: performance.now() - start });
    }
  }
  return reports;
}

async function check(
  pack: ModelManifest,
  name: string,
  precision: 'fp32' | 'fp16',
  runtime: Runtime,
  read: ReadFile,
): Promise<Pick<CheckReport, 'result' | 'error' | 'detail'>> {
  const { tolerance, answers } = pack.config as CheckConfig; // see there
  const spec = pack.graphs[name];
  const variant = spec?.variants.find((v) => v.precision === precision);
  const known = answers[name];
  assert(spec && variant && known, `the self-check has no answer for ${name}`);
  try {
    const graph = await runtime.load(
      { name, spec, variant, provider: 'webgpu' },
      await asStored(variant, read),
    );
    try {
      const outputs = await graph.run(mapValues(known.inputs, toTensor));
      const errors = Object.entries(known.outputs).map(
        ([output, answer]) => relativeError(outputs[output] as Tensor, answer), // nothing is kept on the device in this pack
      );
      const error = Math.max(...errors);
      return { result: error <= tolerance[precision] ? 'passed' : 'wrong', error, detail: '' };
    } finally {
      await graph.release();
    }
  } catch (thrown) {
    const error = asEngineError(thrown);
    // A file that did not arrive says nothing about the GPU.
    if (error.code === 'network' || error.code === 'integrity') throw error;
    return { result: 'failed', error: null, detail: error.message };
  }
}

/** Capabilities that know the outcome: each set is as good as its worst check. */
export function withChecks(caps: Capabilities, reports: readonly CheckReport[]): Capabilities {
  if (caps.gpu === null) return caps;
  const worst = (set: 'fp32' | 'fp16'): CheckResult => {
    const results = reports.filter(({ precision }) => precision === set).map(({ result }) => result);
    return (['failed', 'wrong', 'passed'] as const).find((r) => results.includes(r)) ?? 'untested';
  };
  return { ...caps, gpu: { ...caps.gpu, selfCheck: { fp32: worst('fp32'), fp16: worst('fp16') } } };
}

const toTensor = ({ dims, values }: Numbers): Tensor => float32(Float32Array.from(values), dims);

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/** NaN and infinity count as wholly wrong. */
function relativeError({ data }: Tensor, { values }: Numbers): number {
  if (data.length !== values.length) return Infinity;
  let error = 0;
  let largest = 0;
  values.forEach((value, i) => {
    const difference = Math.abs(Number(data[i]) - value);
    error = Number.isFinite(difference) ? Math.max(error, difference) : Infinity;
    largest = Math.max(largest, Math.abs(value));
  });
  return error / largest;
}
