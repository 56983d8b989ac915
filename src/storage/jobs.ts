/** The line of work as it is kept: what a tab needs to take it up where another one left it. */
import type { ErrorCode } from '../lib/errors.ts';
import type { Task } from '../lib/task.ts';

/** The setting that says that the line rests. */
export const LINE_PAUSED = 'line.paused';

export interface StoredJob {
  readonly id: string;
  /** Place in line: rising, and not necessarily whole. */
  readonly order: number;
  readonly title: string;
  /** Name of the quality preset, for display. */
  readonly preset: string;
  readonly task: Task;
  /** The track that this one is made from. */
  readonly parent?: string;
  /** The last step that is saved; null before there is one. */
  readonly saved: { readonly step: number; readonly steps: number } | null;
  /** How often it was begun since a step of it was last saved. */
  readonly starts: number;
  /** The step after which the user stopped it and kept the song as it was; absent otherwise. It can still go on. */
  readonly keptAt?: number;
  /** Why it did not succeed; null while it waits or is being made. */
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}
