/** Single networks and signal processing against modules/*.safetensors: one entry a file, cases by tensor names. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { logMel, MEL, melBands } from '../../src/lib/audio/mel.ts';
import { resample } from '../../src/lib/audio/resample.ts';
import { decodeLatents, encodeAudio } from '../../src/lib/families/ace-step-v1/codec.ts';
import { plainTensor, WEAK } from '../../src/lib/families/ace-step-v1/condition.ts';
import type { AceStepConfig } from '../../src/lib/families/ace-step-v1/config.ts';
import {
  lyricPositions,
  relativeBuckets,
  ropeTables,
  timeFeatures,
  type Rope,
} from '../../src/lib/families/ace-step-v1/positions.ts';
import type { Model } from '../../src/lib/family.ts';
import { float32, ids, scalar, type Tensor } from '../../src/lib/tensor.ts';
import { loadTokenizer } from '../../src/lib/text/tokenizer.ts';
import {
  casesOf,
  need,
  readJson,
  readTensors,
  row,
  type GoldenFile,
  type GoldenTensor,
} from '../golden/read.ts';
import { differences, maxError, type Report } from './report.ts';

type AceStep = Model<AceStepConfig>;

interface Context {
  readonly file: GoldenFile;
  /** Name of the file, for the report. */
  readonly name: string;
  /** The golden folder. */
  readonly folder: string;
  readonly model: AceStep;
  readonly report: Report;
}

const MODULES: Readonly<Record<string, (context: Context) => Promise<void>>> = {
  text_encoder: textEncoder,
  transformer_encode: conditionEncoder,
  transformer_decode: denoiser,
  dcae,
  vocoder,
  mel,
  resample: resampling,
  music_dcae: codec,
  music_dcae_overlap: longCodec,
};

export async function checkModules(folder: string, model: AceStep, report: Report): Promise<void> {
  const modules = join(folder, 'modules');
  if (!existsSync(modules)) return;
  for (const path of readdirSync(modules)
    .filter((name) => name.endsWith('.safetensors'))
    .sort()) {
    const name = path.slice(0, -'.safetensors'.length);
    const check = MODULES[name];
    if (!check) {
      report.skip(`modules/${name}`, 'not a module of this layout');
      continue;
    }
    const file = readTensors(join(modules, path));
    await report.attempt(`modules/${name}`, () =>
      check({ file, name: `modules/${name}`, folder, model, report }),
    );
  }
}

const tensor = ({ shape, data }: GoldenTensor): Tensor => float32(data, shape);
const batched = (golden: GoldenTensor, index: number): GoldenTensor => {
  const { shape, data } = row(golden, index);
  return { shape: [1, ...shape], data };
};

