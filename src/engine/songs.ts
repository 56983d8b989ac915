/** Finished songs as files: what is stored of one, and how it is read back. */
import { integratedLoudness } from '../lib/audio/loudness.ts';
import { peaksOf, secondsOf, toStereo } from '../lib/audio/pcm.ts';
import type { Peaks, Pcm } from '../lib/audio/pcm.ts';
import { resample } from '../lib/audio/resample.ts';
import { splice } from '../lib/audio/splice.ts';
import type { Span } from '../lib/audio/splice.ts';
import { readWav, writeWav } from '../lib/audio/wav.ts';
import { EngineError } from '../lib/errors.ts';
import type { AudioRef, Kept, Made } from '../lib/family.ts';
import { floats, parseSafetensors, writeSafetensors } from '../lib/safetensors.ts';
import type { Region, Task } from '../lib/task.ts';
import { float32 } from '../lib/tensor.ts';

/** What a library shows of a song without opening its sound. */
export interface SongFacts {
  readonly seconds: number;
  readonly sampleRate: number;
  readonly peaks: Peaks;
  /** Integrated loudness, LUFS; null for silence. */
  readonly loudness: number | null;
  readonly seed: number;
  /** Seconds into this song at which the source begins; absent where the task has none. */
  readonly sourceStart?: number;
}

export function factsOf({ pcm, seed, sourceStart }: Made): SongFacts {
  return {
    seconds: secondsOf(pcm),
    sampleRate: pcm.sampleRate,
    peaks: peaksOf(pcm),
    loudness: integratedLoudness(pcm),
    seed,
    ...(sourceStart !== undefined && { sourceStart }),
  };
}

/**
 * The songs of a task, with the source's own samples wherever the task leaves it alone: outside of the regions of a
 * repaint, and between the ends of an extension. A recording whose last latent was filled up ends where it ended.
 */
export async function keepingSource(
  made: readonly Made[],
  task: Task,
  open: (ref: AudioRef) => Promise<Pcm>,
): Promise<readonly Made[]> {
  if (task.kind !== 'repaint' && task.kind !== 'extend') return made;
  const found = toStereo(await open(task.source));
  return made.map((song) => {
    const { sampleRate, channels } = song.pcm;
    const source: Pcm = {
      sampleRate,
      channels: found.channels.map((samples) => resample(samples, found.sampleRate, sampleRate)),
    };
    if (task.kind === 'extend') {
      const at = Math.round((song.sourceStart ?? 0) * sampleRate);
      return { ...song, pcm: splice(song.pcm, source, at, []) };
    }
    const length = source.channels[0]!.length;
    const pcm: Pcm = { sampleRate, channels: channels.map((samples) => samples.subarray(0, length)) };
    return { ...song, pcm: splice(pcm, source, 0, spansOf(task.regions, sampleRate)) };
  });
}

/** Ascending, without overlaps. */
function spansOf(regions: readonly Region[], sampleRate: number): readonly Span[] {
  const spans: Span[] = [];
  for (const { start, end } of regions.toSorted((a, b) => a.start - b.start)) {
    const [from, to] = [Math.round(start * sampleRate), Math.round(end * sampleRate)];
    const last = spans.at(-1);
    if (last && from <= last.to) spans[spans.length - 1] = { from: last.from, to: Math.max(last.to, to) };
    else spans.push({ from, to });
  }
  return spans;
}

/** WAV, 32-bit float: exactly what the model made; rounding to 16 bit happens once, on export. */
export function audioFile(pcm: Pcm, settings?: unknown): Uint8Array<ArrayBuffer> {
  return writeWav(pcm, 'float32', { tags: { software: 'Cadenza' }, settings });
}

export const readAudio = (bytes: Uint8Array): Pcm => readWav(bytes).pcm;

const LATENTS = 'latents';
const MEMO = 'memo';

/** safetensors with one float32 tensor, and the family's memo as metadata: any tool can read it. */
export const latentsFile = ({ latents: { data, dims }, memo }: Kept): Uint8Array<ArrayBuffer> =>
  writeSafetensors(
    { [LATENTS]: { dtype: 'F32', shape: dims, data } },
    memo === null || memo === undefined ? {} : { [MEMO]: JSON.stringify(memo) },
  );

/** @throws EngineError 'integrity' when the file is not one that latentsFile wrote. */
export function readLatents(bytes: Uint8Array): Kept {
  const { tensors, metadata } = parseSafetensors(bytes);
  const stored = tensors.get(LATENTS);
  if (stored === undefined) throw new EngineError('integrity', `The file has no tensor "${LATENTS}".`);
  return { latents: float32(floats(LATENTS, stored), stored.shape), memo: parsed(metadata.get(MEMO)) };
}

/** Songs of before there was a memo, and files of other tools, have none. */
function parsed(json: string | undefined): unknown {
  try {
    return json === undefined ? null : JSON.parse(json);
  } catch {
    return null; // see above
  }
}
