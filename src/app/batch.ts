/**
 * A list of songs to make, as a JSON file: an array of tasks such as `npm run generate` takes, each with a title and the
 * name of a quality beside it if it likes. What is wrong is told by the line on which the song begins.
 */
import { asEngineError, EngineError } from '../lib/errors.ts';
import { checkTask, type Task, type TaskLimits } from '../lib/task.ts';
import type { Job } from './job.ts';
import type { NewWork } from './queue.svelte.ts';
import { titleOf } from './titles.ts';

export const MAX_BATCH_BYTES = 8e6;
export const MOST_SONGS = 1000;

export interface Batch {
  readonly work: readonly NewWork[];
  readonly faults: readonly Fault[];
}

export interface Fault {
  /** From 1, in the file. */
  readonly line: number;
  readonly message: string;
}

/** What a list is read against. */
export interface World {
  /** Limits of a model; of the default one for ''. Null: there is no such model here. */
  limits(model: string): TaskLimits | null;
  /** Whether this sound can be opened here. */
  hasSound(blob: string): boolean;
  readonly untitled: string;
}

/** @throws EngineError 'bad-task' when it is no list of songs at all */
export function readBatch(text: string, world: World): Batch {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const position = /position (\d+)/.exec(message)?.[1];
    const at = position === undefined ? '' : ` Line ${lineAt(text, Number(position))}.`;
    throw new EngineError('bad-task', `This is not JSON: ${message}.${at}`, { cause: thrown });
  }
  if (!Array.isArray(list) || list.length === 0) {
    throw new EngineError('bad-task', 'A list of songs is a JSON array with at least one task in it.');
  }
  if (list.length > MOST_SONGS) {
    throw new EngineError(
      'bad-task',
      `A list may have ${MOST_SONGS} songs (this one has ${list.length}). Split it.`,
    );
  }
  const lines = linesOf(text);
  const work: NewWork[] = [];
  const faults: Fault[] = [];
  list.forEach((entry: unknown, i) => {
    try {
      work.push(readOne(entry, world));
    } catch (thrown) {
      faults.push({ line: lines[i] ?? 1, message: asEngineError(thrown).message });
    }
  });
  return { work, faults };
}

function readOne(entry: unknown, world: World): NewWork {
  const { title, task: input } = unwrapped(entry);
  const model = typeof input['model'] === 'string' ? input['model'] : '';
  const limits = world.limits(model);
  if (!limits) throw new EngineError('bad-task', `The model ${JSON.stringify(model)} is not installed here.`);
  const task: Task = checkTask(input, limits);
  if ('source' in task && !world.hasSound(task.source.blob)) {
    throw new EngineError('bad-task', `source ${task.source.blob.slice(0, 40)} is not in this library.`);
  }
  const preset = input['preset'];
  return {
    title: title || titleOf(task.prompt, world.untitled),
    task,
    preset: typeof preset === 'string' ? preset : '',
  };
}

/** A task with its title beside it, or around it as in an exported recipe. */
function unwrapped(entry: unknown): { title: string; task: Readonly<Record<string, unknown>> } {
  if (!isRecord(entry)) throw new EngineError('bad-task', 'A song must be an object.');
  const { title, cadenza: _, ...rest } = entry;
  const name = typeof title === 'string' ? title.slice(0, 200).toWellFormed() : '';
  return { title: name, task: isRecord(rest['task']) ? rest['task'] : rest };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The line as a file that readBatch() reads, and `npm run generate` as well once titles are left out. */
export const writeBatch = (jobs: readonly Job[]): string =>
  `${JSON.stringify(
    jobs.map(({ title, task }) => ({ title, ...task })),
    null,
    2,
  )}\n`;

/** The line on which each entry of the outermost array begins. The text is known to be JSON. */
function linesOf(text: string): readonly number[] {
  const lines: number[] = [];
  let line = 1;
  let depth = 0;
  let quoted = false;
  let expected = true; // an entry may begin here
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\n') line += 1;
    else if (quoted) {
      if (c === '\\') i += 1;
      else if (c === '"') quoted = false;
    } else if (!/\s/.test(c)) {
      if (depth === 1 && expected && c !== ']') {
        lines.push(line);
        expected = false;
      }
      if (c === '"') quoted = true;
      else if (c === '[' || c === '{') depth += 1;
      else if (c === ']' || c === '}') depth -= 1;
      else if (c === ',' && depth === 1) expected = true;
    }
  }
  return lines;
}

const lineAt = (text: string, position: number): number => text.slice(0, position).split('\n').length;
