import { describe, expect, test } from 'vitest';
import { changedSince } from './changed.ts';
import type { Pcm } from './pcm.ts';

const RATE = 22_050;
const tone = (seconds: number, hertz: number, phase = 0): Pcm => ({
  sampleRate: RATE,
  channels: [0, 1].map(() =>
    Float32Array.from(
      { length: seconds * RATE },
      (_, n) => 0.5 * Math.sin((2 * Math.PI * hertz * n) / RATE + phase),
    ),
  ),
});
/** `a` with the samples of `b` between two moments. */
const patched = (a: Pcm, b: Pcm, from: number, to: number): Pcm => ({
  ...a,
  channels: a.channels.map((samples, c) => {
    const out = samples.slice();
    out.set(b.channels[c]!.subarray(from * RATE, to * RATE), from * RATE);
    return out;
  }),
});

describe('changed since', () => {
  const before = tone(4, 440);

  test('the same sound has not changed, and another phase is hardly heard', () => {
    expect(changedSince(before, before, 0)).toMatchObject({ share: 0, untouched: 1 });
    const turned = changedSince(tone(4, 440, 1), before, 0);
    expect(turned.share).toBeLessThan(0.1);
    expect(turned.untouched).toBe(0);
  });

  test('a new part is seen where it is, a semitone is enough, and the rest is untouched', () => {
    const { values, step, share, untouched } = changedSince(
      patched(before, tone(4, 466.16), 1, 2),
      before,
      0,
    );
    const at = (seconds: number): number => values[Math.round(seconds / step)]!;
    expect(at(1.5)).toBeGreaterThan(0.5);
    expect([at(0.5), at(3)]).toEqual([0, 0]);
    expect(share).toBeGreaterThan(0.15);
    expect(share).toBeLessThan(0.3);
    expect(untouched).toBeCloseTo(0.75, 1);
  });

  test('what lies before and after the old sound is all new', () => {
    const longer: Pcm = {
      sampleRate: RATE,
      channels: before.channels.map((samples) => {
        const out = new Float32Array(6 * RATE).fill(0.1);
        out.set(samples, RATE);
        return out;
      }),
    };
    const { values, step, untouched } = changedSince(longer, before, RATE);
    expect([...values.slice(0, Math.floor(1 / step))].every((x) => x === 1)).toBe(true);
    expect(values.at(-1)).toBe(1);
    expect(Math.abs(untouched - 4 / 6)).toBeLessThan(0.01);
  });

  test('silence beside silence has not changed; sound in its place is all new', () => {
    const silent = tone(4, 0);
    expect(changedSince(silent, silent, 0).share).toBe(0);
    expect(changedSince(before, silent, 0).share).toBeCloseTo(1, 5);
  });
});
