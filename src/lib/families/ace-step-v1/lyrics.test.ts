import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { languageIdentifier } from '../../text/langid.ts';
import { countLanguages } from '../../text/segment.ts';
import { readTable } from '../../text/table.ts';
import { encodeUtf8 } from '../../text/utf8.ts';
import { LYRIC_LANGUAGES } from './languages.ts';
import { explainLyrics, lyricIds } from './lyrics.ts';

const DATA = new URL('../../../../public/data/', import.meta.url);
const SHARED = new URL('../../../../../shared/', import.meta.url);
const GOLDEN = new URL('golden/ace-step-v1/lyrics/lyrics.json', SHARED);
const VOCAB = new URL('reference/ace-step-v1/lyric-vocab.json', SHARED);

const asset = async (path: string): Promise<Uint8Array> => readFileSync(new URL(path, DATA));
/** Knows no word; enough where only the spelling matters. */
const blank = encodeUtf8(
  JSON.stringify({ model: { type: 'BPE', vocab: { '[UNK]': 1 }, merges: [], unk_token: '[UNK]' } }),
);
const auto = { language: 'auto', vocab: blank, asset };

/** [line, characters per language, language used, as the official code spells it]. */
type Case = [text: string, counts: [string, number][] | null, used: string, spelled: string];
const CASES = JSON.parse(
  gunzipSync(readFileSync(new URL('../../text/fixtures/lyrics.json.gz', import.meta.url))).toString(),
) as Case[];

describe('lyrics against the official code', () => {
  it('finds the same languages with the same counts', async () => {
    const table = readTable(await asset('lyrics/langid.bin'));
    const classify = languageIdentifier(table);
    const languages = table.meta.languages as string[];
    const wrong = CASES.filter(
      ([text, counts]) =>
        JSON.stringify(countLanguages(text, classify, languages)) !== JSON.stringify(counts),
    );
    expect(wrong.map(([text]) => text)).toEqual([]);
  });

  it('spells every line alike, Japanese nearly', async () => {
    const lines = await explainLyrics(CASES.map(([text]) => text).join('\n'), auto);
    const wrong = CASES.filter(
      ([, , used, spelled], i) => lines[i]!.language !== used || lines[i]!.spelled !== spelled,
    );
    expect(wrong.filter(([, , used]) => used !== 'ja').map(([text]) => text)).toEqual([]);
    const japanese = CASES.filter(([, , used]) => used === 'ja').length;
    const share = 1 - wrong.length / japanese;
    console.log(`Japanese lines spelled alike: ${(100 * share).toFixed(1)} % of ${japanese}`);
    expect(share).toBeGreaterThan(0.9);
  });

  it.skipIf(!existsSync(GOLDEN) /* needs ../shared */)(
    'gives the golden ids (needs ../shared)',
    async () => {
      const golden = JSON.parse(readFileSync(GOLDEN).toString()) as {
        cases: { intended: string; text: string; ids: number[] }[];
        forced_language: { lang: string; text: string; ids: number[] }[];
      };
      const vocab = readFileSync(VOCAB);
      const wrong: string[] = [];
      for (const { text, ids } of golden.cases) {
        if ((await lyricIds(text, { ...auto, vocab })).join() !== ids.join()) wrong.push(text);
      }
      for (const { lang, text, ids } of golden.forced_language) {
        if ((await explainLyrics(text, { ...auto, vocab, language: lang }))[0]!.ids.join() !== ids.join())
          wrong.push(text);
      }
      expect(wrong).toEqual([]);
    },
    120_000,
  );
});

