/**
 * LoRAs on their way into graphs: the recipe of a pack says which checkpoint tensors lie where in its weight files, so
 * a LoRA's deltas are added to stored floats just before a session reads them, and beside quantised matrices as
 * factors of their own (lora-graph.ts). The files themselves stay as they are.
 */
import { EngineError } from './errors.ts';
import type { Model, WeightEdit } from './family.ts';
import { store, toFloats, type SourceType, type Stored } from './convert/numbers.ts';
import { isQuantised, type GraphRecipe, type PlainParameter, type RecipeTensor } from './convert/recipe.ts';
import { withSideInputs, type Addition } from './lora-graph.ts';
import { checkLora, multiplied, readLora, type Lora, type Modules } from './lora.ts';
import type { SafetensorsLayout } from './safetensors.ts';
import type { LoraUse } from './task.ts';
import { decodeUtf8 } from './text/utf8.ts';

const WEIGHT = '.weight';

/** Names of the pack's recipes in its manifest: one for each precision that it holds. */
const RECIPE = 'recipe.';

/**
 * Makes the model run with these LoRAs, and without any other. Reports what is wrong with a file and yet bearable.
 * @param ignores modules that checkpoints hold and inference does not read
 * @throws EngineError 'unsupported' for packs without recipes; as readLora for bad files
 */
export async function useLoras(
  uses: readonly LoraUse[],
  model: Model,
  ignores: (module: string) => boolean,
): Promise<void> {
  if (uses.length === 0) return model.adapt(null);
  const recipes = await recipesOf(model);
  const modules = modulesIn(recipes);
  const loras: UsedLora[] = [];
  for (const { file, weight } of uses) {
    const lora = readLora(await model.lora(file), modules, { ignores });
    for (const text of lora.warnings)
      model.report({ type: 'notice', code: 'lora', text: `${file}: ${text}` });
    loras.push({ lora, strength: weight });
  }
  await model.adapt(loraEdit(recipes, loras, JSON.stringify(uses)));
}

/**
 * Whether a LoRA file was made for this model, by the names and shapes in it.
 * @throws as useLoras
 */
export async function loraFits(
  layout: SafetensorsLayout,
  model: Pick<Model, 'manifest' | 'file'>,
  ignores: (module: string) => boolean,
): Promise<void> {
  checkLora(layout, modulesIn(await recipesOf(model)), ignores);
}

async function recipesOf(model: Pick<Model, 'manifest' | 'file'>): Promise<readonly GraphRecipe[]> {
  const names = Object.keys(model.manifest.files).filter((name) => name.startsWith(RECIPE));
  if (names.length === 0) {
    throw new EngineError(
      'unsupported',
      `${model.manifest.title} came without a recipe, so LoRAs cannot be added to it.`,
    );
  }
  const files = await Promise.all(names.map((name) => model.file(name)));
  // Verified against the manifest, and written by the exporter that wrote the graphs.
  return files.flatMap(
    (bytes) => (JSON.parse(decodeUtf8(bytes)) as { graphs: readonly GraphRecipe[] }).graphs,
  );
}

/** The linear modules that the graphs of these recipes hold, with their sizes. */
export function modulesIn(recipes: readonly GraphRecipe[]): Modules {
  const modules = new Map<string, readonly [number, number]>();
  for (const tensor of recipes.flatMap(({ tensors }) => tensors)) {
    for (const { module, to, inputs } of sectionsOf(tensor)) {
      // A matrix that is split over several parameters is as high as the last of its parts says.
      modules.set(module, [Math.max(to, modules.get(module)?.[0] ?? 0), inputs]);
    }
  }
  return modules;
}

/** One LoRA in use. */
export interface UsedLora {
  readonly lora: Lora;
  readonly strength: number;
}

/**
 * The edit that adds LoRAs to the weight files and graphs of all precisions that these recipes are for.
 * @param key names the LoRAs and strengths: equal keys, equal weights
 */
