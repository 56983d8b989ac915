/** Tokens that are cut out of a text before the model sees it: `</s>`, `[verse]`, `[SPACE]` … */

import { EngineError } from '../errors.ts';

/** As Hugging Face writes them into tokenizer.json. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word?: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly normalized?: boolean;
}

/** A stretch of plain text, or the id of an added token. */
export type Piece = string | number;

/**
 * Splits a text at the added tokens: leftmost match, longest first. Tokens with `normalized` are looked for in the
 * normalised text, the others in the raw one; plain stretches come back normalised.
 */
export function splitAdded(
  tokens: readonly AddedToken[],
  normalize: (text: string) => string,
): (text: string) => Piece[] {
  const odd = tokens.find(({ id, content }) => typeof content !== 'string' || !Number.isSafeInteger(id));
  if (odd) {
    const found = JSON.stringify(odd).slice(0, 80);
    throw new EngineError(
      'manifest',
      `An added token needs a text and an id (got ${found}). Install the model again.`,
    );
  }
  const raw = cutter(tokens.filter((token) => !token.normalized));
  const cooked = cutter(
    tokens
      .filter((token) => token.normalized)
      .map((token) => ({ ...token, content: normalize(token.content) })),
  );
  return (text) =>
    raw(text).flatMap((piece) => (typeof piece === 'number' ? [piece] : cooked(normalize(piece))));
}

function cutter(tokens: readonly AddedToken[]): (text: string) => Piece[] {
  const byContent = new Map(tokens.filter((token) => token.content).map((token) => [token.content, token]));
  if (byContent.size === 0) return (text) => (text ? [text] : []);
  const alternatives = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    alternatives.map((s) => s.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|'),
    'gu',
  );
  return (text) => {
    const pieces: Piece[] = [];
    let from = 0;
    for (const match of text.matchAll(pattern)) {
      const token = byContent.get(match[0])!;
      let start = match.index;
      let end = start + match[0].length;
      if (
        token.single_word &&
        (/[\p{L}\p{M}\p{N}_]$/u.test(text.slice(0, start)) || /^[\p{L}\p{M}\p{N}_]/u.test(text.slice(end)))
      ) {
        continue;
      }
      if (token.lstrip) while (start > from && /\s/u.test(text[start - 1]!)) start--;
      if (token.rstrip) while (end < text.length && /\s/u.test(text[end]!)) end++;
      if (start > from) pieces.push(text.slice(from, start));
      pieces.push(token.id);
      from = end;
    }
    if (from < text.length) pieces.push(text.slice(from));
    return pieces;
  };
}
