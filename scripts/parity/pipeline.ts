/** Whole runs of the reference against pipeline/*.json and .safetensors, through the family as the application runs it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readWav } from '../../src/lib/audio/wav.ts';
import { secondsOf } from '../../src/lib/audio/pcm.ts';
import { branchesOf } from '../../src/lib/diffusion/guidance.ts';
import { latentRate, type AceStepConfig } from '../../src/lib/families/ace-step-v1/config.ts';
import { aceStepV1 } from '../../src/lib/families/ace-step-v1/index.ts';
import { lyricIds } from '../../src/lib/families/ace-step-v1/lyrics.ts';
import { lyricPositions } from '../../src/lib/families/ace-step-v1/positions.ts';
import type { Made, Model } from '../../src/lib/family.ts';
import type { Precision } from '../../src/lib/manifest.ts';
import { TorchGenerator } from '../../src/lib/random.ts';
import { checkTask, type Task, type TaskKind } from '../../src/lib/task.ts';
import { ids, sizeOf, type Tensor, type Value } from '../../src/lib/tensor.ts';
import {
  casesOf,
  need,
  readJson,
  readTensors,
  row,
  type GoldenFile,
  type GoldenTensor,
} from '../golden/read.ts';
import { differences, maxError, rmsError, turn, type Report } from './report.ts';

type AceStep = Model<AceStepConfig>;

/** Arguments of the reference's ACEStepPipeline.__call__. */
interface Call {
  readonly audio_duration?: number;
  readonly prompt?: string;
  readonly lyrics?: string;
  readonly infer_step?: number;
  readonly guidance_scale?: number;
  readonly scheduler_type?: string;
  readonly cfg_type?: string;
  readonly omega_scale?: number;
  readonly manual_seeds?: number | string | readonly number[] | null;
  readonly guidance_interval?: number;
  readonly guidance_interval_decay?: number;
  readonly min_guidance_scale?: number;
  readonly use_erg_tag?: boolean;
  readonly use_erg_lyric?: boolean;
  readonly use_erg_diffusion?: boolean;
  readonly oss_steps?: string | readonly number[] | null;
  readonly guidance_scale_text?: number;
  readonly guidance_scale_lyric?: number;
  readonly audio2audio_enable?: boolean;
  readonly ref_audio_strength?: number;
  readonly ref_audio_input?: string | null;
  readonly lora_name_or_path?: string;
  readonly lora_weight?: number;
  readonly retake_seeds?: number | string | readonly number[] | null;
  readonly retake_variance?: number;
  readonly task?: 'text2music' | 'retake' | 'repaint' | 'extend' | 'edit';
  readonly repaint_start?: number;
  readonly repaint_end?: number;
  readonly src_audio_path?: string | null;
  readonly edit_target_prompt?: string;
  readonly edit_target_lyrics?: string;
  readonly edit_n_min?: number;
  readonly edit_n_max?: number;
  readonly edit_n_avg?: number;
  readonly batch_size?: number;
}

interface Case {
  readonly call: Call;
  readonly lyric_ids?: readonly (readonly number[])[];
  readonly actual_seeds?: readonly number[];
  readonly retake_seeds?: readonly number[];
  readonly mid_index?: number;
}

export async function checkPipelines(
  folder: string,
  perform: <T>(work: (model: AceStep) => Promise<T>) => Promise<T>,
  precision: Precision,
  report: Report,
): Promise<void> {
  const pipeline = join(folder, 'pipeline');
  if (!existsSync(pipeline)) return;
  for (const path of readdirSync(pipeline)
    .filter((name) => name.endsWith('.json'))
    .sort()) {
    const name = path.slice(0, -'.json'.length);
    const tensors = join(pipeline, `${name}.safetensors`);
    if (!existsSync(tensors)) continue;
    await report.attempt(`pipeline/${name}`, () =>
      perform((model) =>
        checkCase(
          `pipeline/${name}`,
          folder,
          readJson<Case>(join(pipeline, path)),
          readTensors(tensors),
          model,
          precision,
          report,
        ),
      ),
    );
  }
}