describe('lyrics', () => {
  it('starts with 261, ends every line with 2, and gives an empty line a single 2', async () => {
    const vocab = encodeUtf8(
      JSON.stringify({
        added_tokens: [
          { id: 2, content: '[SPACE]' },
          { id: 259, content: '[en]' },
          { id: 6683, content: '[verse]' },
        ],
        model: { type: 'BPE', vocab: { '[UNK]': 1, l: 3, a: 4, la: 5 }, merges: ['l a'], unk_token: '[UNK]' },
      }),
    );
    const options = { language: 'en', vocab, asset };
    expect(await lyricIds('[Verse]\nLa la!\n  \n', options)).toEqual([
      261, 259, 6683, 2, 259, 5, 2, 5, 1, 2, 2, 2,
    ]);
  });

  it('keeps every token of lyrics beyond 4096, none cut', async () => {
    const vocab = encodeUtf8(
      JSON.stringify({
        added_tokens: [
          { id: 2, content: '[SPACE]' },
          { id: 259, content: '[en]' },
        ],
        model: { type: 'BPE', vocab: { '[UNK]': 1, l: 3, a: 4, la: 5 }, merges: ['l a'], unk_token: '[UNK]' },
      }),
    );
    const lines = Array<string>(1500).fill('la la');
    const ids = await lyricIds(lines.join('\n'), { language: 'en', vocab, asset });
    expect(ids).toHaveLength(1 + 1500 * 5); // [en] la [SPACE] la and the line's own 2
  });

  it('obeys the language of the song, and of a line before that', async () => {
    const lyrics = '[chorus 2]\nPerché 2?\n[lang:fr] Perché 2?\n[lang: ZH-cn]2';
    const lines = await explainLyrics(lyrics, { ...auto, language: 'it' });
    expect(lines.map(({ language, spelled, detected }) => [language, spelled, detected])).toEqual([
      ['en', '[chorus two]', null],
      ['it', 'perché due?', null],
      ['fr', 'perché deux?', null],
      ['zh', 'er4', null],
    ]);
    expect((await explainLyrics('Perché non mi ami più?', auto))[0]).toMatchObject({
      language: 'en',
      detected: 'jv',
    });
    for (const wrong of ['xx', 'constructor']) {
      const refused = expect.objectContaining({ code: 'bad-task', message: expect.stringContaining(wrong) });
      await expect(explainLyrics('la', { ...auto, language: wrong })).rejects.toEqual(refused);
      await expect(explainLyrics(`[lang:${wrong}] la`, auto)).rejects.toEqual(refused);
    }
  });

  it('loads a table when a line needs it, once, and again after a failure', async () => {
    vi.resetModules();
    const fresh = await import('./lyrics.ts');
    const asked: string[] = [];
    const counting = (path: string) => (asked.push(path), asset(path));
    await fresh.explainLyrics('[verse]\nla la\nich auch', { ...auto, language: 'de', asset: counting });
    expect(asked).toEqual([]);
    const offline = { ...auto, asset: () => Promise.reject(new Error('offline')) };
    await expect(fresh.explainLyrics('la la', offline)).rejects.toThrow('offline');
    await fresh.explainLyrics('[verse]\nla la\n你好世界', { ...auto, asset: counting });
    await fresh.explainLyrics('你好', { ...auto, asset: counting });
    expect(asked).toEqual(['lyrics/langid.bin', 'lyrics/pinyin.bin']);
  });

  it('survives anything, in bounded time', async () => {
    const strange = [
      '\ud800', 'a\udfffb', '\u0000\u0001', '\ufeff', '⑥00000000⑥', '⑥⑥12345678⑥12345678⑥', '<><>', '<a|b>x</a>', '()((', '「」『',
      '$&$1$$', 'שלום (עולם) 123', '👩‍👩‍👧🇫🇷', '$1.2.3', '٣٫١٤ १२३', '１２３，４５６', '0/0', '²³½', 'ﷺ', 'ゝゞっー', 'ヿ〆ヶ', '%', '\u2028',
    ]; // prettier-ignore
    const long = [
      '9'.repeat(10_000), 'a'.repeat(10_000), '.'.repeat(10_000), '1.'.repeat(5000), '(a(bcd)xyz) '.repeat(800),
      '"\''.repeat(5000), '爱'.repeat(10_000), '사랑'.repeat(5000), 'あア漢'.repeat(3333), '$1,'.repeat(3333), '<ja>'.repeat(2500),
    ]; // prettier-ignore
    const started = performance.now();
    for (const language of ['auto', ...LYRIC_LANGUAGES]) {
      const lines = await explainLyrics(strange.join('\n'), { ...auto, language });
      expect(lines).toHaveLength(strange.length);
      for (const { spelled } of lines) expect(spelled.isWellFormed()).toBe(true);
    }
    for (const text of long) {
      const at = performance.now();
      await explainLyrics(text, auto);
      expect(performance.now() - at, text.slice(0, 9)).toBeLessThan(10_000);
    }
    console.log(`strange and long lines: ${Math.round(performance.now() - started)} ms`);
  }, 120_000);
});
