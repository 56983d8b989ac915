/**
 * LoRA files: reading every key format that is about, and adding their deltas to weights, W + strength * scale * (B A).
 * Names and scales follow the rule: strip known prefixes, look the module up in the checkpoint, pair the factors; the
 * scale is what metadata, adapter_config.json or alpha say, else 1 with a note that the trained one is unknown.
 * Formats: diffusers and peft (with or without `.default.`), ComfyUI and kohya spellings, LyCORIS LoKr.
 */
import { EngineError } from './errors.ts';
import {
  floats,
  parseSafetensors,
  type Fault,
  type Refusal,
  type SafetensorsLayout,
  type StoredTensor,
} from './safetensors.ts';

/** Sizes (outputs, inputs) of a checkpoint's linear modules by name; convolutions with their kernels flattened in. */
export type Modules = ReadonlyMap<string, readonly [outputs: number, inputs: number]>;

/** (rows, columns), row by row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array | Float64Array;
}

/** up (outputs, rank) times down (rank, inputs). */
export interface LowRank {
  readonly form: 'low-rank';
  readonly up: Matrix;
  readonly down: Matrix;
}

/** The Kronecker product of two matrices; each is made when it is asked for. */
export interface Kronecker {
  readonly form: 'kronecker';
  readonly first: () => Matrix;
  readonly second: () => Matrix;
}

/** What a LoRA adds to one module, before strength: scale times its factors. */
export interface Delta {
  readonly scale: number;
  readonly factors: LowRank | Kronecker;
}

export type ScaleSource = 'metadata' | 'adapter_config' | 'alpha' | 'default';

export interface Lora {
  readonly deltas: ReadonlyMap<string, Delta>;
  readonly scaleSource: ScaleSource;
  /** False: the scale of training is lost; the user may have to try strengths up to 2 and more. */
  readonly trainedScaleKnown: boolean;
  /** Keys that fit no module of this model. */
  readonly unmatched: readonly string[];
  /** Keys of modules that exist and that inference never reads. */
  readonly ignored: readonly string[];
  /** Sentences for the user. */
  readonly warnings: readonly string[];
}

export type LoraFault =
  | Fault
  | 'no_lora_keys'
  | 'no_matching_keys'
  | 'rank_mismatch'
  | 'shape_mismatch'
  | 'dora_unsupported'
  | 'non_finite'
  | 'bad_config';

export interface LoraOptions {
  /** Parsed adapter_config.json that lay beside the file. */
  readonly adapterConfig?: unknown;
  /** Whether a module of this name exists in checkpoints but is not read at inference. */
  readonly ignores?: (module: string) => boolean;
}

/**
 * Reads a LoRA for a model with these modules.
 * @throws EngineError('integrity') for a damaged file, EngineError('bad-task') for a sound one that cannot be used;
 *   both carry a Refusal<LoraFault> as their cause. Nothing is merged in part.
 */
export function readLora(bytes: Uint8Array, modules: Modules, options: LoraOptions = {}): Lora {
  const { metadata, tensors } = parseSafetensors(bytes);
  const { found, ignored, unmatched } = sortKeys([...tensors.keys()], moduleFinder(modules), options.ignores);
  const trained = scaleRule(metadata.get('lora_adapter_metadata'), options.adapterConfig);
  const read = (key: string): Matrix => matrixOf(key, tensors.get(key)!); // keys come from there
  const deltas = new Map<string, Delta>();
  const warnings: string[] = [];
  let alphas = 0;
  for (const [module, parts] of found) {
    const factors = KRONECKER.some((part) => parts.has(part)) ? kronecker(parts, read) : lowRank(parts, read);
    if (factors === null) {
      unmatched.push(...parts.values());
      warnings.push(`${module}: one of its two factors is missing; it is left as it is.`);
      continue;
    }
    fit(module, factors, modules.get(module)!);
    const { rank } = factors;
    const alphaKey = parts.get('alpha');
    const alpha = alphaKey === undefined ? null : read(alphaKey).data[0]!;
    if (alpha !== null) alphas++;
    const rule = trained.rule?.(module, rank) ?? null;
    if (rule && rank !== null && rule.rank !== rank) {
      warnings.push(
        `${module}: the settings say rank ${rule.rank}, the tensors have ${rank}; the tensors count.`,
      );
    }
    deltas.set(module, { scale: scaleOf(rank, rule, alpha), factors: factors.product });
  }
  if (deltas.size === 0 && ignored.length === 0) {
    refuse('no_matching_keys', 'no module has both its factors. Get the file again.');
  }

  const scaleSource: ScaleSource = trained.rule ? trained.source : alphas > 0 ? 'alpha' : 'default';
  const trainedScaleKnown = scaleSource !== 'default';
  if (!trainedScaleKnown)
    warnings.push('The file does not say its trained scale; 1 is used. Try other strengths.');
  if (unmatched.length > 0)
    warnings.push(`${unmatched.length} of its keys fit nothing in this model: ${unmatched[0]} …`);
  return { deltas, scaleSource, trainedScaleKnown, unmatched, ignored, warnings };
}

