/**
 * The tasks as data: how many frames to sample, which segments of the flow to follow, and how the result becomes
 * the song again. All frame arithmetic of the reference, and our departures from it, are here. SPEC 5.5.
 */
import { EngineError } from '../errors.ts';
import type { Sampling, TaskKind, TaskOf } from '../task.ts';
import type { Segment } from './denoise.ts';
import { blend, choose, cut, join, mix, type Latents } from './latents.ts';
import { flowSchedule, type Schedule } from './schedule.ts';
import { plain, SOLVERS, visits, type Velocity } from './solvers.ts';

/** What the model and the batch fix. */
export interface Space {
  /** Songs x channels x rows. */
  readonly planes: number;
  /** Latent frames a second. */
  readonly rate: number;
  /** Longest stretch that is sampled at once, frames. */
  readonly maxFrames: number;
  /** Timestep shift of the schedule. */
  readonly shift: number;
  /** Repaint and extend follow the stochastic solver where it is chosen; the reference takes Euler. */
  readonly stochasticEdits: boolean;
}

/** Length of the sound that a task starts from. Its latents are padded up to a whole frame. */
export interface SourceLength {
  readonly frames: number;
  readonly seconds: number;
}

/**
 * Which velocity a segment follows: the song's own under its guidance; FlowEdit's for the source's words and for
 * the target's; FlowEdit's last part, on the target's words alone.
 */
export type Role = 'song' | 'source' | 'target' | 'rest';

/** What segments are made with. Latents hold the whole batch. */
export interface Means {
  /** Latents of the source, once for each song; empty for tasks that start from noise alone. */
  readonly source: Latents;
  /** The velocity of a role in a schedule of so many steps. */
  velocity(role: Role, steps: number): Velocity;
  /** Noise of the songs' seeds. */
  noise(frames: number): Latents;
  /** Noise of the retake seeds. */
  retakeNoise(frames: number): Latents;
}

/** One pass of the sampler. */
export interface Route {
  readonly frames: number;
  /** Frame of the source at which the first of these lies; below 0 where new music comes before it. */
  readonly origin: number;
  /** Frames of new music that this pass puts before the source. */
  readonly before: number;
  segments(means: Means): readonly Segment[];
  /** The song: what was sampled, with those parts of the source put back that lay outside. */
  finish(sampled: Latents, source: Latents): Latents;
}

type Router<K extends TaskKind> = (task: TaskOf<K>, space: Space, source: SourceLength) => readonly Route[];

/** The passes of a task, each starting from the song of the one before; all but very long extends need one. */
export const ROUTES: { readonly [K in TaskKind]: Router<K> } = {
  text2music: (task, space) => {
    const frames = framesOf(task.seconds, space);
    return [
      wholeWay(task.sampling, frames, scheduleOf(task.sampling, space), (means) => means.noise(frames)),
    ];
  },
  retake: (task, space) => [retake(task, space, framesOf(task.seconds, space))],
  repaint,
  extend,
  edit,
  audio2audio,
};

/** Latent frames of a duration; the reference truncates. SPEC 0. */
export const framesOf = (seconds: number, { rate }: Pick<Space, 'rate'>): number =>
  Math.trunc(seconds * rate);

/** The whole schedule in one segment, with the solver that the user chose. */
function wholeWay(
  { solver: name }: Sampling,
  frames: number,
  { sigmas }: Pick<Schedule, 'sigmas'>,
  begin: (means: Means) => Latents,
): Route {
  const solver = SOLVERS[name];
  const steps = sigmas.length - 1;
  return {
    frames,
    origin: 0,
    before: 0,
    finish: (sampled) => sampled,
    segments: (means) => [
      { sigmas, firstCall: 0, solver, velocity: means.velocity('song', steps), begin: () => begin(means) },
    ],
  };
}

function retake(task: TaskOf<'retake'> | TaskOf<'repaint'>, space: Space, frames: number): Route {
  return wholeWay(task.sampling, frames, scheduleOf(task.sampling, space), (means) =>
    blend(means.noise(frames), means.retakeNoise(frames), task.variance),
  );
}

