import { describe, expect, test } from 'vitest';
import type { Pcm } from './pcm.ts';
import { FADE_SECONDS, splice } from './splice.ts';

const RATE = 10_000;
const FADE = FADE_SECONDS * RATE;

/** A stereo tone; two of different seeds are unlike each other. */
const tone = (length: number, hertz: number, amplitude = 0.5): Pcm => ({
  sampleRate: RATE,
  channels: [0, 1].map((c) =>
    Float32Array.from({ length }, (_, n) => amplitude * Math.sin((2 * Math.PI * hertz * n) / RATE + c)),
  ),
});
const part = (pcm: Pcm, from: number, to: number) => pcm.channels.map((samples) => samples.slice(from, to));
const rms = (samples: Float32Array) => Math.hypot(...samples) / Math.sqrt(samples.length);

describe('splice', () => {
  const source = tone(10_000, 300);

  test('outside of the new parts and their fades every sample is the source’s', () => {
    const song = tone(10_000, 470, 0.3);
    const out = splice(song, source, 0, [
      { from: 2000, to: 3000 },
      { from: 6000, to: 6500 },
    ]);
    expect(part(out, 0, 2000 - FADE)).toEqual(part(source, 0, 2000 - FADE));
    expect(part(out, 3000 + FADE, 6000 - FADE)).toEqual(part(source, 3000 + FADE, 6000 - FADE));
    expect(part(out, 6500 + FADE, 10_000)).toEqual(part(source, 6500 + FADE, 10_000));
    expect(part(out, 2000, 3000)).not.toEqual(part(source, 2000, 3000));
  });

  test('new parts come at the level of what is around them, and no peak passes the highest', () => {
    const out = splice(tone(10_000, 470, 0.2), source, 0, [{ from: 2000, to: 4000 }]);
    expect(rms(out.channels[0]!.subarray(2000, 4000))).toBeCloseTo(rms(source.channels[0]!), 2);
    const spiky = tone(10_000, 470, 0.2);
    spiky.channels[0]![3000] = 0.5;
    const tamed = splice(spiky, source, 0, [{ from: 2000, to: 4000 }]);
    expect(Math.max(...tamed.channels[0]!)).toBeLessThanOrEqual(0.5 + 1e-6);
  });

  test('a fade between equal sounds changes nothing, one between others keeps its power', () => {
    const same = splice(source, source, 0, [{ from: 5000, to: 5001 }]);
    same.channels[0]!.forEach((x, n) => expect(x).toBeCloseTo(source.channels[0]![n]!, 5));
    const out = splice(tone(10_000, 470), source, 0, [{ from: 5000, to: 9000 }]);
    const fade = out.channels[0]!.subarray(5000 - FADE, 5000);
    expect(rms(fade)).toBeGreaterThan(0.8 * rms(source.channels[0]!));
  });

  test('what lies before and after the source is new', () => {
    const song = tone(16_000, 470, 0.5);
    const out = splice(song, source, 4000, []);
    expect(part(out, 4000 + FADE, 14_000 - FADE)).toEqual(part(source, FADE, 10_000 - FADE));
    part(out, 0, 4000).forEach((samples, c) =>
      samples.forEach((x, n) => expect(x).toBeCloseTo(song.channels[c]![n]!, 2)),
    );
    expect(out.channels[0]).toHaveLength(16_000);
  });

  test('a source that is longer than the song is cut, and silence stays silence', () => {
    const silent = tone(5000, 300, 0);
    const out = splice(silent, silent, 0, [{ from: 1000, to: 2000 }]);
    expect(Math.max(...out.channels[0]!)).toBe(0);
    expect(splice(tone(5000, 470), source, 0, [{ from: 0, to: 1000 }]).channels[0]).toHaveLength(5000);
  });
});
