/** Finished songs as files: what is stored of one, and how it is read back. */
import { integratedLoudness } from '../lib/audio/loudness.ts';
import { peaksOf, secondsOf } from '../lib/audio/pcm.ts';
import type { Peaks, Pcm } from '../lib/audio/pcm.ts';
import { readWav, writeWav } from '../lib/audio/wav.ts';
import { EngineError } from '../lib/errors.ts';
import type { Made } from '../lib/family.ts';
import { floats, parseSafetensors } from '../lib/safetensors.ts';
import { encodeUtf8 } from '../lib/text/utf8.ts';
import { float32 } from '../lib/tensor.ts';
import type { Tensor } from '../lib/tensor.ts';

/** What a library shows of a song without opening its sound. */
export interface SongFacts {
  readonly seconds: number;
  readonly sampleRate: number;
  readonly peaks: Peaks;
  /** Integrated loudness, LUFS; null for silence. */
  readonly loudness: number | null;
  readonly seed: number;
}

export function factsOf({ pcm, seed }: Made): SongFacts {
  return {
    seconds: secondsOf(pcm),
    sampleRate: pcm.sampleRate,
    peaks: peaksOf(pcm),
    loudness: integratedLoudness(pcm),
    seed,
  };
}

/** WAV, 32-bit float: exactly what the model made; rounding to 16 bit happens once, on export. */
export function audioFile(pcm: Pcm, settings?: unknown): Uint8Array<ArrayBuffer> {
  return writeWav(pcm, 'float32', { tags: { software: 'Cadenza' }, settings });
}

export const readAudio = (bytes: Uint8Array): Pcm => readWav(bytes).pcm;

const LATENTS = 'latents';

/** safetensors with one float32 tensor: any tool can read it. */
export function latentsFile({ data, dims }: Tensor): Uint8Array<ArrayBuffer> {
  const header = encodeUtf8(
    JSON.stringify({ [LATENTS]: { dtype: 'F32', shape: dims, data_offsets: [0, data.byteLength] } }),
  );
  const padded = Math.ceil(header.length / 8) * 8; // so that the data is aligned
  const file = new Uint8Array(8 + padded + data.byteLength).fill(0x20, 8, 8 + padded);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.set(header, 8);
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + padded);
  return file;
}

/** @throws EngineError 'integrity' when the file is not one that latentsFile wrote. */
export function readLatents(bytes: Uint8Array): Tensor {
  const stored = parseSafetensors(bytes).tensors.get(LATENTS);
  if (stored === undefined) throw new EngineError('integrity', `The file has no tensor "${LATENTS}".`);
  return float32(floats(LATENTS, stored), stored.shape);
}
