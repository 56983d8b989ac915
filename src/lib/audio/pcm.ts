/** Sound as plain arrays: one Float32Array a channel, nominal range -1..1. */
import { EngineError } from '../errors.ts';

export interface Pcm {
  readonly channels: readonly Float32Array[];
  readonly sampleRate: number;
}

export const secondsOf = (pcm: Pcm): number => (pcm.channels[0]?.length ?? 0) / pcm.sampleRate;

/** What each channel of the WAVE order (FL FR FC LFE BL BR SL SR) gives to left and right: ITU-R BS.775, no LFE. */
const DOWNMIX: readonly (readonly [left: number, right: number])[] = [
  [1, 0],
  [0, 1],
  [Math.SQRT1_2, Math.SQRT1_2],
  [0, 0],
  [Math.SQRT1_2, 0],
  [0, Math.SQRT1_2],
  [Math.SQRT1_2, 0],
  [0, Math.SQRT1_2],
];
/** Four channels are two pairs, not front, centre and LFE. */
const QUADRAPHONIC = [0, 1, 4, 5];

/** Two channels: mono on both, surround mixed down. Stereo comes back as it is. */
export function toStereo(pcm: Pcm): Pcm {
  const { channels, sampleRate } = pcm;
  const [first, ...others] = channels;
  if (!first) throw new EngineError('bad-task', 'The sound has no channel. Choose another file.');
  if (others.length === 1) return pcm;
  if (others.length === 0) return { channels: [first, first], sampleRate };
  if (channels.length > DOWNMIX.length) {
    throw new EngineError(
      'bad-task',
      `Sound may have 1-8 channels (got ${channels.length}). Mix it down first.`,
    );
  }
  const left = new Float32Array(first.length);
  const right = new Float32Array(first.length);
  channels.forEach((samples, c) => {
    const [toLeft, toRight] = DOWNMIX[channels.length === 4 ? QUADRAPHONIC[c]! : c]!;
    for (let n = 0; n < left.length; n++) {
      left[n]! += toLeft * samples[n]!;
      right[n]! += toRight * samples[n]!;
    }
  });
  return { channels: [left, right], sampleRate };
}

/** One zoom level of a waveform: lowest, highest and root mean square value of every `samples` samples. */
export interface PeakLevel {
  readonly samples: number;
  readonly min: Float32Array;
  readonly max: Float32Array;
  readonly rms: Float32Array;
}

/** Enough to draw a waveform at any zoom without its samples: levels from fine to coarse, channels together. */
export interface Peaks {
  readonly sampleRate: number;
  readonly levels: readonly [PeakLevel, PeakLevel, PeakLevel];
}

/** Samples a point of the finest level: 21 ms at 48 kHz, 135 kB for four minutes. */
const FINEST = 1024;
/** Points that one point of the next level covers. */
const COARSER = 8;

export function peaksOf(pcm: Pcm): Peaks {
  const fine = finestLevel(pcm);
  const middle = coarserLevel(fine);
  return { sampleRate: pcm.sampleRate, levels: [fine, middle, coarserLevel(middle)] };
}

/** Bars of an outline. */
export const OUTLINE = 64;

/** A song's shape in 64 bars, 0..255 each: the largest excursion in each part. What lists draw. */
export function outlineOf({ levels: [{ min, max }] }: Peaks): Uint8Array {
  return Uint8Array.from({ length: OUTLINE }, (_, i) => {
    const from = Math.floor((i / OUTLINE) * max.length);
    const to = Math.min(max.length, Math.max(from + 1, Math.floor(((i + 1) / OUTLINE) * max.length)));
    let most = 0;
    for (let k = from; k < to; k++) most = Math.max(most, max[k]!, -min[k]!);
    return Math.round(255 * Math.min(1, most));
  });
}

function finestLevel({ channels }: Pcm): PeakLevel {
  const length = channels[0]?.length ?? 0;
  const level = emptyLevel(FINEST, Math.ceil(length / FINEST));
  for (let i = 0; i < level.min.length; i++) {
    const end = Math.min(length, (i + 1) * FINEST);
    let min = Infinity;
    let max = -Infinity;
    let power = 0;
    for (const samples of channels) {
      for (let n = i * FINEST; n < end; n++) {
        const x = samples[n]!;
        if (x < min) min = x;
        if (x > max) max = x;
        power += x * x;
      }
    }
    level.min[i] = min;
    level.max[i] = max;
    level.rms[i] = Math.sqrt(power / (channels.length * (end - i * FINEST)));
  }
  return level;
}

function coarserLevel(fine: PeakLevel): PeakLevel {
  const level = emptyLevel(fine.samples * COARSER, Math.ceil(fine.min.length / COARSER));
  for (let i = 0; i < level.min.length; i++) {
    const from = i * COARSER;
    const to = Math.min(fine.min.length, from + COARSER);
    level.min[i] = Math.min(...fine.min.subarray(from, to));
    level.max[i] = Math.max(...fine.max.subarray(from, to));
    level.rms[i] = Math.sqrt(fine.rms.subarray(from, to).reduce((sum, x) => sum + x * x, 0) / (to - from));
  }
  return level;
}

const emptyLevel = (samples: number, points: number): PeakLevel => ({
  samples,
  min: new Float32Array(points),
  max: new Float32Array(points),
  rms: new Float32Array(points),
});
