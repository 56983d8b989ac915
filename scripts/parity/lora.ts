/** LoRA files in many spellings, and malformed ones, against lora-formats/. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../src/lib/errors.ts';
import type { AceStepConfig } from '../../src/lib/families/ace-step-v1/config.ts';
import { UNUSED } from '../../src/lib/families/ace-step-v1/index.ts';
import type { Model } from '../../src/lib/family.ts';
import type { Precision } from '../../src/lib/manifest.ts';
import { merged, readLora, type Lora, type Modules } from '../../src/lib/lora.ts';
import { useLoras } from '../../src/lib/lora-weights.ts';
import { floats, parseSafetensors, refusalOf, type SafetensorsFile } from '../../src/lib/safetensors.ts';
import { need, readJson, readTensors, type GoldenFile } from '../golden/read.ts';
import { denoised } from './modules.ts';
import { differences, maxError, turn, type Report } from './report.ts';

interface Expected {
  readonly cases: readonly {
    readonly name: string;
    readonly file: string;
    readonly adapter_config?: string | null;
    readonly status: 'ok' | 'ok_with_warnings' | 'error';
    readonly matched_modules?: readonly string[];
    readonly effective_scale?: number | Readonly<Record<string, number>>;
    readonly scale_source?: string;
    readonly trained_scale_known?: boolean;
    readonly unmatched_keys?: readonly string[];
    readonly ignored_keys?: readonly string[];
    readonly warnings?: readonly string[];
    readonly error_categories?: readonly string[];
    readonly merged?: readonly {
      readonly tensor: string;
      readonly module: string;
      readonly strength: number;
    }[];
  }[];
}

type Case = Expected['cases'][number];

/** Modules that checkpoints hold for training alone. SPEC 1.2 */
const TRAINING_ONLY = /^projectors\./;

export async function checkLoraFormats(
  folder: string,
  perform: <T>(work: (model: Model<AceStepConfig>) => Promise<T>) => Promise<T>,
  report: Report,
): Promise<void> {
  const formats = join(folder, 'lora-formats');
  const list = join(formats, 'expected.json');
  if (!existsSync(list)) return;
  const checkpoint = parseSafetensors(
    readFileSync(join(folder, 'checkpoints/ace_step_transformer/diffusion_pytorch_model.safetensors')),
  );
  const modules = modulesOf(checkpoint);
  const mergedFile = join(formats, 'expected_merged.safetensors');
  const weights = existsSync(mergedFile) ? readTensors(mergedFile) : new Map();
  for (const expected of readJson<Expected>(list).cases) {
    const name = `lora-formats/${expected.name}`;
    await report.attempt(name, () =>
      checkCase(name, expected, formats, checkpoint, modules, weights, report),
    );
  }
  await report.attempt('lora-formats/forward', () => checkForward(folder, perform, 'fp32', report));
}

/** Outputs of the denoiser with a LoRA, loaded as the application loads it. The index names the inputs. */
export async function checkForward(
  folder: string,
  perform: <T>(work: (model: Model<AceStepConfig>) => Promise<T>) => Promise<T>,
  precision: Precision,
  report: Report,
): Promise<void> {
  const formats = join(folder, 'lora-formats');
  const index = join(formats, 'expected_forward.json');
  const outputs = join(formats, 'expected_forward.safetensors');
  if (!existsSync(index) || !existsSync(outputs)) return;
  // "modules/FILE.safetensors CASE.in.* with timestep NUMBER"
  const words = readJson<{ readonly input: string }>(index).input;
  const [, path = '', key = '', time = ''] = /^(\S+) (\S+)\.in\.\*.* ([\d.]+)$/.exec(words) ?? [];
  const inputs = readTensors(join(folder, path));
  const { cases } = readJson<Expected>(join(formats, 'expected.json'));
  const suffix = '.out.sample';
  for (const [tensor, stored] of readTensors(outputs)) {
    const file = cases.find(({ name }) => `${name}${suffix}` === tensor)?.file;
    if (file === undefined) continue;
    await perform(async (model) => {
      await useLoras([{ file: join(formats, file), weight: 1 }], model, (module) => UNUSED.test(module));
      const velocity = await denoised(inputs, key, Number(time), 0, 1, model);
      await model.adapt(null);
      if (precision === 'fp32') {
        report.add(`lora-formats/${tensor}`, maxError(velocity, stored.data), 'denoiser');
        return;
      }
      // Without the LoRA the network is further from the reference than what these bits cost.
      const bare = turn(await denoised(inputs, key, Number(time), 0, 1, model), stored.data);
      const note = `without it ${bare.toExponential(2)}`;
      report.add(`lora-formats/${tensor}.cosine`, turn(velocity, stored.data), precision, note);
    });
  }
}

