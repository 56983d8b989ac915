import { describe, expect, it } from 'vitest';
import { goldenTensors, hasGolden, maxError, need, row } from '../../../scripts/golden/read.ts';
import { noise, sine } from '../../../scripts/golden/signals.ts';
import reference from './resample.golden.json' with { type: 'json' };
import { resample, Resampler } from './resample.ts';

describe('resample', () => {
  it.each(reference)('$from to $to equals torch', ({ from, to, samples, seed, out }) => {
    expect(maxError(resample(noise(samples, seed), from, to), out)).toBeLessThan(1e-6);
  });

  it
    .skipIf(!hasGolden /* needs ../shared */)
    .each(['16000_44100', '22050_44100', '44100_48000', '48000_44100'])(
    '%s equals the official resampler (needs ../shared)',
    (name) => {
      const file = goldenTensors('modules/resample.safetensors');
      const [from, to] = name.split('_').map(Number);
      const input = need(file, `${name}.in`);
      for (let c = 0; c < input.shape[0]!; c++) {
        const out = resample(row(input, c).data, from!, to!);
        expect(maxError(out, row(need(file, `${name}.out`), c).data)).toBeLessThan(1e-5);
      }
    },
  );

  it('gives the same samples in pieces of any size', () => {
    for (const [from, to] of [
      [44100, 48000],
      [48000, 44100],
      [96000, 44100],
      [8000, 48000],
      [44100, 44101],
    ] as const) {
      const x = noise(3000, 5);
      const whole = resample(x, from, to);
      expect(whole.length).toBe(Math.ceil((x.length * to) / from));
      for (const sizes of [[1, 1, 7, 500], [3000], [13, 997, 0, 1990]]) {
        const resampler = new Resampler(from, to);
        const pieces: number[] = [];
        let at = 0;
        for (let i = 0; at < x.length; i++) {
          const size = sizes[i % sizes.length]!;
          pieces.push(...resampler.push(x.subarray(at, at + size)));
          at += size;
        }
        pieces.push(...resampler.end());
        expect(maxError(pieces, whole)).toBe(0);
      }
    }
  });

  it('keeps a 1 kHz sine to -60 dB', () => {
    const out = resample(sine(1, 1000, 44100), 44100, 48000);
    const want = sine(1, 1000, 48000);
    expect(maxError(out.subarray(100, 47900), want.subarray(100, 47900))).toBeLessThan(1e-3);
  });

  it('removes what the lower rate cannot carry', () => {
    const out = resample(sine(1, 20000, 48000), 48000, 22050);
    expect(Math.max(...out.subarray(100, -100))).toBeLessThan(0.01);
  });

  it('equal rates change nothing, wrong rates are refused', () => {
    const x = noise(10, 1);
    expect(resample(x, 44100, 44100)).toBe(x);
    const same = new Resampler(48000, 48000);
    expect([...same.push(x), ...same.end()]).toEqual([...x]);
    expect(() => new Resampler(44100, 0)).toThrow(/44100 and 0/);
  });
});