/**
 * Looks at the names and shapes of a file, and at none of its values: whether it is a LoRA, whole, and made for a model
 * with these modules; null where no model is in sight that takes one.
 * @throws EngineError('bad-task') with a Refusal<LoraFault> as its cause, as readLora
 */
export function checkLora(
  { metadata, ranges }: SafetensorsLayout,
  modules: Modules | null,
  ignores?: LoraOptions['ignores'],
): void {
  const find = modules ? moduleFinder(modules) : stripped;
  const { found, ignored } = sortKeys([...ranges.keys()], find, ignores);
  scaleRule(metadata.get('lora_adapter_metadata'), undefined);
  let whole = ignored.length > 0;
  for (const [module, parts] of found) {
    whole ||= KRONECKER.some((part) => parts.has(part));
    const [downKey, upKey] = [parts.get('down'), parts.get('up')];
    if (downKey === undefined || upKey === undefined) continue;
    const [down, up] = [downKey, upKey].map((key) => sides(ranges.get(key)!.shape)) as [Sides, Sides]; // keys come from there
    sameRank(downKey, down, upKey, up);
    const size = modules?.get(module);
    if (size) fit(module, { outputs: up.rows, inputs: down.columns }, size);
    whole = true;
  }
  if (!whole) refuse('no_matching_keys', 'no module has both its factors. Get the file again.');
}

/** Keys by the module that they belong to, or by why they belong to none. */
function sortKeys(
  keys: readonly string[],
  find: (path: string) => string | null,
  ignores: LoraOptions['ignores'],
) {
  const found = new Map<string, Map<Part, string>>();
  const unmatched: string[] = [];
  const ignored: string[] = [];
  const spelled = keys.map((key) => ({ key, ...spell(key) }));
  if (spelled.every(({ part }) => part === undefined)) {
    refuse('no_lora_keys', 'none of its tensors is a LoRA factor. Choose a LoRA file.');
  }
  for (const { key, path, part } of spelled) {
    if (path === undefined || part === undefined) {
      unmatched.push(key);
      continue;
    }
    if (part === 'dora')
      refuse('dora_unsupported', `${key} belongs to a DoRA, which cannot be merged. Use a plain LoRA.`);
    const module = find(path);
    if (module === null) (ignores?.(stripped(path)) ? ignored : unmatched).push(key);
    else found.set(module, new Map(found.get(module)).set(part, key));
  }
  if (found.size === 0 && ignored.length === 0) {
    refuse('no_matching_keys', 'none of its modules exists in this model. Choose a LoRA made for it.');
  }
  return { found, unmatched, ignored };
}

function fit(
  module: string,
  { outputs, inputs }: Pick<Factors, 'outputs' | 'inputs'>,
  [height, width]: readonly [number, number],
): void {
  if (outputs === height && inputs === width) return;
  const [have, want] = [`${outputs} x ${inputs}`, `${height} x ${width}`];
  refuse(
    'shape_mismatch',
    `${module} would get ${have} values where the model has ${want}. It is for another model.`,
  );
}

/** Rank null is a Kronecker product of two full matrices: LyCORIS writes it at full size, whatever alpha says. */
function scaleOf(rank: number | null, rule: Rule | null, alpha: number | null): number {
  if (rank === null) return 1;
  return rule?.scale ?? (alpha === null ? 1 : alpha / rank);
}

/** W + strength * scale * delta, summed in float64: a new array (outputs, inputs). */
export function merged(weight: Float32Array, lora: Lora, module: string, strength: number): Float32Array {
  const delta = lora.deltas.get(module);
  if (!delta) return weight;
  const product = multiplied(delta);
  const factor = strength * delta.scale;
  const out = new Float32Array(weight.length);
  for (let i = 0; i < out.length; i++) out[i] = weight[i]! + factor * product[i]!;
  return out;
}

/** Named weights with a LoRA added: `module.weight` for every module that it has, the others as they were. */
export function applyLora(
  weights: ReadonlyMap<string, Float32Array>,
  lora: Lora,
  strength: number,
): Map<string, Float32Array> {
  return new Map(
    [...weights].map(([name, weight]) => [
      name,
      merged(weight, lora, name.replace(/\.weight$/, ''), strength),
    ]),
  );
}

