/** Sizes of one model of the ACE-Step v1 family. Everything that differs between nano and the 3.5B model is here. */
import { Field, type Bounds } from '../../check.ts';
import type { Sampling, TaskLimits } from '../../task.ts';

export interface AceStepConfig {
  /** Of the mel spectrogram: 44100. */
  readonly sampleRate: number;
  /** Rate of the finished sound: 48000 for the official model, 44100 where the vocoder's rate is kept. */
  readonly outputRate: number;
  /** Samples a mel frame (512) and mel frames a latent (8). */
  readonly hop: number;
  readonly framesPerLatent: number;
  /** Latents are (1, channels, rows, T). */
  readonly channels: number;
  readonly rows: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ropeTheta: number;
  readonly speakerSize: number;
  /** Flow-match timestep shift; the reference applies it twice. */
  readonly shift: number;
  /** 'unigram': UMT5 tokenizer.json, with relative position buckets. 'words': nano's word list. */
  readonly text:
    | { readonly tokenizer: 'words'; readonly maxTokens: number }
    | {
        readonly tokenizer: 'unigram';
        readonly maxTokens: number;
        readonly buckets: number;
        readonly maxDistance: number;
      };
  /** null: the model does not sing, condition_encoder takes no lyrics. */
  readonly lyrics: null | { readonly hidden: number };
  /** True: prompt and score go through the rule planner into speaker and frame inputs. */
  readonly planner: boolean;
  /**
   * Habits of the reference with the stochastic solver: the first song's noise for the whole batch (SPEC 4), and Euler in
   * repaint and extend (SPEC 5.5). False: each song draws its own, and repaint and extend follow the solver.
   */
  readonly referenceNoise: boolean;
  /**
   * How far the predicted data keeps, along the pack's levels, from their mean over the song: below 1 the loudness wavers
   * less. 1 where the field is missing.
   */
  readonly levelContrast: number;
  /** log-mel range mapped to -1..1 before the encoder and back after the decoder; null = the graphs take log-mel itself. */
  readonly melRange: null | { readonly min: number; readonly max: number };
  /** latent = (z - shift) * scale outside the codec graphs. 0 and 1 when inside. */
  readonly latent: { readonly shift: number; readonly scale: number };
  /** 'waveform': mel -> samples in the graph. 'spectrum': phase by inversion on the host, the graph refines the spectrum. */
  readonly vocoder: 'waveform' | 'spectrum';
  /** Windowed coding: latents that a window contributes, and how many more it sees on either side. */
  readonly window: { readonly latents: number; readonly overlap: number };
  /** Target of the finished song: integrated loudness (LUFS) and largest true peak (1 = full scale); null = as it comes. */
  readonly normalise: null | { readonly lufs: number; readonly peak: number };
  readonly seconds: { readonly min: number; readonly max: number; readonly default: number };
  readonly sampling: Sampling;
  readonly presets: TaskLimits['presets'];
}

/** Latent frames a second: 10.77 for the official sizes. */
export const latentRate = ({ sampleRate, hop, framesPerLatent }: AceStepConfig): number =>
  sampleRate / hop / framesPerLatent;

const SIZE: Bounds = { min: 1, max: 1 << 20 };
const ANY: Bounds = { min: -1e9, max: 1e9 };
const SHARE: Bounds = { min: 0, max: 1 };

