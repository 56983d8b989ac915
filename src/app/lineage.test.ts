import { expect, test } from 'vitest';
import { familyOf } from './lineage.ts';

interface Kin {
  readonly id: string;
  readonly createdAt: number;
  readonly parent?: string;
}
const song = (id: string, createdAt: number, parent?: string): Kin => ({
  id,
  createdAt,
  ...(parent !== undefined && { parent }),
});
const rows = (track: Kin, tracks: readonly Kin[]) =>
  familyOf(track, tracks).map(({ track: { id }, depth, up }) => `${id} ${depth} ${up}`);

test('a family is one tree, whichever of it is asked', () => {
  const tracks = [
    song('e', 5, 'b'),
    song('d', 4, 'b'),
    song('c', 3, 'a'),
    song('b', 2, 'a'),
    song('a', 1),
    song('x', 9),
  ];
  const expected = ['a 0 0', 'b 1 1', 'd 2 1', 'e 2 2', 'c 1 4'];
  for (const track of tracks.slice(0, 5)) expect(rows(track, tracks)).toEqual(expected);
  expect(rows(tracks[5]!, tracks)).toEqual(['x 0 0']);
});

test('a song whose parent is gone is the first, and circles end', () => {
  const orphan = song('b', 2, 'gone');
  expect(rows(orphan, [orphan, song('c', 3, 'b')])).toEqual(['b 0 0', 'c 1 1']);
  const circle = [song('a', 1, 'b'), song('b', 2, 'a')];
  expect(rows(circle[0]!, circle)).toHaveLength(2);
});
