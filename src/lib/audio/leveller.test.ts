import { describe, expect, it } from 'vitest';
import { sine } from '../../../scripts/golden/signals.ts';
import { Leveller } from './leveller.ts';
import { normalised } from './limiter.ts';
import { integratedLoudness } from './loudness.ts';

const RATE = 16_000;
const [LUFS, CEILING] = [-16, 0.89];

/** Four seconds of a tone that is quiet at first, with a click too loud for the ceiling in the middle. */
function song(): Float32Array[] {
  const left = sine(4, 440, RATE, 0.05);
  for (let n = RATE; n < left.length; n++) left[n]! *= 1.5;
  for (let n = 0; n < 40; n++) left[2 * RATE + n] = 0.9;
  return [left, left.slice()];
}

function levelled(channels: readonly Float32Array[], piece: number): Float32Array[] {
  const leveller = new Leveller(RATE, LUFS, CEILING);
  const parts: Float32Array[][] = [];
  for (let at = 0; at < channels[0]!.length; at += piece)
    parts.push(leveller.push(channels.map((samples) => samples.subarray(at, at + piece))));
  parts.push(leveller.end());
  return channels.map((_, c) => Float32Array.from(parts.flatMap((part) => [...part[c]!])));
}

describe('Leveller', () => {
  it('gives every sample back, none beyond the ceiling', () => {
    for (const piece of [RATE, 12_345, 4 * RATE]) {
      const out = levelled(song(), piece);
      expect(out[0]!.length).toBe(4 * RATE);
      expect(out[0]!.reduce((most, x) => Math.max(most, Math.abs(x)), 0)).toBeLessThanOrEqual(CEILING);
    }
  });

  it('ends near the level of the finished song', () => {
    const done = normalised({ channels: song(), sampleRate: RATE }, LUFS, CEILING);
    const early = levelled(song(), RATE);
    const last = (channels: readonly Float32Array[]): number =>
      integratedLoudness({ channels: channels.map((x) => x.subarray(3 * RATE)), sampleRate: RATE })!;
    expect(Math.abs(last(early) - last(done.channels))).toBeLessThan(1);
  });

  it('has no step where pieces meet', () => {
    const [out] = levelled(song(), RATE);
    // Largest second difference of a sine of this level, and of the tone beside every joint.
    const bend = (n: number): number => Math.abs(out![n + 1]! - 2 * out![n]! + out![n - 1]!);
    const hold = Math.round(0.01 * RATE);
    const usual = Math.max(...Array.from({ length: 400 }, (_, i) => bend(3 * RATE + 5000 + i)));
    for (const joint of [RATE - hold, 3 * RATE - hold])
      for (let n = joint - 3; n < joint + 3; n++) expect(bend(n)).toBeLessThan(2 * usual);
  });

  it('leaves silence alone', () => {
    const [out] = levelled([new Float32Array(RATE)], 10_000);
    expect(out!.every((x) => x === 0)).toBe(true);
  });
});
