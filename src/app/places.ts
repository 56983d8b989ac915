/** Parts of the library that a person can look into: all of it, some kinds of songs, a collection, a tag, the trash. */
import type { Track } from '../storage/library.ts';

const KINDS = {
  all: () => true,
  favourites: ({ favourite }) => favourite,
  week: ({ createdAt }, now) => now - createdAt < WEEK_MS,
  unfinished: ({ stoppedAt }) => stoppedAt !== undefined,
  trash: ({ deletedAt }) => deletedAt !== undefined,
} satisfies Record<string, (track: Track, now: number) => boolean>;

const WEEK_MS = 7 * 86_400_000;

export type Kind = keyof typeof KINDS;
export type Place =
  | { readonly type: Kind }
  | { readonly type: 'collection'; readonly id: string }
  | { readonly type: 'tag'; readonly tag: string };

export const ALL: Place = { type: 'all' };

/** Whether a song is in a place. Songs in the trash are in no other place: lists of the two are kept apart. */
export function isIn(track: Track, place: Place, now: number): boolean {
  if (place.type === 'collection') return track.collections?.includes(place.id) ?? false;
  if (place.type === 'tag') return track.tags?.includes(place.tag) ?? false;
  return KINDS[place.type](track, now);
}

export const samePlace = (a: Place, b: Place): boolean => JSON.stringify(a) === JSON.stringify(b);

export interface Counts {
  readonly kinds: Readonly<Record<Exclude<Kind, 'trash'>, number>>;
  readonly collections: ReadonlyMap<string, number>;
}

/** How many songs are where, in one pass. */
export function countsOf(tracks: readonly Track[], now: number): Counts {
  const kinds = { all: tracks.length, favourites: 0, week: 0, unfinished: 0 };
  const collections = new Map<string, number>();
  for (const track of tracks) {
    if (KINDS.favourites(track)) kinds.favourites += 1;
    if (KINDS.week(track, now)) kinds.week += 1;
    if (KINDS.unfinished(track)) kinds.unfinished += 1;
    for (const id of track.collections ?? []) collections.set(id, (collections.get(id) ?? 0) + 1);
  }
  return { kinds, collections };
}
