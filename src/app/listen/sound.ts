/**
 * A song as the player reads it: in pieces, straight from its file, so that four minutes never lie in memory at once.
 */
import { toStereo } from '../../lib/audio/pcm.ts';
import { Resampler } from '../../lib/audio/resample.ts';
import { wavLayout } from '../../lib/audio/wav.ts';
import { EngineError } from '../../lib/errors.ts';

export type Samples = readonly Float32Array<ArrayBuffer>[];

export interface Sound {
  readonly sampleRate: number;
  readonly frames: number;
  /** Frames [from, to), one or two channels. A sound that is still being made answers when it has them. */
  read(from: number, to: number): Promise<Samples>;
}

/** Our files have 60 bytes before the sound, and the settings, which may be long. */
const HEAD_BYTES = 64 * 1024;

/** @throws EngineError 'bad-task' when the file is not WAV. */
export async function openWav(file: Blob): Promise<Sound> {
  for (let size = HEAD_BYTES; ; size *= 16) {
    const layout = wavLayout(await bytesOf(file.slice(0, size)), file.size);
    if (!layout) continue; // a head as long as the file is refused instead
    const { sampleRate, frames, from, stride } = layout;
    return {
      sampleRate,
      frames,
      async read(first, end) {
        const bytes = await bytesOf(file.slice(from + first * stride, from + Math.min(end, frames) * stride));
        const channels = layout.samples(bytes);
        if (channels.length <= 2) return channels;
        return toStereo({ channels, sampleRate }).channels as Samples; // it makes its arrays itself
      },
    };
  }
}

/** Samples of the sound on either side that a converted sample may depend on; whole turns of any usual ratio. */
const REACH = 1024;

/** The same sound at another rate. Every piece equals that part of the whole sound converted at once. */
export function atRate(sound: Sound, rate: number): Sound {
  if (sound.sampleRate === rate) return sound;
  const divisor = gcd(sound.sampleRate, rate);
  const [inTurn, outTurn] = [sound.sampleRate / divisor, rate / divisor];
  return {
    sampleRate: rate,
    frames: Math.ceil((sound.frames * outTurn) / inTurn),
    async read(first, end) {
      // Conversion starts at a whole turn of the ratio, where input and output fall on the same instant.
      const turn = Math.max(0, Math.floor(((first / outTurn) * inTurn - REACH) / inTurn));
      const to = Math.min(sound.frames, Math.ceil((end / outTurn) * inTurn) + REACH);
      const channels = await sound.read(turn * inTurn, to);
      return channels.map((samples) => {
        const resampler = new Resampler(sound.sampleRate, rate);
        const parts = [resampler.push(samples), resampler.end()];
        const out = new Float32Array(end - first);
        let at = turn * outTurn - first;
        for (const part of parts) {
          const skip = Math.max(0, -at);
          if (skip < part.length && at < out.length) out.set(part.subarray(skip, out.length - at), at + skip);
          at += part.length;
        }
        return out;
      });
    },
  };
}

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (thrown) {
    // A file that was replaced or deleted under the page reads no more.
    throw new EngineError('storage', `The sound could not be read: ${String(thrown)}`, { cause: thrown });
  }
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
