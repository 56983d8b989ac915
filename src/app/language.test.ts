import { expect, test } from 'vitest';
import { chooseLanguage, LANGUAGES } from './language.ts';
import { pluralIn } from './plural.ts';

test('the choice of the user counts, then the first of the browser that there is, then English', () => {
  expect(chooseLanguage('en', ['de'])).toBe('en');
  expect(chooseLanguage('auto', ['xx', 'EN-us'])).toBe('en');
  expect(chooseLanguage('auto', ['constructor', 'xx'])).toBe('en');
  expect(chooseLanguage('auto', [])).toBe('en');
});

test('a count takes the form that its language asks for', () => {
  const arabic = pluralIn('ar-u-nu-latn');
  const forms = { zero: '0', one: '1', two: '2', few: 'few #', many: 'many #', other: 'other #' };
  expect([0, 1, 2, 3, 11, 100].map((n) => arabic(n, forms))).toEqual([
    '0',
    '1',
    '2',
    'few 3',
    'many 11',
    'other 100',
  ]);
  expect(pluralIn('ja')(1, { other: '#曲' })).toBe('1曲');
  expect(pluralIn('de')(12_000, { one: '# Lied', other: '# Lieder' })).toBe('12.000 Lieder');
});

test('every language names itself and has a locale that Intl knows', () => {
  for (const [id, { locale, name }] of Object.entries(LANGUAGES)) {
    expect(Intl.NumberFormat.supportedLocalesOf(locale), id).toEqual([locale]);
    expect(name.trim()).not.toBe('');
  }
});
