/** What every bench is asked and gives. */
export interface Options {
  /** Of sound. */
  readonly seconds: number;
  readonly rounds: number;
  /** Null: as many as there are cores. */
  readonly threads: number | null;
  /** Also what takes minutes. */
  readonly full: boolean;
}

export interface Outcome {
  /** For a file, as JSON. */
  readonly report: unknown;
  /** No gate was missed. */
  readonly passed: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** One line of a gate, as all benches print it. */
export const gateLine = (passed: boolean, gate: string, value: string): string =>
  `${passed ? 'ok  ' : 'FAIL'} ${gate}: ${value}`;
