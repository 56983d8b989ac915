/** The family of a song: what it was made from, and what was made from it. Pure. */
import type { Track } from '../storage/library.ts';

type Kin = Pick<Track, 'id' | 'parent' | 'createdAt'>;

export interface Node<T> {
  readonly track: T;
  /** 0 for the first of the family. */
  readonly depth: number;
  /** Rows up to the row of its parent; 0 for the first. */
  readonly up: number;
}

/**
 * The whole family of a song as rows of a tree, parents before children, older ones first. A song whose parent was
 * deleted is the first of what is left.
 */
export function familyOf<T extends Kin>(track: T, tracks: readonly T[]): readonly Node<T>[] {
  const byId = new Map(tracks.map((one) => [one.id, one]));
  byId.set(track.id, track);
  const children = new Map<string, T[]>();
  for (const one of byId.values()) {
    if (one.parent === undefined) continue;
    const list = children.get(one.parent) ?? [];
    list.push(one);
    children.set(one.parent, list);
  }
  let root = track;
  // A parent is always older than its child; a damaged record must not send this in circles.
  const seen = new Set([root.id]);
  for (;;) {
    const parent = root.parent === undefined ? undefined : byId.get(root.parent);
    if (!parent || seen.has(parent.id)) break;
    seen.add(parent.id);
    root = parent;
  }
  const rows: Node<T>[] = [];
  const placed = new Set<string>();
  const place = (one: T, depth: number, parentRow: number): void => {
    if (placed.has(one.id)) return;
    placed.add(one.id);
    const row = rows.length;
    rows.push({ track: one, depth, up: depth === 0 ? 0 : row - parentRow });
    const next = (children.get(one.id) ?? []).toSorted((a, b) => a.createdAt - b.createdAt);
    for (const child of next) place(child, depth + 1, row);
  };
  place(root, 0, 0);
  return rows;
}
