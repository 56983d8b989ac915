/** Bringing a finished song to a loudness without clipping it. */
import { integratedLoudness, truePeak } from './loudness.ts';
import type { Pcm } from './pcm.ts';

const LOOK_AHEAD_SECONDS = 0.005; // short enough to keep attacks, long enough to turn down without a click
const RELEASE_SECONDS = 0.12;
/** Louder than this would raise what should be quiet. */
const MAX_BOOST_DB = 12;
/** What is turned down no longer adds to the loudness, so the gain is found again; it settles in a few rounds. */
const ROUNDS = 5;

/**
 * The song at `lufs`, its true peak at most `peak` (1 = full scale). Peaks that would pass are turned down for their
 * own time only, so a few of them do not keep the whole song quiet; very peaky songs end a little below the target.
 * Silence stays as it is.
 */
export function normalised(pcm: Pcm, lufs: number, peak: number): Pcm {
  let out = pcm;
  let boost = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const loudness = integratedLoudness(out);
    if (loudness === null) return pcm;
    boost = Math.min(boost + lufs - loudness, MAX_BOOST_DB);
    out = limit(scaled(pcm, 10 ** (boost / 20)), peak);
  }
  const over = 10 ** (truePeak(out) / 20) / peak; // between the samples
  return over > 1 ? scaled(out, 1 / over) : out;
}

/** No sample beyond `ceiling`; the same gain for all channels, so the image does not move. */
export function limit(pcm: Pcm, ceiling: number): Pcm {
  const gain = gainCurve(pcm, ceiling);
  return { ...pcm, channels: pcm.channels.map((samples) => samples.map((x, n) => x * gain[n]!)) };
}

/**
 * Gain of each sample. The smallest gain that any sample of the next window needs, held, then let go slowly; its mean
 * over the window before. Every term of the mean for sample n saw n, so none is larger than n needs.
 */
function gainCurve({ channels, sampleRate }: Pcm, ceiling: number): Float64Array {
  const length = channels[0]?.length ?? 0;
  const window = Math.max(1, Math.round(LOOK_AHEAD_SECONDS * sampleRate));
  const release = 1 - Math.exp(-1 / (RELEASE_SECONDS * sampleRate));
  const need = new Float64Array(length);
  for (let n = 0; n < length; n++) {
    let top = 0;
    for (const samples of channels) top = Math.max(top, Math.abs(samples[n]!));
    need[n] = top > ceiling ? ceiling / top : 1;
  }
  const held = smallestAhead(need, window);
  for (let n = 1; n < length; n++) {
    held[n] = Math.min(held[n]!, held[n - 1]! + (1 - held[n - 1]!) * release);
  }
  const gain = new Float64Array(length);
  let sum = window * (held[0] ?? 1);
  for (let n = 0; n < length; n++) {
    sum += held[n]! - held[Math.max(0, n - window)]!;
    gain[n] = Math.min(need[n]!, sum / window); // the mean may round up by a last digit
  }
  return gain;
}

/** Minimum of values[n .. n + window - 1] for every n, by a queue of candidates: each value enters and leaves once. */
function smallestAhead(values: Float64Array, window: number): Float64Array {
  const out = new Float64Array(values.length);
  const queue = new Int32Array(values.length);
  let head = 0;
  let tail = 0;
  let next = 0;
  for (let n = 0; n < values.length; n++) {
    for (; next < Math.min(n + window, values.length); next++) {
      while (tail > head && values[queue[tail - 1]!]! >= values[next]!) tail--;
      queue[tail++] = next;
    }
    while (queue[head]! < n) head++;
    out[n] = values[queue[head]!]!;
  }
  return out;
}

const scaled = (pcm: Pcm, gain: number): Pcm => ({
  ...pcm,
  channels: pcm.channels.map((samples) => samples.map((x) => x * gain)),
});
