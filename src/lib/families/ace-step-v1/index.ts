/**
 * The ACE-Step v1 family: text and lyrics to latents by a diffusion transformer, latents to sound by DCAE and vocoder.
 * nano and the 3.5B model run these same lines; what differs is in their configs. SPEC numbers are sections of the
 * specification that this follows; departures from it are noted where they are made.
 */
import { Leveller } from '../../audio/leveller.ts';
import { normalised } from '../../audio/limiter.ts';
import { secondsOf, type Pcm } from '../../audio/pcm.ts';
import { denoise, type Reached, type Segment, type Watch } from '../../diffusion/denoise.ts';
import {
  branchesOf,
  editGuided,
  guided,
  steadied,
  type Branch,
  type Memory,
  type Predict,
} from '../../diffusion/guidance.ts';
import { repeat, type Directions, type Latents } from '../../diffusion/latents.ts';
import type { Velocity } from '../../diffusion/solvers.ts';
import { timestepOf } from '../../diffusion/schedule.ts';
import {
  ROUTES,
  type Means,
  type Role,
  type Route,
  type SourceLength,
  type Space,
} from '../../diffusion/segments.ts';
import { assert, EngineError } from '../../errors.ts';
import type { AudioRef, Family, Kept, Made, Model, Saved } from '../../family.ts';
import { loraFits, useLoras } from '../../lora-weights.ts';
import type { ModelManifest } from '../../manifest.ts';
import { STATE_WORDS, TorchGenerator } from '../../random.ts';
import type { Task, TaskKind, TaskLimits } from '../../task.ts';
import { float32, scalar, type Tensor } from '../../tensor.ts';
import { decodeLatents, encodeAudio, type AudioPiece } from './codec.ts';
import { Conditioner, plainTensor, planOf, recipeOf, WEAK, type Voice, type Words } from './condition.ts';
import { latentRate, parseConfig, type AceStepConfig } from './config.ts';
import { extendPlan, factsOf, parsePlan, type SongPlan } from './planner.ts';
import { ropeTables, timeFeatures } from './positions.ts';

type AceStep = Model<AceStepConfig>;

export const aceStepV1: Family<AceStepConfig> = {
  id: 'ace-step-v1',
  parseConfig,
  limits: limitsOf,
  generate,
  checkLora: (layout, pack) => loraFits(layout, pack, (module) => UNUSED.test(module)),
};

async function generate(task: Task, model: AceStep): Promise<readonly Made[]> {
  const batch = task.seeds.length;
  await useLoras(task.loras, model, (module) => UNUSED.test(module));
  const source = await findSource(task, model);
  const routes = routesOf(task, spaceOf(batch, model.config), source);
  // Passes that put music in front move what was there; positions in the plan count from the finished song's start.
  const sourceAt = routes.reduce((sum, { before }) => sum + before, 0);
  const sourceStart = sourceAt / latentRate(model.config);
  const speakers = conditioners(task, source && { ...source, start: sourceStart }, model);
  const noise = noiseOf(task, model.config);
  const levels = await levelsOf(model);
  const saved = await model.saved();
  const resumed = saved && resume(saved);
  let latents = resumed?.source ?? (source ? repeat(source.latents, batch) : new Float32Array(0));
  let ahead = sourceAt;
  for (const [pass, route] of routes.entries()) {
    const origin = ahead + route.origin;
    ahead -= route.before;
    if (resumed && pass < resumed.pass) continue; // its music is in the latents already
    const here = resumed?.pass === pass ? resumed : null;
    if (here) noise.restore(here.noiseAtStart);
    const noiseAtStart = noise.state();
    const { memory, memories } = memoryOf(here?.memories ?? []);
    const voices = await voicesOf(task, speakers, route.frames, origin, model);
    const means: Means = {
      source: latents,
      ...noise,
      velocity: velocities(task, voices, route.frames, model, levels, memory),
    };
    model.report({ type: 'stage', stage: 'denoise' });
    const segments = route.segments(means);
    if (here) noise.restore(here.noise);
    // Of a first pass the source is found again; later ones start from music that is nowhere else.
    const start = { pass, noiseAtStart, memories, source: pass > 0 ? latents : null };
    const state = (reached: Reached): Saved => savedOf({ ...start, reached, noise: noise.state() });
    const sampled = await denoise(
      segments,
      { omega: task.sampling.omega, draw: noise.stepNoise(route.frames) },
      watchOf(segments, pass, routes.length, state, model),
      here?.reached,
    );
    latents = route.finish(sampled, latents);
  }
  for (const graph of ['text_encoder', 'condition_encoder', 'cross_kv', 'denoiser']) await model.done(graph);
  const made = await decode(latents, task, source?.recorded ?? false, model);
  return made.map(({ pcm, latents, seed }, i) => ({
    pcm,
    latents,
    seed,
    memo: { plan: speakers.plans[i] ?? null, recorded: source?.recorded ?? false } satisfies Memo,
    ...(source && { sourceStart }),
  }));
}

