import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { maxError } from '../../../../scripts/parity/report.ts';
import type { EngineEvent } from '../../events.ts';
import type { Model, Saved, StepsDone } from '../../family.ts';
import type { ModelManifest } from '../../manifest.ts';
import { TorchGenerator } from '../../random.ts';
import { checkTask } from '../../task.ts';
import { float32, type Tensor, type Value } from '../../tensor.ts';
import { WEAK } from './condition.ts';
import { parseConfig, type AceStepConfig } from './config.ts';
import { aceStepV1 } from './index.ts';

const SIZES = {
  sampleRate: 44100,
  outputRate: 44100,
  hop: 512,
  framesPerLatent: 8,
  channels: 2,
  rows: 3,
  heads: 1,
  headDim: 4,
  ropeTheta: 10000,
  speakerSize: 512,
  shift: 3,
  text: { tokenizer: 'words', maxTokens: 8 },
  lyrics: null,
  planner: false,
  melRange: null,
  latent: { shift: 0, scale: 1 },
  vocoder: 'waveform',
  window: { latents: 64, overlap: 16 },
  normalise: null,
  seconds: { min: 0.5, max: 60, default: 1 },
  sampling: {
    steps: 4,
    solver: 'euler',
    omega: 0,
    guidance: { type: 'cfg', scale: 3, textScale: 0, lyricScale: 0, interval: 1, decay: 0, minScale: 1 },
    erg: { tag: false, lyric: false, diffusion: false },
    ossSteps: [],
  },
  presets: {},
};
const PLANES = SIZES.channels * SIZES.rows;

type Feeds = Readonly<Record<string, Value>>;
const plain = (value: Value | undefined): Tensor => value as Tensor; // this model keeps nothing on a device
const values = (value: Value | undefined): number[] => [...plain(value).data].map(Number);

/** Networks that a test can see through: the denoiser's exact velocity points to latents of 0.25. */
class GlassModel implements Model<AceStepConfig> {
  readonly config: AceStepConfig;
  readonly manifest: ModelManifest;
  readonly events: EngineEvent[] = [];
  readonly runs: { readonly graph: string; readonly feeds: Feeds }[] = [];
  readonly adapted: unknown[] = [];
  stop = false;
  kept: Tensor | null = null;
  memo: unknown = null;

  constructor(changes: object = {}) {
    this.config = parseConfig({ ...SIZES, ...changes });
    const graph = { inputs: [], outputs: [], keep: [], variants: [] };
    this.manifest = {
      schema: 1,
      id: 'glass',
      family: 'ace-step-v1',
      title: 'Glass',
      description: '',
      license: '',
      source: { repo: '', revision: '' },
      config: this.config,
      files: {},
      graphs: { dcae_encoder: graph },
    };
  }

  get signal() {
    return { throwIfAborted: () => {}, stopAndKeep: this.stop };
  }

  has = () => true;
  saved = async (): Promise<Saved | null> => null;
  save = async (_at: StepsDone, _state: () => Saved): Promise<void> => {};
  done = async () => {};
  asset = async () => new Uint8Array();
  lora = async () => new Uint8Array();
  open = async () => ({ channels: [new Float32Array(44100).fill(0.1)], sampleRate: 44100 });
  latentsOf = async () => this.kept && { latents: this.kept, memo: this.memo };
  adapt = async (edit: unknown) => void this.adapted.push(edit);
  file = async (_name?: string): Promise<Uint8Array> =>
    new TextEncoder().encode(JSON.stringify({ type: 'words', words: ['', '', 'calm', 'loud'] }));

  report(event: EngineEvent): void {
    this.events.push(event);
  }