async function checkCase(
  name: string,
  folder: string,
  golden: Case,
  file: GoldenFile,
  model: AceStep,
  precision: Precision,
  report: Report,
): Promise<void> {
  const task = taskOf(golden, folder, model);
  const check = (part: string, error: number, tolerance: Parameters<Report['add']>[2]): void =>
    report.add(`${name}.${part}`, error, tolerance);

  if (precision !== 'fp32') {
    const mistaken = await checkWords(golden, task, model, () => {});
    const songs = await aceStepV1.generate(task, new Recorder(model, mistaken));
    check('final_latents.cosine', turn(latentsOf(songs), need(file, 'final_latents').data), precision);
    return;
  }
  const mistaken = await checkWords(golden, task, model, check);
  checkNoise(task, file, check);
  const recorder = new Recorder(model, mistaken);
  const made = await aceStepV1.generate(task, recorder);
  checkConditions(task, file, recorder, check);
  checkSteps(file, recorder, golden.mid_index, check);
  const source = file.get('src_latents.0');
  if (source && recorder.source) check('src_latents', maxError(recorder.source, source.data), 'codec');
  checkSongs(made, file, check);
}

type Check = (part: string, error: number, tolerance: Parameters<Report['add']>[2]) => void;

/** Defaults of the call. SPEC 5.1. */
const DEFAULTS = {
  audio_duration: 60,
  prompt: '',
  lyrics: '',
  infer_step: 60,
  guidance_scale: 15,
  scheduler_type: 'euler',
  cfg_type: 'apg',
  omega_scale: 10,
  guidance_interval: 0.5,
  guidance_interval_decay: 0,
  min_guidance_scale: 3,
  use_erg_tag: true,
  use_erg_lyric: true,
  use_erg_diffusion: true,
  guidance_scale_text: 0,
  guidance_scale_lyric: 0,
  audio2audio_enable: false,
  ref_audio_strength: 0.5,
  lora_name_or_path: 'none',
  lora_weight: 1,
  retake_variance: 0.5,
  task: 'text2music',
  repaint_start: 0,
  edit_target_prompt: '',
  edit_target_lyrics: '',
  edit_n_min: 0,
  edit_n_max: 1,
  edit_n_avg: 1,
  batch_size: 1,
} as const satisfies Call;

type FullCall = Call & { readonly [K in keyof typeof DEFAULTS]: NonNullable<Call[K]> };

/** The reference's call as a task of ours. */
function taskOf({ call: given, actual_seeds, retake_seeds }: Case, folder: string, model: AceStep): Task {
  const call: FullCall = { ...DEFAULTS, ...given };
  const seeds = numbers(call.manual_seeds) ?? actual_seeds ?? [];
  const retakes = numbers(call.retake_seeds) ?? retake_seeds ?? [];
  const kind = call.audio2audio_enable ? 'audio2audio' : call.task;
  const path = call.audio2audio_enable ? call.ref_audio_input : call.src_audio_path;
  const lora = call.lora_name_or_path;
  const song = {
    prompt: call.prompt,
    lyrics: call.lyrics,
    seconds: call.audio_duration,
    seeds: Array.from({ length: call.batch_size }, (_, i) => seeds[Math.min(i, seeds.length - 1)]),
    sampling: samplingOf(call),
    loras: lora === 'none' ? [] : [{ file: loraFile(resolve(folder, lora)), weight: call.lora_weight }],
    ...KINDS[kind](call, retakes.slice(0, call.batch_size), path ? resolve(folder, path) : '', model.config),
  };
  return checkTask({ kind, ...song }, aceStepV1.limits(model.config, model.manifest));
}

const samplingOf = (call: FullCall) => ({
  steps: call.infer_step,
  solver: call.scheduler_type,
  omega: call.omega_scale,
  guidance: {
    type: call.cfg_type,
    scale: call.guidance_scale,
    textScale: call.guidance_scale_text,
    lyricScale: call.guidance_scale_lyric,
    interval: call.guidance_interval,
    decay: call.guidance_interval_decay,
    minScale: call.min_guidance_scale,
  },
  erg: { tag: call.use_erg_tag, lyric: call.use_erg_lyric, diffusion: call.use_erg_diffusion },
  ossSteps: numbers(call.oss_steps) ?? [],
});

