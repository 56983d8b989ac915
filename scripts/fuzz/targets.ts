/** What is fuzzed: readers of files and texts that come from strangers. Each may refuse with an EngineError, and nothing else. */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { EngineError } from '../../src/lib/errors.ts';
import { lyricIds } from '../../src/lib/families/ace-step-v1/lyrics.ts';
import { multiplied, readLora, type Modules } from '../../src/lib/lora.ts';
import { readGraph, writeGraph } from '../../src/lib/onnx.ts';
import { floats, parseSafetensors } from '../../src/lib/safetensors.ts';
import { bpeTokenizer } from '../../src/lib/text/bpe.ts';
import { loadTokenizer } from '../../src/lib/text/tokenizer.ts';
import { AllocationWatch } from './allocations.ts';
import { Dice, mutate, strangeText } from './mutate.ts';

export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly what: string;
}

interface Target {
  /** How many of 100 cases are its own. */
  readonly share: number;
  /** Runs one case and says how many bytes of input it was given. */
  run(dice: Dice): Promise<number> | number;
}

/** Of one case, in milliseconds of processor time: far above what any takes, far below a hang. */
const TIME_LIMIT = 2000;
/** Decoding works in pieces of this size, whatever the input's. */
const FIXED_BYTES = 64 << 10;
/** Widening doubles half-size floats, encoding a text again triples it, the best cut of a text keeps a float64 a character. */
const FACTOR = 9;

const text = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(value)));

function safetensors(tensors: Readonly<Record<string, readonly number[]>>, dtype = 'F32', metadata?: object): Uint8Array {
  let at = 0;
  const bytes = dtype === 'F32' ? 4 : 2;
  const entries = Object.entries(tensors).map(([name, shape]) => {
    const end = at + bytes * shape.reduce((n, d) => n * d, 1);
    const entry = { dtype, shape, data_offsets: [at, end] };
    at = end;
    return [name, entry] as const;
  });
  const header = text({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) });
  const out = new Uint8Array(8 + header.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  for (let i = 8 + header.length; i < out.length; i++) out[i] = (i * 37) & 0x3f;
  return out;
} // prettier-ignore

const MODULES: Modules = new Map([
  ['blocks.0.attn.to_q', [12, 8]],
  ['blocks.0.attn.to_out.0', [8, 8]],
  ['proj', [16, 16]],
]);

const LORAS: readonly Uint8Array[] = [
  safetensors({ 'blocks.0.attn.to_q.lora_A.weight': [2, 8], 'blocks.0.attn.to_q.lora_B.weight': [12, 2] }),
  safetensors({ 'lora_unet_blocks_0_attn_to_out_0.lora_down.weight': [2, 8], 'lora_unet_blocks_0_attn_to_out_0.lora_up.weight': [8, 2], 'lora_unet_blocks_0_attn_to_out_0.alpha': [] }, 'F16'),
  safetensors({ lycoris_proj_x: [1], 'lycoris_proj.lokr_w1': [4, 4], 'lycoris_proj.lokr_w2_a': [4, 2], 'lycoris_proj.lokr_w2_b': [2, 4] }, 'BF16'),
  safetensors({ 'proj.lora_A.weight': [4, 16], 'proj.lora_B.weight': [16, 4] }, 'F32', { lora_adapter_metadata: JSON.stringify({ r: 4, lora_alpha: 8, use_rslora: true, rank_pattern: { proj: 4 } }) }),
]; // prettier-ignore

const FILES: readonly Uint8Array[] = [
  ...LORAS,
  safetensors({ a: [3, 5], b: [], c: [0, 4] }, 'F16'),
  safetensors({ x: [2, 2, 2], '': [7] }, 'F32', { format: 'pt' }),
];

const unigrams: readonly Uint8Array[] = (() => {
  const packed = readFileSync(new URL('../../src/lib/text/fixtures/unigram.json.gz', import.meta.url));
  const { file, variants } = JSON.parse(gunzipSync(packed).toString()) as {
    file: { model: { vocab: unknown[] } };
    variants: { model?: object }[];
  };
  // A hundred pieces do: a case builds its own tokenizer.
  const small = { ...file.model, vocab: file.model.vocab.slice(0, 100) };
  return variants.map((variant) => text({ ...file, ...variant, model: { ...small, ...variant.model } }));
})();

const BPE: readonly Uint8Array[] = [
  text({
    added_tokens: [{ id: 1, content: '[UNK]' }, { id: 2, content: '[SPACE]', normalized: false }, { id: 5, content: 'x', single_word: true, lstrip: true, rstrip: true }],
    model: { type: 'BPE', unk_token: '[UNK]', vocab: { '[UNK]': 1, a: 6, b: 7, ab: 8, abc: 9, c: 10, 1: 11 }, merges: ['a b', 'ab c', ['b', 'c']] },
  }),
]; // prettier-ignore

