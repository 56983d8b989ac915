/**
 * Language of a text by byte n-grams and naive Bayes: the model of py3langid 0.3.0. A table-driven automaton over the
 * UTF-8 bytes counts features; the language with the greatest log-probability wins.
 */
import type { Table } from './table.ts';
import { encodeUtf8 } from './utf8.ts';

export interface Guess {
  /** ISO 639-1, one of 97. */
  readonly language: string;
  /** Probability, 0…1. */
  readonly score: number;
}

/** Builds the classifier from public/data/lyrics/langid.bin. */
export function languageIdentifier(table: Table): (text: string) => Guess {
  const languages = table.meta.languages as string[]; // pack.py wrote it
  const root = table.u16('root'); // [256] next states of the start state
  const rows = table.u32('rows'); // [states + 1] where a state's exceptions from `root` begin
  const bytes = table.u16('bytes');
  const targets = table.u16('targets');
  const outputs = table.u16('outputs'); // [states + 1] where a state's features begin
  const features = table.u16('features');
  const prior = table.f32('prior'); // [languages]
  const likelihood = table.f32('likelihood'); // [features, languages]

  const next = (state: number, byte: number): number => {
    const end = rows[state + 1]!;
    let low = rows[state]!;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bytes[middle]! < byte) low = middle + 1;
      else high = middle;
    }
    return low < end && bytes[low] === byte ? targets[low]! : root[byte]!;
  };

  return (text) => {
    const counts = new Map<number, number>();
    let state = 0;
    for (const byte of encodeUtf8(text)) {
      state = next(state, byte);
      for (let i = outputs[state]!; i < outputs[state + 1]!; i++) {
        counts.set(features[i]!, (counts.get(features[i]!) ?? 0) + 1);
      }
    }
    const scores = Float64Array.from(prior);
    for (const [feature, count] of counts) {
      const from = feature * languages.length;
      for (let i = 0; i < languages.length; i++) scores[i] = scores[i]! + count * likelihood[from + i]!;
    }
    let best = 0;
    for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
    const total = scores.reduce((sum, score) => sum + Math.exp(score - scores[best]!), 0);
    return { language: languages[best]!, score: 1 / total };
  };
}
