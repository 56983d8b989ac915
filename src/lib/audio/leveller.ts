/**
 * Loudness for a song that is heard before it is finished. The gain that the finished song will get is known only at
 * its end (limiter.ts `normalised`); until then the loudness so far stands for it, and the gain glides as that settles.
 */
import { limit } from './limiter.ts';
import { RunningLoudness } from './loudness.ts';

/** As in `normalised`: louder than this would raise what should be quiet. */
const MAX_BOOST_DB = 12;
const GLIDE_SECONDS = 1;
/** What the limiter needs to hear of the sound before and after a piece: its release, five times, and its look-ahead. */
const BEFORE_SECONDS = 0.6;
const AFTER_SECONDS = 0.01;

type Channels = readonly Float32Array[];

/** Takes a song piece by piece and gives it back near `lufs`, no sample beyond `ceiling`, ten milliseconds behind. */
export class Leveller {
  readonly #rate: number;
  readonly #lufs: number;
  readonly #ceiling: number;
  readonly #loudness: RunningLoudness;
  #gain: number | null = null;
  /** Scaled sound: what was given back last, for the limiter, and what is held back. */
  #held: Channels = [];
  #given = 0;

  constructor(sampleRate: number, lufs: number, ceiling: number) {
    this.#rate = sampleRate;
    this.#lufs = lufs;
    this.#ceiling = ceiling;
    this.#loudness = new RunningLoudness(sampleRate);
  }

  push(channels: Channels): Float32Array<ArrayBuffer>[] {
    this.#loudness.push(channels);
    const loudness = this.#loudness.integrated();
    const target = loudness === null ? 1 : 10 ** (Math.min(this.#lufs - loudness, MAX_BOOST_DB) / 20);
    const start = this.#gain ?? target;
    const glide = GLIDE_SECONDS * this.#rate;
    const scaled = channels.map((samples) =>
      samples.map((x, n) => x * (start + (target - start) * Math.min(1, n / glide))),
    );
    const length = channels[0]?.length ?? 0;
    this.#gain = start + (target - start) * Math.min(1, length / glide);
    return this.#give(scaled, Math.round(AFTER_SECONDS * this.#rate));
  }

  /** What was held back. */
  end(): Float32Array<ArrayBuffer>[] {
    return this.#give(
      this.#held.map(() => new Float32Array(0)),
      0,
    );
  }

  #give(more: Channels, holdBack: number): Float32Array<ArrayBuffer>[] {
    const all = more.map((samples, c) => joined(this.#held[c] ?? new Float32Array(0), samples));
    const length = all[0]?.length ?? 0;
    const end = Math.max(this.#given, length - holdBack);
    const limited = limit({ channels: all, sampleRate: this.#rate }, this.#ceiling).channels;
    const out = limited.map((samples) => samples.slice(this.#given, end) as Float32Array<ArrayBuffer>);
    const drop = Math.max(0, end - Math.round(BEFORE_SECONDS * this.#rate));
    this.#held = all.map((samples) => samples.slice(drop));
    this.#given = end - drop;
    return out;
  }
}

function joined(a: Float32Array, b: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
