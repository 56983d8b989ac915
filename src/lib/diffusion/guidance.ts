/** Classifier-free guidance and its relatives: how several predictions become one velocity. SPEC 5.3, 5.5. */
import type { GuidanceName, Sampling } from '../task.ts';
import { without, type Directions, type Latents } from './latents.ts';
import type { Velocity } from './solvers.ts';

/** Sizes of a prediction: `plane` = rows x frames of one channel. */
export interface GuidanceShape {
  readonly batch: number;
  readonly channels: number;
  readonly plane: number;
  /** Along these guidance adds nothing. */
  readonly fixed?: Directions;
}

/** The conditions a network is asked under: the song's words, its prompt without its lyrics, nothing. */
export type Branch = 'words' | 'prompt' | 'nothing';

/** One network call for the whole batch. */
export type Predict = (branch: Branch, x: Latents, sigma: number) => Promise<Latents>;

/** Joins two predictions at velocity call number `call`. May keep state from call to call. */
export type Guide = (words: Latents, nothing: Latents, scale: number, call: number) => Latents;

/**
 * Hands out zeroed room for what a guide remembers from call to call. Guides ask in a fixed order, so whoever keeps the
 * arrays and gives them out again lets a schedule go on in its middle.
 */
export type Memory = (length: number) => Float64Array;

const FRESH: Memory = (length) => new Float64Array(length);

export const GUIDANCE: Readonly<Record<GuidanceName, (shape: GuidanceShape, memory?: Memory) => Guide>> = {
  apg: (shape, memory) => apg(shape, { momentum: -0.75, memory }),
  cfg: () => cfg,
  cfg_star: (shape) => cfgStar(shape),
};

type Guidance = Sampling['guidance'];

/** The branches that a song needs under these settings. */
export function branchesOf(guidance: Guidance): readonly Branch[] {
  if (!guides(guidance)) return ['words'];
  return isDouble(guidance) ? ['words', 'prompt', 'nothing'] : ['words', 'nothing'];
}

/**
 * The velocity of a song in a schedule of `steps`; guidance works in the middle of them. The reference counts calls
 * against steps, so with Heun, which calls nearly twice a step, guidance comes and ends early.
 */
export function guided(
  guidance: Guidance,
  shape: GuidanceShape,
  steps: number,
  predict: Predict,
  memory?: Memory,
): Velocity {
  const { interval } = guidance;
  const start = Math.trunc(steps * ((1 - interval) / 2));
  const end = Math.trunc(steps * (interval / 2 + 0.5));
  const join = GUIDANCE[guidance.type](shape, memory);
  return async (x, { sigma, call }) => {
    const words = await predict('words', x, sigma);
    if (!guides(guidance) || call < start || call >= end) return words;
    if (isDouble(guidance)) {
      const prompt = await predict('prompt', x, sigma);
      return hold(words, doubleCondition(words, prompt, await predict('nothing', x, sigma), guidance), shape);
    }
    const nothing = await predict('nothing', x, sigma);
    return hold(words, join(words, nothing, scaleAt(guidance, call, start, end), call), shape);
  };
}

/**
 * FlowEdit's own guidance: APG at the full scale over all calls, whatever type and interval say. The reference
 * gives its target no momentum while it compares with the source; `momentum` says which. SPEC 5.5, 7.11.
 */
export function editGuided(
  guidance: Guidance,
  shape: GuidanceShape,
  momentum: boolean,
  predict: Predict,
  memory?: Memory,
): Velocity {
  const join = apg(shape, { momentum: momentum ? -0.75 : 0, memory });
  return async (x, { sigma, call }) => {
    const words = await predict('words', x, sigma);
    if (!guides(guidance)) return words;
    return hold(words, join(words, await predict('nothing', x, sigma), guidance.scale, call), shape);
  };
}

/**
 * What guidance gave, without what it added along the shape's fixed directions. Ours, not the reference's: nano's directions
 * are the levels of a latent's mel frames, which guidance would make waver. docs/DECISIONS.md.
 */
function hold(words: Latents, joined: Latents, { channels, plane, fixed = [] }: GuidanceShape): Latents {
  const [direction] = fixed;
  if (!direction) return joined;
  const added = joined.map((v, i) => v - words[i]!);
  return without(added, fixed, (channels * plane) / direction.length).map((v, i) => v + words[i]!);
}

/**
 * The velocity to data that lies nearer to its mean over the song, by the factor `contrast`, along the shape's fixed
 * directions; 1 changes nothing. Ours, not the reference's.
 */
