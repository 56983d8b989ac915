/** A prompt to ids, by whatever tokenizer file the model pack brings. */
import { EngineError } from '../errors.ts';
import { unigramTokenizer, type UnigramFile } from './unigram.ts';
import { decodeUtf8 } from './utf8.ts';
import { wordTokenizer } from './words.ts';

export interface Tokenizer {
  /** Ids of a text, end mark included; never more than `maxLength` (default: what the text encoder was made for). */
  encode(text: string, maxLength?: number): number[];
}

/** Reads tokenizer.json: a word list of ours, or a Hugging Face tokenizer of type Unigram. */
export function loadTokenizer(bytes: Uint8Array): Tokenizer {
  let json: {
    readonly type?: unknown;
    readonly words?: unknown;
    readonly model?: { readonly type?: unknown; readonly vocab?: unknown };
  };
  try {
    json = JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    throw new EngineError('manifest', 'tokenizer.json is not JSON. Install the model again.', { cause });
  }
  if (json?.type === 'words') return wordTokenizer(json);
  // Old files leave the type out; only Unigram lists its vocabulary as [token, score] pairs.
  const model = json?.model;
  if (model && (model.type === 'Unigram' || (!model.type && Array.isArray(model.vocab)))) {
    return soundly('tokenizer.json', () => unigramTokenizer(json as UnigramFile)); // its fields are checked by the callee
  }
  const found = String(model?.type ?? json?.type ?? 'none');
  throw new EngineError('manifest', `tokenizer.json must be of type "words" or "Unigram" (got ${found}).`);
}

/** Whatever else goes wrong while a tokenizer is built is the fault of its file: a field of another type than it must have. */
export function soundly<T>(file: string, build: () => T): T {
  try {
    return build();
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('manifest', `${file} is malformed. Install the model again.`, { cause });
  }
}
