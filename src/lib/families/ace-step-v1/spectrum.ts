/**
 * The host's half of nano's vocoder: log-mel in, the spectrum of a first wave out; its graph corrects that spectrum and
 * `toWave` makes it sound. Same definitions as training/nano/vocoder.py:
 *
 * 1. linear magnitude by non-negative least squares on the sparse mel matrix,
 * 2. phase by single-pass spectrum inversion, peaks snapped to the equal-tempered scale, noise above 6 kHz,
 * 3. four fast Griffin-Lim iterations, then the 16-bit grid that the network was trained on.
 *
 * A song is inverted in windows. Steps 1 and 2 run once a frame, in order, so their state carries over; what lies
 * CONTEXT_FRAMES or more inside a window is, bit for bit, what the whole song at once would give.
 *
 * Step 1 leaves bins outside the mel bands at 0, so inner arrays hold USED bins a frame, frame-major. What graphs read
 * and write is bin-major: (1025, frames).
 */
import { MEL } from '../../audio/mel.ts';
import { Stft } from '../../audio/stft.ts';
import { assert } from '../../errors.ts';
import { MagnitudeSolver, USED } from './magnitude.ts';

const ITERATIONS = 4;
const MOMENTUM = 0.99;
/** Peaks in this range move to the nearest semitone of A = 440 Hz. */
const SNAP_ABOVE_HZ = 50;
const SNAP_BELOW_HZ = 3000;
const NOISE_HZ = 6000;
const SEED = 0;
/** Added to the magnitude before the logarithm that the graph reads. */
const MAGNITUDE_FLOOR = 1e-5;

const BINS = MEL.fft / 2 + 1;
const NOISE_BIN = Math.floor((NOISE_HZ * MEL.fft) / MEL.sampleRate);
const REACH = MEL.fft / MEL.hop - 1; // frames on either side that share samples with a frame

/**
 * Frames on either side that a frame's sound depends on: one REACH for each Griffin-Lim iteration, for the spectrum that
 * the graph reads and for the last inverse transform; and the graph's own field (a convolution over 3 frames, 6 over 7,
 * one frame ahead for instantaneous frequency).
 */
export const CONTEXT_FRAMES = (ITERATIONS + 2) * REACH + 1 + 6 * 3 + 1;

/** What the vocoder graph reads beside the mel: each (channels, 1025, frames). */
export interface FirstSpectrum {
  readonly lin: Float32Array;
  readonly re: Float32Array;
  readonly im: Float32Array;
}

/** Inverts one song, window by window from its start. */
export class MelInverter {
  private readonly frames: number;
  private readonly channels: readonly Channel[];
  private readonly solver = new MagnitudeSolver();
  private readonly stft = new Stft(MEL.fft, MEL.hop);
  private readonly tempered: boolean;
  private readonly noiseRe = new Float32Array(USED - NOISE_BIN);
  private readonly noiseIm = new Float32Array(USED - NOISE_BIN);
  /** Griffin-Lim: the spectrum of the iteration before, and two waves. */
  private readonly lastRe: Float32Array;
  private readonly lastIm: Float32Array;
  private readonly waves: [Float32Array, Float32Array];
  /** The window that the channels hold. */
  private start = 0;
  private end = 0;

  /**
   * @param frames of the whole song
   * @param longest window that will be asked for, in frames
   * @param tempered snap peaks to equal temperament: right for what the model composed, wrong for other recordings
   */
  constructor(channels: number, frames: number, longest: number, tempered = true) {
    const size = Math.min(longest, frames);
    this.frames = frames;
    this.tempered = tempered;
    this.channels = Array.from({ length: channels }, () => new Channel(size));
    this.lastRe = new Float32Array(size * USED);
    this.lastIm = new Float32Array(size * USED);
    this.waves = [new Float32Array(size * MEL.hop), new Float32Array(size * MEL.hop)];
  }

