import { describe, expect, test } from 'vitest';
import { readScore, tappedBpm, writeScore } from './score.ts';

describe('the style text and the value chips', () => {
  test.each([
    ['slow waltz, 92 bpm, D major, 3/4', '92', 'D major', '3/4'],
    ['Techno 128BPM F# min', '128', 'F# minor', ''],
    ['ballad in e-flat major', '', 'Eb major', ''],
    ['b♭ minor, 6/8, 74.5 bpm', '74.5', 'Bb minor', '6/8'],
    ['piano, a big chord majority, 1500 bpmx, 3/45', '', '', ''],
    ['', '', '', ''],
  ])('%j', (prompt, bpm, key, meter) => {
    expect([readScore(prompt, 'bpm'), readScore(prompt, 'key'), readScore(prompt, 'meter')]).toEqual([
      bpm,
      key,
      meter,
    ]);
  });

  test('a chip changes the text in place and leaves the rest alone', () => {
    expect(writeScore('jazz, 92 bpm, piano', 'bpm', '120')).toBe('jazz, 120 bpm, piano');
    expect(writeScore('jazz in A minor', 'key', 'C major')).toBe('jazz in C major');
    expect(writeScore('jazz', 'bpm', '120')).toBe('jazz');
  });

  test('"any" takes the fact out with its comma', () => {
    expect(writeScore('jazz, 92 bpm, piano', 'bpm', '')).toBe('jazz, piano');
    expect(writeScore('92 bpm, piano', 'bpm', '')).toBe('piano');
    expect(writeScore('piano, 3/4', 'meter', '')).toBe('piano');
  });

  test('what is written is what is read back', () => {
    for (const key of ['C major', 'F# minor', 'Bb major'])
      expect(readScore(writeScore('x, A minor, y', 'key', key), 'key')).toBe(key);
  });

  test('tapped tempo is the mean of the gaps', () => {
    expect(tappedBpm([0])).toBeNull();
    expect(tappedBpm([0, 500, 1000])).toBe(120);
    expect(tappedBpm([0, 510, 990, 1500])).toBe(120);
  });
});
