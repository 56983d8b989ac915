/** What the user has set about the app itself: one key in localStorage, read once, written when it changes. */
import { isLanguage, type LanguageId } from './language.ts';
import { NO_WISH, type Wish } from '../lib/placement.ts';

export const THEMES = ['system', 'light', 'dark', 'contrast'] as const;
export type Theme = (typeof THEMES)[number];

export interface Settings {
  readonly theme: Theme;
  /** 'auto': as the browser says. */
  readonly language: LanguageId | 'auto';
  /** Single keys as shortcuts; those with Ctrl always work (WCAG 2.1.4). */
  readonly singleKeys: boolean;
  /** Less motion than the system asks for; never more. */
  readonly calm: boolean;
  /** A notice of the system when a song is ready and the tab is hidden. */
  readonly notices: boolean;
  readonly volume: number;
  readonly wish: Wish;
}

const DEFAULTS: Settings = {
  theme: 'system',
  language: 'auto',
  singleKeys: true,
  calm: false,
  notices: false,
  volume: 0.8,
  wish: NO_WISH,
};

export class Keep<T extends object> {
  current = $state.raw() as T;
  readonly #key: string;

  constructor(key: string, defaults: T, parse: (stored: Readonly<Record<string, unknown>>) => Partial<T>) {
    this.#key = key;
    this.current = { ...defaults, ...parse(readJson(key)) };
  }

  set(change: Partial<T>): void {
    this.current = { ...this.current, ...change };
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.current));
    } catch {
      // Storage denied or full: the setting holds for this visit, and the Library page says that nothing is kept.
    }
  }
}

export const createSettings = (): Keep<Settings> =>
  new Keep('cadenza.settings', DEFAULTS, ({ theme, language, singleKeys, calm, notices, volume, wish }) => ({
    ...(THEMES.includes(theme as Theme) && { theme: theme as Theme }), // membership was just checked
    ...((language === 'auto' || isLanguage(language)) && { language }),
    ...(typeof singleKeys === 'boolean' && { singleKeys }),
    ...(typeof calm === 'boolean' && { calm }),
    ...(typeof notices === 'boolean' && { notices }),
    ...(typeof volume === 'number' && volume >= 0 && volume <= 1 && { volume }),
    ...(isRecord(wish) && { wish: parseWish(wish) }),
  }));

function parseWish({ provider, precision, memoryBytes, threads }: Readonly<Record<string, unknown>>): Wish {
  const whole = (value: unknown): number | null =>
    typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null;
  return {
    provider: provider === 'webgpu' || provider === 'wasm' ? provider : 'auto',
    precision: typeof precision === 'string' ? (precision as Wish['precision']) : 'auto', // place() refuses strangers
    memoryBytes: whole(memoryBytes),
    threads: whole(threads),
  };
}

function readJson(key: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? '{}');
    return isRecord(value) ? value : {};
  } catch {
    return {}; // denied, or written by another version: start from the defaults
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Puts theme and motion on the page; 'system' and false leave the choice to the style sheet. */
export function applyLook({ theme, calm }: Pick<Settings, 'theme' | 'calm'>): void {
  const { dataset } = document.documentElement;
  if (theme === 'system') delete dataset['theme'];
  else dataset['theme'] = theme;
  if (calm) dataset['motion'] = 'reduce';
  else delete dataset['motion'];
}

/** True where the user wants as little motion as there can be. */
export const wantsCalm = (): boolean =>
  document.documentElement.dataset['motion'] === 'reduce' ||
  matchMedia('(prefers-reduced-motion: reduce)').matches;
