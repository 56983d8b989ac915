/**
 * Which songs of a list are chosen, and which row the keyboard is at. Pure: every change makes a new selection, and the
 * list is only its ids in their order.
 */
export interface Selection {
  readonly chosen: ReadonlySet<string>;
  /** The row of the keyboard. */
  readonly at: string | null;
  /** Where a range begins. */
  readonly anchor: string | null;
}

export const NOTHING: Selection = { chosen: new Set(), at: null, anchor: null };

export const only = (id: string): Selection => ({ chosen: new Set([id]), at: id, anchor: id });

export function toggled({ chosen }: Selection, id: string): Selection {
  const next = new Set(chosen);
  if (!next.delete(id)) next.add(id);
  return { chosen: next, at: id, anchor: id };
}

/** From the anchor to this row, and nothing else. */
export function ranged({ anchor }: Selection, id: string, ids: readonly string[]): Selection {
  const from = anchor === null ? -1 : ids.indexOf(anchor);
  const to = ids.indexOf(id);
  if (from < 0 || to < 0) return only(id);
  return { chosen: new Set(ids.slice(Math.min(from, to), Math.max(from, to) + 1)), at: id, anchor };
}

export const all = ({ at, anchor }: Selection, ids: readonly string[]): Selection => ({
  chosen: new Set(ids),
  at,
  anchor,
});

export const none = ({ at }: Selection): Selection => ({ ...NOTHING, at, anchor: at });

/** What is left of a selection when the list has changed; the row of the keyboard moves to the one that took its place. */
export function kept(selection: Selection, before: readonly string[], ids: readonly string[]): Selection {
  const there = new Set(ids);
  const { chosen, at, anchor } = selection;
  const left = [...chosen].filter((id) => there.has(id));
  const same = left.length === chosen.size && (at === null || there.has(at));
  if (same) return selection;
  const place =
    at === null || there.has(at) ? at : (ids[Math.min(before.indexOf(at), ids.length - 1)] ?? null);
  return { chosen: new Set(left), at: place, anchor: anchor !== null && there.has(anchor) ? anchor : place };
}

export interface Press {
  readonly key: string;
  readonly shift: boolean;
  /** Ctrl, or ⌘. */
  readonly mod: boolean;
}

/** What a key does to a selection; null where it is none of its keys. `page` is the number of rows that are seen. */
export function pressed(
  selection: Selection,
  { key, shift, mod }: Press,
  ids: readonly string[],
  page: number,
): Selection | null {
  const last = ids.length - 1;
  if (last < 0) return null;
  const at = selection.at === null ? -1 : ids.indexOf(selection.at);
  if (mod && key.toLowerCase() === 'a') return all({ ...selection, at: selection.at ?? ids[0]! }, ids);
  if (key === ' ' && at >= 0) return shift ? ranged(selection, ids[at]!, ids) : toggled(selection, ids[at]!);
  const steps: Readonly<Record<string, number>> = {
    ArrowUp: at - 1,
    ArrowDown: at + 1,
    PageUp: at - page,
    PageDown: at + page,
    Home: 0,
    End: last,
  };
  const step = steps[key];
  if (step === undefined) return null;
  const id = ids[Math.min(Math.max(0, step), last)]!;
  if (shift) return ranged({ ...selection, anchor: selection.anchor ?? selection.at ?? id }, id, ids);
  return mod ? { ...selection, at: id } : only(id);
}

/** The next title after the present row that begins with what was typed; repeating one letter goes on to the next such title. */
export function typed(titles: readonly string[], from: number, text: string): number {
  const letters = [...new Set(text)];
  const wanted = (letters.length === 1 ? letters[0]! : text).toLocaleLowerCase();
  const start = letters.length === 1 ? from + 1 : Math.max(0, from);
  for (let i = 0; i < titles.length; i++) {
    const at = (start + i) % titles.length;
    if (titles[at]!.toLocaleLowerCase().startsWith(wanted)) return at;
  }
  return -1;
}