type Special = (
  call: FullCall,
  retakeSeeds: readonly number[],
  source: string,
  config: AceStepConfig,
) => object;

/** The fields that a kind has beside the song's. */
const KINDS: { readonly [K in TaskKind]: Special } = {
  text2music: () => ({}),
  retake: (call, retakeSeeds) => ({ retakeSeeds, variance: call.retake_variance }),
  repaint: reworked,
  extend: reworked,
  edit: (call, retakeSeeds, source) => ({
    source,
    retakeSeeds,
    target: { prompt: call.edit_target_prompt, lyrics: call.edit_target_lyrics },
    nMin: call.edit_n_min,
    nMax: call.edit_n_max,
    nAvg: call.edit_n_avg,
  }),
  audio2audio: (call, _, source) => ({ source, strength: call.ref_audio_strength }),
};

/** Repaint and extend are one task of the reference: which of them it is, its region says. */
function reworked(
  call: FullCall,
  retakeSeeds: readonly number[],
  source: string,
  config: AceStepConfig,
): object {
  const [start, end] = [call.repaint_start, call.repaint_end ?? call.audio_duration];
  const again = { retakeSeeds, variance: call.retake_variance, source };
  const ends = extension(start, end, source, config);
  return ends
    ? { kind: 'extend', ...again, ...ends }
    : { kind: 'repaint', ...again, regions: [{ start, end }] };
}

/**
 * The reference extends where a repaint region reaches beyond the source; null where it does not. It shortens the end
 * by what it adds in front (SPEC 7.10); our tasks say what they mean, so the shorter end is what is asked for. Half a
 * frame keeps the counts clear of rounding.
 */
function extension(start: number, end: number, path: string, config: AceStepConfig) {
  const seconds = secondsOf(readWav(readFileSync(path)).pcm);
  const rate = latentRate(config);
  const frames = Math.ceil(Math.ceil(seconds * config.sampleRate - 1e-6) / (config.sampleRate / rate));
  const left = Math.max(0, -Math.trunc(start * rate));
  const last = Math.trunc(end * rate);
  if (left === 0 && last <= frames) return null;
  const right = last > frames ? last - frames - left : 0;
  return {
    before: left > 0 ? (left + 0.5) / rate : 0,
    after: right > 0 ? (frames + right + 0.5) / rate - seconds : 0,
  };
}

function loraFile(path: string): string {
  return path.endsWith('.safetensors') ? path : join(path, 'pytorch_lora_weights.safetensors');
}

function numbers(value: number | string | readonly number[] | null | undefined): readonly number[] | null {
  if (value === null || value === undefined || value === '') return null;
  if (typeof value === 'number') return [value];
  return typeof value === 'string' ? value.split(',').map(Number) : value;
}

/** Returns our ids that differ, with the stored ones: a word misread must not hide how the networks fare. */
async function checkWords(
  golden: Case,
  task: Task,
  model: AceStep,
  check: Check,
): Promise<readonly Mistaken[]> {
  const mistaken: Mistaken[] = [];
  const songs = [task.lyrics, ...('target' in task ? [task.target.lyrics] : [])].filter(
    (lyrics) => lyrics !== '',
  );
  const vocab = await model.file('lyric_vocab');
  for (const [i, stored] of (golden.lyric_ids ?? []).entries()) {
    const lyrics = songs[i] ?? '';
    const ours = await lyricIds(lyrics, { language: '', vocab, asset: (path) => model.asset(path) });
    const wrong = differences(ours, stored);
    check(`lyric_ids.${i}`, wrong, 'equal');
    if (wrong > 0) mistaken.push({ ours, stored });
  }
  return mistaken;
}

interface Mistaken {
  readonly ours: readonly number[];
  readonly stored: readonly number[];
}