function checkCase(
  name: string,
  expected: Case,
  formats: string,
  checkpoint: SafetensorsFile,
  modules: Modules,
  weights: GoldenFile,
  report: Report,
): void {
  const bytes = readFileSync(join(formats, expected.file));
  const config = expected.adapter_config
    ? readJson<unknown>(join(formats, expected.adapter_config))
    : undefined;
  const read = (): Lora =>
    readLora(bytes, modules, {
      adapterConfig: config,
      ignores: (module) => TRAINING_ONLY.test(module),
    });
  if (expected.status === 'error') {
    const fault = faultOf(read);
    const known = (expected.error_categories ?? []).includes(fault ?? '');
    report.add(`${name}.refused`, known ? 0 : 1, 'equal', fault ?? 'not refused');
    return;
  }
  const lora = read();
  const same = (part: string, ours: Iterable<string>, theirs: readonly string[] = []): void =>
    report.add(`${name}.${part}`, differences([...ours].sort(), [...theirs].sort()), 'equal');
  // Modules for training alone may be merged or left out: either is right.
  const used = (names: readonly string[] = []): string[] =>
    names.filter((module) => !TRAINING_ONLY.test(module));
  same('modules', used([...lora.deltas.keys()]), used(expected.matched_modules));
  same('unmatched', lora.unmatched, expected.unmatched_keys);
  same('scale_source', [lora.scaleSource], [expected.scale_source ?? 'default']);
  report.add(
    `${name}.trained_scale_known`,
    lora.trainedScaleKnown === expected.trained_scale_known ? 0 : 1,
    'equal',
  );
  if (expected.status === 'ok_with_warnings') {
    report.add(`${name}.warned`, lora.warnings.length > 0 ? 0 : 1, 'equal', lora.warnings[0] ?? '');
  }
  const { effective_scale: scale } = expected;
  if (scale !== undefined) {
    const errors = [...lora.deltas].map(([module, delta]) =>
      Math.abs(delta.scale - (typeof scale === 'number' ? scale : (scale[module] ?? NaN))),
    );
    report.add(`${name}.scale`, Math.max(...errors), 'exact');
  }
  for (const { tensor, module, strength } of expected.merged ?? []) {
    const key = `${module}.weight`;
    const stored = checkpoint.tensors.get(key);
    if (!stored) throw new EngineError('integrity', `the checkpoint has no ${key}`);
    const ours = merged(floats(key, stored), lora, module, strength);
    report.add(`lora-formats/${tensor}`, maxError(ours, need(weights, tensor).data), 'merged');
  }
}

function faultOf(read: () => unknown): string | null {
  try {
    read();
  } catch (thrown) {
    if (thrown instanceof EngineError) return refusalOf(thrown)?.fault ?? thrown.code;
    throw thrown; // no clean refusal: the case fails with this
  }
  return null;
}

/** Every module with a weight matrix. */
function modulesOf({ tensors }: SafetensorsFile): Modules {
  const modules = new Map<string, readonly [number, number]>();
  for (const [key, { shape }] of tensors) {
    if (!key.endsWith('.weight') || shape.length < 2) continue;
    modules.set(key.slice(0, -'.weight'.length), [shape[0]!, shape.slice(1).reduce((n, d) => n * d, 1)]);
  }
  return modules;
}
