import { describe, expect, it } from 'vitest';
import { noise, sine } from '../../../scripts/golden/signals.ts';
import { quantise } from './dither.ts';
import { edited, excerpt, fade, trim } from './edit.ts';
import { integratedLoudness, truePeak } from './loudness.ts';
import { secondsOf } from './pcm.ts';

const song = { sampleRate: 44_100, channels: [sine(3, 997, 44_100, 0.2), noise(3 * 44_100, 5)] };
const AS_IT_IS = { start: 0, end: 3, fadeIn: 0, fadeOut: 0, sampleRate: 44_100, loudness: null };

describe('excerpt', () => {
  it('joins parts without a click, and leaves the middle of each as it was', () => {
    const parts = [
      { start: 0.5, end: 1 },
      { start: 2, end: 2.25 },
    ];
    const { channels, sampleRate } = excerpt(song, parts);
    expect(sampleRate).toBe(44_100);
    const joint = 0.5 * 44_100;
    const edge = 0.01 * 44_100;
    for (const [c, samples] of channels.entries()) {
      const whole = song.channels[c]!;
      expect(samples).toHaveLength(0.75 * 44_100);
      expect(samples.slice(edge, joint - edge)).toEqual(whole.slice(0.5 * 44_100 + edge, 44_100 - edge));
      expect(samples.slice(joint + edge, -edge)).toEqual(
        whole.slice(2 * 44_100 + edge, 2.25 * 44_100 - edge),
      );
      for (const at of [0, joint - 1, joint]) expect(Math.abs(samples[at]!)).toBeLessThan(1e-4);
    }
    expect(() => excerpt(song, [{ start: 4, end: 5 }])).toThrow(/holds no sound/);
  });
});

describe('edited', () => {
  it('changes no sample of a whole song', () => {
    expect(edited(song, AS_IT_IS)).toEqual(song);
  });

  it('cuts to the sample', () => {
    const part = edited(song, { ...AS_IT_IS, start: 1, end: 2.5 });
    expect(part.channels[1]).toEqual(song.channels[1]!.slice(44_100, 2.5 * 44_100));
    expect(trim(song, 0, 100).channels[0]).toHaveLength(3 * 44_100);
  });

  it.each([
    [2, 1],
    [3, 4],
    [-1, 2],
    [NaN, 1],
  ])('refuses the part from %d to %d', (start, end) => {
    expect(() => trim(song, start, end)).toThrow(/holds no sound \(the song has 3\.00 s\)/);
  });

  it('fades rise and fall evenly, and a sound shorter than both stays finite', () => {
    const flat = { sampleRate: 100, channels: [new Float32Array(100).fill(1)] };
    const [both] = fade(flat, 0.2, 0.4).channels;
    expect(both![0]).toBe(0);
    expect(both![10]).toBeCloseTo(0.5);
    expect(both!.subarray(20, 60)).toEqual(new Float32Array(40).fill(1));
    expect(both![79]).toBeCloseTo(0.5);
    expect(both![99]).toBe(0);
    for (let n = 1; n < 20; n++) expect(both![n]!).toBeGreaterThan(both![n - 1]!);
    const [short] = fade(flat, 5, 5).channels;
    expect(short!.every((x) => x >= 0 && x <= 1)).toBe(true);
    expect(
      flat.channels[0]!.every((x) => x === 1),
      'the song itself stays',
    ).toBe(true);
  });

  it('reaches the loudness at the rate asked for, its peaks below the ceiling', () => {
    const loud = edited(song, { ...AS_IT_IS, sampleRate: 48_000, loudness: { lufs: -16, peak: -1 } });
    expect(loud.sampleRate).toBe(48_000);
    expect(secondsOf(loud)).toBeCloseTo(3, 3);
    expect(integratedLoudness(loud)).toBeCloseTo(-16, 0);
    expect(truePeak(loud)).toBeLessThanOrEqual(-0.99);
  });
});

describe('quantise', () => {
  it.each([16, 24] as const)(
    '%d bits: the error has the power of dither and rounding, and no mean',
    (bits) => {
      const full = 2 ** (bits - 1);
      const x = sine(1, 440, 44_100, bits === 16 ? 0.25 : 0.001);
      const y = quantise([x], bits);
      let [power, sum] = [0, 0];
      for (let n = 0; n < x.length; n++) {
        const error = y[n]! - x[n]! * full;
        sum += error;
        power += error * error;
      }
      expect(power / x.length).toBeCloseTo(1 / 4, 1); // 1/12 of rounding, 2/12 of the dither
      expect(Math.abs(sum / x.length)).toBeLessThan(0.02);
    },
  );

  it('interleaves and clips', () => {
    const [l, r] = [Float32Array.of(2, -2), Float32Array.of(0, 0)];
    const out = quantise([l, r], 16);
    expect(out[0]).toBe(32_767);
    expect(out[2]).toBe(-32_768);
    expect(Math.abs(out[1]!)).toBeLessThanOrEqual(1);
  });
});