// ---- keys

type Part = 'down' | 'up' | 'alpha' | 'dora' | 'w1' | 'w1a' | 'w1b' | 'w2' | 'w2a' | 'w2b' | 't2';

/** Endings of keys and what they mean; the first that fits counts. */
const ENDINGS: readonly (readonly [RegExp, Part])[] = [
  [/\.lora_magnitude_vector(?:\.default)?(?:\.weight)?$/, 'dora'],
  [/\.dora_scale$/, 'dora'],
  [/\.lora_A(?:\.default)?(?:\.weight)?$/, 'down'],
  [/\.lora_B(?:\.default)?(?:\.weight)?$/, 'up'],
  [/\.lora_down(?:\.weight)?$/, 'down'],
  [/\.lora_up(?:\.weight)?$/, 'up'],
  [/_lora\.down(?:\.weight)?$/, 'down'],
  [/_lora\.up(?:\.weight)?$/, 'up'],
  [/\.lora_linear_layer\.down(?:\.weight)?$/, 'down'],
  [/\.lora_linear_layer\.up(?:\.weight)?$/, 'up'],
  [/\.alpha$/, 'alpha'],
  [/\.lokr_w1$/, 'w1'],
  [/\.lokr_w1_a$/, 'w1a'],
  [/\.lokr_w1_b$/, 'w1b'],
  [/\.lokr_w2$/, 'w2'],
  [/\.lokr_w2_a$/, 'w2a'],
  [/\.lokr_w2_b$/, 'w2b'],
  [/\.lokr_t2$/, 't2'],
];

/** What may stand before a module's name. */
const PREFIX =
  /^(?:base_model\.model\.|diffusion_model\.|transformer\.|lora_unet_|lora_transformer_|lycoris_)+/;

function spell(key: string): { readonly path: string; readonly part: Part } | null {
  for (const [ending, part] of ENDINGS) {
    const match = ending.exec(key);
    if (match) return { path: key.slice(0, match.index), part };
  }
  return null;
}

const stripped = (path: string): string => path.replace(PREFIX, '');

/**
 * Finds the module that a path of a key means. kohya writes _ for every dot, which cannot be undone by replacing
 * (`to_out_0`), so such names are looked up in the model's own.
 */
function moduleFinder(modules: Modules): (path: string) => string | null {
  const flat = new Map([...modules.keys()].map((name) => [name.replaceAll('.', '_'), name]));
  return (path) => {
    const name = stripped(path);
    return modules.has(name) ? name : (flat.get(name) ?? null);
  };
}

// ---- scales

interface Rule {
  readonly rank: number;
  readonly scale: number;
}

interface Trained {
  readonly source: 'metadata' | 'adapter_config';
  readonly rule: ((module: string, rank: number | null) => Rule) | null;
}

/** peft's scale: alpha / rank, or alpha / sqrt(rank) with rslora, by module patterns; metadata before the config file. */
function scaleRule(metadata: string | undefined, adapterConfig: unknown): Trained {
  const source = metadata === undefined ? 'adapter_config' : 'metadata';
  const settings = metadata === undefined ? adapterConfig : parseJson(metadata);
  if (settings === undefined || settings === null) return { source, rule: null };
  if (typeof settings !== 'object') refuse('bad_config', 'its settings are not a JSON object.');
  const {
    r,
    lora_alpha: alpha,
    use_rslora,
    use_dora,
    rank_pattern,
    alpha_pattern,
  } = settings as Record<string, unknown>;
  if (use_dora === true)
    refuse('dora_unsupported', 'its settings say DoRA, which cannot be merged. Use a plain LoRA.');
  if (typeof r !== 'number' || typeof alpha !== 'number' || !(r > 0) || !Number.isFinite(alpha)) {
    return { source, rule: null };
  }
  const [ranks, alphas] = [patterns(rank_pattern), patterns(alpha_pattern)];
  const rule = (module: string, rank: number | null): Rule => {
    const said = ranks(module) ?? r;
    const size = rank ?? said;
    const own = alphas(module) ?? alpha;
    return { rank: said, scale: own / (use_rslora === true ? Math.sqrt(size) : size) };
  };
  return { source, rule };
}

/** peft matches a pattern as a regular expression against the end of the name; here only as text, which files use. */
function patterns(value: unknown): (module: string) => number | null {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const numbers = entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return (module) => numbers.find(([name]) => module === name || module.endsWith(`.${name}`))?.[1] ?? null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuse('bad_config', 'its lora_adapter_metadata is not JSON.'); // what JSON.parse says would not help
  }
}

// ---- factors

