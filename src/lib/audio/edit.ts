/** What an export does to a song before it is written: a part of it, fades, another rate, another loudness. */
import { EngineError } from '../errors.ts';
import { normalised } from './limiter.ts';
import { secondsOf } from './pcm.ts';
import type { Pcm } from './pcm.ts';
import { resample } from './resample.ts';

export interface Edit {
  /** Seconds of the song; the end is left out. */
  readonly start: number;
  readonly end: number;
  /** Seconds, of the part. */
  readonly fadeIn: number;
  readonly fadeOut: number;
  readonly sampleRate: number;
  /** Null: as loud as it is. */
  readonly loudness: { readonly lufs: number; /** dBTP */ readonly peak: number } | null;
}

/** Fades come before the loudness, so that the file itself has it; the rate before both ceilings are measured. */
export function edited(pcm: Pcm, edit: Edit): Pcm {
  const faded = fade(trim(pcm, edit.start, edit.end), edit.fadeIn, edit.fadeOut);
  const at: Pcm = {
    sampleRate: edit.sampleRate,
    channels: faded.channels.map((samples) => resample(samples, pcm.sampleRate, edit.sampleRate)),
  };
  return edit.loudness === null ? at : normalised(at, edit.loudness.lufs, 10 ** (edit.loudness.peak / 20));
}

/** @throws EngineError 'bad-task' when nothing is left between start and end */
export function trim(pcm: Pcm, start: number, end: number): Pcm {
  const [from, to] = [start, Math.min(end, secondsOf(pcm))].map((s) => Math.round(s * pcm.sampleRate));
  if (!(from! >= 0 && to! > from!)) {
    throw new EngineError(
      'bad-task',
      `The part from ${start} s to ${end} s holds no sound (the song has ${secondsOf(pcm).toFixed(2)} s).`,
    );
  }
  return { ...pcm, channels: pcm.channels.map((samples) => samples.slice(from, to)) };
}

/** Of each part of an excerpt, so that no joint clicks; seconds. */
const JOINT = 0.01;

/**
 * Parts of a sound, one after the other.
 * @throws EngineError 'bad-task' as trim
 */
export function excerpt(pcm: Pcm, parts: readonly { readonly start: number; readonly end: number }[]): Pcm {
  const pieces = parts.map(({ start, end }) => fade(trim(pcm, start, end), JOINT, JOINT).channels);
  const channels = pcm.channels.map((_, c) => {
    const out = new Float32Array(pieces.reduce((sum, piece) => sum + piece[c]!.length, 0));
    let at = 0;
    for (const piece of pieces) {
      out.set(piece[c]!, at);
      at += piece[c]!.length;
    }
    return out;
  });
  return { ...pcm, channels };
}

/** Raised cosines, which begin and end level; of a sound shorter than both fades, the product of the two. */
export function fade(pcm: Pcm, inSeconds: number, outSeconds: number): Pcm {
  const length = pcm.channels[0]?.length ?? 0;
  const [rise, fall] = [inSeconds, outSeconds].map((s) => Math.min(length, Math.round(s * pcm.sampleRate)));
  if (rise === 0 && fall === 0) return pcm;
  const gain = (n: number, of: number): number => 0.5 - 0.5 * Math.cos((Math.PI * n) / of);
  return {
    ...pcm,
    channels: pcm.channels.map((samples) => {
      const out = samples.slice();
      for (let n = 0; n < rise!; n++) out[n]! *= gain(n, rise!);
      for (let n = 0; n < fall!; n++) out[length - 1 - n]! *= gain(n, fall!);
      return out;
    }),
  };
}
