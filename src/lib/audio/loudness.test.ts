import { describe, expect, it } from 'vitest';
import { amplitude, sine } from '../../../scripts/golden/signals.ts';
import {
  highPass,
  integratedLoudness,
  LoudnessMeter,
  momentaryLoudness,
  shelf,
  truePeak,
  type Meters,
} from './loudness.ts';
import type { Pcm } from './pcm.ts';

/** Stereo 1 kHz tones one after the other: [dBFS, seconds]. */
function tones(sampleRate: number, ...parts: readonly (readonly [db: number, seconds: number])[]): Pcm {
  const total = parts.reduce((sum, [, seconds]) => sum + seconds, 0);
  const samples = sine(total, 1000, sampleRate);
  let at = 0;
  for (const [db, seconds] of parts) {
    const end = at + Math.round(seconds * sampleRate);
    for (const gain = amplitude(db); at < end; at++) samples[at]! *= gain;
  }
  return { channels: [samples, samples], sampleRate };
}

describe('integratedLoudness', () => {
  it('has the filters that the standard prints for 48 kHz', () => {
    const printed = { b0: 1.53512485958697, b1: -2.69169618940638, b2: 1.19839281085285 };
    const { b0, b1, b2, a1, a2 } = shelf(48000);
    expect([b0, b1, b2].map((x, i) => Math.abs(x - Object.values(printed)[i]!) < 1e-10)).toEqual([
      true,
      true,
      true,
    ]);
    expect(a1).toBeCloseTo(-1.69065929318241, 10);
    expect(a2).toBeCloseTo(0.73248077421585, 10);
    expect(highPass(48000).a1).toBeCloseTo(-1.99004745483398, 10);
    expect(highPass(48000).a2).toBeCloseTo(0.99007225036621, 10);
  });

  // EBU Tech 3341, minimum requirements test signals 1-5: within 0.1 LU.
  it.each([
    ['1', -23, [[-23, 20]]],
    ['2', -33, [[-33, 20]]],
    [
      '3',
      -23,
      [
        [-36, 10],
        [-23, 60],
        [-36, 10],
      ],
    ],
    [
      '4',
      -23,
      [
        [-72, 10],
        [-36, 10],
        [-23, 60],
        [-36, 10],
        [-72, 10],
      ],
    ],
    [
      '5',
      -23,
      [
        [-26, 20],
        [-20, 20.1],
        [-26, 20],
      ],
    ],
  ] as const)('EBU 3341 case %s reads %d LUFS', (_case, want, parts) => {
    expect(Math.abs(integratedLoudness(tones(48000, ...parts))! - want)).toBeLessThan(0.1);
  });

  it('reads the same at other rates, 3 LU less in one channel, and null for silence', () => {
    for (const rate of [22050, 44100, 96000]) {
      expect(Math.abs(integratedLoudness(tones(rate, [-23, 3]))! + 23)).toBeLessThan(0.1);
    }
    const { channels } = tones(48000, [-23, 3]);
    expect(integratedLoudness({ channels: [channels[0]!], sampleRate: 48000 })).toBeCloseTo(-26, 1);
    expect(integratedLoudness({ channels: [new Float32Array(48000)], sampleRate: 48000 })).toBeNull();
    expect(integratedLoudness({ channels: [], sampleRate: 48000 })).toBeNull();
    expect(integratedLoudness(tones(48000, [-23, 0.2]))).toBeCloseTo(-23, 0); // shorter than a block
  });
});

describe('truePeak', () => {
  // EBU Tech 3341 cases 15-19: a quarter of the rate at phases that hide the peak between samples; +0.2 / -0.4 dB.
  it.each([
    [4, 0, -6],
    [4, 45, -6],
    [6, 60, -6],
    [8, 67.5, -6],
    [4, 45, 3],
  ])('a sine of fs/%i at %d degrees peaks at %d dBTP', (divisor, degrees, want) => {
    const peakLevel = amplitude(want);
    const x = sine(0.5, 48000 / divisor, 48000, peakLevel, (degrees * Math.PI) / 180);
    for (let n = 0; n < 2400; n++) {
      x[n]! *= n / 2400; // switching a tone on makes peaks of its own
      x[x.length - 1 - n]! *= n / 2400;
    }
    const error = truePeak({ channels: [x], sampleRate: 48000 }) - want;
    expect(error).toBeLessThan(0.2);
    expect(error).toBeGreaterThan(-0.4);
  });

  it('silence has none', () => {
    expect(truePeak({ channels: [new Float32Array(100)], sampleRate: 48000 })).toBe(-Infinity);
  });
});

describe('LoudnessMeter', () => {
  /** In pieces of an odd size, as a file is read. */
  function metered(pcm: Pcm, piece = 10_007): Meters {
    const meter = new LoudnessMeter(pcm.sampleRate);
    for (let at = 0; at < pcm.channels[0]!.length; at += piece)
      meter.push(pcm.channels.map((samples) => samples.subarray(at, at + piece)));
    return meter.end();
  }

  // EBU Tech 3342, minimum requirements test signals 1-4: within 1 LU.
  it.each([
    [
      10,
      [
        [-20, 20],
        [-30, 20],
      ],
    ],
    [
      5,
      [
        [-20, 20],
        [-15, 20],
      ],
    ],
    [
      20,
      [
        [-40, 20],
        [-20, 20],
      ],
    ],
    [
      15,
      [
        [-50, 20],
        [-35, 20],
        [-20, 20],
        [-35, 20],
        [-50, 20],
      ],
    ],
  ] as const)('EBU 3342: a range of %d LU', (want, parts) => {
    expect(Math.abs(metered(tones(16000, ...parts)).range! - want)).toBeLessThan(1);
  });

  it('EBU 3341 case 9: short-term loudness of -23 LUFS, steady', () => {
    const parts = Array.from(
      { length: 5 },
      () =>
        [
          [-20, 1.34],
          [-30, 1.66],
        ] as const,
    ).flat();
    expect(Math.abs(metered(tones(48000, ...parts)).shortTerm! + 23)).toBeLessThan(0.1);
  });

  it('reads in pieces what the whole reads', () => {
    const pcm = tones(44100, [-26, 1], [-12, 2.5], [-40, 1.2]);
    const { integrated, truePeak: peak } = metered(pcm);
    expect(integrated).toBeCloseTo(integratedLoudness(pcm)!, 9);
    expect(peak).toBeCloseTo(truePeak(pcm), 9);
    expect(metered(pcm, 999).range).toBeCloseTo(metered(pcm, 44100).range!, 9);
  });

  it('has nothing to tell of silence', () => {
    const silence: Pcm = { channels: [new Float32Array(48000)], sampleRate: 48000 };
    expect(metered(silence)).toEqual({ integrated: null, shortTerm: null, range: null, truePeak: -Infinity });
    expect(momentaryLoudness(silence)).toBe(-Infinity);
  });

  it('reads a moment as the tone it is', () => {
    expect(momentaryLoudness(tones(48000, [-23, 0.4]))).toBeCloseTo(-23, 0);
  });
});
