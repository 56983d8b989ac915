/** The closed vocabulary of the embedded model: whole words and numbers, everything else is dropped. */
import { EngineError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Longest prompt the text encoder has positions for. */
const MAX_WORDS = 32;
/** Stands for a prompt without a known word; 0 is padding. */
const NULL_WORD = 1;

/** Builds the tokenizer from `{"type":"words","words":[…]}`; the id of a word is its place in the list. */
export function wordTokenizer(json: { readonly words?: unknown }): Tokenizer {
  const { words } = json;
  if (!Array.isArray(words) || words.some((word) => typeof word !== 'string')) {
    throw new EngineError(
      'manifest',
      'tokenizer.json: "words" must be a list of strings. Install the model again.',
    );
  }
  const ids = new Map<string, number>(words.map((word: string, id) => [word, id]));
  return {
    encode(text, maxLength = MAX_WORDS) {
      const known = text
        .toLowerCase()
        .match(/[a-z#]+|\d+/g)
        ?.map((word) => ids.get(word))
        .filter((id) => id !== undefined)
        .slice(0, maxLength);
      return known?.length ? known : [NULL_WORD];
    },
  };
}
