/**
 * Words to what the denoiser listens to: prompt and lyrics -> condition sequence -> keys and values of every layer.
 * Once a song and branch; nothing here runs again while the sampler steps. SPEC 1.4, 2, 5.3.
 */
import { assert } from '../../errors.ts';
import type { Model } from '../../family.ts';
import type { Branch } from '../../diffusion/guidance.ts';
import type { Sampling, Score, Task } from '../../task.ts';
import { float32, ids, int64, scalar, type Tensor, type Value } from '../../tensor.ts';
import { loadTokenizer } from '../../text/tokenizer.ts';
import { latentRate, type AceStepConfig } from './config.ts';
import {
  describePlan,
  firstBarOf,
  formOf,
  frameControls,
  nanoCaption,
  planSong,
  speakerOf,
  type SongPlan,
} from './planner.ts';
import { lyricPositions, relativeBuckets, ropeTables } from './positions.ts';

type AceStep = Model<AceStepConfig>;
type Feeds = Readonly<Record<string, Tensor>>;

/** What a song is to be about. */
export interface Words {
  readonly prompt: string;
  /** '' = none */
  readonly negativePrompt: string;
  readonly lyrics: string;
  readonly language: string;
  readonly score: Score;
  readonly seconds: number;
  readonly seed: number;
}

/** Outputs of cross_kv: what the denoiser hears of one branch, beside the latents. */
export type Voice = Readonly<Record<string, Value>>;

/** The queries of some layers are scaled by this where guidance wants a weakened prediction. SPEC 5.3. */
export const WEAK = 0.01;

/** How a branch is made from the words. */
interface Recipe {
  /** States of the prompt; of it with weakened attention; zeros in their place; of an empty, or the negative, prompt. */
  readonly text: 'said' | 'weak' | 'zero' | 'empty' | 'negative';
  /** The lyrics; as many zero ids; none. */
  readonly lyrics: 'sung' | 'zero' | 'none';
  readonly lyricScale: number;
  /** Whether speaker and frame controls of the plan are heard. */
  readonly plan: boolean;
}

const WORDS: Recipe = { text: 'said', lyrics: 'sung', lyricScale: 1, plan: true };

/**
 * What the branches are for models that sing, by the settings of entropy rectifying guidance. The tag switch has an
 * effect only together with the lyric switch: a quirk of the reference. SPEC 5.3, 7.4.
 */
function singing(branch: Branch, erg: Sampling['erg']): Recipe {
  if (branch === 'words') return WORDS;
  const lyrics = erg.lyric ? 'sung' : 'zero';
  const lyricScale = erg.lyric ? WEAK : 1;
  if (branch === 'prompt') return { text: 'said', lyrics, lyricScale, plan: true };
  return { text: erg.lyric && erg.tag ? 'weak' : 'zero', lyrics, lyricScale, plan: false };
}

/** FlowEdit knows no weakened predictions, and its "nothing" has no lyric tokens at all. SPEC 5.5. */
function editing(branch: Branch): Recipe {
  return branch === 'nothing' ? { text: 'zero', lyrics: 'none', lyricScale: 1, plan: false } : WORDS;
}

/** Models that do not sing were trained with an empty prompt as "nothing". */
function playing(branch: Branch): Recipe {
  return branch === 'nothing' ? { text: 'empty', lyrics: 'none', lyricScale: 1, plan: false } : WORDS;
}

/** How a branch of this task is made. A negative prompt takes the place of the unconditional text. */
export function recipeOf(branch: Branch, task: Task, config: AceStepConfig): Recipe {
  const { erg } = task.sampling;
  const recipe = !config.lyrics
    ? playing(branch)
    : task.kind === 'edit'
      ? editing(branch)
      : singing(branch, erg);
  return branch === 'nothing' && task.negativePrompt !== '' ? { ...recipe, text: 'negative' } : recipe;
}

/** The rule planner's plan, or null for models that hear none. */
export function planOf(words: Words, config: AceStepConfig): SongPlan | null {
  if (!config.planner) return null;
  const { prompt, seconds, seed, score } = words;
  const { bpm, key, meter, chords } = score;
  return planSong({ prompt, seconds, seed, ...(bpm === null ? {} : { bpm }), key, meter, chords });
}

/** Everything about the words of one song that does not depend on the latents. */
export class Conditioner {
  readonly #model: AceStep;
  readonly #words: Words;
  readonly #plan: SongPlan | null;
  readonly #texts = new Map<Recipe['text'], Promise<Tensor>>();
  #promptIds: Promise<readonly number[]> | null = null;
  #lyricIds: Promise<readonly number[]> | null = null;

  /** @param plan of the whole song; null for models that hear none */
  constructor(words: Words, plan: SongPlan | null, model: AceStep) {
    this.#model = model;
    this.#words = words;
    this.#plan = plan;
    if (plan) {
      const sections = formOf(plan, words.seconds);
      model.report({ type: 'plan', ...describePlan(plan), firstBar: firstBarOf(plan), sections });
    }
  }

