/** The sampler's arithmetic and the lyric tokenizer against schedulers/, guidance/ and lyrics/. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { denoise } from '../../src/lib/diffusion/denoise.ts';
import { apg, cfgStar, doubleCondition, GUIDANCE } from '../../src/lib/diffusion/guidance.ts';
import { flowSchedule, timestepOf } from '../../src/lib/diffusion/schedule.ts';
import { SOLVERS, visits } from '../../src/lib/diffusion/solvers.ts';
import { explainLyrics, lyricIds, type LyricOptions } from '../../src/lib/families/ace-step-v1/lyrics.ts';
import type { Model } from '../../src/lib/family.ts';
import type { SolverName } from '../../src/lib/task.ts';
import { casesOf, need, readJson, readTensors, type GoldenFile } from '../golden/read.ts';
import { differences, maxError, type Report } from './report.ts';

interface Schedules {
  readonly schedules: readonly {
    readonly type: SolverName;
    readonly shift: number;
    readonly sigma_max_arg: number;
    readonly steps: number;
    readonly timesteps: readonly number[];
  }[];
  readonly oss: readonly {
    readonly type: SolverName;
    readonly oss_steps: readonly number[];
    readonly timesteps: readonly number[];
    readonly shift?: number;
  }[];
}

const OFFICIAL_SHIFT = 3; // of the schedulers that the reference builds. SPEC 4

export async function checkSchedulers(folder: string, report: Report): Promise<void> {
  const tables = join(folder, 'schedulers/schedules.json');
  if (existsSync(tables)) {
    const { schedules, oss } = readJson<Schedules>(tables);
    for (const { type, shift, sigma_max_arg: sigmaMax, steps, timesteps } of schedules) {
      const { sigmas } = flowSchedule({ steps, shift, sigmaMax });
      const ours = [...visits(SOLVERS[type], sigmas)].map(timestepOf);
      const name = `schedulers/${type}.shift${shift}.max${sigmaMax}.steps${steps}`;
      report.add(name, relativeError(ours, timesteps), 'exact');
    }
    for (const { type, oss_steps: ossSteps, timesteps, shift = OFFICIAL_SHIFT } of oss) {
      const { sigmas } = flowSchedule({ steps: 1, shift, ossSteps });
      const ours = [...visits(SOLVERS[type], sigmas)].map(timestepOf);
      report.add(`schedulers/${type}.oss${ossSteps.join('-')}`, relativeError(ours, timesteps), 'exact');
    }
  }
  const steps = join(folder, 'schedulers/steps.safetensors');
  if (!existsSync(steps)) return;
  const file = readTensors(steps);
  for (const key of casesOf(file, '.init')) {
    await report.attempt(`schedulers/${key}`, async () =>
      report.add(`schedulers/${key}`, await stepError(file, key), 'steps'),
    );
  }
}

/** Worst error along a stored trajectory, the stored outputs standing in for the network. Key: solver.omegaNUMBER */
async function stepError(file: GoldenFile, key: string): Promise<number> {
  const part = (name: string): Float32Array => need(file, `${key}.${name}`).data;
  const [, name, omega] = /^(\w+)\.omega(-?[\d.]+)$/.exec(key) ?? [];
  const solver = SOLVERS[name as SolverName]; // an unknown one fails below, as a failed case
  const x = part('init');
  const at = (all: Float32Array, i: number): Float32Array => all.slice(i * x.length, (i + 1) * x.length);
  const levels = part('sigmas');
  const sigmas = levels.filter((sigma, i) => i === 0 || sigma !== levels[i - 1]); // Heun's are doubled
  const seen: Float32Array[] = [];
  let drawn = 0;
  const segment = {
    sigmas,
    firstCall: 0,
    solver,
    begin: () => x,
    velocity: async (latents: Float32Array, { call }: { readonly call: number }) => {
      if (call > 0) seen.push(latents.slice());
      return at(part('model_outputs'), call);
    },
  };
  const options = { omega: Number(omega), draw: () => at(part('noises'), drawn++) };
  seen.push(await denoise([segment], options, { onStep: () => {}, stopped: () => false }));
  return Math.max(...seen.map((latents, i) => maxError(latents, at(part('trajectory'), i))));
}

