import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EngineError } from '../lib/errors.ts';
import type { Task } from '../lib/task.ts';
import { CANCEL_MS, EngineClient, IDLE_MS, type RemoteEngine, type Started } from './engine-client.ts';

const task = { kind: 'text2music' } as Task; // the client hands it on without looking

/** Workers that do what the test says, and remember whether they were ended. */
class Workers {
  readonly made: { ended: boolean; kill: (error: Error) => void }[] = [];
  readonly #engine: (index: number) => Partial<RemoteEngine>;
  constructor(engine: (index: number) => Partial<RemoteEngine>) {
    this.#engine = engine;
  }
  start = (): Started => {
    let kill!: (error: Error) => void;
    const died = new Promise<never>((_, reject) => (kill = reject));
    died.catch(() => undefined);
    const record = { ended: false, kill };
    const engine = this.#engine(this.made.length) as RemoteEngine; // tests call only what they made
    this.made.push(record);
    return { engine: Promise.resolve(engine), died, end: () => (record.ended = true) };
  };
}

const never = (): Promise<never> => new Promise(() => undefined);
const ignore = (): void => undefined;

describe('the engine client', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test('starts a worker when it is needed, keeps it, and ends it after five idle minutes', async () => {
    const workers = new Workers(() => ({ models: async () => [] }));
    const client = new EngineClient(workers.start);
    expect(client.alive).toBe(false);
    await client.call((engine) => engine.models());
    await client.call((engine) => engine.models());
    expect(workers.made).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(IDLE_MS - 1);
    expect(client.alive).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect([client.alive, workers.made[0]?.ended]).toEqual([false, true]);
    await client.call((engine) => engine.models());
    expect(workers.made).toHaveLength(2);
  });

  test('does not count work as idleness', async () => {
    const workers = new Workers(() => ({ generate: never, models: async () => [] }));
    const client = new EngineClient(workers.start);
    client.generate(task, ignore, new AbortController().signal).catch(ignore);
    await client.call((engine) => engine.models());
    await vi.advanceTimersByTimeAsync(2 * IDLE_MS);
    expect(workers.made[0]?.ended).toBe(false);
  });

  test('errors get their code back from the name that crossed the worker', async () => {
    const crossed = Object.assign(new Error('too big'), { name: 'memory' });
    const workers = new Workers(() => ({ models: () => Promise.reject(crossed) }));
    await expect(new EngineClient(workers.start).call((engine) => engine.models())).rejects.toMatchObject({
      code: 'memory',
      message: 'too big',
    });
  });

  test('cancel lets the engine leave by itself', async () => {
    let leave: (error: Error) => void = ignore;
    const workers = new Workers(() => ({
      generate: () => new Promise((_, reject) => (leave = reject)),
      cancel: async () => leave(Object.assign(new Error('x'), { name: 'cancelled' })),
    }));
    const abort = new AbortController();
    const work = new EngineClient(workers.start).generate(task, ignore, abort.signal);
    const outcome = expect(work).rejects.toMatchObject({ code: 'cancelled' });
    await vi.advanceTimersByTimeAsync(10);
    abort.abort();
    await vi.advanceTimersByTimeAsync(10);
    await outcome;
    expect(workers.made[0]?.ended).toBe(false);
  });

  test('cancel ends a worker that does not answer', async () => {
    const workers = new Workers(() => ({ generate: never, cancel: never }));
    const client = new EngineClient(workers.start);
    const abort = new AbortController();
    const outcome = expect(client.generate(task, ignore, abort.signal)).rejects.toMatchObject({
      code: 'cancelled',
    });
    abort.abort();
    await vi.advanceTimersByTimeAsync(CANCEL_MS);
    await outcome;
    expect([workers.made[0]?.ended, client.alive]).toEqual([true, false]);
  });

  test('an aborted signal starts nothing', async () => {
    const workers = new Workers(() => ({}));
    const work = new EngineClient(workers.start).generate(task, ignore, AbortSignal.abort());
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
    expect(workers.made).toHaveLength(0);
  });

  test('a lost device is tried once more in a fresh worker', async () => {
    const lost = Object.assign(new Error('driver'), { name: 'device-lost' });
    const workers = new Workers((index) => ({
      generate: () => (index === 0 ? Promise.reject(lost) : Promise.resolve({ songs: [] } as never)),
    }));
    await new EngineClient(workers.start).generate(task, ignore, new AbortController().signal);
    expect(workers.made.map(({ ended }) => ended)).toEqual([true, false]);

    const always = new Workers(() => ({ generate: () => Promise.reject(lost) }));
    const work = new EngineClient(always.start).generate(task, ignore, new AbortController().signal);
    await expect(work).rejects.toMatchObject({ code: 'device-lost' });
    expect(always.made).toHaveLength(2);
  });

  test('a worker that breaks rejects what was asked of it', async () => {
    const workers = new Workers(() => ({ generate: never }));
    const client = new EngineClient(workers.start);
    const work = client.generate(task, ignore, new AbortController().signal);
    const outcome = expect(work).rejects.toMatchObject({ code: 'bug' });
    workers.made[0]?.kill(new EngineError('bug', 'stopped'));
    await outcome;
  });

  test('another wish ends an idle worker, and leaves a busy one to its song', async () => {
    const workers = new Workers(() => ({ generate: never, models: async () => [] }));
    const client = new EngineClient(workers.start);
    await client.call((engine) => engine.models());
    client.setWish({ provider: 'wasm', precision: 'auto', memoryBytes: null, threads: null });
    expect(workers.made[0]?.ended).toBe(true);
    client.generate(task, ignore, new AbortController().signal).catch(ignore);
    client.setWish({ provider: 'auto', precision: 'auto', memoryBytes: null, threads: null });
    expect(workers.made[1]?.ended).toBe(false);
    workers.made[1]?.kill(new EngineError('graph', 'the song failed'));
    await vi.advanceTimersByTimeAsync(1);
    expect([workers.made[1]?.ended, client.alive]).toEqual([true, false]);
  });
});