  /**
   * The first spectrum of frames [from, to). Windows move forward; they may overlap but leave no gap.
   *
   * @param mel (channels, 128, frames of the song) log-mel; read up to frame `to`
   */
  window(mel: Float32Array, from: number, to: number): FirstSpectrum {
    const frames = to - from;
    assert(
      from >= this.start && from <= this.end,
      `window at ${from} leaves a gap after ${this.start}-${this.end}`,
    );
    assert(to >= this.end && to <= this.frames, `window ends at ${to}, outside ${this.end}-${this.frames}`);
    assert(frames * MEL.hop <= this.waves[0].length, `window of ${frames} frames is longer than announced`);
    for (const channel of this.channels) channel.keep(from - this.start, this.end - from);
    for (let t = this.end; t < to; t++) {
      this.drawNoise(t);
      this.channels.forEach((channel, c) => {
        const at = (t - from) * USED;
        const magnitude = this.solver.solve(mel, c * MEL.bands * this.frames + t, this.frames);
        channel.magnitude.set(magnitude, at);
        channel.advance(magnitude, at, this.tempered);
        channel.re.set(this.noiseRe, at + NOISE_BIN);
        channel.im.set(this.noiseIm, at + NOISE_BIN);
      });
    }
    this.start = from;
    this.end = to;

    const size = BINS * frames;
    const out = (): Float32Array => new Float32Array(this.channels.length * size);
    const first = { lin: out(), re: out(), im: out() };
    this.channels.forEach((channel, c) => {
      const part = (whole: Float32Array): Float32Array => whole.subarray(c * size, (c + 1) * size);
      logMagnitude(channel.magnitude, frames, part(first.lin));
      const wave = this.griffinLim(channel, frames);
      toPcmGrid(wave);
      toSpectrum(this.stft, wave, part(first.re), part(first.im));
    });
    return first;
  }

  /** Directions of the noisy band at frame t, the same in all channels. */
  private drawNoise(t: number): void {
    for (let k = NOISE_BIN; k < USED; k++) {
      const angle = 2 * Math.PI * uniform(SEED, BINS + (k - NOISE_BIN) * this.frames + t);
      this.noiseRe[k - NOISE_BIN] = Math.cos(angle);
      this.noiseIm[k - NOISE_BIN] = Math.sin(angle);
    }
  }

  /** Fast Griffin-Lim (Perraudin, Balazs, Søndergaard 2013) from the channel's directions, which stay as they are. */
  private griffinLim({ magnitude, re, im }: Channel, frames: number): Float32Array {
    const { stft, lastRe, lastIm } = this;
    const { fft } = stft;
    const pull = MOMENTUM / (1 + MOMENTUM);
    let [wave, next] = this.waves.map((whole) => whole.subarray(0, frames * MEL.hop)) as [
      Float32Array,
      Float32Array,
    ]; // map forgets the pair
    wave.fill(0);
    lastRe.fill(0);
    lastIm.fill(0);
    for (let t = 0; t < frames; t++) {
      for (let k = 0, i = t * USED; k < USED; k++, i++) {
        fft.re[k] = magnitude[i]! * re[i]!;
        fft.im[k] = magnitude[i]! * im[i]!;
      }
      fft.re.fill(0, USED);
      fft.im.fill(0, USED);
      stft.overlapAdd(wave, t);
    }
    stft.normalise(wave);
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      next.fill(0);
      for (let t = 0; t < frames; t++) {
        stft.analyse(wave, t);
        for (let k = 0, i = t * USED; k < USED; k++, i++) {
          const a = fft.re[k]! - pull * lastRe[i]!;
          const b = fft.im[k]! - pull * lastIm[i]!;
          lastRe[i] = fft.re[k]!;
          lastIm[i] = fft.im[k]!;
          const scale = magnitude[i]! / (Math.sqrt(a * a + b * b) + 1e-9);
          fft.re[k] = a * scale;
          fft.im[k] = b * scale;
        }
        fft.re.fill(0, USED);
        fft.im.fill(0, USED);
        stft.overlapAdd(next, t);
      }
      stft.normalise(next);
      [wave, next] = [next, wave];
    }
    return wave;
  }
}

