import { expect, test } from 'vitest';
import { maxError } from '../../../scripts/parity/report.ts';
import { checkTask, type Task, type TaskLimits } from '../task.ts';
import { TorchGenerator } from '../random.ts';
import { denoise } from './denoise.ts';
import { cut, join, repeat, type Latents } from './latents.ts';
import { ROUTES, type Means, type Role, type Route, type SourceLength, type Space } from './segments.ts';
import type { Velocity } from './solvers.ts';

const PLANES = 3;
const space: Space = { planes: PLANES, rate: 10, maxFrames: 100, shift: 3, stochasticEdits: false };
const limits: TaskLimits = {
  kinds: ['text2music', 'retake', 'repaint', 'extend', 'edit', 'audio2audio'],
  seconds: { min: 1, max: 30, step: 1, default: 4 },
  steps: { min: 1, max: 200, step: 1, default: 12 },
  presets: {},
  sampling: {
    steps: 12,
    solver: 'euler',
    omega: 0,
    guidance: { type: 'cfg', scale: 1, textScale: 0, lyricScale: 0, interval: 1, decay: 0, minScale: 0 },
    erg: { tag: false, lyric: false, diffusion: false },
    ossSteps: [],
  },
  maxPrompt: 9,
  maxLyrics: 9,
  maxSeeds: 1,
  sings: false,
  score: [],
  erg: false,
  loras: false,
};

const noiseOf = (seed: number): ((frames: number) => Latents) => {
  const generator = new TorchGenerator(seed);
  return (frames) => generator.randn(PLANES * frames);
};
const soundOf = (frames: number): Latents =>
  Float32Array.from({ length: PLANES * frames }, (_, i) => Math.sin(0.3 * i) + Math.floor(i / frames));
const lengthOf = (frames: number): SourceLength => ({ frames, seconds: frames / space.rate - 0.03 });

/** The exact velocity towards known data. */
const toward =
  (data: (frames: number) => Latents): Velocity =>
  async (x, { sigma }) => {
    const target = data(x.length / PLANES);
    return x.map((v, i) => (v - target[i]!) / sigma);
  };

interface Run {
  readonly roles: readonly Role[];
  readonly steps: readonly number[];
  /** How often the solver asked for noise. */
  readonly draws: number;
  readonly sigmas: readonly number[];
  readonly out: Latents;
}

/** Runs a task whose song is `song`, whose edit source is `source` itself; stops after `stopAfter` steps. */
async function run(
  input: object,
  sound: Latents,
  song: (frames: number) => Latents,
  stopAfter = Infinity,
  where: Space = space,
): Promise<Run> {
  const task: Task = checkTask({ source: 'a', ...input }, limits, () => 5);
  const known = sound.length / PLANES;
  const router = ROUTES[task.kind] as (task: Task, space: Space, source: SourceLength) => readonly Route[]; // as index.ts
  const roles: Role[] = [];
  const steps: number[] = [];
  const sigmas: number[] = [];
  const [noise, retakeNoise] = [noiseOf(1), noiseOf(2)];
  let draws = 0;
  let source = sound;
  for (const route of router(task, where, lengthOf(known))) {
    expect(route.frames).toBeLessThanOrEqual(Math.max(where.maxFrames, known));
    const means: Means = {
      source,
      noise,
      retakeNoise,
      velocity(role, count) {
        roles.push(role);
        steps.push(count);
        return toward(role === 'source' ? (frames) => cut(sound, known, 0, frames) : song);
      },
    };
    const sampled = await denoise(
      route.segments(means),
      { omega: 0, draw: () => (draws++, noise(route.frames)) },
      { onStep: ({ sigma }) => void sigmas.push(sigma), stopped: () => sigmas.length >= stopAfter },
    );
    source = route.finish(sampled, source);
  }
  return { roles, steps, draws, sigmas, out: source };
}

const still = (frames: number): Latents => new Float32Array(PLANES * frames).fill(9);
const noSource = { source: undefined };

test('text2music and retake reach the song from noise alone', async () => {
  for (const kind of ['text2music', 'retake']) {
    const { out } = await run({ kind, seconds: 4.19, ...noSource }, new Float32Array(0), still);
    expect(maxError(out, still(41))).toBeLessThan(1e-5);
  }
});

