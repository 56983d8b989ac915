/**
 * What is worked out of a finished song's file besides playing it: meters, fine peaks, spectra. Runs in a worker of its
 * own, so that neither the page nor a song that is being made waits for it; reads in pieces, holds no song.
 */
import { LoudnessMeter, type Meters } from '../../lib/audio/loudness.ts';
import { openWav } from './sound.ts';

/** Frames read at once: 6 s, 2 MB. */
const READ = 2 ** 18;

export class Analysis {
  async meters(file: Blob): Promise<Meters> {
    const sound = await openWav(file);
    const meter = new LoudnessMeter(sound.sampleRate);
    for (let at = 0; at < sound.frames; at += READ)
      meter.push(await sound.read(at, Math.min(sound.frames, at + READ)));
    return meter.end();
  }
}