/** Any graph of the application. */
const GRAPHS: readonly Uint8Array[] = ['upsample.fp32.onnx', 'attention.fp16.onnx'].map(
  (name) => new Uint8Array(readFileSync(new URL(`../../public/models/selfcheck/${name}`, import.meta.url))),
);

const table = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../public/data/${path}`, import.meta.url)));
const OFFICIAL = new URL('../../../shared/reference/ace-step-v1/lyric-vocab.json', import.meta.url);
/** The official vocabulary where it is at hand, which is not part of the repository; else a small one. */
const vocab = existsSync(OFFICIAL) ? new Uint8Array(readFileSync(OFFICIAL)) : BPE[0]!;
const LANGUAGES = ['', '', '', 'de', 'ja', 'zh', 'ko', 'xx'];
const tokenizer = loadTokenizer(unigrams[0]!);

const damaged = (files: readonly Uint8Array[], dice: Dice): Uint8Array =>
  mutate(dice.pick(files), dice.pick(files), dice);

export const TARGETS: Readonly<Record<string, Target>> = {
  safetensors: {
    share: 44,
    run(dice) {
      const bytes = damaged(FILES, dice);
      refusable(() => {
        for (const [name, tensor] of parseSafetensors(bytes).tensors) floats(name, tensor);
      });
      return bytes.length;
    },
  },
  lora: {
    share: 43,
    run(dice) {
      const bytes = damaged(LORAS, dice);
      refusable(() => {
        const { deltas } = readLora(bytes, MODULES);
        for (const delta of deltas.values()) multiplied(delta);
      });
      return bytes.length;
    },
  },
  'unigram files': {
    share: 2,
    run(dice) {
      const bytes = damaged(unigrams, dice);
      const words = strangeText(dice); // a long one asks for memory too
      refusable(() => loadTokenizer(bytes).encode(words));
      return bytes.length + words.length;
    },
  },
  'unigram texts': {
    share: 4,
    run(dice) {
      const words = strangeText(dice);
      refusable(() => tokenizer.encode(words));
      return words.length;
    },
  },
  'BPE files': {
    share: 4,
    run(dice) {
      const bytes = damaged(BPE, dice);
      const words = strangeText(dice);
      refusable(() => bpeTokenizer(bytes)(words));
      return bytes.length + words.length;
    },
  },
  graphs: {
    share: 2,
    run(dice) {
      const bytes = damaged(GRAPHS, dice);
      refusable(() => writeGraph(bytes, readGraph(bytes)));
      return bytes.length;
    },
  },
  lyrics: {
    share: 1,
    async run(dice) {
      const words = strangeText(dice);
      try {
        await lyricIds(words, { language: dice.pick(LANGUAGES), vocab, asset: async (path) => table(path) });
      } catch (thrown) {
        if (!(thrown instanceof EngineError)) throw thrown;
      }
      return words.length;
    },
  },
};

function refusable(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof EngineError)) throw thrown;
  }
}

const SHARES: readonly string[] = Object.entries(TARGETS).flatMap(([name, { share }]) =>
  Array<string>(share).fill(name),
);

/** Tables are read on first use and large: texts are asked about once, then memory is watched. */
export async function warmUp(): Promise<AllocationWatch> {
  for (const language of LANGUAGES.slice(3, 7))
    await lyricIds('a 1', { language, vocab, asset: async (path) => table(path) });
  await lyricIds('guten Tag', { language: '', vocab, asset: async (path) => table(path) });
  const watch = new AllocationWatch();
  watch.start();
  return watch;
}

/** Case number `seed`: equal seeds, equal inputs. Null where all went well. */
export async function runCase(seed: number, watch: AllocationWatch): Promise<Finding | null> {
  const dice = new Dice(seed);
  const target = SHARES[seed % SHARES.length]!;
  watch.largest = 0;
  const before = process.cpuUsage();
  let size = 0;
  let what: string | null = null;
  try {
    size = await TARGETS[target]!.run(dice);
  } catch (thrown) {
    what = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
  const { user } = process.cpuUsage(before);
  if (what === null && user / 1000 > TIME_LIMIT) what = `it took ${(user / 1000).toFixed(0)} ms`;
  if (what === null && watch.largest > FACTOR * size + FIXED_BYTES) {
    what = `it asked for ${watch.largest} bytes at once for an input of ${size}`;
  }
  return what === null ? null : { target, seed, what };
}
