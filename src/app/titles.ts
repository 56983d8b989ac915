/** Songs get a name from their style text, and takes of one song find each other by what they were made from. */
import type { Track } from '../storage/library.ts';
import { readScore } from './score.ts';

const MOST = 48;

/** "slow jazz waltz, piano trio, 96 bpm" -> "Slow jazz waltz, piano trio". Facts that are shown elsewhere are left out. */
export function titleOf(prompt: string, untitled: string): string {
  const parts = prompt
    .split(/[,;\n]+/u)
    .map((part) => part.trim())
    .filter((part) => part !== '' && !isFact(part));
  let title = '';
  for (const part of parts.length > 0 ? parts : [prompt.trim()]) {
    const longer = title === '' ? part : `${title}, ${part}`;
    if (title !== '' && longer.length > MOST / 1.5) break;
    title = longer;
  }
  const letters = [...title];
  const short =
    letters.length > MOST
      ? `${letters
          .slice(0, MOST - 1)
          .join('')
          .trimEnd()}…`
      : title;
  return short === '' ? untitled : short.charAt(0).toLocaleUpperCase() + short.slice(1);
}

const isFact = (part: string): boolean =>
  (['bpm', 'key', 'meter'] as const).some((field) => readScore(part, field) !== '') &&
  part.split(/\s+/u).length < 4;

type Made = Pick<Track, 'id' | 'task' | 'model' | 'createdAt'> & { readonly origin?: Track['origin'] };

/** Sounds from outside have no words: each is a song of its own. */
const groupOf = ({ id, task, model, origin }: Made): string =>
  origin ? id : JSON.stringify([model, task.prompt, task.lyrics]);

/** All takes of the song that `track` is, newest first; `track` itself is among them. */
export const takesOf = <T extends Made>(track: T, tracks: readonly T[]): readonly T[] => {
  const group = groupOf(track);
  return tracks.filter((other) => groupOf(other) === group).toSorted((a, b) => b.createdAt - a.createdAt);
};

/** 1 for the first take of its song, and so on. */
export function takeNumber(track: Made, tracks: readonly Made[]): number {
  const takes = takesOf(track, tracks);
  return (
    takes.length -
    Math.max(
      0,
      takes.findIndex(({ id }) => id === track.id),
    )
  );
}

/** The first thing that the style says, which people write first: "slow jazz waltz, piano trio" -> "slow jazz waltz". */
export function genreOf(prompt: string): string {
  const parts = prompt.split(/[,;\n]+/u).map((part) => part.trim());
  return [...(parts.find((part) => part !== '' && !isFact(part)) ?? '')].slice(0, MOST).join('');
}