/** What stays with a song: so its next versions keep its chords, and a recording stays one. */
interface Memo {
  readonly plan: SongPlan | null;
  readonly recorded: boolean;
}

// ---- going on

/** A task between two steps. */
interface Middle {
  readonly pass: number;
  readonly reached: Reached;
  /** Generators as the pass began, and as they stand now. */
  readonly noiseAtStart: Uint32Array;
  readonly noise: Uint32Array;
  /** What guidance remembers, in the order in which it asked for room. */
  readonly memories: readonly Float64Array[];
  /** Latents that a pass after the first one starts from. */
  readonly source: Latents | null;
}

function savedOf({ pass, reached, noiseAtStart, noise, memories, source }: Middle): Saved {
  const { segment, index, x } = reached;
  return {
    numbers: { pass, segment, index },
    arrays: {
      x,
      noiseAtStart,
      noise,
      ...(source && { source }),
      ...Object.fromEntries(memories.map((memory, i) => [`memory.${i}`, memory])),
    },
  };
}

function resume({ numbers, arrays }: Saved): Middle {
  const { pass, segment, index } = numbers;
  const { x, source, noiseAtStart, noise } = arrays;
  assert(pass !== undefined && segment !== undefined && index !== undefined, 'saved steps without a place');
  assert(x instanceof Float32Array, 'saved steps without latents');
  assert(noiseAtStart instanceof Uint32Array && noise instanceof Uint32Array, 'saved steps without noise');
  const memories: Float64Array[] = [];
  for (let i = 0, next; (next = arrays[`memory.${i}`]) instanceof Float64Array; i++) memories.push(next);
  const before = source instanceof Float32Array ? source : null;
  return { pass, reached: { segment, index, x }, noiseAtStart, noise, memories, source: before };
}

/** Room for guidance: what was saved first, then fresh; `memories` holds all that was given. */
function memoryOf(saved: readonly Float64Array[]): { memory: Memory; memories: Float64Array[] } {
  const memories: Float64Array[] = [];
  return {
    memories,
    memory: (length) => {
      const room = saved[memories.length] ?? new Float64Array(length);
      assert(room.length === length, `saved guidance has ${room.length} values instead of ${length}`);
      memories.push(room);
      return room;
    },
  };
}

/** Modules of the checkpoint that inference never reads. SPEC 1.2 */
export const UNUSED = /^projectors\.|\.(?:add_[qkv]_proj|to_add_out)$/;

// ---- limits

const GUIDANCE_FREE: readonly TaskKind[] = ['text2music', 'retake'];
const FROM_SOUND: readonly TaskKind[] = ['repaint', 'extend', 'edit', 'audio2audio'];

/** Ranges of the reference's interface, within what this model's pack can do. */
function limitsOf(config: AceStepConfig, manifest: ModelManifest): TaskLimits {
  const { seconds, sampling, presets } = config;
  return {
    kinds: manifest.graphs['dcae_encoder'] ? [...GUIDANCE_FREE, ...FROM_SOUND] : GUIDANCE_FREE,
    seconds: { ...seconds, step: 0.1 },
    steps: { min: 1, max: 200, step: 1, default: sampling.steps },
    presets,
    sampling,
    maxPrompt: 4000,
    maxLyrics: 10_000,
    maxSeeds: 8,
    sings: config.lyrics !== null,
    score: ['bpm', 'key', 'meter', 'chords'],
    erg: config.lyrics !== null,
    loras: !config.planner,
  };
}

// ---- words

/** What each song of the batch is about; songs with the same words share one. */
interface Speakers {
  readonly song: readonly Conditioner[];
  /** What an edit turns the song into. */
  readonly target: readonly Conditioner[];
  /** Of the finished songs. */
  readonly plans: readonly (SongPlan | null)[];
}

