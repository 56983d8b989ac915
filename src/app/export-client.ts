/** The page's end of the export worker. */
import { proxy, wrap } from 'comlink';
import type { Remote } from 'comlink';
import { asEngineError, EngineError } from '../lib/errors.ts';
import type { Exporter } from './export.worker.ts';

export { proxy };

/**
 * Starts a worker, lets it do one thing and ends it, which gives its memory back. A signal ends it at once, whatever it
 * is doing.
 *
 * @throws EngineError, 'cancelled' when the signal fires
 */
export async function withExporter<T>(
  does: (exporter: Remote<Exporter>) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const worker = new Worker(new URL('./export.worker.ts', import.meta.url), {
    type: 'module',
    name: 'cadenza-export',
  });
  const stopped = new EngineError('cancelled', 'The export was cancelled.');
  let abort: (() => void) | undefined;
  const ended = new Promise<never>((_, reject) => {
    abort = () => reject(stopped);
    worker.onerror = (event) => {
      event.preventDefault();
      const what = event.message || 'its program could not be loaded';
      reject(new EngineError('bug', `The export stopped: ${what}. Reload the page.`));
    };
  });
  if (signal?.aborted) abort?.();
  else if (abort) signal?.addEventListener('abort', abort);
  try {
    return await Promise.race([does(wrap<Exporter>(worker)), ended]);
  } catch (thrown) {
    throw asEngineError(thrown);
  } finally {
    if (abort) signal?.removeEventListener('abort', abort);
    worker.terminate();
  }
}
