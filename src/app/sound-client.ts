/** The page's end of the sound worker: one worker for one question, so its memory goes back with the answer. */
import { EngineError } from '../lib/errors.ts';
import type { SoundAnswers, SoundTask } from './sound.worker.ts';

type Reply = { readonly value: unknown } | { readonly error: string };

/** @throws EngineError */
export function askSound<T extends SoundTask['type']>(
  task: SoundTask & { readonly type: T },
): Promise<SoundAnswers[T]> {
  const worker = new Worker(new URL('./sound.worker.ts', import.meta.url), {
    type: 'module',
    name: 'cadenza-sound',
  });
  return new Promise<SoundAnswers[T]>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if ('value' in data)
        resolve(data.value as SoundAnswers[T]); // the worker answers what it is asked
      else reject(new EngineError('bad-task', data.error));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(
        new EngineError(
          'bug',
          event.message || 'The worker for sounds could not be loaded. Reload the page.',
        ),
      );
    };
    worker.postMessage(task);
  }).finally(() => worker.terminate());
}
