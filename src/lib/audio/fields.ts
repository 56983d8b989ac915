/** The facts about a song that sound files carry, alike for all formats, and how their texts are read. */

export interface Picture {
  readonly type: string;
  readonly bytes: Uint8Array;
}

export interface SongTags {
  readonly title: string;
  readonly artist: string;
  readonly genre: string;
  /** Beats per minute; null where it is not told. */
  readonly bpm: number | null;
  /** As the app spells it, "A minor"; anything else as it stands in the file. */
  readonly key: string;
  readonly lyrics: string;
  readonly cover: Picture | null;
  /** What the app keeps with a song, unchecked; undefined where there is none. */
  readonly settings: unknown;
}

export const NO_TAGS: SongTags = {
  title: '',
  artist: '',
  genre: '',
  bpm: null,
  key: '',
  lyrics: '',
  cover: null,
  settings: undefined,
};

/** Name of our field in every format that has free names. */
export const SETTINGS_FIELD = 'CADENZA';
/** Letters kept of one text: no lyrics are longer. */
const LONGEST_TEXT = 2 ** 20;

/** Texts of files are shown: no control characters but line ends, no half characters, no megabytes. */
export function clean(text: string): string {
  return text
    .slice(0, LONGEST_TEXT)
    .toWellFormed()
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .trim();
}

export function tempo(text: string): number | null {
  const bpm = Number.parseFloat(text);
  return bpm > 0 && bpm < 1000 ? bpm : null;
}

/** "A minor" -> "Am", "Bb major" -> "Bb": the spelling of taggers (ID3v2.4 TKEY). */
export function shortKey(key: string): string {
  const [, note, mode] = /^([A-G][#b]?) (major|minor)$/.exec(key) ?? [];
  return note === undefined ? key : note + (mode === 'minor' ? 'm' : '');
}

export function longKey(key: string): string {
  const [, note, minor] = /^([A-G][#b]?)(m?)$/.exec(key) ?? [];
  return note === undefined ? key : `${note} ${minor === 'm' ? 'minor' : 'major'}`;
}
