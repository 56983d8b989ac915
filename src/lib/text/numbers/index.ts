/** Numbers in words, by language code. Czech is missing: the reference has lost it, and so leaves Czech numbers alone. */
import { arabic, hungarian, korean, turkish } from './eastern.ts';
import { dutch, english, german } from './germanic.ts';
import type { Numerals } from './numerals.ts';
import { french, italian, portuguese, spanish } from './romance.ts';
import { polish, russian } from './slavic.ts';

const MAKERS = {
  ar: arabic,
  de: german,
  en: english,
  es: spanish,
  fr: french,
  hu: hungarian,
  it: italian,
  ko: korean,
  nl: dutch,
  pl: polish,
  pt: portuguese,
  ru: russian,
  tr: turkish,
} as const;

const made = new Map<string, Numerals>();

/** The numerals of a language, built when first asked for; undefined for languages whose numbers stay digits. */
export function numeralsOf(language: string): Numerals | undefined {
  const found = made.get(language);
  if (found || !Object.hasOwn(MAKERS, language)) return found;
  const numerals = MAKERS[language as keyof typeof MAKERS](); // hasOwn just proved the key
  made.set(language, numerals);
  return numerals;
}