export function loraEdit(
  recipes: readonly GraphRecipe[],
  loras: readonly UsedLora[],
  key: string,
): WeightEdit {
  const touched = new Map<string, PlainParameter[]>(); // weight file -> its parameters that change
  const beside = new Map<string, Addition[]>(); // graph file -> what is added to its quantised parameters
  const put = <T>(map: Map<string, T[]>, path: string, item: T): void =>
    void map.set(path, [...(map.get(path) ?? []), item]);
  for (const { file, shards, tensors } of recipes) {
    for (const tensor of tensors) {
      const parts = partsOf(tensor, loras);
      if (parts.length === 0) continue;
      if (isQuantised(tensor)) {
        const [outputs = 0, inputs = 0] = tensor.shape;
        put(beside, file, { name: tensor.name, outputs, inputs, parts });
      } else put(touched, shards[tensor.data.shard]!.path, tensor); // a recipe names its own files
    }
  }
  return {
    key,
    paths: new Set([...touched.keys(), ...beside.keys()]),
    apply(path, bytes) {
      const out = new Uint8Array(bytes); // the caller's bytes may be shared
      for (const tensor of touched.get(path) ?? []) add(tensor, loras, out);
      return out;
    },
    graph(path, model) {
      const additions = beside.get(path);
      return additions ? withSideInputs(model, additions) : { model, files: new Map() };
    },
  };
}

/** What LoRAs add to a parameter: for each of its modules and each LoRA that has it, one part. */
const partsOf = (tensor: RecipeTensor, loras: readonly UsedLora[]) =>
  sectionsOf(tensor).flatMap((section) =>
    loras.flatMap(({ lora, strength }) => {
      const delta = lora.deltas.get(section.module);
      return delta ? [{ ...section, delta, strength }] : [];
    }),
  );

const READ: Readonly<Record<Stored, SourceType>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };

function add(tensor: PlainParameter, loras: readonly UsedLora[], file: Uint8Array): void {
  const { offset, bytes } = tensor.data;
  const place = file.subarray(offset, offset + bytes);
  const values = toFloats(place.slice(), READ[tensor.dtype]);
  const height = tensor.transpose ? tensor.shape.at(-1)! : tensor.shape[0]!;
  const width = values.length / height;
  const [down, right] = tensor.transpose ? [1, height] : [width, 1]; // strides of outputs and inputs
  for (const { delta, strength, from, to, at, inputs } of partsOf(tensor, loras)) {
    const product = multiplied(delta);
    const factor = strength * delta.scale;
    for (let row = from; row < to; row++) {
      const start = (at + row - from) * down;
      for (let i = 0; i < inputs; i++) values[start + i * right]! += factor * product[row * inputs + i]!;
    }
  }
  place.set(store(values, tensor.dtype));
}

/** Rows [from, to) of a module, stored from row `at` of the parameter on. */
interface Section {
  readonly module: string;
  readonly from: number;
  readonly to: number;
  readonly at: number;
  readonly inputs: number;
}

/** The modules in a parameter: several are stacked along the outputs, and `rows` takes a stretch of the stack. */
function sectionsOf(tensor: RecipeTensor): readonly Section[] {
  const { keys, how, shape, rows } = tensor;
  if (how !== 'copy' || shape.length < 2 || !keys.every((key) => key.endsWith(WEIGHT))) return [];
  const transposed = !isQuantised(tensor) && tensor.transpose === true;
  const height = transposed ? shape.at(-1)! : shape[0]!;
  const inputs = shape.reduce((n, d) => n * d, 1) / height;
  const [begin, end] = rows ?? [0, height];
  if (keys.length > 1 && rows) return []; // no graph of ours takes a part of a stack
  const each = (end - begin) / keys.length;
  return keys.map((key, k) => ({
    module: key.slice(0, -WEIGHT.length),
    from: begin,
    to: begin + each,
    at: k * each,
    inputs,
  }));
}
