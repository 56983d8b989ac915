import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sourceOf } from './audio/bytes.ts';
import { halfOf } from './convert/numbers.ts';
import type { GraphRecipe, PlainParameter } from './convert/recipe.ts';
import { EngineError } from './errors.ts';
import { aceStepV1 } from './families/ace-step-v1/index.ts';
import { loraEdit, modulesIn } from './lora-weights.ts';
import type { ModelManifest } from './manifest.ts';
import { applyLora, checkLora, merged, readLora, type Lora, type LoraOptions, type Modules } from './lora.ts';
import { readLayout, refusalOf, widenF16 } from './safetensors.ts';

const modules: Modules = new Map([
  ['blocks.0.attn.to_q', [3, 2]],
  ['blocks.0.attn.to_out.0', [2, 2]],
  ['proj', [4, 4]],
]);

type Tensors = Readonly<Record<string, readonly [shape: readonly number[], data: readonly number[]]>>;

function file(tensors: Tensors, metadata?: object): Uint8Array {
  let at = 0;
  const entries = Object.entries(tensors).map(([name, [shape, data]]) => {
    const offsets = [at, (at += 4 * data.length)];
    return [name, { dtype: 'F32', shape, data_offsets: offsets }] as const;
  });
  const header = new TextEncoder().encode(
    JSON.stringify({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) }),
  );
  const out = new Uint8Array(8 + header.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  out.set(
    new Uint8Array(Float32Array.from(Object.values(tensors).flatMap(([, data]) => data)).buffer),
    8 + header.length,
  );
  return out;
}

// Rank 1: delta = (1, 2, 3)' (10, 20)
const DOWN = [[1, 2], [10, 20]] as const; // prettier-ignore
const UP = [[3, 1], [1, 2, 3]] as const; // prettier-ignore
const DELTA = [10, 20, 20, 40, 30, 60];
const Q = 'blocks.0.attn.to_q';

const spellings: [string, Tensors, object?][] = [
  ['diffusers', { [`${Q}.lora_A.weight`]: DOWN, [`${Q}.lora_B.weight`]: UP }],
  ['peft', { [`base_model.model.${Q}.lora_A.weight`]: DOWN, [`base_model.model.${Q}.lora_B.weight`]: UP }],
  ['peft, named', { [`base_model.model.${Q}.lora_A.default.weight`]: DOWN, [`base_model.model.${Q}.lora_B.default.weight`]: UP }],
  ['ComfyUI', { [`diffusion_model.${Q}.lora_down.weight`]: DOWN, [`diffusion_model.${Q}.lora_up.weight`]: UP }],
  ['without .weight', { [`diffusion_model.${Q}.lora_down`]: DOWN, [`diffusion_model.${Q}.lora_up`]: UP }],
  ['_lora.up', { [`${Q}_lora.down.weight`]: DOWN, [`${Q}_lora.up.weight`]: UP }],
  ['lora_linear_layer', { [`transformer.${Q}.lora_linear_layer.down.weight`]: DOWN, [`transformer.${Q}.lora_linear_layer.up.weight`]: UP }],
  ['kohya', { 'lora_unet_blocks_0_attn_to_q.lora_down.weight': DOWN, 'lora_unet_blocks_0_attn_to_q.lora_up.weight': UP }],
  ['LyCORIS', { 'lycoris_blocks_0_attn_to_q.lokr_w1': [[3, 1], [1, 2, 3]], 'lycoris_blocks_0_attn_to_q.lokr_w2': [[1, 2], [10, 20]] }],
]; // prettier-ignore

test.each(spellings)('reads the spelling of %s', (_name, tensors) => {
  const lora = readLora(file(tensors), modules);
  expect([...lora.deltas.keys()]).toEqual([Q]);
  expect(lora).toMatchObject({
    scaleSource: 'default',
    trainedScaleKnown: false,
    unmatched: [],
    ignored: [],
  });
  expect(lora.warnings).toEqual([expect.stringContaining('trained scale')]);
  expect([...merged(new Float32Array(6).fill(1), lora, Q, 0.5)]).toEqual(DELTA.map((d) => 1 + d / 2));
});

test('a name with underscores of its own is looked up, not guessed', () => {
  const name = 'lora_unet_blocks_0_attn_to_out_0';
  const tensors: Tensors = { [`${name}.lora_down.weight`]: DOWN, [`${name}.lora_up.weight`]: [[2, 1], [1, 1]] }; // prettier-ignore
  expect([...readLora(file(tensors), modules).deltas.keys()]).toEqual(['blocks.0.attn.to_out.0']);
});

