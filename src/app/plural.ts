/** Counting in words: the forms that a language has, chosen by its own rule (CLDR, through Intl). */

/** A form for each category that the language tells apart; `other` serves where one is missing. `#` is the number. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { readonly other: string };

/** Puts a count into words of one language: `count(2, { one: '# song', other: '# songs' })`. */
export function pluralIn(locale: string): (n: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(locale);
  return (n, forms) => (forms[rules.select(n)] ?? forms.other).replace('#', n.toLocaleString(locale));
}