export function checkGuidance(folder: string, report: Report): void {
  const path = join(folder, 'guidance/guidance.safetensors');
  if (!existsSync(path)) return;
  const file = readTensors(path);
  const cases = casesOf(file, '.cond').map((key) => key.slice(key.indexOf('.') + 1));
  const [batch, channels, rows, frames] = need(file, `apg.${cases[0]}.cond`).shape as [
    number,
    number,
    number,
    number,
  ];
  const shape = { batch, channels, plane: rows * frames };
  const moving = apg(shape, { momentum: -0.75 });
  for (const key of cases) {
    const call = Number(key); // cases follow each other: one momentum runs through them
    const part = (name: string): Float32Array => need(file, `apg.${key}.${name}`).data;
    const [cond, uncond, scale] = [part('cond'), part('uncond'), part('scale')[0]!];
    const outputs: Record<string, () => Float32Array> = {
      [`apg.${key}.out_momentum`]: () => moving(cond, uncond, scale, call),
      [`apg.${key}.out_nomomentum`]: () => apg(shape, { momentum: 0 })(cond, uncond, scale, call),
      [`apg.${key}.out_eta0.5_norm0`]: () =>
        apg(shape, { momentum: 0, eta: 0.5, limit: 0 })(cond, uncond, scale, call),
      [`cfg.${key}.out`]: () => GUIDANCE.cfg(shape)(cond, uncond, scale, call),
      [`cfg_zero_star.${key}.zero_steps0.out`]: () => cfgStar(shape, 0)(cond, uncond, scale, call),
      [`cfg_zero_star.${key}.zero_steps1.out`]: () => cfgStar(shape, 1)(cond, uncond, scale, call),
      [`double.${key}.out`]: () => {
        const prompt = need(file, `double.${key}.only_text`).data;
        return doubleCondition(
          cond,
          prompt,
          uncond,
          doubleScales(cond, prompt, uncond, need(file, `double.${key}.out`).data),
        );
      },
    };
    for (const [name, make] of Object.entries(outputs)) {
      const stored = file.get(name);
      if (!stored) continue;
      report.add(
        `guidance/${name}`,
        maxError(make(), stored.data),
        name.startsWith('apg') ? 'apg' : 'guidance',
      );
    }
  }
}

/**
 * The two scales of a stored double condition, which the folder does not name: the least squares solution of
 * out - nothing = text (prompt - nothing) + lyric (words - prompt). Thousands of values, two unknowns: a wrong formula
 * cannot pass.
 */
function doubleScales(words: Float32Array, prompt: Float32Array, nothing: Float32Array, out: Float32Array) {
  let [aa, ab, bb, ay, by] = [0, 0, 0, 0, 0];
  for (let i = 0; i < out.length; i++) {
    const [a, b, y] = [prompt[i]! - nothing[i]!, words[i]! - prompt[i]!, out[i]! - nothing[i]!];
    [aa, ab, bb, ay, by] = [aa + a * a, ab + a * b, bb + b * b, ay + a * y, by + b * y];
  }
  const determinant = aa * bb - ab * ab;
  const scale = (value: number): number => Math.round(value * 1e4) / 1e4; // people choose round scales
  return {
    textScale: scale((ay * bb - by * ab) / determinant),
    lyricScale: scale((by * aa - ay * ab) / determinant),
  };
}

interface Lyrics {
  readonly cases: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    readonly intended?: string;
  }[];
  readonly forced_language?: readonly {
    readonly lang: string;
    readonly text: string;
    readonly ids: readonly number[];
  }[];
}

export async function checkLyrics(folder: string, model: Model, report: Report): Promise<void> {
  const path = join(folder, 'lyrics/lyrics.json');
  if (!existsSync(path)) return;
  const { cases, forced_language: forced = [] } = readJson<Lyrics>(path);
  const vocab = await model.file('lyric_vocab');
  const options = (language: string): LyricOptions => ({
    language,
    vocab,
    asset: (name) => model.asset(name),
  });
  for (const [i, { text, ids, intended = '' }] of cases.entries()) {
    const name = `lyrics/${i}${intended && `.${intended}`}`;
    await report.attempt(name, async () =>
      report.add(name, differences(await lyricIds(text, options('')), ids), 'equal'),
    );
  }
  for (const [i, { lang, text, ids }] of forced.entries()) {
    const name = `lyrics/forced.${i}.${lang}`;
    await report.attempt(name, async () => {
      const [line] = await explainLyrics(text, options(lang));
      report.add(name, differences(line?.ids ?? [], ids), 'equal');
    });
  }
}

function relativeError(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return Infinity;
  return Math.max(...ours.map((t, i) => Math.abs(t / theirs[i]! - 1)));
}
