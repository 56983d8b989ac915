import { describe, expect, test } from 'vitest';
import { goldenTensors, hasGolden, maxError } from '../../../scripts/golden/read.ts';
import {
  apg,
  branchesOf,
  cfgStar,
  doubleCondition,
  editGuided,
  GUIDANCE,
  guided,
  type Branch,
  type GuidanceShape,
} from './guidance.ts';
import type { Velocity } from './solvers.ts';

const settings = {
  type: 'cfg',
  scale: 3,
  textScale: 0,
  lyricScale: 0,
  interval: 1,
  decay: 0,
  minScale: 1,
} as const;
const shape = { batch: 2, channels: 2, plane: 6 };
const size = 24;
const wave = (k: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(k * i + k));
const outputs: Record<Branch, Float32Array> = { words: wave(1), prompt: wave(2), nothing: wave(3) };

test('no guide changes anything at scale 1, and equal predictions stay', () => {
  for (const make of [GUIDANCE.apg, GUIDANCE.cfg]) {
    expect(maxError(make(shape)(outputs.words, outputs.nothing, 1, 5), outputs.words)).toBeLessThan(1e-6);
    expect(maxError(make(shape)(outputs.words, outputs.words, 9, 5), outputs.words)).toBeLessThan(1e-5);
  }
  expect(maxError(cfgStar(shape)(outputs.words, outputs.words, 9, 5), outputs.words)).toBeLessThan(1e-5);
});

test('what apg adds is orthogonal to the prediction, plane by plane, and bounded', () => {
  const scale = 15;
  const big = outputs.nothing.map((v) => v * 100);
  const out = apg(shape, { momentum: -0.75 })(outputs.words, big, scale, 0);
  for (let at = 0; at < size; at += shape.plane) {
    const plane = [...out.subarray(at, at + shape.plane)].map((v, i) => v - outputs.words[at + i]!);
    expect(plane.reduce((sum, v, i) => sum + v * outputs.words[at + i]!, 0)).toBeCloseTo(0, 3);
    expect(Math.hypot(...plane)).toBeLessThanOrEqual((scale - 1) * 2.5 + 1e-3);
  }
});

test('guidance asks only for the branches that it needs, inside its interval', async () => {
  const asked: string[] = [];
  const predict = async (branch: Branch) => {
    asked.push(branch);
    return outputs[branch].slice();
  };
  const calls = async (guidance: typeof settings | object, n: number) => {
    const velocity = guided({ ...settings, ...guidance }, shape, n, predict);
    const counts: number[] = [];
    for (let call = 0; call < n; call++) {
      asked.length = 0;
      await velocity(outputs.words, { sigma: 1 - call / n, call });
      counts.push(asked.length);
    }
    return counts;
  };
  expect(await calls({ interval: 0.5 }, 8)).toEqual([1, 1, 2, 2, 2, 2, 1, 1]);
  expect(await calls({ interval: 0.5 }, 27)).toEqual(
    Array.from({ length: 27 }, (_, i) => (i >= 6 && i < 20 ? 2 : 1)),
  );
  expect(await calls({ interval: 1 }, 3)).toEqual([2, 2, 2]);
  expect(await calls({ interval: 0 }, 4)).toEqual([1, 1, 1, 1]);
  expect(await calls({ scale: 1 }, 3)).toEqual([1, 1, 1]);
  expect(await calls({ scale: 0, textScale: 5, lyricScale: 2 }, 2)).toEqual([1, 1]);
  expect(await calls({ textScale: 5, lyricScale: 1.5 }, 2)).toEqual([3, 3]);
  expect(asked).toEqual(['words', 'prompt', 'nothing']);
  expect(branchesOf({ ...settings, scale: 1 })).toEqual(['words']);
  expect(branchesOf({ ...settings, textScale: 5, lyricScale: 1.5 })).toEqual(['words', 'prompt', 'nothing']);
  expect(branchesOf({ ...settings, textScale: 5, lyricScale: 1 })).toEqual(['words', 'nothing']);
});

test('decay falls from the scale to the minimum inside the interval, and survives an interval of one call', async () => {
  const guidance = { ...settings, scale: 9, minScale: 3, decay: 1, interval: 0.5 };
  const predict = async (branch: Branch) => new Float32Array(size).fill(branch === 'words' ? 1 : 0);
  const scales = async (n: number) => {
    const velocity = guided(guidance, shape, n, predict);
    const at = (call: number) => velocity(outputs.words, { sigma: 0.5, call });
    return Promise.all(Array.from({ length: n }, async (_, call) => (await at(call))[0]));
  };
  expect(await scales(6)).toEqual([1, 9, 6, 3, 1, 1]);
  expect(await scales(2)).toEqual([9, 1]);
});