function conditioners(task: Task, source: Placed | null, model: AceStep): Speakers {
  const { prompt, negativePrompt, lyrics, language, score } = task;
  const seconds = lengthOf(task, source);
  model.report({ type: 'stage', stage: 'words' });
  if (!model.config.lyrics && lyrics.trim() !== '') {
    const text = `${model.manifest.title} does not sing: the lyrics are kept with the song, but not heard.`;
    model.report({ type: 'notice', code: 'no-singing', text });
  }
  const plans: (SongPlan | null)[] = [];
  const each = (words: Omit<Words, 'seed'>): Conditioner[] => {
    // Plans are drawn from the seed; without a planner all songs of a batch have the same words.
    const seeds = model.config.planner ? task.seeds : task.seeds.slice(0, 1);
    const made = seeds.map((seed, i) => {
      plans[i] = planFor(task, { ...words, seed }, source, model.config);
      return new Conditioner({ ...words, seed }, plans[i], model);
    });
    return task.seeds.map((_, i) => made[Math.min(i, made.length - 1)]!);
  };
  const shared = { negativePrompt, language, score, seconds };
  return {
    song: each({ prompt, lyrics, ...shared }),
    target: task.kind === 'edit' ? each({ ...task.target, ...shared }) : [],
    plans,
  };
}

/**
 * A song that starts from another one keeps its tempo, chords and sections, because its sound has them: only genre and
 * mood follow the words. A reference whose facts the words contradict is planned anew.
 */
function planFor(task: Task, words: Words, source: Placed | null, config: AceStepConfig): SongPlan | null {
  const fresh = planOf(words, config);
  if (!fresh || !source) return fresh;
  const heard = source.plan ?? planOf({ ...words, seconds: source.seconds }, config) ?? fresh;
  const kept = { ...heard, genre: fresh.genre, mood: fresh.mood };
  if (task.kind === 'extend') return extendPlan(kept, source.start, source.seconds, task.after);
  if (task.kind !== 'audio2audio') return kept;
  const said = factsOf(words.prompt, words.score);
  const agrees =
    (said.bpm === null || said.bpm === heard.bpm) &&
    (said.meter === null || said.meter === heard.meter) &&
    (said.key === null || (said.key[0] === heard.key && said.key[1] === heard.mode)) &&
    words.score.chords.trim() === '';
  return source.plan && agrees ? kept : fresh;
}

type Voices = Readonly<Record<'song' | 'target', Partial<Record<Branch, readonly Voice[]>>>>;

/** Keys and values of every branch that the sampler will ask for, song by song, from frame `first` of the song on. */
async function voicesOf(
  task: Task,
  speakers: Speakers,
  frames: number,
  first: number,
  model: AceStep,
): Promise<Voices> {
  const { guidance } = task.sampling;
  const branches = branchesOf(task.kind === 'edit' ? { ...guidance, textScale: 0 } : guidance);
  const listen = async (
    songs: readonly Conditioner[],
  ): Promise<Partial<Record<Branch, readonly Voice[]>>> => {
    const heard: Partial<Record<Branch, readonly Voice[]>> = {};
    for (const branch of songs.length > 0 ? branches : []) {
      const recipe = recipeOf(branch, task, model.config);
      const made = new Map<Conditioner, Voice>();
      for (const song of songs) if (!made.has(song)) made.set(song, await song.voice(recipe, frames, first));
      heard[branch] = songs.map((song) => made.get(song)!);
    }
    return heard;
  };
  return { song: await listen(speakers.song), target: await listen(speakers.target) };
}

// ---- source

interface Source extends SourceLength {
  readonly latents: Latents;
  /** Imported, not made by a model of ours, or made from such a sound. */
  readonly recorded: boolean;
  /** Kept with a song of ours; null where none was. */
  readonly plan: SongPlan | null;
}

/** A source, and how many seconds into the new song it begins. */
type Placed = Source & { readonly start: number };

/** How long the song will be, seconds. */
function lengthOf(task: Task, source: Source | null): number {
  if (!source) return task.seconds;
  return task.kind === 'extend' ? task.before + source.seconds + task.after : source.seconds;
}

/** Longer sounds would need more memory in one denoising step than any song of ours. */
const MAX_SOURCE_SECONDS = 600;

async function findSource(task: Task, model: AceStep): Promise<Source | null> {
  if (!('source' in task)) return null;
  model.report({ type: 'stage', stage: 'source' });
  const { channels, rows } = model.config;
  const kept = await model.latentsOf(task.source);
  const known = kept?.latents;
  if (kept && known?.data instanceof Float32Array && known.dims[1] === channels && known.dims[2] === rows) {
    const frames = known.dims[3]!;
    const seconds = frames / latentRate(model.config);
    return { latents: known.data, frames, seconds, ...memoOf(kept) };
  }
  const pcm = await openSound(task.source, model);
  const { dims, data } = await encodeAudio(pcm, model);
  assert(data instanceof Float32Array, 'latents must be float32');
  await model.done('dcae_encoder');
  // Latents that an earlier version of the model made have another shape; what is known of the song stays.
  const memo = kept ? memoOf(kept) : { recorded: true, plan: null };
  return { latents: data, frames: dims[3]!, seconds: secondsOf(pcm), ...memo };
}

