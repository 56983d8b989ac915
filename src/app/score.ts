/**
 * Musical facts inside the style text. People write "slow waltz, 92 bpm, D major, 3/4"; the value chips show and set
 * the same facts. The text leads: what stands there is what counts, and a chip changes it in place.
 */

export type ScoreField = 'bpm' | 'key' | 'meter';

const NOTE = '[A-Ga-g](?:#|b|♯|♭|[ -]sharp|[ -]flat)?';

/** The first match counts. Boundaries are letters and digits, so "in a minor mood" reads as A minor, as a model would. */
const PATTERNS: Readonly<Record<ScoreField, RegExp>> = {
  bpm: /(?<![\p{L}\p{N}])(\d{2,3}(?:\.\d+)?)\s*bpm(?![\p{L}\p{N}])/iu,
  key: new RegExp(`(?<![\\p{L}\\p{N}])(${NOTE})[ -]?(major|minor|maj|min)(?![\\p{L}\\p{N}])`, 'u'),
  meter: /(?<![\p{L}\p{N}/])(\d{1,2}\/(?:2|4|8|16))(?![\p{L}\p{N}/])/u,
};

/** What the text says, in the chips' spelling ("92", "F# minor", "3/4"); empty where it says nothing. */
export function readScore(prompt: string, field: ScoreField): string {
  const match = PATTERNS[field].exec(prompt);
  if (!match) return '';
  const [, first = '', second = ''] = match;
  return field === 'key' ? `${noteName(first)} ${second.startsWith('maj') ? 'major' : 'minor'}` : first;
}

/** The text with that fact replaced, or taken out (with its comma) when `value` is empty. Silent text stays as it is. */
export function writeScore(prompt: string, field: ScoreField, value: string): string {
  const match = PATTERNS[field].exec(prompt);
  if (!match) return prompt;
  const before = prompt.slice(0, match.index);
  const after = prompt.slice(match.index + match[0].length);
  if (value !== '') return before + (field === 'bpm' ? `${value} bpm` : value) + after;
  const left = before.replace(/[,;]?\s*$/u, '');
  const right = after.replace(/^\s*[,;]?\s*/u, '');
  return left !== '' && right !== '' ? `${left}, ${right}` : left + right;
}

const noteName = (text: string): string =>
  text.charAt(0).toUpperCase() +
  text
    .slice(1)
    .replace(/♯|[ -]sharp/u, '#')
    .replace(/♭|[ -]flat/u, 'b');

/** Beats per minute from the times of taps, milliseconds, oldest first; null below two taps. Old gaps are left out. */
export function tappedBpm(taps: readonly number[]): number | null {
  const recent = taps.slice(-8);
  const first = recent[0];
  const last = recent.at(-1);
  if (first === undefined || last === undefined || recent.length < 2 || last <= first) return null;
  return Math.round((60_000 * (recent.length - 1)) / (last - first));
}