async function run(
  model: AceStep,
  graph: string,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<GoldenTensor> {
  const [output] = Object.values(await model.run(graph, feeds));
  const { dims, data } = await plainTensor(output);
  return { shape: dims, data: data as Float32Array }; // graphs have float outputs
}

/** Positions whose mask is set. */
const kept = ({ data }: GoldenTensor): number[] => [...data.keys()].filter((i) => data[i] !== 0);

/** Rows `indices` of a (1, rows, size) or (rows, size) tensor. */
function rows({ shape, data }: GoldenTensor, indices: readonly number[]): GoldenTensor {
  const size = shape.at(-1)!;
  const out = new Float32Array(indices.length * size);
  indices.forEach((from, to) => out.set(data.subarray(from * size, (from + 1) * size), to * size));
  return { shape: [...shape.slice(0, -2), indices.length, size], data: out };
}

const count = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

async function textEncoder({ file, name, folder, model, report }: Context): Promise<void> {
  const { text } = model.config;
  if (text.tokenizer !== 'unigram') throw new Error('this model has no buckets');
  const index = join(folder, 'modules/index.json');
  const facts = existsSync(index)
    ? readJson<Record<string, { prompts?: Record<string, string[]> }>>(index)
    : {};
  const prompts = facts['modules/text_encoder.safetensors']?.prompts ?? {};
  const tokenizer = loadTokenizer(await model.file('tokenizer'));
  for (const key of casesOf(file, '.input_ids')) {
    const all = need(file, `${key}.input_ids`);
    for (const b of count(all.shape[0]!)) {
      const real = kept(row(need(file, `${key}.attention_mask`), b)).length;
      const tokens = [...row(all, b).data.subarray(0, real)];
      const prompt = prompts[key]?.[b];
      if (prompt !== undefined) {
        const ours = tokenizer.encode(prompt, text.maxTokens);
        report.add(`${name}/${key}[${b}].tokens`, differences(ours, tokens), 'equal');
      }
      for (const [suffix, scale] of [
        ['', 1],
        ['_erg_tag', WEAK],
      ] as const) {
        const stored = file.get(`${key}.last_hidden_state${suffix}`);
        if (!stored) continue;
        const hidden = await run(model, 'text_encoder', {
          input_ids: ids(tokens),
          rel_bucket: relativeBuckets(real, text.buckets, text.maxDistance),
          erg_scale: scalar(scale),
        });
        const shared = count(Math.min(real, stored.shape[1]!)); // long cases keep their first positions alone
        const error = maxError(rows(hidden, shared).data, rows(row(stored, b), shared).data);
        report.add(`${name}/${key}[${b}]${suffix}`, error, 'network');
      }
    }
  }
}

async function conditionEncoder({ file, name, model, report }: Context): Promise<void> {
  for (const key of casesOf(file, '.in.lyric_mask')) {
    const input = (part: string, b: number): GoldenTensor => row(need(file, `${key}.in.${part}`), b);
    for (const b of count(need(file, `${key}.in.lyric_mask`).shape[0]!)) {
      const words = kept(input('text_attention_mask', b));
      const sung = kept(input('lyric_mask', b));
      const text = rows(input('encoder_text_hidden_states', b), words);
      const lyrics = sung.length > 0 ? sung.map((i) => input('lyric_token_idx', b).data[i]!) : [0];
      const textLength = input('text_attention_mask', b).data.length;
      const places = [0, ...words.map((i) => 1 + i), ...sung.map((i) => 1 + textLength + i)];
      for (const [suffix, scale] of [
        ['out', 1],
        ['erg_lyric', WEAK],
      ] as const) {
        const stored = file.get(`${key}.${suffix}.encoder_hidden_states`);
        if (!stored) continue;
        const condition = await run(model, 'condition_encoder', {
          text: float32(text.data, [1, ...text.shape]),
          lyric_ids: ids(lyrics),
          rel_pos: lyricPositions(lyrics.length, model.config.lyrics?.hidden ?? 0),
          speaker: tensor(batched(need(file, `${key}.in.speaker_embeds`), b)),
          erg_scale: scalar(scale),
        });
        const error = maxError(rows(condition, count(places.length)).data, rows(row(stored, b), places).data);
        report.add(`${name}/${key}[${b}].${suffix}`, error, 'network');
      }
    }
  }
}

async function denoiser({ file, name, model, report }: Context): Promise<void> {
  for (const output of [...file.keys()].filter((key) => key.includes('.out.sample'))) {
    const [time = '', suffix = ''] = output.split('.out.sample');
    const key = casesOf(file, '.in.encoder_hidden_states').find((c) => time.startsWith(`${c}.`));
    if (key === undefined) continue; // another call's output, kept beside its intermediates
    for (const b of count(need(file, `${key}.in.hidden_states`).shape[0]!)) {
      const t = need(file, `${time}.in.timestep`).data[b]!;
      const velocity = await denoised(file, key, t, b, suffix === '' ? 1 : WEAK, model);
      report.add(
        `${name}/${time}[${b}]${suffix}`,
        maxError(velocity, row(need(file, output), b).data),
        'denoiser',
      );
    }
  }
}

/** The velocity that our graphs give for item `b` of a stored case. */
export async function denoised(
  file: GoldenFile,
  key: string,
  timestep: number,
  b: number,
  scale: number,
  model: AceStep,
): Promise<Float32Array> {
  const { headDim, ropeTheta } = model.config;
  const rope = (positions: readonly number[]): Rope => {
    const { rope_cos, rope_sin } = ropeTables(Math.max(...positions) + 1, headDim, ropeTheta);
    const pick = ({ dims, data }: Tensor): Tensor =>
      tensor(rows({ shape: dims, data: data as Float32Array }, positions)); // float tables
    return { rope_cos: pick(rope_cos), rope_sin: pick(rope_sin) };
  };
  // Masked tokens keep their place: what follows them stays where it was.
  const heard = kept(row(need(file, `${key}.in.encoder_hidden_mask`), b));
  const condition = rows(batched(need(file, `${key}.in.encoder_hidden_states`), b), heard);
  const latents = batched(need(file, `${key}.in.hidden_states`), b);
  const { velocity } = await model.run('denoiser', {
    ...(await model.run('cross_kv', { condition: tensor(condition), ...rope(heard) })),
    ...rope(count(latents.shape[3]!)),
    latents: tensor(latents),
    time_features: timeFeatures(timestep),
    erg_scale: scalar(scale),
  });
  return (await plainTensor(velocity)).data as Float32Array; // velocities are floats
}

async function dcae({ file, name, model, report }: Context): Promise<void> {
  for (const [prefix, graph, input] of [
    ['enc', 'dcae_encoder', 'mel'],
    ['dec', 'dcae_decoder', 'z'],
  ] as const) {
    for (const key of casesOf(file, '.in').filter((k) => k.startsWith(`${prefix}.`))) {
      const out = await run(model, graph, { [input]: tensor(need(file, `${key}.in`)) });
      report.add(`${name}/${key}`, maxError(out.data, need(file, `${key}.out`).data), 'network');
    }
  }
}

async function vocoder({ file, name, model, report }: Context): Promise<void> {
  const mels = need(file, 'in.mel');
  for (const c of count(mels.shape[0]!)) {
    const wave = await run(model, 'vocoder', { mel: tensor(batched(mels, c)) });
    report.add(`${name}/channel${c}`, maxError(wave.data, row(need(file, 'out.wav'), c).data), 'network');
  }
}

async function mel({ file, name, report }: Context): Promise<void> {
  const audio = need(file, 'in.audio');
  for (const c of count(audio.shape[0]!)) {
    const error = maxError(logMel(row(audio, c).data.slice()), row(need(file, 'out.logmel'), c).data);
    report.add(`${name}/logmel${c}`, error, 'mel');
  }
  const stored = file.get('const.mel_fb');
  if (stored) {
    const { first, start, values } = melBands();
    const bins = MEL.fft / 2 + 1;
    const dense = new Float32Array(bins * MEL.bands);
    for (const band of count(MEL.bands)) {
      const weights = values.subarray(start[band], start[band + 1]);
      weights.forEach((weight, i) => (dense[(first[band]! + i) * MEL.bands + band] = weight));
    }
    // Some folders keep every n-th row.
    const stride = Math.ceil(bins / stored.shape[0]!);
    const rowsKept = count(stored.shape[0]!).map((i) => i * stride);
    const error = maxError(rows({ shape: [bins, MEL.bands], data: dense }, rowsKept).data, stored.data);
    report.add(`${name}/mel_fb`, error, 'exact');
  }
}

async function resampling({ file, name, report }: Context): Promise<void> {
  for (const key of casesOf(file, '.in')) {
    const [from, to] = key.split('_').map(Number) as [number, number]; // "44100_48000"
    const input = need(file, `${key}.in`);
    for (const c of count(input.shape[0]!)) {
      const error = maxError(resample(row(input, c).data, from, to), row(need(file, `${key}.out`), c).data);
      report.add(`${name}/${key}[${c}]`, error, 'resample');
    }
  }
}

/** A model whose config differs. */
const configured = (model: AceStep, changes: Partial<AceStepConfig>): AceStep =>
  new Proxy(model, {
    get(target, property) {
      if (property === 'config') return { ...target.config, ...changes };
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

const stereo = (wave: GoldenTensor): Float32Array[] => count(wave.shape[0]!).map((c) => row(wave, c).data);
const worst = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...b.map((channel, c) => maxError(a[c] ?? [], channel)));

async function codec({ file, name, folder, model, report }: Context): Promise<void> {
  const sounds = existsSync(join(folder, 'audio')) ? readdirSync(join(folder, 'audio')) : [];
  for (const key of casesOf(file, '.audio')) {
    // The rate is in the name of the sound that the case was made from: encode.x -> enc_x_RATE.wav
    const rate = sounds
      .map((s) => /^enc_(.+)_(\d+)\.wav$/.exec(s))
      .find((m) => m?.[1] === key.split('.').at(-1))?.[2];
    if (rate === undefined) {
      report.skip(`${name}/${key}`, 'no audio/enc_*_RATE.wav names its rate');
      continue;
    }
    const pcm = { channels: stereo(need(file, `${key}.audio`)), sampleRate: Number(rate) };
    const { data } = await encodeAudio(pcm, model);
    report.add(`${name}/${key}`, maxError(data as Float32Array, need(file, `${key}.latents`).data), 'codec');
  }
  for (const [suffix, outputRate] of [
    ['wav44k', 44100],
    ['wav48k', 48000],
  ] as const) {
    const stored = file.get(`decode.${suffix}`);
    const latents = file.get('decode.latents');
    if (!stored || !latents) continue;
    for (const b of count(latents.shape[0]!)) {
      const pcm = await decodeLatents(tensor(batched(latents, b)), configured(model, { outputRate }));
      report.add(`${name}/decode[${b}].${suffix}`, worst(pcm.channels, stereo(row(stored, b))), 'codec');
    }
  }
}

/** Songs longer than a window: whole, and by the reference's overlapping windows. Stored thinned, and some stretches. */
async function longCodec({ file, name, model, report }: Context): Promise<void> {
  const latents = need(file, [...file.keys()].find((key) => key.startsWith('latents')) ?? 'latents');
  const whole = { window: { ...model.config.window, latents: latents.shape[3]! } };
  for (const way of ['full', 'overlap'] as const) {
    const parts = [...file.keys()].filter((key) => key.startsWith(`${way}.`));
    if (parts.length === 0) continue;
    const pcm = await decodeLatents(tensor(latents), way === 'full' ? configured(model, whole) : model);
    for (const part of parts) {
      const stored = need(file, part);
      const every = /_every(\d+)$/.exec(part)?.[1];
      const at = /window_at_(\d+)$/.exec(part)?.[1];
      const pick = (channel: Float32Array): Float32Array =>
        every
          ? channel.filter((_, i) => i % Number(every) === 0)
          : channel.slice(Number(at), Number(at) + stored.shape[1]!);
      if (every ?? at) report.add(`${name}/${part}`, worst(pcm.channels.map(pick), stereo(stored)), 'codec');
      else report.add(`${name}/${part}`, Math.abs(pcm.channels[0]!.length - stored.data[0]!), 'equal');
    }
  }
}
