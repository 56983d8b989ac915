import { describe, expect, it } from 'vitest';
import { EarlySound, levelOf } from './early.ts';

const piece = (start: number, values: readonly number[], total = 8) => ({
  type: 'audio' as const,
  index: 0,
  start,
  total,
  sampleRate: 100,
  preview: false,
  channels: [Float32Array.from(values), Float32Array.from(values, (x) => -x)],
});

describe('a song that is still being made', () => {
  it('answers at once with what it has, and later with what has to come', async () => {
    const first = piece(0, [0, 1, 2]);
    const sound = new EarlySound(first);
    sound.add(first);
    expect([sound.frames, sound.have]).toEqual([8, 3]);
    expect((await sound.read(1, 3)).map((x) => [...x])).toEqual([
      [1, 2],
      [-1, -2],
    ]);
    let heard: readonly number[] | null = null;
    const waiting = sound.read(2, 8).then(([left]) => (heard = [...left!]));
    sound.add(piece(3, [3, 4]));
    await Promise.resolve();
    expect(heard, 'not before the last of it is there').toBeNull();
    sound.add(piece(5, [5, 6, 7]));
    await waiting;
    expect(heard).toEqual([2, 3, 4, 5, 6, 7]);
    expect((await sound.read(6, 100))[0]).toHaveLength(2);
  });

  it('tells those who wait when nothing more will come', async () => {
    const first = piece(0, [1]);
    const sound = new EarlySound(first);
    sound.add(first);
    const waiting = sound.read(0, 4);
    sound.fail('The song was cancelled.');
    await expect(waiting).rejects.toThrow('cancelled');
    await expect(sound.read(2, 3)).rejects.toThrow('cancelled');
    expect([...(await sound.read(0, 1))[0]!]).toEqual([1]);
  });

  it('has a level', async () => {
    const first = piece(0, [0.5, -0.5, 0.5, -0.5, 0, 0, 0, 0]);
    const sound = new EarlySound(first);
    sound.add(first);
    expect(await levelOf(sound, -3, 4)).toBeCloseTo(0.5, 6);
  });
});
