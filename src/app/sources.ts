/** Sound from outside, as samples: what is taken, and the words for what is not. The browser decodes it. */
import type { Pcm } from '../lib/audio/pcm.ts';
import { secondsOf, toStereo } from '../lib/audio/pcm.ts';
import { readWav } from '../lib/audio/wav.ts';
import { EngineError } from '../lib/errors.ts';
import { size } from './format.ts';
import { TEXT } from './text.ts';

/** Wherever a sound comes in. The browser decodes a file as a whole; ten minutes of the largest usual kind fit in this. */
export const MAX_SOUND_BYTES = 512e6;
/** As long as the engine takes. */
export const MAX_SECONDS = 600;
/** What is shorter than this holds no music. */
export const MIN_SECONDS = 0.5;
/** The rate that models listen at; browsers convert to it while they decode. */
const RATE = 44_100;

/** Why a file of this size is not read at all; '' where it is. */
export function sizeProblem(name: string, bytes: number): string {
  if (bytes === 0) return TEXT.sources.empty(name);
  return bytes > MAX_SOUND_BYTES ? TEXT.sources.tooBig(name, size(bytes), size(MAX_SOUND_BYTES)) : '';
}

/** Why a sound of this length is not taken; '' where it is. */
export function lengthProblem(name: string, seconds: number): string {
  const T = TEXT.sources;
  if (seconds > MAX_SECONDS) return T.tooLong(name, Math.round(seconds / 60), MAX_SECONDS / 60);
  return seconds < MIN_SECONDS ? T.tooShort(name) : '';
}

/**
 * Stereo sound of a file in any format that this browser plays.
 * @throws EngineError 'bad-task' saying what is wrong with the file, and what to do
 */
export async function decodeSound(file: Blob, name: string): Promise<Pcm> {
  refuse(sizeProblem(name, file.size));
  // WAV is read to the last bit, at its own rate. Everything else goes through the browser.
  const head = new TextDecoder('latin1').decode(await file.slice(0, 12).arrayBuffer());
  const pcm = /^RIFF.{4}WAVE/su.test(head)
    ? readWav(new Uint8Array(await file.arrayBuffer())).pcm
    : await decodeByBrowser(file, name);
  refuse(lengthProblem(name, secondsOf(pcm)));
  if (!pcm.channels.every((samples) => samples.every(Number.isFinite))) refuse(TEXT.sources.broken(name));
  return toStereo(pcm);
}

async function decodeByBrowser(file: Blob, name: string): Promise<Pcm> {
  // Hours of speech fit into few bytes: their length is asked before anything is unpacked.
  const seconds = await lengthOf(file);
  if (seconds !== null) refuse(lengthProblem(name, seconds));
  const context = new OfflineAudioContext(1, 1, RATE);
  let buffer: AudioBuffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch (cause) {
    throw new EngineError('bad-task', TEXT.sources.unknown(name), { cause });
  }
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
  return { sampleRate: buffer.sampleRate, channels };
}

/** Seconds as the file's head says; null where it does not. */
function lengthOf(file: Blob): Promise<number | null> {
  const url = URL.createObjectURL(file);
  const audio = new Audio();
  return new Promise<number | null>((resolve) => {
    audio.onloadedmetadata = () => resolve(Number.isFinite(audio.duration) ? audio.duration : null);
    audio.onerror = () => resolve(null); // decoding says whether it is sound at all
    audio.preload = 'metadata';
    audio.src = url;
  }).finally(() => {
    audio.removeAttribute('src');
    URL.revokeObjectURL(url);
  });
}

function refuse(problem: string): void {
  if (problem !== '') throw new EngineError('bad-task', problem);
}
