import { describe, expect, it } from 'vitest';
import { RealFft } from './fft.ts';
import { noise } from '../../../scripts/golden/signals.ts';

/** The definition, O(n²). */
function dft(x: Float64Array): { re: number; im: number }[] {
  const n = x.length;
  return Array.from({ length: n / 2 + 1 }, (_, k) => {
    let re = 0;
    let im = 0;
    for (let t = 0; t < n; t++) {
      const angle = (2 * Math.PI * ((k * t) % n)) / n;
      re += x[t]! * Math.cos(angle);
      im -= x[t]! * Math.sin(angle);
    }
    return { re, im };
  });
}

describe('RealFft', () => {
  it.each([4, 8, 16, 32, 64, 128, 512, 2048])('size %i equals the definition and comes back', (size) => {
    const fft = new RealFft(size);
    const x = Float64Array.from(noise(size, 1));
    fft.time.set(x);
    fft.forward();
    const tolerance = 1e-15 * size;
    dft(x).forEach(({ re, im }, k) => {
      expect(Math.abs(fft.re[k]! - re)).toBeLessThan(tolerance + 1e-13);
      expect(Math.abs(fft.im[k]! - im)).toBeLessThan(tolerance + 1e-13);
    });
    fft.inverse();
    for (let t = 0; t < size; t++) expect(Math.abs(fft.time[t]! - x[t]!)).toBeLessThan(1e-14);
  });

  it('keeps the energy (Parseval) and refuses other sizes', () => {
    const size = 1024;
    const fft = new RealFft(size);
    const x = noise(size, 2);
    fft.time.set(x);
    fft.forward();
    let energy = fft.re[0]! ** 2 + fft.re[size / 2]! ** 2;
    for (let k = 1; k < size / 2; k++) energy += 2 * (fft.re[k]! ** 2 + fft.im[k]! ** 2);
    expect(energy / size).toBeCloseTo(
      x.reduce((sum, v) => sum + v * v, 0),
      9,
    );
    expect(() => new RealFft(1000)).toThrow(/power of two.*1000/);
  });
});