/** Throws EngineError('manifest') naming the field. */
export function parseConfig(json: unknown): AceStepConfig {
  const config = new Field(json, 'config', 'manifest');
  const size = (name: string): number => config.at(name).integer(SIZE);
  const sampleRate = size('sampleRate');
  if (sampleRate !== 44100) config.at('sampleRate').refuse('44100, the rate of the mel spectrogram');
  const seconds = config.at('seconds');
  const window = config.at('window');
  const latent = config.at('latent');
  return {
    sampleRate,
    outputRate: size('outputRate'),
    hop: size('hop'),
    framesPerLatent: size('framesPerLatent'),
    channels: size('channels'),
    rows: size('rows'),
    heads: size('heads'),
    headDim: size('headDim'),
    ropeTheta: config.at('ropeTheta').number({ min: 1, max: 1e9 }),
    speakerSize: size('speakerSize'),
    shift: config.at('shift').number({ min: 0.01, max: 100 }),
    text: parseText(config.at('text')),
    lyrics: orNull(config.at('lyrics'), (lyrics) => ({ hidden: lyrics.at('hidden').integer(SIZE) })),
    planner: config.at('planner').boolean(),
    referenceNoise: orNull(config.at('referenceNoise'), (field) => field.boolean()) ?? true,
    levelContrast: orNull(config.at('levelContrast'), (field) => field.number(SHARE)) ?? 1,
    melRange: orNull(config.at('melRange'), (range) => ({
      min: range.at('min').number(ANY),
      max: range.at('max').number(ANY),
    })),
    latent: {
      shift: latent.at('shift').number(ANY),
      scale: latent.at('scale').number({ min: 1e-6, max: 1e6 }),
    },
    vocoder: config.at('vocoder').oneOf(['waveform', 'spectrum']),
    window: {
      latents: window.at('latents').integer(SIZE),
      overlap: window.at('overlap').integer({ min: 0, max: SIZE.max }),
    },
    normalise: orNull(config.at('normalise'), (target) => ({
      lufs: target.at('lufs').number({ min: -70, max: 0 }),
      peak: target.at('peak').number({ min: 0.01, max: 1 }),
    })),
    seconds: {
      min: seconds.at('min').number({ min: 0.1, max: 3600 }),
      max: seconds.at('max').number({ min: 0.1, max: 3600 }),
      default: seconds.at('default').number({ min: 0.1, max: 3600 }),
    },
    sampling: parseSampling(config.at('sampling')),
    presets: Object.fromEntries(
      Object.keys(config.at('presets').object()).map((name) => [
        name,
        config.at('presets').at(name).object(),
      ]),
    ),
  };
}

/** null also where the field is missing: older packs do not know it. */
function orNull<T>(field: Field, parse: (field: Field) => T): T | null {
  return field.value === null || field.missing ? null : parse(field);
}

function parseText(text: Field): AceStepConfig['text'] {
  const maxTokens = text.at('maxTokens').integer(SIZE);
  if (text.at('tokenizer').oneOf(['words', 'unigram']) === 'words') return { tokenizer: 'words', maxTokens };
  const [buckets, maxDistance] = [text.at('buckets').integer(SIZE), text.at('maxDistance').integer(SIZE)];
  return { tokenizer: 'unigram', maxTokens, buckets, maxDistance };
}

function parseSampling(sampling: Field): Sampling {
  const guidance = sampling.at('guidance');
  const erg = sampling.at('erg');
  return {
    steps: sampling.at('steps').integer({ min: 1, max: 1000 }),
    solver: sampling.at('solver').oneOf(['euler', 'heun', 'pingpong']),
    omega: sampling.at('omega').number({ min: -100, max: 100 }),
    guidance: {
      type: guidance.at('type').oneOf(['cfg', 'apg', 'cfg_star']),
      scale: guidance.at('scale').number({ min: 0, max: 200 }),
      textScale: guidance.at('textScale').number({ min: 0, max: 200 }),
      lyricScale: guidance.at('lyricScale').number({ min: 0, max: 200 }),
      interval: guidance.at('interval').number(SHARE),
      decay: guidance.at('decay').number(SHARE),
      minScale: guidance.at('minScale').number({ min: 0, max: 200 }),
    },
    erg: {
      tag: erg.at('tag').boolean(),
      lyric: erg.at('lyric').boolean(),
      diffusion: erg.at('diffusion').boolean(),
    },
    ossSteps: sampling
      .at('ossSteps')
      .list({ min: 0, max: 1000 })
      .map((step) => step.integer({ min: 1, max: 1000 })),
  };
}
