/** A short song, made to be timed and thrown away. What it took stays until the next one, for the Device page and reports. */
import { asEngineError } from '../lib/errors.ts';
import type { Placement } from '../lib/placement.ts';
import { checkTask, type TaskLimits } from '../lib/task.ts';
import type { EngineClient } from './engine-client.ts';
import { plain, size, took } from './format.ts';
import { alone } from './locks.ts';
import { LOCK } from './queue.svelte.ts';
import { Keep } from './settings.svelte.ts';

/** Long enough that a second of start-up does not decide it. */
const SECONDS = 10;
const PROMPT = 'slow jazz waltz, piano trio, 96 bpm, A minor';

export interface Measured {
  readonly model: string;
  readonly at: number;
  /** Of music. */
  readonly seconds: number;
  readonly steps: number;
  /** Milliseconds by stage, with `load` and `total`. */
  readonly timings: Readonly<Record<string, number>>;
  /** Largest memory of all graphs together, bytes, and the WebAssembly heap. */
  readonly peakBytes: number;
  readonly heapBytes: number | null;
  /** Where the graphs ran. */
  readonly graphs: readonly {
    readonly graph: string;
    readonly provider: string;
    readonly precision: string;
  }[];
  readonly threads: number;
}

/** Seconds of music for a second of work; loading counts once a session and is left out. */
export const realTime = ({ seconds, timings }: Measured): number =>
  (1000 * seconds) / Math.max(1, (timings['total'] ?? 0) - (timings['load'] ?? 0));

export const STAGES = ['load', 'words', 'plan', 'denoise', 'sound'] as const;

export class Bench {
  running = $state(false);
  /** Steps done of all. */
  progress = $state.raw<{ readonly step: number; readonly steps: number } | null>(null);
  trouble = $state('');
  readonly #kept = new Keep<{ readonly last: Measured | null }>(
    'cadenza.bench',
    { last: null },
    ({ last }) => (isMeasured(last) ? { last } : {}),
  );
  readonly #client: EngineClient;
  #abort: AbortController | null = null;

  constructor(client: EngineClient) {
    this.#client = client;
  }

  get last(): Measured | null {
    return this.#kept.current.last;
  }

  cancel(): void {
    this.#abort?.abort();
  }

  /** Waits while a song is being made, and lets none begin until it is done. */
  async run(model: string, limits: TaskLimits, placement: Placement): Promise<void> {
    if (this.running) return;
    this.running = true;
    this.trouble = '';
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const seconds = Math.min(limits.seconds.max, Math.max(limits.seconds.min, SECONDS));
      const task = checkTask({ model, prompt: PROMPT, seconds, seed: 7 }, limits);
      await alone(LOCK, async () => {
        const { timings } = await this.#client.generate(
          task,
          (event) => {
            if (event.type === 'step') this.progress = { step: event.step, steps: event.steps };
          },
          signal,
        );
        const { peakBytes, heapBytes } = await this.#client.call((engine) => engine.memory());
        this.#kept.set({
          last: {
            model,
            at: Date.now(),
            seconds,
            steps: task.sampling.steps,
            timings: { ...timings },
            peakBytes,
            heapBytes,
            graphs: Object.entries(placement.graphs).map(([graph, { provider, variant }]) => ({
              graph,
              provider,
              precision: variant.precision,
            })),
            threads: placement.threads,
          },
        });
      });
    } catch (thrown) {
      const { code, message } = asEngineError(thrown);
      if (code !== 'cancelled') this.trouble = message;
    } finally {
      this.running = false;
      this.progress = null;
      this.#abort = null;
    }
  }
}

/** Plain text for a forum or a bug report. */
export function benchText(measured: Measured, userAgent: string): string {
  const { model, seconds, steps, timings, peakBytes, heapBytes, graphs, threads } = measured;
  return [
    'Cadenza benchmark',
    new Date(measured.at).toISOString(),
    userAgent,
    `${model}: ${plain(seconds, 1)} s of music, ${steps} steps`,
    `Real time: ${plain(realTime(measured), 2)}x`,
    ...STAGES.map((stage) => `${stage}: ${took((timings[stage] ?? 0) / 1000)}`),
    `total: ${took((timings['total'] ?? 0) / 1000)}`,
    `Peak of graphs: ${size(peakBytes)}; WebAssembly heap: ${heapBytes === null ? 'none' : size(heapBytes)}`,
    `Threads: ${threads}`,
    ...graphs.map(({ graph, provider, precision }) => `${graph}: ${provider} ${precision}`),
  ].join('\n');
}

function isMeasured(value: unknown): value is Measured {
  const { seconds, timings, graphs } = (
    typeof value === 'object' && value !== null ? value : {}
  ) as Partial<Measured>; // looked at next
  return (
    typeof seconds === 'number' && typeof timings === 'object' && timings !== null && Array.isArray(graphs)
  );
}