function repaint(task: TaskOf<'repaint'>, space: Space, { frames, seconds }: SourceLength): Route[] {
  const mask = new Uint8Array(frames);
  task.regions.forEach(({ start, end }, i) => {
    const from = framesOf(start, space);
    if (from >= frames) {
      throw new EngineError(
        'bad-task',
        `regions[${i}].start is ${start} s, but the source is ${seconds.toFixed(2)} s long. ` +
          'Choose an earlier region, or extend the song.',
      );
    }
    mask.fill(1, from, Math.max(from + 1, framesOf(end, space)));
  });
  // Nothing of the source would be left: the reference makes a retake of the same length.
  if (mask.every((inside) => inside === 1)) return [retake(task, space, frames)];
  const segments = (means: Means): Segment[] => {
    const noise = means.noise(frames);
    const other = blend(noise, means.retakeNoise(frames), task.variance);
    return [masked(task, space, means, means.source, choose(mask, other, noise), mask)];
  };
  return [{ frames, origin: 0, before: 0, segments, finish: (sampled) => sampled }];
}

/**
 * New music before and after a source. What cannot be sampled at once is made one end at a time, and in stretches
 * that leave a quarter of the window to known music.
 */
function extend(task: TaskOf<'extend'>, space: Space, source: SourceLength): Route[] {
  const { before, after } = task;
  const left = before > 0 ? Math.max(1, framesOf(before, space)) : 0;
  // Counted from the start of the sound, as the reference does: the source's last frame may be a part of one.
  const right = after > 0 ? Math.max(1, framesOf(source.seconds + after, space) - source.frames) : 0;
  const room = space.maxFrames - Math.min(source.frames, Math.trunc(space.maxFrames / 4));
  const fits = left + source.frames + right <= space.maxFrames;
  const oneEnd = left === 0 || right === 0;
  if (fits || (oneEnd && Math.max(left, right) <= room)) {
    return [stretch(task, space, source.frames, left, right)];
  }
  let frames = source.frames;
  return [
    ...split(left, room).map((n) => [n, 0] as const),
    ...split(right, room).map((n) => [0, n] as const),
  ].map(([l, r]) => {
    const route = stretch(task, space, frames, l, r);
    frames += l + r;
    return route;
  });
}

/** `total` as the fewest nearly equal whole parts of at most `most`. */
function split(total: number, most: number): number[] {
  const count = Math.ceil(total / most);
  return Array.from(
    { length: count },
    (_, i) => Math.floor(((i + 1) * total) / count) - Math.floor((i * total) / count),
  );
}

/** `left` and `right` new frames beside a source of `known` frames. */
function stretch(task: TaskOf<'extend'>, space: Space, known: number, left: number, right: number): Route {
  const total = left + known + right;
  const over = Math.max(0, total - space.maxFrames);
  // Too long to sample at once: what lies farthest from the new part stays outside, and finish() puts it back.
  // The reference loses it on the left and crashes on the right. SPEC 5.5, 7.10.
  const from = right > left ? over : 0;
  const to = total - over + from;
  const mask = Uint8Array.from({ length: to - from }, (_, i) =>
    i + from < left || i + from >= left + known ? 1 : 0,
  );
  return {
    frames: to - from,
    origin: from - left,
    before: left,
    finish: (sampled, source) =>
      join(space.planes, [
        cut(source, known, -left, from - left),
        sampled,
        cut(source, known, to - left, total - left),
      ]),
    segments: (means) => {
      // Noise as long as the source, its new ends from as much retake noise; more where an end is longer than that.
      const length = Math.max(known, left, right);
      const other = means.retakeNoise(length);
      const noise = join(space.planes, [
        cut(other, length, 0, left),
        means.noise(known),
        cut(other, length, length - right, length),
      ]);
      const source = cut(means.source, known, from - left, to - left);
      return [masked(task, space, means, source, cut(noise, total, from, to), mask)];
    },
  };
}

/**
 * From `variance` of the schedule on, inside the mask; outside, the path from the source's own noise to the source,
 * which it reaches exactly. But for `stochasticEdits` it is Euler call by call, so Heun's doubled levels become steps of
 * length 0 whose calls only feed the guidance's momentum. SPEC 5.5, 7.9.
 */
