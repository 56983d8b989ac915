/** Finished songs as files: what is stored, and how it is read back. */
import { readWav, writeWav } from '../lib/audio/wav.ts';
import { integratedLoudness } from '../lib/audio/loudness.ts';
import { peaksOf, secondsOf } from '../lib/audio/pcm.ts';
import type { Peaks, Pcm } from '../lib/audio/pcm.ts';
import { EngineError } from '../lib/errors.ts';
import type { Made } from '../lib/family.ts';
import { parseSafetensors, writeSafetensors } from '../lib/safetensors.ts';
import type { Task } from '../lib/task.ts';
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

export interface SongFiles {
  /** WAV, 32-bit float: exactly what the model made. Rounding happens once, on export. */
  readonly audio: Uint8Array<ArrayBuffer>;
  /** safetensors with one float32 tensor, `latents`. */
  readonly latents: Uint8Array<ArrayBuffer>;
}
