import { describe, expect, test } from 'vitest';
import {
  insertSection,
  joinSections,
  lineLanguage,
  locate,
  measure,
  setLineLanguage,
  splitSections,
  startOf,
  syllablesOf,
  warningsFor,
} from './lyrics.ts';

const SONG = '[verse]\nHarbour lights on a folded map,\nthe last boat hums\n\n[chorus]\nHold the note';

describe('sections', () => {
  test('go apart and together again without a loss', () => {
    const joined = (text: string): string => joinSections(splitSections(text));
    for (const text of ['', 'a\nb', SONG, '\n\n[verse]\n\na\n\n', '[verse]\n', '[verse]\n\n[chorus]\n'])
      expect(joined(text), JSON.stringify(text)).toBe(text);
    expect(joined('x\n [a]\n[b]')).toBe('x\n[a]\n\n[b]\n');
    expect(splitSections(SONG).map(({ tag }) => tag)).toEqual(['verse', 'chorus']);
    expect(splitSections('[lang:de] Hallo')).toEqual([{ tag: null, body: '[lang:de] Hallo' }]);
  });

  test('every position of the text has its place in a block', () => {
    const blocks = splitSections(SONG);
    for (const at of [0, 8, 20, SONG.indexOf('Hold'), SONG.length]) {
      const place = locate(blocks, at);
      const inText = startOf(blocks, place.block) + place.at;
      expect(inText).toBe(Math.max(at, startOf(blocks, place.block)));
    }
  });

  test('a heading goes above the caret, or around what is selected', () => {
    expect(insertSection('', 'verse', 0, 0).text).toBe('[verse]\n');
    expect(insertSection('a', 'chorus', 1, 1).text).toBe('a\n\n[chorus]\n');
    const wrapped = insertSection('a\nb\nc', 'bridge', 2, 3);
    expect(wrapped.text).toBe('a\n\n[bridge]\nb\nc');
    expect(insertSection('a b', 'verse', 2, 3)).toEqual({ text: 'a \n\n[verse]\nb', caret: 13 });
  });

  test('a line says its language, and takes it back', () => {
    const said = setLineLanguage('one\nzwei\ndrei', 5, 'de');
    expect(said).toBe('one\n[lang:de] zwei\ndrei');
    expect(lineLanguage(said, 8)).toBe('de');
    expect(setLineLanguage(said, 8, '')).toBe('one\nzwei\ndrei');
  });
});

test('syllables are counted as each script writes them', () => {
  expect(
    ['Harbour lights on a folded map', 'make', 'little', 'Überfahrt', 'любовь моя'].map(syllablesOf),
  ).toEqual([8, 1, 2, 3, 4]);
  expect(['夜空の星', 'きょう', 'ありがとう', '사랑해'].map(syllablesOf)).toEqual([4, 2, 5, 3]);
});

test('headings and languages are not sung', () => {
  expect(measure(SONG)).toMatchObject({ words: 13, syllables: 15 });
  expect(measure('[verse]\n[lang:de]\n')).toEqual({ words: 0, syllables: 0, seconds: 0 });
  expect(measure(SONG).seconds).toBeGreaterThan(5);
});

describe('warnings', () => {
  const ids = (text: string, seconds = 240): string[] =>
    warningsFor(text, seconds, ['en', 'de']).map(({ id, line }) => `${id} ${line}`);

  test('nothing is said of a plain song', () => expect(ids(SONG)).toEqual([]));

  test('each names its line', () => {
    expect(ids('[verse 2]\na\n[mumble]\nb')).toEqual(['unknownSection 3']);
    expect(ids('a\nla la (x2)')).toEqual(['repeat 2']);
    expect(ids('sing [softly] now')).toEqual(['inlineBrackets 1']);
    expect(ids('love ❤ you')).toEqual(['symbols 1']);
    expect(ids('hello 世界')).toEqual(['mixedScripts 1']);
    expect(ids('שלום')).toEqual(['script 1']);
    expect(ids('[lang:xx] na')).toEqual(['language 1']);
    expect(ids('na '.repeat(19))).toEqual(['longLine 1']);
    expect(ids('la\n'.repeat(9))).toEqual(['noSections 0']);
    expect(ids(SONG, 2)).toEqual(['tooLong 0']);
  });
});
