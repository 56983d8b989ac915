/**
 * A recipe is what the app keeps inside every file that it exports, and in a `.json` beside it: the task with its seed,
 * so that the song can be made again or changed. It comes back from files that anybody may have written.
 */
import { EngineError } from './errors.ts';
import { checkTask } from './task.ts';
import type { Task, TaskLimits } from './task.ts';

/** Counts up when an older app could no longer read it rightly. */
export const RECIPE_VERSION = 1;
/** Of the JSON text; the longest lyrics and chords fit ten times. */
export const MAX_RECIPE_BYTES = 2 ** 20;

export interface Recipe {
  readonly cadenza: typeof RECIPE_VERSION;
  readonly title: string;
  readonly task: Task;
}

export const recipeOf = (title: string, task: Task, seed: number): Recipe => ({
  cadenza: RECIPE_VERSION,
  title,
  task: { ...task, seeds: [seed] },
});

export interface Restored {
  readonly title: string;
  readonly task: Task;
  /** What the model in use cannot do, and what therefore was left out. */
  readonly left: readonly ('source' | 'loras' | 'sampling')[];
}

/**
 * The task of a recipe for the form, checked against the limits of the model that will make it. A recipe of another
 * model, or one that began from a sound that is not here, loses that part and says so in `left`.
 *
 * @throws EngineError 'bad-task' when it is no recipe, one of a newer Cadenza, or does not fit at all
 */
export function readRecipe(value: unknown, limits: TaskLimits): Restored {
  if (!isRecord(value))
    throw new EngineError('bad-task', 'The settings are not an object with a task in it.');
  const version = value['cadenza'] ?? RECIPE_VERSION;
  if (version !== RECIPE_VERSION) {
    const newer = typeof version === 'number' && version > RECIPE_VERSION;
    throw new EngineError(
      'bad-task',
      newer
        ? `The settings were written by a newer Cadenza (version ${version}, this one reads ${RECIPE_VERSION}). Update this page and drop the file again.`
        : `The settings have an unknown version (${JSON.stringify(version)?.slice(0, 40)}).`,
    );
  }
  const task = isRecord(value['task']) ? value['task'] : value;
  if (typeof task['prompt'] !== 'string') {
    throw new EngineError('bad-task', 'The file holds no settings of a song: it names no style (prompt).');
  }
  const seed = value['seed'] ?? first(task['seeds']) ?? task['seed'];
  const left: Restored['left'][number][] = [];
  const song: Record<string, unknown> = { kind: 'text2music', ...(seed !== undefined && { seeds: [seed] }) };
  for (const name of SONG) if (task[name] !== undefined) song[name] = task[name];
  if (task['source'] !== undefined) left.push('source');
  if (!limits.loras && Array.isArray(song['loras']) && song['loras'].length > 0) {
    left.push('loras');
    delete song['loras'];
  }
  const { min, max } = limits.seconds;
  const { seconds } = song;
  if (typeof seconds === 'number' && Number.isFinite(seconds))
    song['seconds'] = Math.min(max, Math.max(min, seconds));
  const title = typeof value['title'] === 'string' ? value['title'].toWellFormed().slice(0, 200) : '';
  try {
    return { title, task: checkTask(song, limits), left };
  } catch (thrown) {
    if (song['sampling'] === undefined) throw thrown;
    // Ranges of steps belong to a model: the words are worth keeping without them.
    delete song['sampling'];
    return { title, task: checkTask(song, limits), left: [...left, 'sampling'] };
  }
}

/** Fields of a task that stand in the form. */
const SONG = [
  'model',
  'prompt',
  'negativePrompt',
  'lyrics',
  'language',
  'seconds',
  'score',
  'sampling',
  'loras',
  // As the command line writes them.
  'preset',
  'bpm',
  'key',
  'meter',
  'chords',
  'steps',
  'solver',
  'omega',
  'guidance',
] as const;

const first = (value: unknown): unknown => (Array.isArray(value) ? (value as unknown[])[0] : value);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
