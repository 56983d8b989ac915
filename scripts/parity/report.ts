/** What a parity run prints: a line a case, and what it found in all. */

/** Largest absolute errors that are allowed, by what is compared. Source: the golden folder's MANIFEST.md. */
export const TOLERANCE = {
  /** Text encoder, condition encoder, codec networks: fp32 against torch. */
  network: 1e-4,
  /** Denoiser with its keys and values. */
  denoiser: 2e-4,
  /** Mel in float32 FFT; latents and sound through the whole codec. */
  mel: 1e-3,
  codec: 1e-3,
  resample: 1e-5,
  /** Constants, and noise from seeds. */
  exact: 1e-6,
  /** Sampler steps; guidance but for APG, whose scale multiplies rounding. */
  steps: 1e-5,
  guidance: 1e-5,
  apg: 1e-4,
  /** End to end: latents, sound, and the root mean square of the sound's error. */
  latents: 5e-3,
  sound: 1e-2,
  soundRms: 1e-3,
  /** Merged weights of LoRAs. */
  merged: 1e-5,
  /** Ids, refusals: equal or not. */
  equal: 0,
  /** Final latents of coarser variants: 1 - cosine with the reference. Four bits are told, not judged. */
  fp16: 1e-3,
  bf16: 1e-3,
  q8: 1e-2,
  q4f16: Infinity,
  q4f32: Infinity,
} as const;

export type Tolerance = keyof typeof TOLERANCE;

/** Beginnings of names -> what they compare; the first that fits. Ids and refusals are equal or not, so not among them. */
const STAGES: readonly (readonly [string, string])[] = [
  ['modules/text_encoder', 'text encoder'],
  ['modules/transformer_encode', 'condition encoder with lyrics'],
  ['modules/transformer_decode', 'denoiser with its keys and values'],
  ['modules/dcae', 'DCAE encoder and decoder'],
  ['modules/vocoder', 'vocoder'],
  ['modules/music_dcae', 'whole codec, in windows too'],
  ['modules/mel', 'log-mel'],
  ['modules/resample', 'resampling'],
  ['schedulers', 'schedules and solver steps'],
  ['guidance', 'guidance'],
  ['lora-formats', 'LoRAs'],
];

export class Report {
  passed = 0;
  failed = 0;
  readonly #print: (line: string) => void;
  readonly #wanted: (name: string) => boolean;
  readonly #judged: (name: string) => boolean;
  readonly #worst = new Map<string, number>();

  /** `wanted` says which cases count, `judged` which of them can fail. */
  constructor(
    print: (line: string) => void,
    wanted: (name: string) => boolean,
    judged: (name: string) => boolean = () => true,
  ) {
    this.#print = print;
    this.#wanted = wanted;
    this.#judged = judged;
  }

  /** The largest absolute error of each stage that had a case: a table in Markdown. */
  stages(precision: string): readonly string[] {
    const rows = STAGES.flatMap(([, stage]) => {
      const error = this.#worst.get(stage);
      return error === undefined ? [] : [`| ${stage} | ${shown(error)} |`];
    });
    return [`| stage | ${precision} |`, '| --- | --- |', ...rows];
  }

  /** One case: `error` against the tolerance of its kind. */
  add(name: string, error: number, tolerance: Tolerance, note = ''): void {
    if (!this.#wanted(name)) return;
    const limit = this.#judged(name) ? TOLERANCE[tolerance] : Infinity;
    const ok = error <= limit;
    const stage = STAGES.find(([begin]) => name.startsWith(begin))?.[1];
    if (stage !== undefined && tolerance !== 'equal') {
      this.#worst.set(stage, Math.max(error, this.#worst.get(stage) ?? 0));
    }
    if (ok) this.passed++;
    else this.failed++;
    this.#print(`${name} ${shown(error)} ${shown(limit)} ${ok ? 'ok' : 'FAIL'}${note && ` (${note})`}`);
  }

  /** A case that could not be run is a failed case. */
  async attempt(name: string, run: () => Promise<void> | void): Promise<void> {
    try {
      await run();
    } catch (thrown) {
      const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
      this.add(name, Infinity, 'equal', message);
    }
  }

  /** Something that the folder holds and that is not compared. */
  skip(name: string, why: string): void {
    if (this.#wanted(name)) this.#print(`${name} skipped (${why})`);
  }
}

const shown = (value: number): string => (value === 0 ? '0' : value.toExponential(2));

/** Largest absolute difference; NaN and different lengths count as infinite. */
export function maxError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const error = Math.abs(a[i]! - b[i]!);
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}

/** 1 - cosine; NaN and different lengths count as infinite. */
export function turn(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  const error = 1 - ab / Math.sqrt(aa * bb);
  return Number.isNaN(error) ? Infinity : Math.max(0, error);
}

export function rmsError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum / a.length);
}

/** How many places of two lists differ. */
export function differences(a: readonly unknown[], b: readonly unknown[]): number {
  let count = Math.abs(a.length - b.length);
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) count++;
  return count;
}
