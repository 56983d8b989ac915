/** Undo and redo of one value: pure, so that whoever holds it decides what a step is. */
export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
  /** What the last step did. Steps of one kind in a row are one step back; '' never is. */
  readonly kind: string;
}

/** Steps that can be taken back. */
const MOST = 100;

export const begin = <T>(present: T): History<T> => ({ past: [], present, future: [], kind: '' });

export function step<T>(history: History<T>, present: T, kind = ''): History<T> {
  if (present === history.present) return history;
  const joins = kind !== '' && kind === history.kind && history.past.length > 0;
  const past = joins ? history.past : [...history.past, history.present].slice(-MOST);
  return { past, present, future: [], kind };
}

/** The value before; the same history where there is none. */
export function undo<T>({ past, present, future, kind }: History<T>): History<T> {
  const before = past.at(-1);
  if (before === undefined) return { past, present, future, kind };
  return { past: past.slice(0, -1), present: before, future: [present, ...future], kind: '' };
}

export function redo<T>({ past, present, future, kind }: History<T>): History<T> {
  const [after, ...rest] = future;
  if (after === undefined) return { past, present, future, kind };
  return { past: [...past, present], present: after, future: rest, kind: '' };
}

export const canUndo = ({ past }: History<unknown>): boolean => past.length > 0;
export const canRedo = ({ future }: History<unknown>): boolean => future.length > 0;