  /** (1, N, D) */
  async condition(recipe: Recipe): Promise<Tensor> {
    const { config } = this.#model;
    const { speakerSize } = config;
    const lyrics = await this.#lyrics(recipe.lyrics);
    // Without lyrics one token goes in, because graphs know no empty input, and comes out again: the reference masks
    // it. SPEC 2.3.
    const lyric_ids = ids(lyrics.length > 0 ? lyrics : [0]);
    const positions: Feeds = config.lyrics
      ? { rel_pos: lyricPositions(lyric_ids.dims[1]!, config.lyrics.hidden) }
      : {};
    const speaker = recipe.plan && this.#plan ? speakerOf(this.#plan) : new Float32Array(speakerSize);
    const { condition } = await this.#model.run('condition_encoder', {
      text: await this.#text(recipe.text),
      lyric_ids,
      ...positions,
      speaker: float32(speaker, [1, speakerSize]),
      erg_scale: scalar(recipe.lyricScale),
    });
    const whole = await plainTensor(condition);
    return config.lyrics && lyrics.length === 0 ? withoutLastRow(whole) : whole;
  }

  /** What the denoiser hears while it makes `frames` latents, the first of them `first` frames into the song. */
  async voice(recipe: Recipe, frames: number, first: number): Promise<Voice> {
    const { config } = this.#model;
    const condition = await this.condition(recipe);
    const tokens = condition.dims[1]!;
    return this.#model.run('cross_kv', {
      condition,
      ...ropeTables(tokens, config.headDim, config.ropeTheta),
      ...this.#controls(recipe.plan, frames, first),
    });
  }

  #controls(heard: boolean, frames: number, first: number): Feeds {
    if (!this.#plan) return {};
    const { phase, chord, section } = frameControls(
      this.#plan,
      frames,
      latentRate(this.#model.config),
      first,
    );
    if (!heard) {
      phase.fill(0);
      chord.fill(0n);
      section.fill(0n);
    }
    return {
      frame_phase: float32(phase, [1, frames, phase.length / frames]),
      frame_chord: int64(chord, [1, frames]),
      frame_section: int64(section, [1, frames]),
    };
  }

  #text(kind: Recipe['text']): Promise<Tensor> {
    const known = this.#texts.get(kind);
    if (known) return known;
    const made = this.#makeText(kind);
    this.#texts.set(kind, made);
    return made;
  }

  async #makeText(kind: Recipe['text']): Promise<Tensor> {
    switch (kind) {
      case 'said':
        return this.#encodeText(await this.promptIds(), 1);
      case 'weak':
        return this.#encodeText(await this.promptIds(), WEAK);
      case 'empty':
        return this.#encodeText(await this.#tokens(''), 1);
      case 'negative':
        return this.#encodeText(await this.#tokens(this.#words.negativePrompt), 1);
      case 'zero': {
        const { dims, data } = await this.#text('said');
        return float32(new Float32Array(data.length), dims);
      }
    }
  }

  /** Ids of the prompt as the text encoder gets it. */
  promptIds(): Promise<readonly number[]> {
    const { prompt, score } = this.#words;
    const said = this.#plan ? nanoCaption(prompt, this.#plan) : taggedPrompt(prompt, score);
    return (this.#promptIds ??= this.#tokens(said));
  }

  async #tokens(text: string): Promise<readonly number[]> {
    const tokenizer = loadTokenizer(await this.#model.file('tokenizer'));
    return tokenizer.encode(text, this.#model.config.text.maxTokens);
  }

  async #encodeText(tokens: readonly number[], scale: number): Promise<Tensor> {
    const { text: config } = this.#model.config;
    const buckets: Feeds =
      config.tokenizer === 'unigram'
        ? { rel_bucket: relativeBuckets(tokens.length, config.buckets, config.maxDistance) }
        : {};
    const { text } = await this.#model.run('text_encoder', {
      input_ids: ids(tokens),
      ...buckets,
      erg_scale: scalar(scale),
    });
    return plainTensor(text);
  }

  async #lyrics(kind: Recipe['lyrics']): Promise<readonly number[]> {
    if (kind === 'none' || !this.#model.config.lyrics) return [];
    const sung = await (this.#lyricIds ??= this.#readLyrics());
    return kind === 'sung' ? sung : sung.map(() => 0);
  }

  async #readLyrics(): Promise<readonly number[]> {
    const { lyrics, language } = this.#words;
    if (lyrics.trim() === '') return [];
    // Loaded on need: the language rules of seventeen languages are large, and instrumental songs go without.
    const { lyricIds } = await import('./lyrics.ts');
    const vocab = await this.#model.file('lyric_vocab');
    return lyricIds(lyrics, { language, vocab, asset: (path) => this.#model.asset(path) });
  }
}

/** Musical facts as tags, where the prompt does not hold them already. */
function taggedPrompt(prompt: string, { bpm, key, meter, chords }: Score): string {
  const tags = [bpm === null ? '' : `${bpm} BPM`, key, meter, chords].filter((tag) => tag !== '');
  const said = prompt.toLowerCase();
  return [prompt, ...tags.filter((tag) => !said.includes(tag.toLowerCase()))]
    .filter((part) => part !== '')
    .join(', ');
}

/** The values of a graph's output, wherever it lies. */
export async function plainTensor(value: Value | undefined): Promise<Tensor> {
  assert(value !== undefined, 'a graph gave no output of the expected name');
  return 'data' in value ? value : value.read();
}

function withoutLastRow({ dims, data }: Tensor): Tensor {
  const [one, rows, size] = dims as [number, number, number]; // the graph's contract
  assert(data instanceof Float32Array, 'the condition must be float32');
  return float32(data.slice(0, (rows - 1) * size), [one, rows - 1, size]);
}