function memoOf({ memo }: Kept): Memo {
  const { plan, recorded } = (typeof memo === 'object' && memo !== null ? memo : {}) as Partial<Memo>; // checked next
  return { plan: parsePlan(plan), recorded: recorded === true };
}

async function openSound(ref: AudioRef, model: AceStep): Promise<Pcm> {
  const pcm = await model.open(ref);
  const seconds = secondsOf(pcm);
  if (seconds > MAX_SOURCE_SECONDS) {
    const length = `${Math.round(seconds)} s long; at most ${MAX_SOURCE_SECONDS} s are possible`;
    throw new EngineError('bad-task', `source is ${length}. Cut it first.`);
  }
  return pcm;
}

// ---- sampling

function spaceOf(batch: number, config: AceStepConfig): Space {
  const rate = latentRate(config);
  return {
    planes: batch * config.channels * config.rows,
    rate,
    maxFrames: Math.trunc(config.seconds.max * rate), // 240 s: 2583. SPEC 5.5
    shift: config.shift,
    stochasticEdits: !config.referenceNoise,
  };
}

const NO_SOURCE: SourceLength = { frames: 0, seconds: 0 };

function routesOf(task: Task, space: Space, source: Source | null): readonly Route[] {
  // The table's rows and the task's kind agree; the compiler cannot follow correlated unions.
  const router = ROUTES[task.kind] as (task: Task, space: Space, source: SourceLength) => readonly Route[];
  return router(task, space, source ?? NO_SOURCE);
}

/** The batch's noise, drawn as the reference draws it: a generator for each song, torch on the CPU. SPEC 5.2. */
function noiseOf(task: Task, { channels, rows, referenceNoise }: AceStepConfig) {
  const planes = channels * rows;
  const batch = task.seeds.length;
  const generators = (seeds: readonly number[]): TorchGenerator[] =>
    task.seeds.map((_, i) => new TorchGenerator(seeds[Math.min(i, seeds.length - 1)]!));
  const drawEach = (from: readonly TorchGenerator[], frames: number): Latents => {
    const out = new Float32Array(batch * planes * frames);
    from.forEach((generator, i) => out.set(generator.randn(planes * frames), i * planes * frames));
    return out;
  };
  const songs = generators(task.seeds);
  const retakes = 'retakeSeeds' in task ? generators(task.retakeSeeds) : [];
  const all = [...songs, ...retakes];
  return {
    /** Where all generators stand: STATE_WORDS for each. */
    state: () => {
      const out = new Uint32Array(all.length * STATE_WORDS);
      all.forEach((generator, i) => out.set(generator.state(), i * STATE_WORDS));
      return out;
    },
    restore: (state: Uint32Array) =>
      all.forEach((generator, i) => generator.restore(state.subarray(i * STATE_WORDS))),
    noise: (frames: number) => drawEach(songs, frames),
    retakeNoise: (frames: number) => drawEach(retakes, frames),
    /** What the stochastic solver draws in each step. */
    stepNoise: (frames: number) => () =>
      referenceNoise ? songs[0]!.randn(batch * planes * frames) : drawEach(songs, frames),
  };
}

/**
 * What moves the level of a latent frame's sound: directions of channels x rows float32, one after the other in the pack's
 * file `levels`. Guidance leaves them alone, and `levelContrast` is for them; packs without the file are guided in full.
 */
async function levelsOf(model: AceStep): Promise<Directions> {
  if (!model.manifest.files['levels']) return [];
  const values = model.config.channels * model.config.rows;
  const bytes = await model.file('levels');
  if (bytes.length % (4 * values) !== 0) {
    const wanted = `a multiple of ${4 * values}, the size of one direction`;
    throw new EngineError('manifest', `files.levels has ${bytes.length} bytes; it must have ${wanted}.`);
  }
  const all = new Float32Array(bytes.slice().buffer);
  return Array.from({ length: all.length / values }, (_, i) => all.subarray(i * values, (i + 1) * values));
}

