/**
 * The language of the interface: the user's choice, else the first of the browser's languages that there is a table
 * for. A table is a chunk of its own, loaded before the app; English is built in and is what stays when one fails.
 * A new language is a file in words/ and a row here.
 */
import { complete, speak, type Translation } from './text.ts';

interface Language {
  /** In the language itself. */
  readonly name: string;
  /** For Intl. Digits are those that scores and clocks use everywhere. */
  readonly locale: string;
  readonly dir: 'ltr' | 'rtl';
  /** Null: built in. */
  readonly load: (() => Promise<Translation>) | null;
}

export const LANGUAGES = {
  en: { name: 'English', locale: 'en-GB', dir: 'ltr', load: null },
  de: { name: 'Deutsch', locale: 'de', dir: 'ltr', load: () => import('./words/de.ts').then(({ DE }) => DE) },
  fr: {
    name: 'Français',
    locale: 'fr',
    dir: 'ltr',
    load: () => import('./words/fr.ts').then(({ FR }) => FR),
  },
  es: { name: 'Español', locale: 'es', dir: 'ltr', load: () => import('./words/es.ts').then(({ ES }) => ES) },
  zh: {
    name: '简体中文',
    locale: 'zh-Hans',
    dir: 'ltr',
    load: () => import('./words/zh.ts').then(({ ZH }) => ZH),
  },
  ja: { name: '日本語', locale: 'ja', dir: 'ltr', load: () => import('./words/ja.ts').then(({ JA }) => JA) },
  ar: {
    name: 'العربية',
    locale: 'ar-u-nu-latn',
    dir: 'rtl',
    load: () => import('./words/ar.ts').then(({ AR }) => AR),
  },
} as const satisfies Record<string, Language>;

export type LanguageId = keyof typeof LANGUAGES;

export const isLanguage = (id: unknown): id is LanguageId =>
  typeof id === 'string' && Object.hasOwn(LANGUAGES, id);

/** 'zh-Hant-TW' is read as 'zh'. */
export function chooseLanguage(chosen: LanguageId | 'auto', wanted: readonly string[]): LanguageId {
  if (chosen !== 'auto') return chosen;
  return wanted.map((tag) => tag.toLowerCase().split('-')[0]).find(isLanguage) ?? 'en';
}

/** Makes TEXT speak the language, and tells the page. What cannot be fetched leaves English. */
export async function useLanguage(id: LanguageId): Promise<void> {
  const language: Language = LANGUAGES[id];
  try {
    if (language.load) speak(language.locale, complete(await language.load()));
    document.documentElement.lang = id;
    document.documentElement.dir = language.dir;
  } catch {
    // Offline, with a build of which this table was never kept: the page is in English and works.
  }
}
