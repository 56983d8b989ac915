/** Finding songs: every word must occur somewhere in what a person would remember of a song. */
import type { Track } from '../storage/library.ts';

const ORDER = {
  newest: (a, b) => b.createdAt - a.createdAt,
  oldest: (a, b) => a.createdAt - b.createdAt,
  title: (a, b) => a.title.localeCompare(b.title),
  longest: (a, b) => b.seconds - a.seconds,
} satisfies Record<string, (a: Searched, b: Searched) => number>;

export type Sort = keyof typeof ORDER;
export const SORTS = Object.keys(ORDER) as readonly Sort[];

type Searched = Pick<Track, 'title' | 'createdAt' | 'seconds' | 'seed' | 'model' | 'favourite'> & {
  readonly task: Pick<Track['task'], 'prompt' | 'lyrics' | 'score'>;
};

export interface Search {
  readonly query: string;
  readonly sort: Sort;
  readonly favourites: boolean;
}

export function found<T extends Searched>(
  tracks: readonly T[],
  { query, sort, favourites }: Search,
): readonly T[] {
  const words = fold(query)
    .split(/\s+/u)
    .filter((word) => word !== '');
  return tracks
    .filter(
      (track) => (!favourites || track.favourite) && words.every((word) => textOf(track).includes(word)),
    )
    .toSorted(ORDER[sort]);
}

function textOf({ title, seed, model, task }: Searched): string {
  const { bpm, key, meter, chords } = task.score;
  return fold([title, task.prompt, task.lyrics, seed, model, bpm ?? '', key, meter, chords].join('\n'));
}

/** Case and accents do not matter: "Café" is found by "cafe". */
export const fold = (text: string): string => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
