/** How numbers are written: tabular, with units, as the language does, never more exact than they are known. */
import { LOCALE } from './text.ts';

/** A whole number or one with at most `digits` decimals, with the language's separators: 10,000. */
export const amount = (value: number, digits = 0): string =>
  value.toLocaleString(LOCALE, { maximumFractionDigits: digits });

/** With exactly so many decimals: "0.4", "0,4". */
const fixed = (value: number, digits: number): string =>
  value.toLocaleString(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** A figure that may be below zero, with a true minus sign: "−14.2". */
export const signed = (value: number, digits = 1): string =>
  fixed(value, digits)
    .replace(/^-(?=[0.,]*$)/u, '') // what rounds to nothing has no sign
    .replace('-', '−');

/** 152 -> "2:32"; 33.64 with tenths -> "0:33.6". Not a number -> "0:00". */
export function clock(seconds: number, digits: 0 | 1 = 0): string {
  const scale = 10 ** digits;
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds * scale + 1e-6)) : 0;
  const minutes = Math.floor(whole / (60 * scale));
  const rest = (whole / scale - minutes * 60).toFixed(digits);
  return `${minutes}:${rest.padStart(digits === 0 ? 2 : 3 + digits, '0')}`;
}

/** Length of a song to the nearest second: models make whole frames, so 12 s asked for may be 11.98 s. */
export const length = (seconds: number): string => clock(Math.round(seconds));

/** Duration of work: "0.4 s", "12 s", "2:05". */
export function took(seconds: number): string {
  if (seconds < 10) return `${fixed(seconds, 1)} s`;
  return seconds < 60 ? `${Math.round(seconds)} s` : clock(Math.round(seconds));
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** Decimal units, as disks are sold: 38_000_000 -> "38 MB". */
export function size(bytes: number): string {
  const known = Number.isFinite(bytes) && bytes > 0 ? bytes : 0;
  const power = Math.max(0, Math.min(UNITS.length - 1, Math.floor(Math.log10(known) / 3)));
  const value = known / 1000 ** power;
  const digits = power > 1 && value < 10 ? 1 : 0;
  return value.toLocaleString(LOCALE, {
    style: 'unit',
    unit: UNITS[power],
    unitDisplay: power === 0 ? 'long' : 'short',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** A list in words; the language decides about commas and "and". */
export const listed = (items: readonly string[]): string =>
  new Intl.ListFormat(LOCALE, { style: 'long', type: 'conjunction' }).format(items);

const DAY_MS = 86_400_000;

/** "Today 14:20", "Yesterday", "18 Nov", "18 Nov 2024". `time` and `now` are epoch milliseconds. */
export function day(time: number, now: number, words: { today: string; yesterday: string }): string {
  const date = new Date(time);
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (time >= midnight)
    return `${words.today} ${date.toLocaleTimeString(LOCALE, { hour: '2-digit', minute: '2-digit' })}`;
  if (time >= midnight - DAY_MS) return words.yesterday;
  const sameYear = date.getFullYear() === new Date(now).getFullYear();
  return date.toLocaleDateString(LOCALE, {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
  });
}

/** Number as a person types it back: at most `digits` decimals, no trailing zeros. */
export const plain = (value: number, digits = 3): string => String(Number(value.toFixed(digits)));

/** Text safe for a file name on every system; empty becomes "song". Lone surrogates are replaced. */
export function fileName(title: string): string {
  const clean = title
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}<>:"/\\|?*]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .replace(/^[. ]+|[. ]+$/g, '');
  return [...clean].slice(0, 80).join('') || 'song';
}