test("FlowEdit's target is compared without momentum, its source with it", async () => {
  const predict = async (branch: Branch) => outputs[branch].slice();
  const at = { sigma: 0.5, call: 0 };
  const plainly = editGuided(settings, shape, false, predict);
  expect(maxError(await plainly(outputs.words, at), await plainly(outputs.words, at))).toBe(0);
  const moving = editGuided(settings, shape, true, predict);
  expect(maxError(await moving(outputs.words, at), await moving(outputs.words, at))).toBeGreaterThan(1e-3);
});

test('nothing is added along fixed directions, and all of the rest, in plain and in edit guidance', async () => {
  // Two channels of two rows by three frames; both directions mix the channels.
  const fixed = [Float32Array.of(0.6, 0, 0, 0.8), Float32Array.of(0, 1, 0, 0)];
  const free = [Float32Array.of(0.8, 0, 0, -0.6), Float32Array.of(0, 0, 1, 0)];
  const along = (direction: Float32Array, x: Float32Array): number[] =>
    Array.from({ length: 6 }, (_, i) => {
      const at = Math.floor(i / 3) * 12 + (i % 3);
      return direction.reduce((sum, v, d) => sum + v * x[at + 3 * d]!, 0);
    });
  const predict = async (branch: Branch) => outputs[branch].slice();
  const at = { sigma: 0.5, call: 0 };
  const makes: readonly ((shape: GuidanceShape) => Velocity)[] = [
    (shape) => guided(settings, shape, 3, predict),
    (shape) => guided({ ...settings, textScale: 5, lyricScale: 1.5 }, shape, 3, predict),
    (shape) => editGuided(settings, shape, true, predict),
  ];
  for (const make of makes) {
    const whole = await make(shape)(outputs.words, at);
    const held = await make({ ...shape, fixed })(outputs.words, at);
    expect(maxError(held, whole)).toBeGreaterThan(0.5);
    for (const direction of fixed) {
      expect(maxError(along(direction, held), along(direction, outputs.words))).toBeLessThan(1e-5);
    }
    for (const direction of free) {
      expect(maxError(along(direction, held), along(direction, whole))).toBeLessThan(1e-5);
    }
  }
});

describe.skipIf(!hasGolden)('against the reference (needs ../shared/golden)', () => {
  const golden = hasGolden ? goldenTensors('guidance/guidance.safetensors') : new Map();
  const get = (name: string): Float32Array => golden.get(name)!.data;
  const [batch, channels, rows, frames] = golden.get('apg.0.cond')?.shape ?? [1, 1, 1, 1];
  const like = { batch, channels, plane: rows * frames };
  const indices = [...golden.keys()]
    .filter((n) => n.endsWith('.running_average'))
    .map((n) => Number(n.split('.')[1]));

  test('apg, with a momentum that runs through the calls', () => {
    const moving = apg(like, { momentum: -0.75 });
    for (const i of indices) {
      const [cond, uncond] = [get(`apg.${i}.cond`), get(`apg.${i}.uncond`)];
      const scale = get(`apg.${i}.scale`)[0]!;
      expect(maxError(moving(cond, uncond, scale, i), get(`apg.${i}.out_momentum`))).toBeLessThan(1e-4);
      const alone = apg(like, { momentum: 0 })(cond, uncond, scale, i);
      expect(maxError(alone, get(`apg.${i}.out_nomomentum`))).toBeLessThan(1e-4);
      const loose = apg(like, { momentum: 0, eta: 0.5, limit: 0 })(cond, uncond, scale, i);
      expect(maxError(loose, get(`apg.${i}.out_eta0.5_norm0`))).toBeLessThan(1e-4);
    }
  });

  test('cfg, cfg_star and double condition', () => {
    for (const i of indices) {
      const [cond, uncond] = [get(`apg.${i}.cond`), get(`apg.${i}.uncond`)];
      const scale = get(`apg.${i}.scale`)[0]!;
      expect(maxError(GUIDANCE.cfg(like)(cond, uncond, scale, i), get(`cfg.${i}.out`))).toBeLessThan(1e-5);
      for (const until of [0, 1]) {
        const out = cfgStar(like, until)(cond, uncond, scale, i);
        expect(maxError(out, get(`cfg_zero_star.${i}.zero_steps${until}.out`))).toBeLessThan(2e-5);
      }
      const scales = { textScale: 5, lyricScale: 1.5 };
      const out = doubleCondition(cond, get(`double.${i}.only_text`), uncond, scales);
      expect(maxError(out, get(`double.${i}.out`))).toBeLessThan(1e-5);
    }
  });
});
