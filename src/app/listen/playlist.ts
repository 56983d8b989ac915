/**
 * What plays after the song in hand. Songs that were put next come first, then the list that was started, in its own
 * order or shuffled. Pure: every change is a function from one playlist to the next; songs are named by id.
 */
export interface Playlist {
  /** Put next by hand; each is played once. */
  readonly next: readonly string[];
  /** The list that was started, in its own order; empty when a single song was. */
  readonly list: readonly string[];
  /** The same songs in the order in which they play. */
  readonly order: readonly string[];
  /** Place in `order` of the song of the list that plays or played last; -1 before the first. */
  readonly at: number;
  /** Begins again after the last song. */
  readonly repeat: boolean;
  readonly shuffle: boolean;
}

export const EMPTY: Playlist = { next: [], list: [], order: [], at: -1, repeat: false, shuffle: false };

/** Starts a list with one of its songs. `random` gives numbers in [0, 1). */
export function started(
  playlist: Playlist,
  list: readonly string[],
  id: string,
  random: () => number,
): Playlist {
  return ordered({ ...playlist, list, at: 0 }, id, random);
}

/** One song alone: what was put next stays. */
export const single = (playlist: Playlist): Playlist => ({ ...playlist, list: [], order: [], at: -1 });

export const putNext = (playlist: Playlist, id: string): Playlist => ({
  ...playlist,
  next: [id, ...playlist.next.filter((one) => one !== id)],
});

export const putLast = (playlist: Playlist, id: string): Playlist => ({
  ...playlist,
  next: [...playlist.next.filter((one) => one !== id), id],
});

/** Takes a song out of what comes. */
export function without(playlist: Playlist, id: string): Playlist {
  const { next, list, order, at } = playlist;
  const gone = order.indexOf(id);
  return {
    ...playlist,
    next: next.filter((one) => one !== id),
    list: list.filter((one) => one !== id),
    order: order.filter((one) => one !== id),
    at: gone >= 0 && gone <= at ? at - 1 : at,
  };
}

/** Moves a song that was put next one place up (-1) or down (1). */
export function moved({ next, ...rest }: Playlist, id: string, by: -1 | 1): Playlist {
  const from = next.indexOf(id);
  const to = from + by;
  if (from < 0 || to < 0 || to >= next.length) return { next, ...rest };
  return { next: next.with(from, next[to]!).with(to, id), ...rest };
}

export const cleared = (playlist: Playlist): Playlist => ({ ...single(playlist), next: [] });

export const repeated = (playlist: Playlist, repeat: boolean): Playlist => ({ ...playlist, repeat });

/** The song in hand stays where it is; the others come in a new order, or in that of the list. */
export function shuffled(playlist: Playlist, shuffle: boolean, random: () => number): Playlist {
  const current = playlist.order[playlist.at] ?? playlist.list[0] ?? '';
  return ordered({ ...playlist, shuffle }, current, random);
}

/** Songs to come, soonest first. A list that repeats shows one round. */
export function coming({ next, order, at, repeat }: Playlist): readonly string[] {
  return [...next, ...order.slice(at + 1), ...(repeat ? order.slice(0, at + 1) : [])];
}

/** The playlist once `id` is heard. */
export function arrived(playlist: Playlist, id: string): Playlist {
  const { next, order, at } = playlist;
  if (next.includes(id)) return { ...playlist, next: next.slice(next.indexOf(id) + 1) };
  const ahead = order.indexOf(id, at + 1);
  const place = ahead >= 0 ? ahead : order.indexOf(id);
  return place >= 0 ? { ...playlist, at: place } : playlist;
}

/** The song of the list before the one in hand; null at its beginning. */
export const earlier = ({ order, at, repeat }: Playlist): string | null =>
  order[at - 1] ?? (repeat ? (order.at(-1) ?? null) : null);

function ordered(playlist: Playlist, current: string, random: () => number): Playlist {
  const { list, shuffle } = playlist;
  if (!shuffle) return { ...playlist, order: list, at: list.indexOf(current) };
  const rest = list.filter((id) => id !== current);
  for (let i = rest.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [rest[i], rest[j]] = [rest[j]!, rest[i]!];
  }
  return list.includes(current)
    ? { ...playlist, order: [current, ...rest], at: 0 }
    : { ...playlist, order: rest, at: -1 };
}