/** One channel's magnitudes and phase directions of a window, (frames, USED), and its phases at the last frame. */
class Channel {
  readonly magnitude: Float32Array;
  readonly re: Float32Array;
  readonly im: Float32Array;
  private readonly phase = Float64Array.from({ length: BINS }, (_, k) =>
    Math.fround(2 * Math.PI * uniform(SEED, k)),
  );

  constructor(frames: number) {
    this.magnitude = new Float32Array(frames * USED);
    this.re = new Float32Array(frames * USED);
    this.im = new Float32Array(frames * USED);
  }

  /** Moves `frames` frames from frame `first` on to the front. */
  keep(first: number, frames: number): void {
    for (const rows of [this.magnitude, this.re, this.im])
      rows.copyWithin(0, first * USED, (first + frames) * USED);
  }

  /**
   * Single-pass spectrum inversion (Beauregard, Harish, Wyse 2015) of the next frame: a peak moves on by its own
   * frequency, and the bins nearest to it take over its phase. Writes directions below the noisy band at row offset `at`.
   */
  advance(magnitude: Float64Array, at: number, tempered: boolean): void {
    const { phase } = this;
    let peak = nextPeak(magnitude, 0);
    if (peak === BINS) {
      // No peak at all: the outermost bins lead, whose centres advance whole turns a hop.
      this.lead(at, 1, BINS, phase[BINS - 1]!);
      this.lead(at, 0, 1, phase[0]!);
    }
    for (let from = 0; peak < BINS;) {
      const next = nextPeak(magnitude, peak);
      const to = next === BINS ? BINS : Math.floor((peak + next) / 2) + 1; // the lower of two as near
      this.lead(at, from, to, (phase[peak]! + advanceOf(magnitude, peak, tempered)) % (2 * Math.PI));
      from = to;
      peak = next;
    }
  }

  /** Gives bins [from, to) one phase. */
  private lead(at: number, from: number, to: number, angle: number): void {
    this.phase.fill(angle, from, to);
    const end = Math.min(to, NOISE_BIN);
    if (from >= end) return;
    const cos = Math.cos(angle);
    const sin = Math.sin(angle);
    for (let k = from; k < end; k++) {
      const sign = k % 2 === 0 ? 1 : -1; // a frame's phase counts from its start, not its middle: e^(-iπk)
      this.re[at + k] = sign * cos;
      this.im[at + k] = sign * sin;
    }
  }
}

/** The first bin above `after` that tops its neighbours, or BINS. */
function nextPeak(magnitude: Float64Array, after: number): number {
  let below = magnitude[after]!;
  let here = magnitude[after + 1]!;
  for (let k = after + 1; k < USED; k++) {
    const above = magnitude[k + 1] ?? 0;
    if (here > below && here >= above) return k;
    below = here;
    here = above;
  }
  return BINS;
}

/** What a peak's phase gains in a hop, 0 … 2π: its frequency lies on a parabola through three log magnitudes. */
function advanceOf(magnitude: Float64Array, k: number, tempered: boolean): number {
  const below = Math.log(magnitude[k - 1]! + 1e-7);
  const here = Math.log(magnitude[k]! + 1e-7);
  const above = Math.log((magnitude[k + 1] ?? 0) + 1e-7);
  const offset = (0.5 * (below - above)) / (below - 2 * here + above - 1e-9);
  const hz = Math.fround(((k + Math.min(0.5, Math.max(-0.5, offset))) * MEL.sampleRate) / MEL.fft);
  const snaps = tempered && hz > SNAP_ABOVE_HZ && hz < SNAP_BELOW_HZ;
  return snaps ? NOTE_ADVANCE[Math.round(69 + 12 * Math.log2(hz / 440))]! : hopPhase(hz);
}