export function steadied(velocity: Velocity, shape: GuidanceShape, contrast: number): Velocity {
  const { channels, plane, fixed = [] } = shape;
  const [direction] = fixed;
  if (!direction || contrast === 1) return velocity;
  const frames = (channels * plane) / direction.length;
  return async (x, at) => {
    const given = await velocity(x, at);
    const data = x.map((v, i) => v - at.sigma * given[i]!);
    for (let row = 0; row < data.length; row += frames) {
      const part = data.subarray(row, row + frames);
      const mean = part.reduce((sum, v) => sum + v, 0) / frames;
      for (let t = 0; t < frames; t++) part[t]! -= mean;
    }
    const rest = without(data, fixed, frames);
    return given.map((v, i) => v + ((1 - contrast) / at.sigma) * (data[i]! - rest[i]!));
  };
}

/** Scales 0 and 1 mean "no guidance" in the reference. */
const guides = ({ scale }: Guidance): boolean => scale !== 0 && scale !== 1;

const isDouble = ({ textScale, lyricScale }: Guidance): boolean => textScale > 1 && lyricScale > 1;

/** Falls linearly towards minScale inside the interval. One call alone keeps the full scale (SPEC 7.13: 0/0). */
function scaleAt({ scale, minScale, decay }: Guidance, call: number, start: number, end: number): number {
  if (decay <= 0 || end - start < 2) return scale;
  return scale - (scale - minScale) * ((call - start) / (end - start - 1)) * decay;
}

export interface ApgOptions {
  /** Weight of the running average of differences; 0 = each call by itself. */
  readonly momentum: number;
  /** Share of the part along the conditional prediction that stays. */
  readonly eta?: number;
  /** Largest norm of a channel's difference; 0 = no limit. */
  readonly limit?: number;
  readonly memory?: Memory | undefined;
}

/**
 * Adaptive projected guidance: only the part of the difference that is orthogonal to the conditional prediction
 * counts, its norm is limited, and a running average damps it. Norms are over a channel's plane. SPEC 5.3.
 */
export function apg(
  shape: GuidanceShape,
  { momentum, eta = 0, limit = 2.5, memory = FRESH }: ApgOptions,
): Guide {
  const { batch, channels, plane } = shape;
  // The reference keeps the average before it is limited.
  const average = memory(batch * channels * plane);
  return (words, nothing, scale) => {
    const out = new Float32Array(words.length);
    for (let at = 0; at < out.length; at += plane) {
      let square = 0;
      let along = 0;
      let length = 0;
      for (let i = at; i < at + plane; i++) {
        const difference = words[i]! - nothing[i]! + momentum * average[i]!;
        average[i] = difference;
        square += difference * difference;
        along += difference * words[i]!;
        length += words[i]! * words[i]!;
      }
      const norm = Math.sqrt(square);
      const shrink = limit > 0 && norm > limit ? limit / norm : 1;
      const projection = along / Math.max(length, 1e-24);
      for (let i = at; i < at + plane; i++) {
        const parallel = projection * words[i]!;
        out[i] = words[i]! + (scale - 1) * shrink * (average[i]! - parallel + eta * parallel);
      }
    }
    return out;
  };
}

const cfg: Guide = (words, nothing, scale) => {
  const out = new Float32Array(words.length);
  for (let i = 0; i < out.length; i++) out[i] = nothing[i]! + scale * (words[i]! - nothing[i]!);
  return out;
};

/** Number of the last call that CFG-Zero* answers with zero, when the interval reaches that far. SPEC 7.19. */
const ZERO_UNTIL = 1;

/** CFG-Zero*: the unconditional prediction is first scaled to fit the conditional one, song by song. */
export function cfgStar({ batch, channels, plane }: GuidanceShape, zeroUntil = ZERO_UNTIL): Guide {
  const song = channels * plane;
  return (words, nothing, scale, call) => {
    const out = new Float32Array(batch * song);
    if (call <= zeroUntil) return out;
    for (let at = 0; at < out.length; at += song) {
      let dot = 0;
      let square = 0;
      for (let i = at; i < at + song; i++) {
        dot += words[i]! * nothing[i]!;
        square += nothing[i]! * nothing[i]!;
      }
      const fit = dot / (square + 1e-8);
      for (let i = at; i < at + song; i++) {
        const base = nothing[i]! * fit;
        out[i] = base + scale * (words[i]! - base);
      }
    }
    return out;
  };
}

/** Prompt and lyrics with scales of their own; the ordinary scale has no say. */
export function doubleCondition(
  words: Latents,
  prompt: Latents,
  nothing: Latents,
  { textScale, lyricScale }: Pick<Guidance, 'textScale' | 'lyricScale'>,
): Latents {
  const out = new Float32Array(words.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = (1 - textScale) * nothing[i]! + (textScale - lyricScale) * prompt[i]! + lyricScale * words[i]!;
  }
  return out;
}
