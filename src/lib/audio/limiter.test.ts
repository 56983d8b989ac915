import { describe, expect, it } from 'vitest';
import { noise, sine } from '../../../scripts/golden/signals.ts';
import { limit, normalised } from './limiter.ts';
import { integratedLoudness, truePeak } from './loudness.ts';

const RATE = 44100;

/** Three seconds of a soft tone with a loud click of 2 ms every half second. */
function hits() {
  const samples = sine(3, 440, RATE).map((x) => 0.05 * x);
  const burst = noise(Math.round(0.002 * RATE), 3);
  for (let at = RATE / 4; at < samples.length; at += RATE / 2) {
    burst.forEach((x, i) => (samples[at + i]! += x));
  }
  return { channels: [samples, samples.map((x) => x / 2)], sampleRate: RATE };
}

describe('limit', () => {
  it('lets no sample pass, leaves quiet stretches alone and keeps the balance of the channels', () => {
    const pcm = hits();
    const [left, right] = limit(pcm, 0.3).channels;
    expect(left!.reduce((top, x) => Math.max(top, Math.abs(x)), 0)).toBeLessThanOrEqual(Math.fround(0.3));
    expect(left!.subarray(0, RATE / 5)).toEqual(pcm.channels[0]!.subarray(0, RATE / 5));
    for (let n = 0; n < left!.length; n += 97) expect(right![n]! * 2).toBeCloseTo(left![n]!, 6);
  });

  it('turns down without a jump, and lets go again', () => {
    const pcm = hits();
    const [left] = limit(pcm, 0.3).channels;
    const gain = (n: number) => left![n]! / pcm.channels[0]![n]!;
    const before = RATE / 4 - 300; // the look-ahead begins 220 samples before the hit
    expect(gain(before)).toBeCloseTo(1, 6);
    expect(gain(RATE / 4 + 200)).toBeLessThan(0.9);
    expect(gain(Math.round(RATE * 0.7))).toBeGreaterThan(0.9);
  });

  it('changes nothing that is below the ceiling, nor an empty sound', () => {
    const pcm = { channels: [sine(0.1, 440, RATE)], sampleRate: RATE };
    expect(limit(pcm, 1).channels).toEqual(pcm.channels);
    expect(limit({ channels: [new Float32Array(0)], sampleRate: RATE }, 0.5).channels[0]).toHaveLength(0);
  });
});

describe('normalised', () => {
  it('reaches the loudness where one gain could not, under the true peak', () => {
    const pcm = hits();
    const out = normalised(pcm, -20, 0.89);
    const alone = integratedLoudness(pcm)! + 20 * Math.log10(0.89) - truePeak(pcm); // by one gain
    expect(alone).toBeLessThan(-22);
    expect(Math.abs(integratedLoudness(out)! + 20)).toBeLessThan(1.5);
    expect(truePeak(out)).toBeLessThanOrEqual(20 * Math.log10(0.89) + 0.01);
  });

  it('raises by 12 dB at most, and leaves silence alone', () => {
    const faint = { channels: [sine(1, 1000, RATE).map((x) => x * 0.001)], sampleRate: RATE };
    const raised = normalised(faint, -16, 0.89);
    expect(raised.channels[0]![1000]! / faint.channels[0]![1000]!).toBeCloseTo(10 ** (12 / 20), 3);
    const silence = { channels: [new Float32Array(RATE)], sampleRate: RATE };
    expect(normalised(silence, -16, 0.89)).toBe(silence);
  });
});
