/**
 * A song that was made from another sound keeps that sound where nothing was to change. Encoding, vocoder, limiter and
 * loudness work on the whole song, so what a repaint or an extension decodes there is close to the source, never equal
 * to it. Here the source's own samples are put back; only short fades beside the new parts hold both.
 */
import { limit } from './limiter.ts';
import type { Pcm } from './pcm.ts';

/** Samples [from, to) of a song. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Long enough to hide the change of phase, shorter than a sixteenth note at 300 bpm. */
export const FADE_SECONDS = 0.03;
/** New parts are brought to the level that the song around them had; further apart than this, something else is wrong. */
const MAX_GAIN_DB = 12;

/**
 * `song` with the samples of `source` in all places but the `fresh` ones. Outside of these and of FADE_SECONDS on either
 * side the result equals the source exactly. Both sounds have the same rate and number of channels.
 *
 * @param at sample of the song at which the source begins
 * @param fresh what is new: ascending, without overlaps. What lies beyond the source's ends is new in any case.
 */
export function splice(song: Pcm, source: Pcm, at: number, fresh: readonly Span[]): Pcm {
  const length = song.channels[0]?.length ?? 0;
  const kept = keptSpans(length, { from: at, to: at + (source.channels[0]?.length ?? 0) }, fresh);
  const ceiling = Math.max(peakOf(song), peakOf(source));
  const levelled = limit(scaled(song, gainOf(song, source, at, kept)), ceiling);
  const channels = levelled.channels.map((samples) => samples.slice());
  const fade = Math.round(FADE_SECONDS * song.sampleRate);
  for (const { from, to } of kept) {
    const half = Math.floor((to - from) / 2);
    const rise = from > 0 ? Math.min(fade, half) : 0;
    const fall = to < length ? Math.min(fade, half) : 0;
    channels.forEach((out, c) => out.set(source.channels[c]!.subarray(from - at, to - at), from));
    crossfade(
      { song: levelled, source, at, ceiling, out: channels },
      from,
      rise,
      (n) => (n + 1) / (rise + 1),
    );
    crossfade(
      { song: levelled, source, at, ceiling, out: channels },
      to - fall,
      fall,
      (n) => 1 - (n + 1) / (fall + 1),
    );
  }
  return { ...song, channels };
}

/** Where the source stays: what of it lies in the song, without the fresh parts. */
function keptSpans(length: number, source: Span, fresh: readonly Span[]): Span[] {
  const kept: Span[] = [];
  let from = Math.max(0, source.from);
  const end = Math.min(length, source.to);
  for (const part of fresh) {
    if (part.from > from) kept.push({ from, to: Math.min(part.from, end) });
    from = Math.max(from, part.to);
  }
  if (from < end) kept.push({ from, to: end });
  return kept.filter((span) => span.to > span.from);
}

interface Seam {
  readonly song: Pcm;
  readonly source: Pcm;
  readonly at: number;
  readonly ceiling: number;
  readonly out: readonly Float32Array[];
}

/**
 * Writes the mix of song and source over `count` samples from `from` on; `share` is the source's part. The two are more
 * or less alike there, and their sum keeps its power for any likeness, as far as the ceiling allows.
 */
function crossfade(
  { song, source, at, ceiling, out }: Seam,
  from: number,
  count: number,
  share: (n: number) => number,
): void {
  let [both, ofSong, ofSource] = [0, 1e-20, 1e-20];
  for (let c = 0; c < out.length; c++) {
    for (let n = 0; n < count; n++) {
      const [x, y] = [song.channels[c]![from + n]!, source.channels[c]![from - at + n]!];
      both += x * y;
      ofSong += x * x;
      ofSource += y * y;
    }
  }
  const likeness = Math.min(1, Math.max(0, both / Math.sqrt(ofSong * ofSource)));
  // A plain linear mix passes no peak of the two; what keeps the power above it is given as far as there is room.
  const lift = (n: number): number => {
    const y = share(n);
    const x = 1 - y;
    return 1 / Math.sqrt(x * x + y * y + 2 * x * y * likeness) - 1;
  };
  const mix = (c: number, n: number): number => {
    const y = share(n);
    return (1 - y) * song.channels[c]![from + n]! + y * source.channels[c]![from - at + n]!;
  };
  let room = 1;
  for (let c = 0; c < out.length; c++) {
    for (let n = 0; n < count; n++) {
      const [plain, most] = [Math.abs(mix(c, n)), lift(n)];
      if (plain * (1 + most) > ceiling) room = Math.min(room, Math.max(0, ceiling / plain - 1) / most);
    }
  }
  for (let c = 0; c < out.length; c++) {
    for (let n = 0; n < count; n++) out[c]![from + n] = (1 + room * lift(n)) * mix(c, n);
  }
}

/** What brings the song to the source's level, judged where both play the same music; 1 where that is silent. */
function gainOf(song: Pcm, source: Pcm, at: number, kept: readonly Span[]): number {
  let [ofSong, ofSource] = [0, 0];
  for (const { from, to } of kept) {
    song.channels.forEach((samples, c) => {
      const other = source.channels[c]!;
      for (let n = from; n < to; n++) {
        ofSong += samples[n]! ** 2;
        ofSource += other[n - at]! ** 2;
      }
    });
  }
  if (!(ofSong > 0) || !(ofSource > 0)) return 1;
  const most = 10 ** (MAX_GAIN_DB / 20);
  return Math.min(most, Math.max(1 / most, Math.sqrt(ofSource / ofSong)));
}

const peakOf = ({ channels }: Pcm): number =>
  channels.reduce((most, samples) => samples.reduce((top, x) => Math.max(top, Math.abs(x)), most), 0);

const scaled = (pcm: Pcm, gain: number): Pcm => ({
  ...pcm,
  channels: pcm.channels.map((samples) => samples.map((x) => x * gain)),
});