function masked(
  { sampling, variance }: TaskOf<'repaint'> | TaskOf<'extend'>,
  space: Space,
  means: Means,
  source: Latents,
  noise: Latents,
  mask: Uint8Array,
): Segment {
  const levels = levelsOf(sampling, space);
  const calls = levels.length - 1;
  // The reference counts in steps of the schedule that explicit steps are picked from; where that would leave
  // nothing to do, count in the calls themselves.
  const { ossSteps } = sampling;
  const all = ossSteps.length > 0 ? Math.max(...ossSteps) : sampling.steps;
  const skipped = Math.trunc(all * (1 - variance));
  const firstCall = skipped < calls ? skipped : Math.min(calls - 1, Math.trunc(calls * (1 - variance)));
  const sigmas = levels.subarray(firstCall);
  return {
    sigmas,
    firstCall,
    solver: space.stochasticEdits && sampling.solver === 'pingpong' ? SOLVERS.pingpong : plain,
    velocity: means.velocity('song', ossSteps.length > 0 ? ossSteps.length : sampling.steps),
    begin: () => mix(source, noise, sigmas[0]!),
    constrain: (x, sigma) => choose(mask, x, mix(source, noise, sigma)),
  };
}

/** FlowEdit: the difference of two velocities is a velocity too; the rest of the way is the target's own. SPEC 5.5. */
function edit(task: TaskOf<'edit'>, space: Space, { frames }: SourceLength): Route[] {
  const { sampling, nMin, nMax, nAvg } = task;
  const levels = levelsOf(sampling, space);
  const calls = levels.length - 1;
  const first = Math.min(Math.trunc(sampling.steps * nMin), calls);
  const last = Math.min(Math.trunc(sampling.steps * nMax), calls);
  const segments = (means: Means): Segment[] => {
    const { source } = means;
    const fromSource = means.velocity('source', sampling.steps);
    const towards = means.velocity('target', sampling.steps);
    const noisy = (sigma: number): Latents => mix(source, means.retakeNoise(frames), sigma);
    const drift: Velocity = async (x, at) => {
      const sum = new Float32Array(x.length);
      for (let k = 0; k < nAvg; k++) {
        const path = noisy(at.sigma);
        const from = await fromSource(path, at);
        const to = await towards(moved(x, path, source), at);
        for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + (to[i]! - from[i]!) / nAvg;
      }
      return sum;
    };
    const head: Segment = {
      sigmas: levels.subarray(first, last + 1),
      firstCall: first,
      solver: plain,
      velocity: drift,
      begin: () => source,
      settle: (x) => x, // what is edited so far is music already, not noise
    };
    if (last === calls) return [head];
    const rest = levels.subarray(last);
    const tail: Segment = {
      sigmas: rest,
      firstCall: last,
      solver: plain,
      velocity: means.velocity('rest', sampling.steps),
      begin: (x) => moved(x ?? source, noisy(rest[0]!), source),
    };
    return [head, tail];
  };
  return [{ frames, origin: 0, before: 0, segments, finish: (sampled) => sampled }];
}

/** x + path - origin */
function moved(x: Latents, path: Latents, origin: Latents): Latents {
  const out = new Float32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + path[i]! - origin[i]!;
  return out;
}

/**
 * From the source with noise upon it. The noise is mixed at the sigma that was shifted once, but the schedule
 * starts at the one that was shifted twice. SPEC 5.5, 7.12.
 */
function audio2audio(task: TaskOf<'audio2audio'>, space: Space, { frames }: SourceLength): Route[] {
  const { sampling, strength } = task;
  const sigmaMax = 1 - strength;
  // Truncated like the reference, which fails where no step is left; one step then, none at full strength.
  const steps = Math.max(1, Math.trunc(sigmaMax * sampling.steps));
  const { sigmas, startSigma } = flowSchedule({ steps, shift: space.shift, sigmaMax });
  const path = { sigmas: sigmaMax > 0 ? sigmas : sigmas.subarray(1) };
  return [wholeWay(sampling, frames, path, (means) => mix(means.source, means.noise(frames), startSigma))];
}

const scheduleOf = ({ steps, ossSteps }: Sampling, { shift }: Space): Schedule =>
  flowSchedule({ steps, shift, ossSteps });

/** The level of every velocity call of the chosen solver, and the 0 at the end. */
function levelsOf(sampling: Sampling, space: Space): Float32Array {
  const { sigmas } = scheduleOf(sampling, space);
  return Float32Array.from([...visits(SOLVERS[sampling.solver], sigmas), 0]);
}
