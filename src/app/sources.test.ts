import { describe, expect, test } from 'vitest';
import { writeWav } from '../lib/audio/wav.ts';
import { decodeSound, lengthProblem, MAX_SOUND_BYTES, sizeProblem } from './sources.ts';

const wav = (seconds: number, value = 0.1): Blob => {
  const samples = new Float32Array(8000 * seconds).fill(value);
  return new Blob([writeWav({ sampleRate: 8000, channels: [samples] }, 'float32')]);
};

describe('sources', () => {
  test('a WAV file is read at its own rate, in stereo', async () => {
    const pcm = await decodeSound(wav(1), 'a.wav');
    expect(pcm.sampleRate).toBe(8000);
    expect(pcm.channels).toHaveLength(2);
    expect(pcm.channels[1]![4000]).toBeCloseTo(0.1);
  });

  test('what cannot be taken is refused in words that name it, before it is read', async () => {
    expect(sizeProblem('a.mp3', 2e9)).toMatch(/a\.mp3.*2\.0 GB.*512 MB/);
    expect(sizeProblem('a.mp3', 0)).toMatch(/a\.mp3 is empty/);
    expect(sizeProblem('a.mp3', MAX_SOUND_BYTES)).toBe('');
    expect(lengthProblem('a.mp3', 3600)).toMatch(/60 minutes.*10 minutes/);
    expect(lengthProblem('a.mp3', 0.1)).toMatch(/shorter than half a second/);
    await expect(decodeSound(new Blob([]), 'a.wav')).rejects.toThrow(/a\.wav is empty/);
    await expect(decodeSound(wav(0.1), 'a.wav')).rejects.toThrow(/shorter than half a second/);
    await expect(decodeSound(wav(1, NaN), 'a.wav')).rejects.toThrow(/a\.wav is damaged/);
    await expect(decodeSound(new Blob(['RIFF....WAVEfmt ']), 'a.wav')).rejects.toThrow(/WAV/);
  });
});