const scaleOf = (
  tensors: Tensors,
  options: LoraOptions = {},
  metadata?: object,
): [number | undefined, Lora] => {
  const lora = readLora(file(tensors, metadata), modules, options);
  return [lora.deltas.get(Q)?.scale, lora];
};
const two: Tensors = {
  [`${Q}.lora_A.weight`]: [[2, 2], [1, 0, 0, 1]],
  [`${Q}.lora_B.weight`]: [[3, 2], [1, 2, 3, 4, 5, 6]],
}; // prettier-ignore

test('the scale: metadata before the config file, that before alpha, rank of the tensors', () => {
  const settings = (fields: object): object => ({
    lora_adapter_metadata: JSON.stringify({ r: 2, lora_alpha: 8, ...fields }),
  });
  expect(scaleOf(two, {}, settings({}))).toMatchObject([
    4,
    { scaleSource: 'metadata', trainedScaleKnown: true, warnings: [] },
  ]);
  expect(scaleOf(two, {}, settings({ use_rslora: true }))[0]).toBeCloseTo(8 / Math.sqrt(2));
  expect(scaleOf(two, {}, settings({ alpha_pattern: { 'attn.to_q': 6 } }))[0]).toBe(3);
  expect(scaleOf(two, { adapterConfig: { r: 2, lora_alpha: 2 } }, settings({}))[0]).toBe(4);
  const config = scaleOf(two, { adapterConfig: { r: 4, lora_alpha: 16 } });
  expect(config).toMatchObject([8, { scaleSource: 'adapter_config' }]);
  expect(config[1].warnings[0]).toContain('rank 4, the tensors have 2');
  const alpha = { ...two, [`${Q}.alpha`]: [[], [6]] as const };
  expect(scaleOf(alpha)).toMatchObject([3, { scaleSource: 'alpha' }]);
  expect(scaleOf(alpha, {}, settings({}))[0]).toBe(4);
});

test('a factored Kronecker product has the scale of its factors', () => {
  const name = 'lycoris_proj';
  const tensors: Tensors = {
    [`${name}.alpha`]: [[], [6]],
    [`${name}.lokr_w1`]: [[2, 2], [1, 0, 0, 1]],
    [`${name}.lokr_w2_a`]: [[2, 1], [1, 2]],
    [`${name}.lokr_w2_b`]: [[1, 2], [3, 4]],
  }; // prettier-ignore
  const lora = readLora(file(tensors), modules);
  expect([...merged(new Float32Array(16), lora, 'proj', 1)].map((v) => v / 6)).toEqual([3, 4, 0, 0, 6, 8, 0, 0, 0, 0, 3, 4, 0, 0, 6, 8]); // prettier-ignore
});

test('what fits nothing is told, what inference does not read is passed over', () => {
  const lora = readLora(
    file({
      ...two,
      'x.lora_A.weight': DOWN,
      odd: [[1], [1]],
      'extra.0.lora_A.weight': DOWN,
      'proj.lora_A.weight': DOWN,
    }),
    modules,
    { ignores: (module) => module.startsWith('extra.') },
  );
  expect(lora.unmatched).toEqual(['x.lora_A.weight', 'odd', 'proj.lora_A.weight']);
  expect(lora.ignored).toEqual(['extra.0.lora_A.weight']);
  expect(lora.warnings.join(' ')).toMatch(
    /proj: one of its two factors is missing.*3 of its keys fit nothing/,
  );
});

