/**
 * SentencePiece Unigram as a Hugging Face tokenizer.json describes it (the UMT5 text encoder's). Ids equal those of
 * the `tokenizers` crate. A map from piece to place serves as the trie: a prompt has at most some hundred positions
 * and pieces are short, so 256 000 pieces are ready as soon as the JSON is parsed.
 */
import { EngineError } from '../errors.ts';
import { splitAdded, type AddedToken } from './added.ts';
import { normalizerOf, type NormalizerFile } from './normalize.ts';
import type { Tokenizer } from './tokenizer.ts';
import { encodeUtf8 } from './utf8.ts';

interface PreTokenizerFile {
  readonly type: string;
  readonly pretokenizers?: readonly PreTokenizerFile[];
  readonly replacement?: string;
  readonly prepend_scheme?: 'always' | 'first' | 'never';
  readonly add_prefix_space?: boolean;
  readonly split?: boolean;
}

interface TemplatePiece {
  readonly Sequence?: { readonly id: string };
  readonly SpecialToken?: { readonly id: string };
}

interface PostProcessorFile {
  readonly type: string;
  readonly single?: readonly TemplatePiece[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids: readonly number[] }>>;
}

export interface UnigramFile {
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer?: NormalizerFile | null;
  readonly pre_tokenizer?: PreTokenizerFile | null;
  readonly post_processor?: PostProcessorFile | null;
  readonly model: {
    readonly vocab: readonly (readonly [piece: string, score: number])[];
    readonly unk_id?: number | null;
    readonly byte_fallback?: boolean;
  };
}

/** What the official pipeline passes to the text encoder at most, end mark included. */
const MAX_IDS = 256;
/** An unknown character costs this much more than the worst piece (SentencePiece kUnkPenalty). */
const UNKNOWN_PENALTY = 10;

export function unigramTokenizer(file: UnigramFile): Tokenizer {
  const split = splitAdded(file.added_tokens ?? [], normalizerOf(file.normalizer));
  const words = preTokenizerOf(file.pre_tokenizer);
  const pieces = unigramOf(file.model);
  const { before, after } = templateOf(file.post_processor);
  return {
    encode(text, maxLength = MAX_IDS) {
      const ids: number[] = [];
      let first = true;
      for (const part of split(text.toWellFormed())) {
        if (typeof part === 'number') ids.push(part);
        else for (const word of words(part, first)) ids.push(...pieces(word));
        first = false;
      }
      const room = Math.max(0, maxLength - before.length - after.length);
      return [...before, ...ids.slice(0, room), ...after];
    },
  };
}

/** A pre-tokenizer: the stretch and whether the text begins with it, to words. */
type Words = (text: string, first: boolean) => string[];

function preTokenizerOf(file: PreTokenizerFile | null | undefined): Words {
  if (!file) return (text) => [text];
  if (file.type === 'WhitespaceSplit') return (text) => text.split(/\p{White_Space}+/u).filter(Boolean);
  if (file.type === 'Metaspace') return metaspace(file);
  if (file.type === 'Sequence') {
    const steps = (file.pretokenizers ?? []).map(preTokenizerOf);
    return (text, first) =>
      steps.reduce((parts, step) => parts.flatMap((part, i) => step(part, first && i === 0)), [text]);
  }
  throw new EngineError(
    'manifest',
    `tokenizer.json: pre_tokenizer ${file.type} is not Metaspace, WhitespaceSplit or Sequence.`,
  );
}

/** Spaces become a visible mark that also starts each word. */
function metaspace(file: PreTokenizerFile): Words {
  const mark = file.replacement ?? '▁';
  if (typeof mark !== 'string' || [...mark].length !== 1)
    throw new EngineError('manifest', 'tokenizer.json: the replacement of Metaspace is not one character.');
  const scheme = file.prepend_scheme ?? (file.add_prefix_space === false ? 'never' : 'always');
  return (text, first) => {
    if (!text) return [];
    const marked = text.replaceAll(' ', mark);
    const prepend = !marked.startsWith(mark) && (scheme === 'always' || (scheme === 'first' && first));
    const whole = prepend ? mark + marked : marked;
    if (file.split === false) return [whole];
    const words: string[] = [];
    let from = 0;
    for (let at = whole.indexOf(mark, 1); at >= 0; at = whole.indexOf(mark, at + 1)) {
      words.push(whole.slice(from, at));
      from = at;
    }
    words.push(whole.slice(from));
    return words;
  };
}

