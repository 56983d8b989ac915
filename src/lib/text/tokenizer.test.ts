import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from './tokenizer.ts';
import { decodeBase64, decodeUtf8, encodeUtf8 } from './utf8.ts';

const json = (value: unknown) => encodeUtf8(JSON.stringify(value));
const GOLDEN = new URL('../../../../shared/golden/ace-step-v1/', import.meta.url);

describe('unigram', () => {
  it('gives the ids of the reference tokenizer for every normaliser and pre-tokenizer', () => {
    const packed = readFileSync(new URL('./fixtures/unigram.json.gz', import.meta.url));
    const { file, variants, texts, ids } = JSON.parse(gunzipSync(packed).toString()) as {
      file: { model: object };
      variants: { model?: object }[];
      texts: string[];
      ids: number[][][];
    };
    variants.forEach((variant, v) => {
      const model = { ...file.model, ...variant.model };
      const tokenizer = loadTokenizer(json({ ...file, ...variant, model }));
      const wrong = texts.filter((text, i) => tokenizer.encode(text).join() !== ids[v]![i]!.join());
      expect(wrong, `variant ${v}`).toEqual([]);
    });
  });

  it.skipIf(!existsSync(GOLDEN))('reads the tokenizer of the golden checkpoint (needs ../shared)', () => {
    const tokenizer = loadTokenizer(readFileSync(new URL('checkpoints/umt5-base/tokenizer.json', GOLDEN)));
    const tensors = safetensors(new URL('modules/text_encoder.safetensors', GOLDEN));
    const index = JSON.parse(readFileSync(new URL('modules/index.json', GOLDEN)).toString());
    const { prompts } = index['modules/text_encoder.safetensors'] as { prompts: Record<string, string[]> };
    for (const [name, batch] of Object.entries(prompts)) {
      const ids = batch.map((prompt) => tokenizer.encode(prompt));
      const width = Math.max(...ids.map((row) => row.length));
      const padded = ids.flatMap((row) => [...row, ...Array<number>(width - row.length).fill(0)]);
      expect(padded, name).toEqual(tensors[`${name}.input_ids`]);
    }
  });

  it('never throws, and keeps the end mark when it truncates', () => {
    const vocab = [
      ['</s>', 0],
      ['<unk>', 0],
      ['▁', -1],
      ['a', -2],
    ];
    const post_processor = {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A' } }, { SpecialToken: { id: '</s>' } }],
      special_tokens: { '</s>': { ids: [0] } },
    };
    const pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
    const tokenizer = loadTokenizer(
      json({ model: { type: 'Unigram', unk_id: 1, vocab }, pre_tokenizer, post_processor }),
    );
    expect(tokenizer.encode('\ud800 a\udc00\udc00')).toEqual([2, 1, 2, 3, 1, 0]);
    expect(tokenizer.encode('a '.repeat(10_000))).toHaveLength(256);
    expect(tokenizer.encode('a '.repeat(10_000)).at(-1)).toBe(0);
    expect(tokenizer.encode('a a', 2)).toEqual([2, 0]);
  });
});

describe('words', () => {
  const tokenizer = loadTokenizer(
    json({ type: 'words', words: ['<pad>', '<null>', 'slow', 'f#', '92', 'bpm'] }),
  );

  it('keeps known words in order, at most 32, and names an empty prompt', () => {
    expect(tokenizer.encode('Slow F# unknown, 92BPM')).toEqual([2, 3, 4, 5]);
    expect(tokenizer.encode('')).toEqual([1]);
    expect(tokenizer.encode('ünknown 💥')).toEqual([1]);
    expect(tokenizer.encode('slow '.repeat(40))).toHaveLength(32);
  });
});

describe('loadTokenizer', () => {
  it('refuses what it cannot read', () => {
    for (const bad of [
      '{',
      'null',
      '{"model":{"type":"BPE"}}',
      '{"type":"words"}',
      '{"model":{"type":"Unigram","vocab":[]}}',
    ]) {
      expect(() => loadTokenizer(encodeUtf8(bad)), bad).toThrow(
        expect.objectContaining({ code: 'manifest' }),
      );
    }
  });
});

describe('utf8', () => {
  it('agrees with the platform, ill-formed input included', () => {
    const samples = ['', 'aé日💥\u0000', 'x'.repeat(9000), '💥'.repeat(9000), 'a\ud800b\udfff'];
    for (const text of samples) {
      expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text));
      expect(decodeUtf8(encodeUtf8(text))).toBe(text.toWellFormed());
    }
    let seed = 1;
    for (let i = 0; i < 2000; i++) {
      const bytes = Uint8Array.from({ length: 9 }, () => {
        seed = (seed * 1103515245 + 12345) & 0x7fffffff;
        return [0x41, 0x80, 0x9f, 0xa0, 0xbf, 0xc1, 0xc3, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0xbb][
          (seed >> 12) % 15
        ]!;
      });
      expect(decodeUtf8(bytes)).toBe(new TextDecoder().decode(bytes));
    }
    expect(decodeBase64('AQID\n/w==')).toEqual(Uint8Array.of(1, 2, 3, 255));
  });
});

/** int64 tensors of a safetensors file as numbers. */
function safetensors(url: URL): Record<string, number[]> {
  const bytes = readFileSync(url);
  const size = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + size).toString()) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const out: Record<string, number[]> = {};
  for (const [name, { dtype, data_offsets }] of Object.entries(header)) {
    if (dtype !== 'I64') continue;
    const [from, to] = data_offsets.map((offset) => offset + 8 + size) as [number, number];
    out[name] = Array.from({ length: (to - from) / 8 }, (_, i) => Number(bytes.readBigInt64LE(from + i * 8)));
  }
  return out;
}
