/** Byte-pair encoding as a Hugging Face tokenizer.json describes it: the lyric vocabulary (no byte fallback, no fusing). */
import { EngineError } from '../errors.ts';
import { splitAdded, type AddedToken } from './added.ts';
import { soundly } from './tokenizer.ts';
import { decodeUtf8 } from './utf8.ts';

interface BpeFile {
  readonly added_tokens?: readonly AddedToken[];
  readonly model?: {
    readonly type?: string;
    readonly vocab?: Readonly<Record<string, number>>;
    readonly merges?: readonly (string | readonly [string, string])[];
    readonly unk_token?: string | null;
  };
}

/** The Whitespace pre-tokenizer. Unlike Python's, its `\w` holds marks, connectors and joiners (Hindi depends on it). */
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d\p{White_Space}]+/gu;

/** Reads the vocabulary and returns the function from a prepared line to its ids. */
export function bpeTokenizer(bytes: Uint8Array): (text: string) => number[] {
  return soundly('The lyric vocabulary', () => build(bytes));
}

function build(bytes: Uint8Array): (text: string) => number[] {
  let file: BpeFile;
  try {
    file = JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    throw new EngineError('manifest', 'The lyric vocabulary is not JSON. Install the model again.', {
      cause,
    });
  }
  const { vocab, merges, unk_token } = file?.model ?? {};
  if (!vocab || !merges) {
    throw new EngineError(
      'manifest',
      'The lyric vocabulary holds no BPE vocabulary and merges. Install the model again.',
    );
  }
  const ids = new Map(Object.entries(vocab));
  const odd = [...ids].find(([, id]) => !Number.isSafeInteger(id));
  if (odd)
    throw new EngineError(
      'manifest',
      `The lyric vocabulary gives "${odd[0]}" no whole number. Install the model again.`,
    );
  const ranks = new Map(merges.map((pair, rank) => [typeof pair === 'string' ? pair : pair.join(' '), rank]));
  const unknown = unk_token ? ids.get(unk_token) : undefined;
  const split = splitAdded(file.added_tokens ?? [], (text) => text);
  const cache = new Map<string, number[]>();

  const encodeWord = (word: string): number[] => {
    const known = cache.get(word);
    if (known) return known;
    const found = merge(
      [...word].filter((part) => ids.has(part) || unknown !== undefined),
      ranks,
      ids,
    ).map(
      (part) => ids.get(part) ?? unknown!, // the filter left only parts that one of the two knows
    );
    if (word.length < 64) cache.set(word, found);
    return found;
  };
  return (text) =>
    split(text).flatMap((piece) =>
      typeof piece === 'number' ? [piece] : (piece.match(WORDS) ?? []).flatMap(encodeWord),
    );
}

/**
 * Joins neighbours, the pair of lowest rank first, leftmost among equals. Pending pairs lie in a binary heap, so a
 * "word" of thousands of letters stays fast.
 */
function merge(
  parts: string[],
  ranks: ReadonlyMap<string, number>,
  ids: ReadonlyMap<string, number>,
): string[] {
  const after = parts.map((_, i) => (i + 1 < parts.length ? i + 1 : -1));
  const before = parts.map((_, i) => i - 1);
  const gone = new Uint8Array(parts.length);
  const heap: { rank: number; at: number; pair: string }[] = [];
  const less = (a: number, b: number) => heap[a]!.rank - heap[b]!.rank || heap[a]!.at - heap[b]!.at;
  const swap = (a: number, b: number) => ([heap[a], heap[b]] = [heap[b]!, heap[a]!]);
  const offer = (at: number) => {
    const right = at < 0 ? -1 : after[at]!;
    if (right < 0) return;
    const pair = `${parts[at]} ${parts[right]}`;
    const rank = ids.has(parts[at]!) && ids.has(parts[right]!) ? ranks.get(pair) : undefined;
    if (rank === undefined) return;
    heap.push({ rank, at, pair });
    for (let i = heap.length - 1; i > 0 && less(i, (i - 1) >> 1) < 0; i = (i - 1) >> 1) swap(i, (i - 1) >> 1);
  };
  const poll = () => {
    const top = heap[0];
    const end = heap.pop();
    if (heap.length && end) {
      heap[0] = end;
      for (let i = 0, child = 1; child < heap.length; child = 2 * i + 1) {
        if (child + 1 < heap.length && less(child + 1, child) < 0) child++;
        if (less(child, i) >= 0) break;
        swap(child, i);
        i = child;
      }
    }
    return top;
  };
  for (let i = 0; i < parts.length; i++) offer(i);
  for (let next = poll(); next; next = poll()) {
    const { at, pair } = next;
    const right = after[at]!;
    if (gone[at] || right < 0 || `${parts[at]} ${parts[right]}` !== pair) continue;
    parts[at] += parts[right]!;
    gone[right] = 1;
    after[at] = after[right]!;
    if (after[at]! >= 0) before[after[at]!] = at;
    offer(before[at]!);
    offer(at);
  }
  return parts.filter((_, i) => !gone[i]);
}
