import { describe, expect, it } from 'vitest';
import { sine } from '../../../scripts/golden/signals.ts';
import { placeOf, RANGE_DB, scaleOf, Spectrogram } from './spectrogram.ts';

const RATE = 44_100;
const ROWS = 200;

function columnOf(channels: readonly Float32Array[], hop = 512, middle = RATE / 2): Uint8Array {
  const out = new Uint8Array(ROWS);
  new Spectrogram(RATE, ROWS).column(channels, middle, hop, out, 0, 1);
  return out;
}
const highest = (column: Uint8Array): number => column.indexOf(Math.max(...column));

describe('Spectrogram', () => {
  it.each([110, 440, 1000, 5000, 15_000])('has a tone of %i Hz in its row, and little elsewhere', (hz) => {
    const column = columnOf([sine(1, hz, RATE)]);
    const row = Math.floor(placeOf(hz, scaleOf(RATE)) * ROWS);
    expect(Math.abs(highest(column) - row)).toBeLessThanOrEqual(hz < 200 ? 4 : 1);
    const far = column.filter((_, i) => Math.abs(i - row) > ROWS / 8);
    expect(Math.max(...far)).toBeLessThan(255 * (1 - 50 / RANGE_DB)); // 50 dB down
  });

  it('shows a full-scale sine at the top of its scale and each 6 dB as 6 dB', () => {
    const full = Math.max(...columnOf([sine(1, (40 * RATE) / 4096, RATE)])); // on a bin
    const half = Math.max(...columnOf([sine(1, (40 * RATE) / 4096, RATE, 0.5)]));
    expect(full).toBe(255);
    expect(((full - half) / 255) * RANGE_DB).toBeCloseTo(6.02, 0);
  });

  it('does not miss a short sound in a wide column', () => {
    const samples = new Float32Array(RATE);
    samples.set(sine(0.05, 3000, RATE), 15_000);
    const wide = columnOf([samples, samples], 12_000, 20_000);
    expect(wide[Math.floor(placeOf(3000, scaleOf(RATE)) * ROWS)]!).toBeGreaterThan(150);
  });

  it('is empty for silence, also where there are no samples, and knows the strongest frequency', () => {
    expect(Math.max(...columnOf([new Float32Array(0)]))).toBe(0);
    const spectrogram = new Spectrogram(RATE, ROWS);
    expect(spectrogram.strongest()).toBeNull();
    spectrogram.column([sine(1, 440, RATE)], RATE / 2, 512, new Uint8Array(ROWS), 0, 1);
    expect(Math.abs(spectrogram.strongest()! - 440)).toBeLessThan(12);
  });
});
