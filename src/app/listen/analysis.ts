/**
 * What is worked out of a finished song's file besides playing it: meters, fine peaks, spectra. Runs in a worker of its
 * own, so that neither the page nor a song that is being made waits for it; reads in pieces, holds no song.
 */
import { LoudnessMeter, type Meters } from '../../lib/audio/loudness.ts';
import { Spectrogram } from '../../lib/audio/spectrogram.ts';
import { openWav } from './sound.ts';

/** Frames read at once: 6 s, 2 MB. */
const READ = 2 ** 18;

/** Lowest, highest and root mean square value of each of so many points of a stretch. */
export interface FinePeaks {
  readonly min: Float32Array<ArrayBuffer>;
  readonly max: Float32Array<ArrayBuffer>;
  readonly rms: Float32Array<ArrayBuffer>;
}

/** Levels 0..255 of (rows, columns), the highest frequency first, as a picture is stored. */
export interface Picture {
  readonly columns: number;
  readonly rows: number;
  readonly levels: Uint8Array<ArrayBuffer>;
  /** Hertz around which most of it lies; null for silence. */
  readonly strongest: number | null;
}

export class Analysis {
  async meters(file: Blob): Promise<Meters> {
    const sound = await openWav(file);
    const meter = new LoudnessMeter(sound.sampleRate);
    for (let at = 0; at < sound.frames; at += READ)
      meter.push(await sound.read(at, Math.min(sound.frames, at + READ)));
    return meter.end();
  }

  /** Peaks of seconds [start, end) finer than those that are kept. */
  async peaks(file: Blob, start: number, end: number, points: number): Promise<FinePeaks> {
    const sound = await openWav(file);
    const from = Math.max(0, Math.floor(start * sound.sampleRate));
    const to = Math.min(sound.frames, Math.ceil(end * sound.sampleRate));
    const channels = await sound.read(from, to);
    const [min, max, rms] = [new Float32Array(points), new Float32Array(points), new Float32Array(points)];
    for (let i = 0; i < points; i++) {
      const first = Math.floor((i / points) * (to - from));
      const last = Math.max(first + 1, Math.floor(((i + 1) / points) * (to - from)));
      let power = 0;
      for (const samples of channels) {
        for (let n = first; n < last; n++) {
          const x = samples[n] ?? 0;
          if (x < min[i]!) min[i] = x;
          if (x > max[i]!) max[i] = x;
          power += x * x;
        }
      }
      rms[i] = Math.sqrt(power / ((last - first) * Math.max(1, channels.length)));
    }
    return { min, max, rms };
  }

  /** The spectrogram of seconds [start, end). */
  async spectrum(file: Blob, start: number, end: number, columns: number, rows: number): Promise<Picture> {
    const sound = await openWav(file);
    const spectrogram = new Spectrogram(sound.sampleRate, rows);
    const levels = new Uint8Array(columns * rows);
    const hop = ((end - start) * sound.sampleRate) / columns;
    const reach = Spectrogram.reach(hop);
    let held: readonly Float32Array[] = [];
    let [from, to] = [0, 0];
    for (let column = 0; column < columns; column++) {
      const middle = Math.round(start * sound.sampleRate + (column + 0.5) * hop);
      if (middle + reach > to && to < sound.frames) {
        from = Math.max(0, middle - reach);
        to = Math.min(sound.frames, from + Math.max(READ, 2 * reach));
        held = await sound.read(from, to);
      }
      // Rows go upwards in frequency and downwards in a picture.
      spectrogram.column(held, middle - from, hop, levels, (rows - 1) * columns + column, -columns);
    }
    return { columns, rows, levels, strongest: spectrogram.strongest() };
  }
}