/** The velocities of a route: guided predictions of the denoiser. */
function velocities(
  task: Task,
  voices: Voices,
  frames: number,
  model: AceStep,
  levels: Directions,
  memory: Memory,
): Means['velocity'] {
  const { channels, rows, levelContrast } = model.config;
  const { guidance } = task.sampling;
  const shape = { batch: task.seeds.length, channels, plane: rows * frames, fixed: levels };
  const erg = task.kind !== 'edit' && task.sampling.erg.diffusion;
  const song = predictor(voices.song, erg, frames, model);
  const target = predictor(voices.target, erg, frames, model);
  const ROLES: { readonly [R in Role]: (steps: number) => Velocity } = {
    song: (steps) => steadied(guided(guidance, shape, steps, song, memory), shape, levelContrast),
    source: () => editGuided(guidance, shape, true, song, memory),
    target: () => editGuided(guidance, shape, false, target, memory),
    rest: () => editGuided(guidance, shape, true, target, memory),
  };
  return (role, steps) => ROLES[role](steps);
}

/** The denoiser under one set of words: song by song, because graphs have batch 1. */
function predictor(voices: Voices['song'], erg: boolean, frames: number, model: AceStep): Predict {
  const { channels, rows, headDim, ropeTheta } = model.config;
  const size = channels * rows * frames;
  const rope = ropeTables(frames, headDim, ropeTheta);
  return async (branch, x, sigma) => {
    const out = new Float32Array(x.length);
    const shared = {
      ...rope,
      sigma: float32(Float32Array.of(sigma), [1]),
      time_features: timeFeatures(timestepOf(sigma)),
      erg_scale: scalar(erg && branch === 'nothing' ? WEAK : 1),
    };
    for (const [i, voice] of (voices[branch] ?? []).entries()) {
      const latents = float32(x.subarray(i * size, (i + 1) * size), [1, channels, rows, frames]);
      const { velocity } = await model.run('denoiser', { ...shared, ...voice, latents });
      const { data } = await plainTensor(velocity);
      assert(
        data instanceof Float32Array && data.length === size,
        `the denoiser gave ${data.length} values for ${size}`,
      );
      out.set(data, i * size);
    }
    return out;
  };
}

function watchOf(
  segments: readonly Segment[],
  pass: number,
  passes: number,
  state: (reached: Reached) => Saved,
  model: AceStep,
): Watch {
  model.report({ type: 'schedule', sigmas: segments.flatMap(({ sigmas }) => [...sigmas]) });
  let since = Date.now();
  return {
    async onStep({ step, steps, sigma, reached }) {
      const now = Date.now();
      const at = { step: pass * steps + step, steps: passes * steps };
      model.report({ type: 'step', ...at, sigma, ms: now - since });
      await model.save(at, () => state(reached));
      since = Date.now(); // saving is not denoising
    },
    stopped: () => model.signal.stopAndKeep,
  };
}

// ---- sound

async function decode(
  latents: Latents,
  task: Task,
  recorded: boolean,
  model: AceStep,
): Promise<readonly Omit<Made, 'memo'>[]> {
  const { channels, rows } = model.config;
  model.report({ type: 'stage', stage: 'sound' });
  const size = latents.length / task.seeds.length;
  const made: Omit<Made, 'memo'>[] = [];
  for (const [index, seed] of task.seeds.entries()) {
    const part = latents.slice(index * size, (index + 1) * size);
    const song: Tensor = float32(part, [1, channels, rows, size / (channels * rows)]);
    const { normalise } = model.config;
    const ear = earOf(index, 'source' in task, model);
    const pcm = await decodeLatents(song, model, ear, { recorded });
    const finished = normalise ? normalised(pcm, normalise.lufs, normalise.peak) : pcm;
    made.push({ pcm: finished, latents: song, seed });
  }
  return made;
}

/** Hands on each piece for those who listen already: near the level that the song will have when it is finished. */
function earOf(index: number, spliced: boolean, model: AceStep): (piece: AudioPiece) => void {
  const { normalise, outputRate } = model.config;
  const report = (piece: AudioPiece): void =>
    model.report({ type: 'audio', index, ...piece, preview: normalise !== null || spliced });
  if (!normalise) return report;
  const leveller = new Leveller(outputRate, normalise.lufs, normalise.peak);
  let start = 0;
  const hand = (piece: AudioPiece, channels: readonly Float32Array[]): void => {
    const size = channels[0]?.length ?? 0;
    if (size > 0) report({ ...piece, start, channels });
    start += size;
  };
  return (piece) => {
    hand(piece, leveller.push(piece.channels));
    if (piece.start + piece.channels[0]!.length === piece.total) hand(piece, leveller.end());
  };
}