interface Factors<P = LowRank | Kronecker> {
  readonly outputs: number;
  readonly inputs: number;
  /** null: a product of two full matrices. */
  readonly rank: number | null;
  readonly product: P;
}

/** (rows, everything else); a number is 1 x 1. */
function matrixOf(key: string, tensor: StoredTensor): Matrix {
  const data = floats(key, tensor);
  if (!data.every(Number.isFinite))
    refuse('non_finite', `${key} holds values that are not finite. Get another file.`);
  return { ...sides(tensor.shape), data };
}

type Sides = Pick<Matrix, 'rows' | 'columns'>;

function sides(shape: readonly number[]): Sides {
  const rows = shape[0] ?? 1;
  return { rows, columns: rows === 0 ? 0 : shape.slice(1).reduce((product, n) => product * n, 1) };
}

function sameRank(downKey: string, down: Sides, upKey: string, up: Sides): void {
  if (down.rows !== up.columns || down.rows === 0)
    refuse('rank_mismatch', `${downKey} has rank ${down.rows}, ${upKey} has ${up.columns}.`);
}

function lowRank(parts: ReadonlyMap<Part, string>, read: (key: string) => Matrix): Factors<LowRank> | null {
  const [downKey, upKey] = [parts.get('down'), parts.get('up')];
  if (downKey === undefined || upKey === undefined) return null;
  const [down, up] = [read(downKey), read(upKey)];
  sameRank(downKey, down, upKey, up);
  return {
    outputs: up.rows,
    inputs: down.columns,
    rank: down.rows,
    product: { form: 'low-rank', up, down },
  };
}

const KRONECKER: readonly Part[] = ['w1', 'w1a', 'w1b', 'w2', 'w2a', 'w2b', 't2'];

/** LoKr: the Kronecker product of two matrices, each of them whole or as two factors. */
function kronecker(parts: ReadonlyMap<Part, string>, read: (key: string) => Matrix): Factors | null {
  if (parts.has('t2')) {
    refuse(
      'shape_mismatch',
      `${parts.get('t2')} is a Tucker factor of a convolution, which cannot be merged.`,
    );
  }
  const side = (whole: Part, a: Part, b: Part): Factors<() => Matrix> | null => {
    const key = parts.get(whole);
    if (key !== undefined) {
      const matrix = read(key);
      return { outputs: matrix.rows, inputs: matrix.columns, rank: null, product: () => matrix };
    }
    const pair = new Map<Part, string>();
    for (const [from, to] of [
      [a, 'up'],
      [b, 'down'],
    ] as const) {
      const factor = parts.get(from);
      if (factor !== undefined) pair.set(to, factor);
    }
    const made = lowRank(pair, read);
    return made && { ...made, product: () => product(made.product.up, made.product.down) };
  };
  const first = side('w1', 'w1a', 'w1b');
  const second = side('w2', 'w2a', 'w2b');
  if (!first || !second) return null;
  return {
    outputs: first.outputs * second.outputs,
    inputs: first.inputs * second.inputs,
    rank: second.rank ?? first.rank,
    product: { form: 'kronecker', first: first.product, second: second.product },
  };
}

/** A delta before strength and scale, (outputs, inputs), summed in float64. */
export function multiplied({ factors }: Delta): Float64Array | Float32Array {
  if (factors.form === 'low-rank') return product(factors.up, factors.down).data;
  const [a, b] = [factors.first(), factors.second()];
  const inputs = a.columns * b.columns;
  const out = new Float64Array(a.rows * b.rows * inputs);
  for (let o = 0; o < a.rows * b.rows; o++) {
    const [ao, bo] = [Math.floor(o / b.rows), o % b.rows];
    for (let i = 0; i < inputs; i++) {
      const [ai, bi] = [Math.floor(i / b.columns), i % b.columns];
      out[o * inputs + i] = a.data[ao * a.columns + ai]! * b.data[bo * b.columns + bi]!;
    }
  }
  return out;
}

/** a b, summed in float64. */
function product(a: Matrix, b: Matrix): Matrix {
  const out = new Float64Array(a.rows * b.columns);
  for (let o = 0; o < a.rows; o++) {
    for (let r = 0; r < b.rows; r++) {
      const factor = a.data[o * a.columns + r]!;
      const at = o * b.columns;
      for (let i = 0; i < b.columns; i++) out[at + i]! += factor * b.data[r * b.columns + i]!;
    }
  }
  return { rows: a.rows, columns: b.columns, data: out };
}

function refuse(fault: LoraFault, what: string): never {
  const cause: Refusal<LoraFault> = { fault };
  throw new EngineError('bad-task', `This LoRA cannot be used: ${what}`, { cause });
}
