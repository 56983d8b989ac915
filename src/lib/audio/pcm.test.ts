import { describe, expect, it } from 'vitest';
import { noise, sine } from '../../../scripts/golden/signals.ts';
import { peaksOf, toStereo } from './pcm.ts';

const one = (...values: number[]) => Float32Array.from(values);

describe('toStereo', () => {
  it('doubles mono, keeps stereo, mixes surround down', () => {
    const mono = { channels: [one(0.5)], sampleRate: 8000 };
    expect(toStereo(mono).channels).toEqual([one(0.5), one(0.5)]);
    const stereo = { channels: [one(1), one(2)], sampleRate: 8000 };
    expect(toStereo(stereo)).toBe(stereo);
    const surround = { channels: [one(1), one(2), one(10), one(99), one(0), one(4)], sampleRate: 8000 };
    const [left, right] = toStereo(surround).channels;
    expect(left![0]).toBeCloseTo(1 + 10 * Math.SQRT1_2, 5);
    expect(right![0]).toBeCloseTo(2 + 14 * Math.SQRT1_2, 5);
    const [quadLeft] = toStereo({ channels: [one(1), one(0), one(1), one(0)], sampleRate: 8000 }).channels;
    expect(quadLeft![0]).toBeCloseTo(1 + Math.SQRT1_2, 6);
    expect(() => toStereo({ channels: [], sampleRate: 8000 })).toThrow(/no channel/);
    expect(() => toStereo({ channels: Array.from({ length: 9 }, () => one(0)), sampleRate: 8000 })).toThrow(
      /got 9/,
    );
  });
});

describe('peaksOf', () => {
  it('every level agrees with the samples it stands for, at any length', () => {
    for (const length of [0, 1, 1024, 1025, 100_000]) {
      const pcm = { channels: [noise(length, 1), noise(length, 2)], sampleRate: 48000 };
      const { levels } = peaksOf(pcm);
      expect(levels.map(({ samples }) => samples)).toEqual([1024, 8192, 65536]);
      for (const { samples, min, max } of levels) {
        expect(min.length).toBe(Math.ceil(length / samples));
        for (let i = 0; i < min.length; i++) {
          const part = pcm.channels.flatMap((x) => [...x.subarray(i * samples, (i + 1) * samples)]);
          expect(min[i]).toBe(part.reduce((a, b) => Math.min(a, b)));
          expect(max[i]).toBe(part.reduce((a, b) => Math.max(a, b)));
        }
      }
    }
  });

  it('knows the root mean square of a sine at every level', () => {
    const { levels } = peaksOf({ channels: [sine(10, 1000, 48000, 0.8)], sampleRate: 48000 });
    for (const { rms } of levels) expect(rms[1]).toBeCloseTo(0.8 * Math.SQRT1_2, 2);
  });
});