test.each([1, 200])('%d steps arrive at the song', async (steps) => {
  const { out, sigmas } = await run(
    { kind: 'text2music', seconds: 4.19, steps, ...noSource },
    new Float32Array(0),
    still,
  );
  expect(sigmas).toHaveLength(steps);
  expect(maxError(out, still(41))).toBeLessThan(1e-5);
});

test.each(['euler', 'heun', 'pingpong'])(
  'repaint with %s keeps what lies outside its regions bit for bit',
  async (solver) => {
    const sound = soundOf(40);
    const regions = [{ start: 0.5, end: 1 }, { start: 3, end: 3.55 }]; // prettier-ignore
    const { out } = await run({ kind: 'repaint', solver, regions, variance: 0.5 }, sound, still);
    for (let p = 0; p < PLANES; p++) {
      for (let t = 0; t < 40; t++) {
        const inside = (t >= 5 && t < 10) || (t >= 30 && t < 35);
        const at = p * 40 + t;
        if (inside) expect(out[at]).toBeCloseTo(9, 4);
        else expect(out[at]).toBe(sound[at]);
      }
    }
  },
);

test.each([
  [{ kind: 'repaint', variance: 1, regions: [{ start: 1, end: 2 }] }, [0, 10]],
  [{ kind: 'extend', before: 1, after: 0 }, [10, 50]],
] as const)('%o draws noise in each step where solver and model are stochastic', async (task, [from, to]) => {
  const sound = soundOf(40);
  for (const stochasticEdits of [false, true]) {
    const where = { ...space, stochasticEdits };
    const { out, draws } = await run({ ...task, solver: 'pingpong' }, sound, still, Infinity, where);
    expect(draws).toBe(stochasticEdits ? 12 : 0);
    expect(out.subarray(from, to), 'what is kept').toEqual(sound.subarray(0, to - from));
    expect(out[from === 0 ? 12 : 0]).toBeCloseTo(9, 4);
    expect((await run({ ...task, solver: 'heun' }, sound, still, Infinity, where)).draws).toBe(0);
  }
});

test('repaint starts where variance says, and makes a retake where nothing would stay', async () => {
  const count = async (variance: number, end = 2): Promise<number> =>
    (await run({ kind: 'repaint', start: 0, end, variance }, soundOf(40), still)).sigmas.length;
  expect(await count(1)).toBe(12);
  expect(await count(0.5)).toBe(6);
  expect(await count(0)).toBe(1);
  const { out } = await run({ kind: 'repaint', start: 0, end: 9, variance: 0.2 }, soundOf(40), still);
  expect(maxError(out, still(40))).toBeLessThan(1e-5);
  const late = run({ kind: 'repaint', start: 4, end: 5 }, soundOf(40), still);
  await expect(late).rejects.toThrow('regions[0].start is 4 s, but the source is 3.97 s long');
});

test('repaint with explicit steps has something to do', async () => {
  const sampling = { ossSteps: [2, 5, 9, 16] };
  const partly = await run(
    { kind: 'repaint', start: 0, end: 2, variance: 0.5, sampling },
    soundOf(40),
    still,
  );
  expect(partly.sigmas).toHaveLength(2);
});

test.each([
  ['in front', 1.5, 0, 15, 0],
  ['behind', 0, 2, 0, 19], // counted from the end of the sound, which ends inside its last frame
  ['on both sides', 1, 1, 10, 9],
  ['by more than there is', 0, 5, 0, 49],
])('extend %s', async (_where, before, after, left, right) => {
  const sound = soundOf(40);
  const { out } = await run({ kind: 'extend', before, after }, sound, still);
  const frames = left + 40 + right;
  expect(out).toHaveLength(PLANES * frames);
  expect(cut(out, frames, left, left + 40)).toEqual(sound);
  expect(maxError(cut(out, frames, 0, left), still(left))).toBeLessThan(1e-4);
  expect(maxError(cut(out, frames, left + 40, frames), still(right))).toBeLessThan(1e-4);
});

