/** Which rows of a long list are drawn. All rows are of one height, so this is arithmetic and nothing is measured. */
export interface Rows {
  /** First row, and the one after the last. */
  readonly from: number;
  readonly to: number;
}

/**
 * @param top distance from the list's upper edge down to the upper edge of what is seen, CSS pixels; below 0 while the
 *   list begins further down
 * @param height of what is seen
 * @param spare rows drawn beyond each edge, so that a quick scroll meets no gap
 */
export function rowsSeen(top: number, height: number, rowHeight: number, count: number, spare: number): Rows {
  if (count === 0 || rowHeight <= 0) return { from: 0, to: 0 };
  const clamp = (row: number): number => Math.min(count, Math.max(0, row));
  return {
    from: clamp(Math.floor(top / rowHeight) - spare),
    to: clamp(Math.ceil((top + height) / rowHeight) + spare),
  };
}

/** By how much to scroll so that a row is seen whole, and not under a margin of one row; 0 where it is. */
export function scrollTo(row: number, top: number, height: number, rowHeight: number): number {
  const above = row * rowHeight - top;
  const below = (row + 1) * rowHeight - (top + height);
  return above < 0 ? above : below > 0 ? below : 0;
}