/** noise.i in the order of drawing: an edit draws from the retake seeds alone, others first from the song's. */
function checkNoise(task: Task, file: GoldenFile, check: Check): void {
  const generators = (seeds: readonly number[]): TorchGenerator[] =>
    seeds.map((seed) => new TorchGenerator(seed));
  const songs = generators(task.seeds);
  const retakes = generators('retakeSeeds' in task ? task.retakeSeeds : []);
  const draw = (from: readonly TorchGenerator[], { shape }: GoldenTensor): Float32Array =>
    joined(from.map((generator) => generator.randn(sizeOf(shape) / from.length)));
  const count = [...file.keys()].filter((key) => /^noise\.\d+$/.test(key)).length;
  for (let i = 0; i < count; i++) {
    const stored = need(file, `noise.${i}`);
    check(
      `noise.${i}`,
      maxError(draw(task.kind === 'edit' || i > 0 ? retakes : songs, stored), stored.data),
      'exact',
    );
  }
  const steps = file.get('sde_noise');
  for (let i = 0; steps && i < steps.shape[0]!; i++) {
    const stored = row(steps, i);
    check(`sde_noise.${i}`, maxError(draw(songs.slice(0, 1), stored), stored.data), 'exact');
  }
}

/** Text and condition encoder, in the order in which the family asks them: by song, then by branch. */
function checkConditions(task: Task, file: GoldenFile, recorder: Recorder, check: Check): void {
  const said = recorder.texts.filter(({ scale }) => scale === 1);
  for (const [i, key] of casesOf(file, '.last_hidden_state')
    .filter((k) => /^text\.\d+$/.test(k))
    .entries()) {
    const stored = need(file, `${key}.last_hidden_state`);
    check(key, maxError(said[i]?.data ?? [], row(stored, 0).data), 'network');
  }
  const weak = recorder.texts.find(({ scale }) => scale !== 1);
  const stored = file.get('text_null.last_hidden_state');
  if (weak && stored) check('text_null', maxError(weak.data, row(stored, 0).data), 'network');

  const names = { words: 'cond', prompt: 'only_text', nothing: 'null' } as const;
  for (const [i, branch] of branchesOf(task.sampling.guidance).entries()) {
    const hidden = file.get(`encode.${names[branch]}.hidden_states`);
    const ours = recorder.conditions[i];
    if (!hidden || !ours) continue;
    const heard = row(need(file, `encode.${names[branch]}.mask`), 0).data.filter((v) => v !== 0).length;
    const size = heard * hidden.shape[2]!;
    check(
      `encode.${names[branch]}`,
      maxError(ours.subarray(0, size), row(hidden, 0).data.subarray(0, size)),
      'network',
    );
  }
}

/** First prediction, and the latents that the network sees: one tensor a step, whatever number of branches asks. */
function checkSteps(file: GoldenFile, recorder: Recorder, mid: number | undefined, check: Check): void {
  const first = need(file, 'decode.first.out');
  const together = first.shape[0]!; // songs and branches that the reference runs in one call, we one by one
  const call = (i: number, what: 'latents' | 'velocity'): Float32Array =>
    joined(recorder.steps.slice(i * together, (i + 1) * together).map((step) => step[what]));
  check('decode.first', maxError(call(0, 'velocity'), first.data), 'denoiser');
  const middle = file.get('decode.mid.out');
  if (middle && mid !== undefined)
    check('decode.mid', maxError(call(mid, 'velocity'), middle.data), 'latents');
  const trajectory = file.get('trajectory');
  if (!trajectory) return;
  const stored = trajectory.shape[0]!;
  const calls = Array.from({ length: recorder.steps.length / together }, (_, i) => call(i, 'latents'));
  // Stored once for calls that see the same latents, such as the branches of guidance.
  const distinct = calls.filter((latents, i) => i === 0 || maxError(latents, calls[i - 1]!) > 0);
  const seen = calls.length === stored ? calls : distinct;
  const errors = seen.map((latents, i) => maxError(latents, i < stored ? row(trajectory, i).data : []));
  const missing = seen.length === stored ? 0 : Infinity;
  check('trajectory', Math.max(missing, ...errors), 'latents');
}