const hopPhase = (hz: number): number => 2 * Math.PI * (((hz * MEL.hop) / MEL.sampleRate) % 1);

/** By MIDI note. float32 as in the definition: a held note adds the same rounding every frame. */
const NOTE_ADVANCE = Float64Array.from({ length: 128 }, (_, note) =>
  hopPhase(Math.fround(440 * Math.fround(2 ** Math.fround((note - 69) / 12)))),
);

/** Output `index` of the mulberry32 generator: a 32-bit hash of its position, uniform in [0, 1). */
function uniform(seed: number, index: number): number {
  const t = (seed + Math.imul(index + 1, 0x6d2b79f5)) | 0;
  let h = Math.imul(t ^ (t >>> 15), t | 1);
  h ^= h + Math.imul(h ^ (h >>> 7), h | 61);
  return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
}

/** Truncated to 16 bits: above 16 kHz this noise floor is all that the graph sees. */
function toPcmGrid(wave: Float32Array): void {
  for (let n = 0; n < wave.length; n++) {
    wave[n] = Math.trunc(Math.fround(Math.min(1, Math.max(-1, wave[n]!)) * 32767)) / 32767;
  }
}

/** ln(magnitude + floor), bin-major. */
function logMagnitude(magnitude: Float32Array, frames: number, into: Float32Array): void {
  into.fill(Math.log(MAGNITUDE_FLOOR), USED * frames);
  for (let first = 0; first < frames; first += TILE) {
    const end = Math.min(first + TILE, frames);
    for (let k = 0; k < USED; k++) {
      for (let t = first; t < end; t++)
        into[k * frames + t] = Math.log(magnitude[t * USED + k]! + MAGNITUDE_FLOOR);
    }
  }
}

/** Frames turned over together, so that bin-major rows are written and read a cache line at a time. */
const TILE = 16;

/** Spectrum of a wave, bin-major. */
function toSpectrum(stft: Stft, wave: Float32Array, re: Float32Array, im: Float32Array): void {
  const frames = wave.length / MEL.hop;
  const tileRe = new Float32Array(TILE * BINS);
  const tileIm = new Float32Array(TILE * BINS);
  for (let first = 0; first < frames; first += TILE) {
    const count = Math.min(TILE, frames - first);
    for (let j = 0; j < count; j++) {
      stft.analyse(wave, first + j);
      tileRe.set(stft.fft.re, j * BINS);
      tileIm.set(stft.fft.im, j * BINS);
    }
    for (let k = 0; k < BINS; k++) {
      for (let j = 0, to = k * frames + first; j < count; j++, to++) {
        re[to] = tileRe[j * BINS + k]!;
        im[to] = tileIm[j * BINS + k]!;
      }
    }
  }
}

/** The wave of one channel's spectrum, bin-major (1025, frames): frames · 512 samples. */
export function toWave(re: Float32Array, im: Float32Array, frames: number): Float32Array {
  assert(re.length === BINS * frames && im.length === re.length, `spectrum is not ${BINS} x ${frames}`);
  const stft = new Stft(MEL.fft, MEL.hop);
  const wave = new Float32Array(frames * MEL.hop);
  const tileRe = new Float32Array(TILE * BINS);
  const tileIm = new Float32Array(TILE * BINS);
  for (let first = 0; first < frames; first += TILE) {
    const count = Math.min(TILE, frames - first);
    for (let k = 0; k < BINS; k++) {
      for (let j = 0, from = k * frames + first; j < count; j++, from++) {
        tileRe[j * BINS + k] = re[from]!;
        tileIm[j * BINS + k] = im[from]!;
      }
    }
    for (let j = 0; j < count; j++) {
      stft.fft.re.set(tileRe.subarray(j * BINS, (j + 1) * BINS));
      stft.fft.im.set(tileIm.subarray(j * BINS, (j + 1) * BINS));
      stft.overlapAdd(wave, first + j);
    }
  }
  stft.normalise(wave);
  return wave;
}