test.each([
  ['one side, one window', 90, 0, 2, 1],
  ['in front, one window', 90, 2, 0, 1],
  ['both sides, which no window holds', 95, 2, 2, 2],
  ['longer than a window has room for', 80, 0, 20, 3],
  ['both, and long', 60, 12, 12, 4],
])('extend beyond the longest song: %s', async (_what, known, before, after, passes) => {
  const sound = soundOf(known);
  const { out, roles } = await run({ kind: 'extend', before, after }, sound, still);
  expect(roles).toHaveLength(passes);
  const left = before * 10;
  const frames = out.length / PLANES;
  expect(frames).toBe(left + known + (after > 0 ? after * 10 - 1 : 0));
  expect(cut(out, frames, left, left + known)).toEqual(sound);
  expect(maxError(cut(out, frames, left + known, frames), still(frames - left - known))).toBeLessThan(1e-4);
});

test('edit with the same words changes nothing, whatever part of the way it takes', async () => {
  const sound = soundOf(40);
  for (const [nMin, nMax, nAvg] of [
    [0, 1, 1],
    [0.5, 1, 3],
  ] as const) {
    const { out } = await run({ kind: 'edit', nMin, nMax, nAvg }, sound, (frames) =>
      cut(sound, 40, 0, frames),
    );
    expect(maxError(out, sound)).toBeLessThan(1e-4);
  }
});

test('edit arrives at the target; the last part goes there on its own', async () => {
  const sound = soundOf(40);
  const whole = await run({ kind: 'edit' }, sound, still);
  expect(maxError(whole.out, still(40))).toBeLessThan(1e-4);
  expect(whole.roles).toEqual(['source', 'target']);
  const parts = await run({ kind: 'edit', nMin: 0.2, nMax: 0.4, nAvg: 2 }, sound, still);
  expect(parts.roles).toEqual(['source', 'target', 'rest']);
  expect(parts.sigmas).toHaveLength(10); // steps 2 to 11
  expect(maxError(parts.out, still(40))).toBeLessThan(1e-4);
});

test('audio2audio takes the steps that its strength leaves', async () => {
  const count = async (strength: number): Promise<number> => {
    const { out, sigmas } = await run({ kind: 'audio2audio', strength }, soundOf(40), still);
    if (strength < 1) expect(maxError(out, still(40))).toBeLessThan(1e-4);
    else expect(out).toEqual(soundOf(40));
    return sigmas.length;
  };
  expect(await count(0)).toBe(12);
  expect(await count(0.5)).toBe(6);
  expect(await count(0.99)).toBe(1);
  expect(await count(1)).toBe(0);
});

test('stopping keeps the best guess of the song, and of an edit what is edited so far', async () => {
  const sound = soundOf(40);
  const song = await run({ kind: 'text2music', seconds: 4, ...noSource }, new Float32Array(0), still, 3);
  expect(song.sigmas).toHaveLength(3);
  expect(maxError(song.out, still(40))).toBeLessThan(1e-4); // the exact velocity points there from anywhere
  const repainted = await run({ kind: 'repaint', start: 1, end: 2, variance: 1 }, sound, still, 2);
  expect(cut(repainted.out, 40, 20, 40)).toEqual(cut(sound, 40, 20, 40));
  expect(cut(repainted.out, 40, 10, 20).every((v) => Math.abs(v - 9) < 1e-4)).toBe(true);
  const edited = await run({ kind: 'edit' }, sound, still, 1);
  expect(maxError(edited.out, sound)).toBeLessThan(maxError(still(40), sound));
});

test('guidance counts the steps of the schedule, whichever way it is followed', async () => {
  for (const [solver, input] of [
    ['heun', {}],
    ['euler', {}],
    ['pingpong', { sampling: { ossSteps: [1, 4, 9] } }],
  ] as const) {
    const { steps } = await run({ kind: 'repaint', start: 0, end: 1, solver, ...input }, soundOf(40), still);
    expect(steps).toEqual(['sampling' in input ? 3 : 12]);
  }
});

test('frames are cut, padded, joined and repeated', () => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6); // two planes of three frames
  expect([...cut(x, 3, -1, 2)]).toEqual([0, 1, 2, 0, 4, 5]);
  expect([...cut(x, 3, 2, 5)]).toEqual([3, 0, 0, 6, 0, 0]);
  expect([...cut(x, 3, 3, 4)]).toEqual([0, 0]);
  expect([...join(2, [x, Float32Array.of(7, 8), new Float32Array(0)])]).toEqual([1, 2, 3, 7, 4, 5, 6, 8]);
  expect([...repeat(Float32Array.of(1, 2), 2)]).toEqual([1, 2, 1, 2]);
});