function checkSongs(made: readonly Made[], file: GoldenFile, check: Check): void {
  const final = need(file, 'final_latents');
  check('final_latents', maxError(latentsOf(made), final.data), 'latents');
  // The sound is stored whole, or its head and every n-th sample.
  for (const [key, stored] of file) {
    const form = /^wav\d+k(?:_head(\d+)|_every(\d+))?$/.exec(key);
    if (!form) continue;
    const [head, every] = [form[1], form[2]].map((n) => (n === undefined ? null : Number(n)));
    const pick = (samples: Float32Array): Float32Array =>
      every ? samples.filter((_, i) => i % every === 0) : samples.subarray(0, head ?? samples.length);
    const ours = joined(made.flatMap(({ pcm }) => pcm.channels.map(pick)));
    check(key, maxError(ours, stored.data), 'sound');
    check(`${key}.rms`, rmsError(ours, stored.data), 'soundRms');
  }
}

const latentsOf = (made: readonly Made[]): Float32Array =>
  joined(made.map(({ latents }) => latents.data as Float32Array)); // the family's latents are floats

function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A model that remembers what went through its graphs, and reads lyrics as stored where we misread them. */
class Recorder implements Model<AceStepConfig> {
  readonly texts: { readonly scale: number; readonly data: Float32Array }[] = [];
  readonly conditions: Float32Array[] = [];
  readonly steps: { readonly latents: Float32Array; readonly velocity: Float32Array }[] = [];
  source: Float32Array | null = null;
  readonly #model: AceStep;

  readonly #mistaken: readonly Mistaken[];

  constructor(model: AceStep, mistaken: readonly Mistaken[]) {
    this.#model = model;
    this.#mistaken = mistaken;
  }

  get manifest() {
    return this.#model.manifest;
  }
  get config() {
    return this.#model.config;
  }
  get signal() {
    return this.#model.signal;
  }
  has(graph: string): boolean {
    return this.#model.has(graph);
  }
  saved = async () => null;
  save = async () => undefined;

  async run(graph: string, feeds: Readonly<Record<string, Value>>): Promise<Readonly<Record<string, Value>>> {
    const outputs = await this.#model.run(graph, this.#corrected(feeds));
    const [output] = Object.values(outputs);
    const values = async (value: Value | undefined): Promise<Float32Array> => {
      const tensor: Tensor | undefined = value && 'read' in value ? await value.read() : value;
      return (tensor?.data as Float32Array).slice(); // float graphs
    };
    if (graph === 'text_encoder') {
      this.texts.push({ scale: (await values(feeds['erg_scale']))[0]!, data: await values(output) });
    } else if (graph === 'condition_encoder') this.conditions.push(await values(output));
    else if (graph === 'denoiser') {
      this.steps.push({ latents: await values(feeds['latents']), velocity: await values(output) });
    } else if (graph === 'dcae_encoder') {
      const { shift, scale } = this.config.latent;
      this.source = (await values(output)).map((z) => (z - shift) * scale);
    }
    return outputs;
  }

  /** The same lyrics, or as many zeros, by the stored ids. */
  #corrected(feeds: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
    const given = feeds['lyric_ids'];
    if (!given || !('data' in given)) return feeds;
    const read = [...given.data].map(Number);
    const match = this.#mistaken.find(({ ours }) => ours.length === read.length);
    if (!match || !this.config.lyrics) return feeds;
    const stored = read.every((id) => id === 0) ? match.stored.map(() => 0) : match.stored;
    return {
      ...feeds,
      lyric_ids: ids(stored),
      rel_pos: lyricPositions(stored.length, this.config.lyrics.hidden),
    };
  }

  done(graph: string) {
    return this.#model.done(graph);
  }
  file(name: string) {
    return this.#model.file(name);
  }
  asset(path: string) {
    return this.#model.asset(path);
  }
  open(...args: Parameters<AceStep['open']>) {
    return this.#model.open(...args);
  }
  latentsOf(...args: Parameters<AceStep['latentsOf']>) {
    return this.#model.latentsOf(...args);
  }
  lora(ref: string) {
    return this.#model.lora(ref);
  }
  adapt(...args: Parameters<AceStep['adapt']>) {
    return this.#model.adapt(...args);
  }
  report(...args: Parameters<AceStep['report']>) {
    this.#model.report(...args);
  }
}