function templateOf(file: PostProcessorFile | null | undefined): { before: number[]; after: number[] } {
  const before: number[] = [];
  const after: number[] = [];
  let side = before;
  for (const piece of file?.single ?? []) {
    if (piece.Sequence) side = after;
    else side.push(...(file?.special_tokens?.[piece.SpecialToken?.id ?? '']?.ids ?? []));
  }
  if (![...before, ...after].every(Number.isSafeInteger))
    throw new EngineError('manifest', 'tokenizer.json: post_processor adds ids that are not whole numbers.');
  return { before, after };
}

/** Word to ids: the most probable segmentation (Viterbi); runs of unknown characters count as one piece. */
function unigramOf(model: UnigramFile['model']): (word: string) => number[] {
  const places = new Map<string, number>();
  const lengths = new Set<number>();
  let worst = Infinity;
  for (let id = 0; id < model.vocab.length; id++) {
    const entry = model.vocab[id]!;
    if (typeof entry[0] !== 'string' || !Number.isFinite(entry[1]))
      throw new EngineError('manifest', `tokenizer.json: piece ${id} is not a text with a score.`);
    places.set(entry[0], id);
    lengths.add(entry[0].length);
    worst = Math.min(worst, entry[1]);
  }
  const unknown = model.unk_id ?? -1;
  const unknownScore = worst - UNKNOWN_PENALTY;
  const sizes = [...lengths].filter((size) => size > 0).sort((a, b) => a - b);
  const byteIds = model.byte_fallback
    ? Array.from({ length: 256 }, (_, byte) =>
        places.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
      )
    : [];
  if (places.size === 0 || (unknown >= 0 && unknown >= model.vocab.length)) {
    throw new EngineError(
      'manifest',
      `tokenizer.json: vocabulary of ${places.size} pieces without piece ${unknown}.`,
    );
  }

  const spell = (piece: string): number[] => {
    const id = places.get(piece);
    if (id !== undefined) return [id];
    const bytes = byteIds.length ? [...encodeUtf8(piece)].map((byte) => byteIds[byte]) : [undefined];
    if (bytes.every((byte) => byte !== undefined)) return bytes;
    if (unknown < 0)
      throw new EngineError('manifest', `tokenizer.json has no unknown token, and no piece for "${piece}".`);
    return [unknown];
  };

  return (word) => {
    const size = word.length;
    // Best way to reach each offset: its score, where its last piece starts (-1: not reached) and that piece's id.
    const score = new Float64Array(size + 1);
    const start = new Int32Array(size + 1).fill(-1);
    const last = new Int32Array(size + 1);
    const reach = (from: number, to: number, id: number, sum: number) => {
      if (start[to]! >= 0 && sum <= score[to]!) return;
      score[to] = sum;
      start[to] = from;
      last[to] = id;
    };
    for (let at = 0; at < size;) {
      const step = word.codePointAt(at)! > 0xffff ? 2 : 1;
      let single = false;
      for (const length of sizes) {
        if (at + length > size) break;
        const id = places.get(word.slice(at, at + length));
        if (id === undefined) continue;
        reach(at, at + length, id, score[at]! + model.vocab[id]![1]);
        single ||= length === step;
      }
      if (!single) reach(at, at + step, unknown, score[at]! + unknownScore);
      at += step;
    }
    const found: string[] = [];
    let run = false;
    for (let end = size; end > 0; end = start[end]!) {
      const piece = word.slice(start[end], end);
      const strange = last[end] === unknown;
      if (strange && run) found[found.length - 1] = piece + found.at(-1)!;
      else found.push(piece);
      run = strange;
    }
    return found.reverse().flatMap(spell);
  };
}