const refused: [string, Tensors, LoraOptions?, object?][] = [
  ['no_lora_keys', { 'proj.weight': [[3, 2], [1, 2, 3, 4, 5, 6]] }],
  ['no_lora_keys', Object.fromEntries(['__proto__', 'constructor'].map((name) => [name, [[1], [1]]]))],
  ['no_matching_keys', { 'x.lora_A.weight': DOWN, 'x.lora_B.weight': UP }],
  ['no_matching_keys', { [`${Q}.lora_A.weight`]: DOWN }],
  ['rank_mismatch', { [`${Q}.lora_A.weight`]: DOWN, [`${Q}.lora_B.weight`]: [[3, 2], [1, 2, 3, 4, 5, 6]] }],
  ['shape_mismatch', { [`${Q}.lora_A.weight`]: [[1, 3], [1, 2, 3]], [`${Q}.lora_B.weight`]: UP }],
  ['shape_mismatch', { [`${Q}.lora_A.weight`]: DOWN, [`${Q}.lora_B.weight`]: [[2, 1], [1, 2]] }],
  ['shape_mismatch', { 'lycoris_proj.lokr_w1': [[3, 3], Array<number>(9).fill(1)], 'lycoris_proj.lokr_w2': [[2, 2], [1, 2, 3, 4]] }],
  ['dora_unsupported', { ...two, [`${Q}.lora_magnitude_vector`]: [[3], [1, 2, 3]] }],
  ['dora_unsupported', { ...two, [`${Q}.dora_scale`]: [[3, 1], [1, 2, 3]] }],
  ['dora_unsupported', two, { adapterConfig: { r: 2, lora_alpha: 2, use_dora: true } }],
  ['non_finite', { [`${Q}.lora_A.weight`]: [[1, 2], [NaN, 1]], [`${Q}.lora_B.weight`]: UP }],
  ['non_finite', { ...two, [`${Q}.alpha`]: [[], [Infinity]] }],
  ['bad_config', two, {}, { lora_adapter_metadata: '{' }],
  ['bad_config', two, { adapterConfig: 3 }],
]; // prettier-ignore

