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
