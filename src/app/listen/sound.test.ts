import { describe, expect, it } from 'vitest';
import { resample } from '../../lib/audio/resample.ts';
import { writeWav } from '../../lib/audio/wav.ts';
import { atRate, openWav } from './sound.ts';

const RATE = 44_100;
const noise = (length: number, seed: number): Float32Array<ArrayBuffer> => {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
};
const song = { sampleRate: RATE, channels: [noise(RATE, 1), noise(RATE, 2)] };
const file = (settings?: unknown): Blob => new Blob([writeWav(song, 'float32', { settings })]);

describe('a sound read in pieces', () => {
  it('has the samples of its file, wherever the piece begins and ends', async () => {
    const sound = await openWav(file());
    expect([sound.frames, sound.sampleRate]).toEqual([RATE, RATE]);
    for (const [from, to] of [
      [0, 10],
      [12_345, 20_001],
      [RATE - 7, RATE],
    ] as const) {
      expect(await sound.read(from, to)).toEqual(song.channels.map((samples) => samples.slice(from, to)));
    }
    expect((await sound.read(RATE - 5, RATE + 100))[0]).toHaveLength(5);
  });

  it('is found behind settings longer than the first look', async () => {
    const sound = await openWav(file({ lyrics: 'la '.repeat(100_000) }));
    expect(await sound.read(5, 6)).toEqual(song.channels.map((samples) => samples.slice(5, 6)));
  });

  it('reads 16 bit files too, and refuses what is not WAV in words', async () => {
    const sound = await openWav(new Blob([writeWav(song, 'int16')]));
    const [left] = await sound.read(100, 200);
    expect(left![50]).toBeCloseTo(song.channels[0]![150]!, 3);
    await expect(openWav(new Blob(['no music here']))).rejects.toThrow(/not a WAV file/);
    await expect(openWav(new Blob([]))).rejects.toThrow(/not a WAV file/);
    await expect(openWav(file().slice(0, 30))).rejects.toThrow(/no sound/);
  });

  it.each([48_000, 22_050, 96_000])('converted to %i Hz equals the whole converted at once', async (rate) => {
    const converted = atRate(await openWav(file()), rate);
    const whole = song.channels.map((samples) => resample(samples, RATE, rate));
    expect(converted.frames).toBe(whole[0]!.length);
    for (const [from, to] of [
      [0, 1000],
      [20_011, 21_777],
      [converted.frames - 900, converted.frames],
    ] as const) {
      const pieces = await converted.read(from, to);
      pieces.forEach((piece, c) => {
        const most = piece.reduce((max, x, i) => Math.max(max, Math.abs(x - whole[c]![from + i]!)), 0);
        expect(piece).toHaveLength(to - from);
        expect(most, `from ${from}`).toBeLessThan(1e-6);
      });
    }
  });
});
