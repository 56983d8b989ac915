/**
 * A song that is heard while its model still turns it into sound: the pieces that have come, as a sound that answers
 * when it has what it is asked for. It holds one song at most, and lets go of it when the finished one takes over.
 */
import type { AudioEvent } from '../../lib/events.ts';
import { EngineError } from '../../lib/errors.ts';
import type { Samples, Sound } from './sound.ts';

interface Waiting {
  readonly end: number;
  resolve(): void;
  reject(thrown: unknown): void;
}

export class EarlySound implements Sound {
  readonly sampleRate: number;
  readonly frames: number;
  /** Which song of its task it is. */
  readonly index: number;
  /** The finished song will differ a little. */
  readonly preview: boolean;
  /** Frames that are there, from the beginning on. */
  have = 0;
  readonly #channels: readonly Float32Array<ArrayBuffer>[];
  #waiting: readonly Waiting[] = [];
  #failed: EngineError | null = null;

  constructor({ sampleRate, total, index, preview, channels }: AudioEvent) {
    this.sampleRate = sampleRate;
    this.frames = total;
    this.index = index;
    this.preview = preview;
    this.#channels = channels.map(() => new Float32Array(total));
  }

  get seconds(): number {
    return this.frames / this.sampleRate;
  }

  add({ start, channels }: AudioEvent): void {
    channels.forEach((samples, c) => this.#channels[c]?.set(samples, start));
    this.have = start + (channels[0]?.length ?? 0);
    const ready = this.#waiting.filter(({ end }) => end <= this.have);
    this.#waiting = this.#waiting.filter(({ end }) => end > this.have);
    for (const { resolve } of ready) resolve();
  }

  /** Nothing more will come: whoever waits for it is told. */
  fail(message: string): void {
    this.#failed = new EngineError('cancelled', message);
    for (const { reject } of this.#waiting) reject(this.#failed);
    this.#waiting = [];
  }

  async read(from: number, to: number): Promise<Samples> {
    const end = Math.min(to, this.frames);
    if (end > this.have) {
      if (this.#failed) throw this.#failed;
      await new Promise<void>((resolve, reject) => {
        this.#waiting = [...this.#waiting, { end, resolve, reject }];
      });
    }
    return this.#channels.map((samples) => samples.subarray(from, end));
  }
}

/** Root mean square of frames [from, to), channels together. */
export async function levelOf(sound: Sound, from: number, to: number): Promise<number> {
  const channels = await sound.read(Math.max(0, from), Math.min(sound.frames, to));
  let power = 0;
  let count = 0;
  for (const samples of channels) {
    for (let n = 0; n < samples.length; n++) power += samples[n]! ** 2;
    count += samples.length;
  }
  return Math.sqrt(power / Math.max(1, count));
}