test.each(refused)('refuses: %s', (fault, tensors, options, metadata) => {
  let thrown: unknown;
  try {
    readLora(file(tensors, metadata), modules, options);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(EngineError);
  expect(refusalOf(thrown)?.fault).toBe(fault);
});

/** What only values, or a file beside it, would tell. */
const UNSEEN = ['non_finite'];

test('the header alone refuses the same, and takes what can be read', async () => {
  const faultOf = async (bytes: Uint8Array, known: Modules | null): Promise<string | undefined> => {
    try {
      checkLora(await readLayout(sourceOf(bytes)), known);
      return 'none';
    } catch (thrown) {
      return refusalOf(thrown)?.fault;
    }
  };
  for (const [name, tensors, metadata] of spellings)
    for (const known of [modules, null])
      expect(await faultOf(file(tensors, metadata), known), name).toBe('none');
  for (const [fault, tensors, options, metadata] of refused) {
    const factored = Object.keys(tensors).some((key) => key.includes('lokr'));
    if (UNSEEN.includes(fault) || factored || options?.adapterConfig !== undefined) continue;
    expect(await faultOf(file(tensors, metadata), modules), fault).toBe(fault);
  }
  const rank = { [`${Q}.lora_A.weight`]: DOWN, [`${Q}.lora_B.weight`]: [[3, 2], [1, 2, 3, 4, 5, 6]] } as const; // prettier-ignore
  expect(await faultOf(file(rank), null), 'ranks are compared without a model').toBe('rank_mismatch');
  expect(await faultOf(file({ 'proj.weight': [[1], [1]] }), null)).toBe('no_lora_keys');
  expect(await faultOf(file({ ...two, [`${Q}.dora_scale`]: [[1], [1]] }), null)).toBe('dora_unsupported');
});

test('the official model takes its own LoRAs, and says what is wrong with those of others', async () => {
  const pack = new URL('../../public/models/ace-step-v1-3.5b/', import.meta.url);
  const template = JSON.parse(readFileSync(new URL('manifest.json', pack), 'utf8')) as ModelManifest; // its title is read
  const manifest = { ...template, files: { 'recipe.fp16': { path: '', bytes: 0, sha256: '' } } }; // as once it is installed
  const model = { manifest, file: async (name: string) => readFileSync(new URL(`${name}.json`, pack)) };
  const fits = async (shapes: Readonly<Record<string, readonly number[]>>): Promise<void> => {
    const ranges = new Map(
      Object.entries(shapes).map(([key, shape]) => [key, { dtype: 'F16', shape, begin: 0, end: 0 } as const]),
    );
    await aceStepV1.checkLora({ metadata: new Map(), ranges }, model);
  };
  const key = 'transformer_blocks.0.attn.to_q';
  await fits({ [`${key}.lora_A.weight`]: [256, 2560], [`${key}.lora_B.weight`]: [2560, 256] });
  await expect(
    fits({ [`${key}.lora_A.weight`]: [16, 1024], [`${key}.lora_B.weight`]: [1024, 16] }),
  ).rejects.toThrow(/1024 x 1024 values where the model has 2560 x 2560\. It is for another model/);
  await expect(
    fits({ [`${key}.lora_A.weight`]: [16, 2560], [`${key}.lora_B.weight`]: [2560, 8] }),
  ).rejects.toThrow(/lora_A\.weight has rank 16, .*lora_B\.weight has 8/);
  await expect(fits({ 'unet.mid.lora_A.weight': [4, 8], 'unet.mid.lora_B.weight': [8, 4] })).rejects.toThrow(
    /none of its modules exists in this model\. Choose a LoRA made for it/,
  );
});

// ---- weight files

const q = Float32Array.of(1, 2, 3, 4, 5, 6); // to_q (3, 2)
const k = Float32Array.of(7, 8, 9, 10, 11, 12); // to_k (3, 2), which the LoRA leaves alone
const stacked: Omit<PlainParameter, 'dtype' | 'data'> = {
  name: 'qk',
  file: 'x.safetensors',
  keys: [`${Q}.weight`, 'blocks.0.attn.to_k.weight'],
  how: 'copy',
  shape: [2, 6],
  transpose: true,
};
/** (2, 6): inputs down, outputs of q then of k across. */
const stored = Float32Array.of(1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12);
const wanted = Float32Array.of(11, 23, 35, 7, 9, 11, 22, 44, 66, 8, 10, 12);

const recipe = (tensors: GraphRecipe['tensors'], path: string): GraphRecipe => ({
  graph: 'g',
  precision: 'fp32',
  file: 'g.onnx',
  shards: [{ path, bytes: 64 }],
  tensors,
});
const lora = (): Lora =>
  readLora(file({ [`${Q}.lora_A.weight`]: DOWN, [`${Q}.lora_B.weight`]: UP }), modules);

test('deltas reach stacked, transposed and half-size weights, in copies of their files', () => {
  const place = (bytes: number) => ({ shard: 0, offset: 4, bytes });
  const f32 = recipe([{ ...stacked, dtype: 'f32', data: place(48) }], 'a.bin');
  const f16 = recipe([{ ...stacked, dtype: 'f16', data: place(24) }], 'b.bin');
  expect(modulesIn([f32, f16])).toEqual(
    new Map([
      [Q, [3, 2]],
      ['blocks.0.attn.to_k', [3, 2]],
    ]),
  );
  const edit = loraEdit([f32, f16], [{ lora: lora(), strength: 1 }], 'key');
  expect([...edit.paths]).toEqual(['a.bin', 'b.bin']);

  const whole = new Uint8Array(52);
  whole.set(new Uint8Array(stored.buffer), 4);
  const before = whole.slice();
  expect(new Float32Array(edit.apply('a.bin', whole).slice(4).buffer)).toEqual(wanted);
  expect(whole).toEqual(before);

  const half = new Uint8Array(28);
  half.set(new Uint8Array(Uint16Array.from(stored, halfOf).buffer), 4);
  expect(widenF16(new Uint16Array(edit.apply('b.bin', half).slice(4).buffer))).toEqual(wanted);

  // The same by source tensors.
  const sources = new Map([[`${Q}.weight`, q], ['blocks.0.attn.to_k.weight', k]]); // prettier-ignore
  const [mergedQ, sameK] = applyLora(sources, lora(), 1).values();
  expect([...mergedQ!]).toEqual([11, 22, 23, 44, 35, 66]);
  expect(sameK).toBe(k);
});

test('a matrix that is split over several parameters gets its parts', () => {
  const part = (rows: readonly [number, number], offset: number): PlainParameter => ({
    ...stacked,
    keys: [`${Q}.weight`],
    rows,
    shape: [rows[1] - rows[0], 2],
    transpose: undefined as never,
    dtype: 'f32',
    data: { shard: 0, offset, bytes: 8 * (rows[1] - rows[0]) },
  });
  const split = recipe([part([0, 1], 0), part([1, 3], 8)], 'a.bin');
  expect(modulesIn([split]).get(Q)).toEqual([3, 2]);
  const edit = loraEdit([split], [{ lora: lora(), strength: -1 }], 'key');
  const out = edit.apply('a.bin', new Uint8Array(new Float32Array(6).buffer));
  expect([...new Float32Array(out.slice().buffer)]).toEqual(DELTA.map((d) => -d));
});
