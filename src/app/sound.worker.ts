/** Arithmetic over whole sounds, away from the page: what a library needs of an imported one, and how two differ. */
import { changedSince, type Changed } from '../lib/audio/changed.ts';
import { excerpt } from '../lib/audio/edit.ts';
import { integratedLoudness } from '../lib/audio/loudness.ts';
import { peaksOf, toStereo, type Peaks, type Pcm } from '../lib/audio/pcm.ts';
import { resample } from '../lib/audio/resample.ts';
import { readWav, writeWav } from '../lib/audio/wav.ts';

export type SoundTask =
  | { readonly type: 'file'; readonly pcm: Pcm }
  /** Parts of a WAV file, in seconds, one after the other. */
  | {
      readonly type: 'excerpt';
      readonly file: Blob;
      readonly parts: readonly { readonly start: number; readonly end: number }[];
    }
  /** `sourceStart`: seconds into the new sound at which the old one begins. */
  | { readonly type: 'changed'; readonly now: Blob; readonly before: Blob; readonly sourceStart: number };

export interface SoundFile {
  readonly wav: Uint8Array<ArrayBuffer>;
  readonly peaks: Peaks;
  readonly loudness: number | null;
}

export interface SoundAnswers {
  readonly file: SoundFile;
  readonly changed: Changed;
  /** WAV, 32-bit float. */
  readonly excerpt: Uint8Array<ArrayBuffer>;
}

async function open(file: Blob, sampleRate?: number): Promise<Pcm> {
  const pcm = toStereo(readWav(new Uint8Array(await file.arrayBuffer())).pcm);
  if (sampleRate === undefined || pcm.sampleRate === sampleRate) return pcm;
  const channels = pcm.channels.map((samples) => resample(samples, pcm.sampleRate, sampleRate));
  return { sampleRate, channels };
}

async function answer(task: SoundTask): Promise<SoundAnswers[SoundTask['type']]> {
  if (task.type === 'file') {
    const { pcm } = task;
    const wav = writeWav(pcm, 'float32', { tags: { software: 'Cadenza' } });
    return { wav, peaks: peaksOf(pcm), loudness: integratedLoudness(pcm) };
  }
  if (task.type === 'excerpt')
    return writeWav(excerpt(await open(task.file), task.parts), 'float32', { tags: { software: 'Cadenza' } });
  const now = await open(task.now);
  const before = await open(task.before, now.sampleRate);
  return changedSince(now, before, Math.round(task.sourceStart * now.sampleRate));
}

addEventListener('message', ({ data }: MessageEvent<SoundTask>) => {
  answer(data).then(
    (value) => postMessage({ value }),
    (error: unknown) => postMessage({ error: error instanceof Error ? error.message : String(error) }),
  );
});
