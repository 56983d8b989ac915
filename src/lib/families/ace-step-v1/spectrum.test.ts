import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { maxError, need, readTensors } from '../../../../scripts/golden/read.ts';
import { noise, relativeRms } from '../../../../scripts/golden/signals.ts';
import { Stft } from '../../audio/stft.ts';
import { CONTEXT_FRAMES, MelInverter, toWave } from './spectrum.ts';

// Written by scripts/golden/spectrum.py from the training code.
const file = readTensors(fileURLToPath(new URL('./spectrum.golden.safetensors', import.meta.url)));
const golden = (name: string): Float32Array => need(file, name).data;
const FRAMES = 12;
const BINS = 1025;

/** The wave whose spectrum a FirstSpectrum holds. */
function wavesOf(first: { re: Float32Array; im: Float32Array }, frames: number): number[] {
  return [0, 1].flatMap((c) => {
    const part = [c * BINS * frames, (c + 1) * BINS * frames] as const;
    return [...toWave(first.re.subarray(...part), first.im.subarray(...part), frames)];
  });
}

/** Log-mel of changing chords: (2, 128, frames) with peaks that wander. */
function wanderingMel(frames: number): Float32Array {
  const jitter = noise(2 * 128 * frames, 3);
  return Float32Array.from({ length: 2 * 128 * frames }, (_, i) => {
    const t = i % frames;
    const band = Math.floor(i / frames) % 128;
    return -5 + 3 * Math.sin(band * 0.9 + 0.05 * t) - 0.02 * band + 0.4 * jitter[i]!;
  });
}

describe('MelInverter', () => {
  const mel = golden('mel');

  it('solves the magnitudes of the training code', () => {
    const { lin } = new MelInverter(2, FRAMES, FRAMES).window(mel, 0, FRAMES);
    const want = golden('magnitude');
    const shown = [0, 5, 11];
    const got = Float32Array.from(want, (_, i) => {
      const row = Math.floor(i / shown.length);
      return Math.exp(lin[row * FRAMES + shown[i % shown.length]!]!) - 1e-5;
    });
    expect(relativeRms(got, want)).toBeLessThan(1e-5);
    expect(lin[BINS * FRAMES - 1]).toBeCloseTo(Math.log(1e-5), 5);
  });

  it.each([
    ['tempered', true],
    ['recorded', false],
  ] as const)('%s: makes the first wave of the training code', (name, tempered) => {
    const first = new MelInverter(2, FRAMES, FRAMES, tempered).window(mel, 0, FRAMES);
    // A spectrum of a wave comes back as that wave, so this compares Griffin-Lim's result before the graph.
    expect(relativeRms(wavesOf(first, FRAMES), golden(`${name}.first`))).toBeLessThan(1e-3);
  });

  it('snapping matters: the two waves differ', () => {
    expect(relativeRms(golden('tempered.first'), golden('recorded.first'))).toBeGreaterThan(0.3);
  });

  it('gives the same spectrum in windows as at once, bit for bit', () => {
    const frames = 150;
    const song = wanderingMel(frames);
    const whole = new MelInverter(2, frames, frames).window(song, 0, frames);
    const windowed = new MelInverter(2, frames, 100);
    const reach = 15; // Griffin-Lim and both transforms; the rest of CONTEXT_FRAMES belongs to the graph
    expect(CONTEXT_FRAMES).toBeGreaterThan(reach);
    for (const [from, to] of [
      [0, 60],
      [30, 130],
      [80, 150],
    ] as const) {
      const part = windowed.window(song, from, to);
      const keepFrom = from === 0 ? 0 : from + reach;
      const keepTo = to === frames ? frames : to - reach;
      for (const name of ['lin', 're', 'im'] as const) {
        const rows = (data: Float32Array, length: number, start: number): number[] =>
          Array.from({ length: 2 * BINS }, (_, row) => row * length - start).flatMap((at) => [
            ...data.subarray(at + keepFrom, at + keepTo),
          ]);
        expect(maxError(rows(part[name], to - from, from), rows(whole[name], frames, 0)), name).toBe(0);
      }
    }
  });

  it('refuses windows that leave a gap or were not announced', () => {
    const inverter = new MelInverter(2, 100, 40);
    const song = wanderingMel(100);
    inverter.window(song, 0, 40);
    expect(() => inverter.window(song, 41, 60)).toThrow(/gap/);
    expect(() => inverter.window(song, 30, 80)).toThrow(/50 frames/);
    expect(() => inverter.window(song, 70, 110)).toThrow(/gap|outside/);
  });

  it('stays finite on silence and on a mel that is loud everywhere', () => {
    for (const level of [Math.log(1e-5), 3]) {
      const { lin, re } = new MelInverter(1, 8, 8).window(new Float32Array(128 * 8).fill(level), 0, 8);
      expect(lin.every(Number.isFinite) && re.every(Number.isFinite)).toBe(true);
    }
  });
});

describe('toWave', () => {
  it('equals the training code on a spectrum that no wave has', () => {
    const first = golden('tempered.first');
    const stft = new Stft(2048, 512);
    const waves = [0, 1].flatMap((c) => {
      const wave = first.subarray(c * FRAMES * 512, (c + 1) * FRAMES * 512);
      const re = new Float32Array(BINS * FRAMES);
      const im = new Float32Array(BINS * FRAMES);
      for (let t = 0; t < FRAMES; t++) {
        stft.analyse(wave, t);
        for (let k = 0; k < BINS; k++) {
          re[k * FRAMES + t] = stft.fft.re[k]! * (1 + 0.1 * Math.sin(t));
          im[k * FRAMES + t] = stft.fft.im[k]! * (1 + 0.1 * Math.sin(t));
        }
      }
      return [...toWave(re, im, FRAMES)];
    });
    expect(maxError(waves, golden('wave'))).toBeLessThan(1e-5);
    expect(() => toWave(new Float32Array(10), new Float32Array(10), 1)).toThrow(/1025 x 1/);
  });
});