  async run(graph: string, feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> {
    this.runs.push({ graph, feeds });
    const dims = (name: string): readonly number[] => feeds[name]!.dims;
    const rows = (n: number, size: number, fill = 1): Tensor =>
      float32(new Float32Array(n * size).fill(fill), [1, n, size]);
    switch (graph) {
      case 'text_encoder':
        return { text: rows(dims('input_ids')[1]!, 4, values(feeds['erg_scale'])[0]) };
      case 'condition_encoder':
        return { condition: rows(1 + dims('text')[1]! + dims('lyric_ids')[1]!, 4) };
      case 'cross_kv':
        return { k: plain(feeds['condition']), v: plain(feeds['condition']) };
      case 'denoiser': {
        const { data, dims: shape } = plain(feeds['latents']);
        const [sigma] = values(feeds['sigma']);
        return {
          velocity: float32(
            (data as Float32Array).map((v) => (v - 0.25) / sigma!),
            shape,
          ),
        };
      }
      case 'dcae_encoder':
        return {
          z: float32(new Float32Array((PLANES * dims('mel')[3]!) / 8).fill(0.5), [
            1,
            2,
            3,
            dims('mel')[3]! / 8,
          ]),
        };
      case 'dcae_decoder':
        return {
          mel: float32(new Float32Array(2 * 128 * 8 * dims('z')[3]!), [1, 2, 128, 8 * dims('z')[3]!]),
        };
      case 'vocoder':
        return {
          waveform: float32(new Float32Array(512 * dims('mel')[2]!).fill(0.01), [1, 512 * dims('mel')[2]!]),
        };
      default:
        throw new Error(graph);
    }
  }

  runsOf = (graph: string): Feeds[] => this.runs.filter((r) => r.graph === graph).map((r) => r.feeds);

  make(input: object) {
    const limits = aceStepV1.limits(this.config, this.manifest);
    return aceStepV1.generate(
      checkTask(input, limits, () => 3),
      this,
    );
  }
}

/** A model that sings, whose lyrics are empty here: reading them needs the vocabulary. */
const SINGER = {
  lyrics: { hidden: 6 },
  sampling: { ...SIZES.sampling, erg: { tag: true, lyric: true, diffusion: true } },
};

describe('generate', () => {
  test('tells what it does, in the order of the flow, and gives sound with its latents', async () => {
    const model = new GlassModel();
    const [song, ...more] = await model.make({ prompt: 'calm', seconds: 2, seed: 11 });
    expect(more).toEqual([]);
    expect(song!.seed).toBe(11);
    expect(song!.latents.dims).toEqual([1, 2, 3, 21]);
    expect(
      maxError(song!.latents.data as Float32Array, new Float32Array(PLANES * 21).fill(0.25)),
    ).toBeLessThan(1e-5);
    expect(song!.pcm.channels[0]).toHaveLength(21 * 4096);
    const told = model.events.filter((e) => e.type !== 'audio');
    expect(told.map((e) => (e.type === 'stage' ? e.stage : e.type))).toEqual([
      'words', 'denoise', 'schedule', 'step', 'step', 'step', 'step', 'sound',
    ]); // prettier-ignore
    expect(model.events.find((e) => e.type === 'schedule')!.sigmas).toHaveLength(5);
    expect(model.events.filter((e) => e.type === 'step').map(({ step, steps }) => [step, steps])).toEqual([
      [1, 4], [2, 4], [3, 4], [4, 4],
    ]); // prettier-ignore
    expect(model.events.filter((e) => e.type === 'audio').at(-1)).toMatchObject({
      index: 0,
      total: 21 * 4096,
    });
    expect(model.adapted).toEqual([null]);
    expect(model.runs.map(({ graph }) => graph).filter((g, i, all) => g !== all[i - 1])).toEqual([
      'text_encoder', 'condition_encoder', 'cross_kv', 'text_encoder', 'condition_encoder', 'cross_kv',
      'denoiser', 'dcae_decoder', 'vocoder',
    ]); // prettier-ignore
  });

  test('each song of a batch has its own noise, and all share their words', async () => {
    const model = new GlassModel();
    const made = await model.make({ prompt: 'calm', seeds: [1, 2], guidance: 1 });
    expect(made.map(({ seed }) => seed)).toEqual([1, 2]);
    const steps = model.runsOf('denoiser');
    expect(steps).toHaveLength(8);
    expect(model.runsOf('cross_kv')).toHaveLength(1);
    for (const [i, seed] of [1, 2].entries()) {
      expect(plain(steps[i]!['latents']).data).toEqual(new TorchGenerator(seed).randn(PLANES * 10));
    }
  });

  test('lyrics for a model that does not sing are told, and left out', async () => {
    const model = new GlassModel();
    await model.make({ lyrics: 'la la' });
    expect(model.events).toContainEqual(expect.objectContaining({ type: 'notice', code: 'no-singing' }));
    expect(model.runsOf('condition_encoder').every((feeds) => values(feeds['lyric_ids']).length === 1)).toBe(
      true,
    );
  });

  test('a negative prompt takes the place of no prompt', async () => {
    const ids = async (input: object): Promise<number[][]> => {
      const model = new GlassModel();
      await model.make({ prompt: 'calm', ...input });
      return model.runsOf('text_encoder').map((feeds) => values(feeds['input_ids']));
    };
    const [calm, empty] = await ids({});
    const [same, loud] = await ids({ negativePrompt: 'loud' });
    expect(same).toEqual(calm);
    expect(loud).not.toEqual(empty);
    expect(await ids({ guidance: 1, negativePrompt: 'loud' })).toEqual([calm]);
  });

  test('a loudness that the config asks for is reached', async () => {
    const [loud] = await new GlassModel({ normalise: { lufs: -20, peak: 0.5 } }).make({ seconds: 2 });
    const [plainly] = await new GlassModel().make({ seconds: 2 });
    const gain = loud!.pcm.channels[0]![40000]! / plainly!.pcm.channels[0]![40000]!;
    expect(gain).toBeGreaterThan(1.5);
    expect(loud!.pcm.channels[1]![50000]! / plainly!.pcm.channels[1]![50000]!).toBeCloseTo(gain, 4);
  });
});

describe('levels of a latent frame', () => {
  /** "Nothing" is asked second in each step, and points elsewhere. */
  class GuidedModel extends GlassModel {
    override async run(graph: string, feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> {
      const out = await super.run(graph, feeds);
      if (graph !== 'denoiser' || this.runsOf('denoiser').length % 2 === 1) return out;
      const { data, dims } = out['velocity']!;
      return { velocity: float32((data as Float32Array).map((v) => v - 1), dims) }; // prettier-ignore
    }
  }
  /** Its data rises from frame to frame. */
  class SlantedModel extends GlassModel {
    override async run(graph: string, feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> {
      if (graph !== 'denoiser') return super.run(graph, feeds);
      const { data, dims } = plain(feeds['latents']);
      const [sigma] = values(feeds['sigma']);
      const risen = (data as Float32Array).map((v, i) => (v - 0.1 * (i % dims[3]!)) / sigma!);
      return { velocity: float32(risen, dims) };
    }
  }
  const withLevels = <M extends GlassModel>(model: M, levels: Float32Array): M => {
    const bytes = new Uint8Array(levels.buffer);
    const words = model.file;
    model.file = async (name?: string) => (name === 'levels' ? bytes : words());
    Object.assign(model.manifest.files, {
      levels: { path: 'levels.bin', bytes: bytes.length, sha256: '' },
    });
    return model;
  };
  const fifth = Float32Array.of(0, 0, 0, 0, 1, 0);
  const songOf = async (model: GlassModel, guidance: number): Promise<Float32Array> =>
    (await model.make({ prompt: 'calm', guidance }))[0]!.latents.data as Float32Array;
  const row = (x: Float32Array, d: number): Float32Array =>
    x.subarray((d * x.length) / PLANES, ((d + 1) * x.length) / PLANES);

  test('guidance leaves them alone, and nothing else', async () => {
    const free = await songOf(new GlassModel(), 1);
    const whole = await songOf(new GuidedModel(), 3);
    const held = await songOf(withLevels(new GuidedModel(), fifth), 3);
    for (let d = 0; d < PLANES; d++) {
      expect(maxError(row(whole, d), row(free, d))).toBeGreaterThan(0.01);
      expect(maxError(row(held, d), row(d === 4 ? free : whole, d))).toBeLessThan(1e-5);
    }
  });

  test('the pack says how far they keep from their mean over the song', async () => {
    const model = (changes: object): GlassModel => withLevels(new SlantedModel(changes), fifth);
    const whole = await songOf(model({}), 1);
    const half = await songOf(model({ levelContrast: 0.5 }), 1);
    const frames = whole.length / PLANES;
    for (let d = 0; d < PLANES; d++) {
      const mean = row(whole, d).reduce((sum, v) => sum + v / frames, 0);
      const wanted = row(whole, d).map((v) => (d === 4 ? (v + mean) / 2 : v));
      expect(maxError(row(half, d), wanted)).toBeLessThan(1e-5);
    }
    expect(maxError(row(whole, 4), row(half, 4))).toBeGreaterThan(0.1);
  });

  test('a file of another size is refused', async () => {
    await expect(songOf(withLevels(new GlassModel(), new Float32Array(7)), 3)).rejects.toThrow(
      'files.levels has 28 bytes; it must have a multiple of 24, the size of one direction.',
    );
  });
});

describe('branches of a singer', () => {
  const heard = async (input: object) => {
    const model = new GlassModel(SINGER);
    await model.make({ prompt: 'calm', ...input });
    return {
      model,
      texts: model.runsOf('condition_encoder').map((feeds) => values(feeds['text'])[0]),
      lyricScales: model.runsOf('condition_encoder').map((feeds) => values(feeds['erg_scale'])[0]),
      stepScales: new Set(model.runsOf('denoiser').map((feeds) => values(feeds['erg_scale'])[0])),
    };
  };
  const weak = Math.fround(WEAK);
  const erg = (tag: boolean, lyric: boolean, diffusion = false) => ({
    sampling: { erg: { tag, lyric, diffusion } },
  });

  test('weakened attention stands for "nothing"; the tag switch needs the lyric switch', async () => {
    expect(await heard({})).toMatchObject({
      texts: [1, weak],
      lyricScales: [1, weak],
      stepScales: new Set([1, weak]),
    });
    expect(await heard(erg(true, false))).toMatchObject({
      texts: [1, 0],
      lyricScales: [1, 1],
      stepScales: new Set([1]),
    });
    expect(await heard(erg(false, true))).toMatchObject({ texts: [1, 0], lyricScales: [1, weak] });
  });

  test('double condition asks a third branch, with the prompt and weakened lyrics', async () => {
    const guidance = { textScale: 5, lyricScale: 1.5 };
    expect(await heard({ guidance })).toMatchObject({ texts: [1, 1, weak], lyricScales: [1, weak, weak] });
  });

  test('without lyrics the one token that goes in comes out again', async () => {
    const { model } = await heard({});
    const [feeds] = model.runsOf('condition_encoder');
    expect(values(feeds!['lyric_ids'])).toEqual([0]);
    expect(plain(feeds!['rel_pos']).dims).toEqual([1, 1, 6]);
    const tokens = plain(feeds!['text']).dims[1]!;
    expect(plain(model.runsOf('cross_kv')[0]!['condition']).dims).toEqual([1, 1 + tokens, 4]);
  });

  test('facts become tags where the prompt does not hold them', async () => {
    const length = async (input: object): Promise<number> =>
      (await heard({ guidance: 1, ...input })).model.runsOf('text_encoder')[0]!['input_ids']!.dims[1]!;
    expect(await length({ key: 'loud' })).toBe((await length({})) + 1);
    expect(await length({ key: 'CALM' })).toBe(await length({}));
  });

  test('edit hears no weakened predictions', async () => {
    const edit = await heard({ kind: 'edit', source: 'a', target: { prompt: 'loud' } });
    expect(edit).toMatchObject({ texts: [1, 0, 1, 0], lyricScales: [1, 1, 1, 1], stepScales: new Set([1]) });
    expect(edit.model.runsOf('denoiser')).toHaveLength(4 * 2 * 2);
  });
});

describe('sources', () => {
  test('a sound is encoded; latents of our own are taken as they are', async () => {
    const model = new GlassModel();
    const repaint = { kind: 'repaint', source: 'a', start: 0, end: 0.3, variance: 1 };
    const [imported] = await model.make(repaint);
    expect(model.runsOf('dcae_encoder')).toHaveLength(1);
    expect(imported!.latents.dims[3]).toBe(11);
    expect((imported!.latents.data as Float32Array)[10]).toBe(0.5);
    model.kept = float32(new Float32Array(PLANES * 20).fill(0.75), [1, 2, 3, 20]);
    const [own] = await model.make(repaint);
    expect(model.runsOf('dcae_encoder')).toHaveLength(1);
    expect((own!.latents.data as Float32Array)[10]).toBe(0.75);
  });

  test('sounds that are too long are refused', async () => {
    const model = new GlassModel();
    model.open = async () => ({ channels: [new Float32Array(601)], sampleRate: 1 });
    await expect(model.make({ kind: 'audio2audio', source: 'a' })).rejects.toThrow(
      'source is 601 s long; at most 600 s',
    );
  });

  test('stop and keep leaves after a step and decodes what there is', async () => {
    const model = new GlassModel();
    model.stop = true;
    const [song] = await model.make({ seconds: 1 });
    expect(model.events.filter((e) => e.type === 'step')).toHaveLength(1);
    expect(
      maxError(song!.latents.data as Float32Array, new Float32Array(PLANES * 10).fill(0.25)),
    ).toBeLessThan(1e-5);
    expect(song!.pcm.channels[0]!.length).toBeGreaterThan(0);
  });
});

describe('plans', () => {
  const RATE = 44100 / 4096;
  /** Chord, section and place in the bar at a frame, as the denoiser hears them. */
  const heardAt = (model: GlassModel, frame: number, run = 0): number[] => {
    const feeds = model.runsOf('cross_kv')[run]!;
    const bar = [6, 7, 8].flatMap((k) => [k, 12 + k]); // sines and cosines of 4, 2 and 1 turns a bar
    return [
      ...bar.map((k) => values(feeds['frame_phase'])[frame * 24 + k]!),
      values(feeds['frame_chord'])[frame]!,
      values(feeds['frame_section'])[frame]!,
    ];
  };
  const made = async (input: object, memo: unknown = null) => {
    const model = new GlassModel({ planner: true });
    if ('source' in input) model.kept = float32(new Float32Array(PLANES * 100), [1, 2, 3, 100]);
    model.memo = memo;
    const [song] = await model.make({ prompt: 'calm, 100 bpm, A minor', seed: 1, guidance: 1, ...input });
    return { model, song: song! };
  };

  test('music before and after a song goes on with its beat, chords and sections', async () => {
    const alone = await made({ seconds: 9.3 }); // 100 frames
    expect(alone.model.events).toContainEqual(
      expect.objectContaining({ type: 'plan', bpm: 100, firstBar: 0 }),
    );
    for (const before of [0, 1, 3.3]) {
      // Another seed alone would draw other chords: the memo keeps them.
      const task = { kind: 'extend', source: 'a', before, after: 5, seed: 99 };
      const { model, song } = await made(task, JSON.parse(JSON.stringify(alone.song.memo)));
      const left = Math.trunc(before * RATE);
      expect(song.sourceStart).toBeCloseTo(left / RATE, 6);
      for (const frame of [0, 40, 99]) {
        heardAt(model, left + frame).forEach((value, i) =>
          expect(value).toBeCloseTo(heardAt(alone.model, frame)[i]!, 3),
        );
      }
    }
  });

  test('a repaint and a remix keep the plan; a reference does, unless the words say otherwise', async () => {
    const alone = await made({ seconds: 9.3 });
    const source = { source: 'a', seed: 99 };
    const heard = async (input: object) => {
      const { model } = await made({ ...source, ...input }, alone.song.memo);
      return [20, 70].map((frame) => heardAt(model, frame));
    };
    const own = [20, 70].map((frame) => heardAt(alone.model, frame));
    expect(await heard({ kind: 'repaint', start: 1, end: 2 })).toEqual(own);
    expect(await heard({ kind: 'edit', target: { prompt: 'loud waltz' } })).toEqual(own);
    expect(await heard({ kind: 'audio2audio', prompt: 'loud' })).toEqual(own);
    expect(await heard({ kind: 'audio2audio', prompt: 'loud, 140 bpm' })).not.toEqual(own);
  });

  test('what was a recording stays one', async () => {
    const model = new GlassModel();
    const task = { kind: 'repaint', source: 'a', start: 0, end: 0.3 };
    const [first] = await model.make(task);
    expect(first!.memo).toMatchObject({ recorded: true, plan: null });
    Object.assign(model, { kept: first!.latents, memo: first!.memo });
    expect((await model.make(task))[0]!.memo).toMatchObject({ recorded: true });
  });
});

test('a pack without an encoder makes songs from noise alone', () => {
  const { config, manifest } = new GlassModel();
  expect(aceStepV1.limits(config, manifest).kinds).toContain('repaint');
  expect(aceStepV1.limits(config, { ...manifest, graphs: {} }).kinds).toEqual(['text2music', 'retake']);
});

test.each([
  ['config.hop must be 1 to 1048576 (it is missing).', { hop: undefined }],
  ['config.sampleRate must be 44100', { sampleRate: 48000 }],
  ['config.text.buckets must be', { text: { tokenizer: 'unigram', maxTokens: 9, maxDistance: 3 } }],
  ['config.vocoder must be one of waveform, spectrum', { vocoder: 'x' }],
  [
    'config.sampling.guidance.type must be one of',
    { sampling: { ...SIZES.sampling, guidance: { type: 'x' } } },
  ],
  ['config.lyrics.hidden must be', { lyrics: {} }],
])('a broken config is refused: %s', (message, changes) => {
  expect(() => parseConfig({ ...SIZES, ...changes })).toThrow(
    expect.objectContaining({ name: 'manifest', message: expect.stringContaining(message) as string }),
  );
});

/** Predictions that differ by the words and by the latents, so that guidance has something to remember. */
class MurkyModel extends GlassModel {
  /** Step after which the tab is closed; what was saved then. */
  readonly #closesAfter: number;
  readonly #found: Saved | null;
  left: Saved | null = null;
  steps = 0;

  constructor(closesAfter: number, found: Saved | null = null, changes: object = {}) {
    super({ seconds: { min: 0.5, max: 8, default: 1 }, ...changes });
    this.#closesAfter = closesAfter;
    this.#found = found;
  }

  override saved = async () => this.#found;
  override save = async ({ step, steps }: StepsDone, state: () => Saved) => {
    this.steps = steps;
    if (step !== this.#closesAfter) return;
    this.left = structuredClone(state());
    throw new Error('closed');
  };

  override async run(graph: string, feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> {
    if (graph === 'condition_encoder') {
      const words = 1 + values(feeds['text']).reduce((sum, x) => sum + x, 0);
      return { condition: float32(new Float32Array(4).fill(words), [1, 1, 4]) };
    }
    if (graph !== 'denoiser') return super.run(graph, feeds);
    this.runs.push({ graph, feeds });
    const { data, dims } = plain(feeds['latents']);
    const [sigma] = values(feeds['sigma']);
    const words = values(feeds['k'])[0]!;
    const velocity = (data as Float32Array).map((v, i) => Math.sin(words * v + i) + v * sigma!);
    return { velocity: float32(velocity, dims) };
  }
}

test.each([
  ['shares the noise of a batch, as the reference does', true, false],
  ['gives each song noise of its own', false, true],
])('the stochastic solver %s', async (_name, referenceNoise, same) => {
  const make = async (seeds: number[]): Promise<Tensor[]> => {
    const model = new MurkyModel(Infinity, null, { referenceNoise });
    const songs = await model.make({ prompt: 'calm', seeds, seconds: 1, solver: 'pingpong' });
    return songs.map(({ latents }) => latents);
  };
  const [together, alone] = [await make([5, 6]), await make([6])];
  expect(isDeepStrictEqual(together[1], alone[0]), 'a song of a batch is the song of its seed').toBe(same);
  expect(isDeepStrictEqual(together[0], (await make([5]))[0])).toBe(same);
});

describe('a song goes on from its last saved step, bit for bit', () => {
  const song = { prompt: 'calm loud', seeds: [5, 6], seconds: 2, steps: 5 };
  const made = { source: 'a', ...song };
  const edit = {
    kind: 'edit',
    ...made,
    target: { prompt: 'loud calm loud calm' },
    nMin: 0.2,
    nMax: 0.7,
    nAvg: 2,
  };
  const cases: [string, object][] = [
    ...['euler', 'heun', 'pingpong'].flatMap((solver) =>
      ['apg', 'cfg', 'cfg_star'].map((type): [string, object] => [
        `${solver} with ${type}`,
        { ...song, solver, omega: 7, guidance: { type, scale: 4 } },
      ]),
    ),
    ['double condition', { ...song, guidance: { textScale: 5, lyricScale: 1.5 } }],
    ['explicit steps', { ...song, sampling: { ossSteps: [2, 4, 9, 20] } }],
    ['retake', { kind: 'retake', ...song, retakeSeeds: [8, 9], guidance: { type: 'apg' } }],
    ['repaint', { kind: 'repaint', ...made, start: 0.5, end: 1, variance: 0.9, guidance: { type: 'apg' } }],
    ['extend in one pass', { kind: 'extend', ...made, before: 1, after: 1, guidance: { type: 'apg' } }],
    // At most 8 s are sampled at once: each pass starts from the music of the one before.
    [
      'extend in passes',
      { kind: 'extend', ...made, steps: 2, before: 5, after: 6, guidance: { type: 'apg' } },
    ],
    ['edit', edit],
    ['audio2audio', { kind: 'audio2audio', ...made, strength: 0.3, solver: 'pingpong' }],
  ];

  test.each(cases)('%s', async (_name, task) => {
    const whole = new MurkyModel(Infinity);
    const songs = await whole.make(task);
    expect(whole.steps).toBeGreaterThan(2);
    for (let step = 1; step <= whole.steps; step++) {
      const closed = new MurkyModel(step);
      await expect(closed.make(task)).rejects.toThrow('closed');
      const opened = new MurkyModel(Infinity, closed.left);
      const finished = await opened.make(task);
      for (const [i, { latents }] of finished.entries()) expect(latents).toEqual(songs[i]!.latents);
      expect(opened.runsOf('denoiser').length, 'work that is not done again').toBeLessThan(
        whole.runsOf('denoiser').length,
      );
    }
  });
});
