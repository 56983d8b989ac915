import { describe, expect, it } from 'vitest';
import { goldenTensors, hasGolden, maxError, need, row } from '../../../scripts/golden/read.ts';
import { noise } from '../../../scripts/golden/signals.ts';
import reference from './mel.golden.json' with { type: 'json' };
import { logMel, melBands, MEL } from './mel.ts';
import { Stft } from './stft.ts';

describe('mel', () => {
  it('equals the torch definition on noise that fades in, and on silence', () => {
    const wave = noise(reference.noise.samples, reference.noise.seed);
    for (let n = 0; n < wave.length; n++) wave[n]! *= (n + 1) / wave.length;
    expect(maxError(logMel(wave), reference.noise.logmel)).toBeLessThan(1e-4);
    expect(maxError(logMel(new Float32Array(1024)), reference.silence)).toBeLessThan(1e-5);
  });

  it('has 128 triangles of unit area between 40 and 16000 Hz', () => {
    const { first, start, values } = melBands();
    expect(first[0]).toBe(2);
    expect(first[127]! + start[128]! - start[127]! - 1).toBe(743);
    // Slaney's normalisation: the area under a triangle in Hz is 1; wide bands sample it finely enough to see that.
    const area =
      values.subarray(start[127]!, start[128]!).reduce((sum, v) => sum + v, 0) * (MEL.sampleRate / MEL.fft);
    expect(area).toBeCloseTo(1, 3);
  });

  it.skipIf(!hasGolden)('equals the official log-mel (needs ../shared)', () => {
    const file = goldenTensors('modules/mel.safetensors');
    for (const c of [0, 1]) {
      const mel = logMel(row(need(file, 'in.audio'), c).data);
      expect(maxError(mel, row(need(file, 'out.logmel'), c).data)).toBeLessThan(1e-3);
    }
    const dense = new Float32Array(1025 * 128);
    const { first, start, values } = melBands();
    for (let band = 0; band < 128; band++) {
      for (let i = start[band]!; i < start[band + 1]!; i++) {
        dense[(first[band]! + i - start[band]!) * 128 + band] = values[i]!;
      }
    }
    expect(maxError(dense, need(file, 'const.mel_fb').data)).toBeLessThan(1e-6);
  });
});

describe('Stft', () => {
  it('comes back exactly, ends included, when nothing was changed', () => {
    const stft = new Stft(2048, 512);
    for (const frames of [2, 3, 4, 5, 12]) {
      const wave = noise(frames * 512, frames);
      const back = new Float32Array(wave.length);
      for (let t = 0; t < frames; t++) {
        stft.analyse(wave, t);
        stft.overlapAdd(back, t);
      }
      stft.normalise(back);
      // The outermost 256 samples lie under the window's tail alone for some frames: still exact, up to rounding.
      expect(maxError(back, wave)).toBeLessThan(1e-5);
    }
  });
});
