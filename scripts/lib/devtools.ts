/**
 * Chromium through its debugging pipe, with no more turned on than is asked for: playwright listens to every piece of
 * every download, which costs more than reading gigabytes does.
 */
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** A tab with one page in it. */
export interface Tab {
  /** Calls a function in the page with a value that JSON can carry; its result comes back the same way. */
  evaluate<R>(work: () => R): Promise<Awaited<R>>;
  evaluate<A, R>(work: (given: A) => R, given: A): Promise<Awaited<R>>;
  /** Runs a script in the page. */
  script(text: string): Promise<unknown>;
  /** Bytes of the heap of the page's latest worker and of its array buffers. */
  workerHeap(): Promise<number>;
  /** Has that worker's garbage collected now. */
  collectGarbage(): Promise<void>;
  /** Ends the browser. Does nothing when it is gone. */
  close(): Promise<void>;
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly sessionId?: string;
}

interface Evaluated {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: {
    readonly text: string;
    readonly exception?: { readonly description?: string; readonly value?: unknown };
  };
}

const FLAGS = [
  '--headless=new',
  '--remote-debugging-pipe',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // No tab of ours is ever in front.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

/** Opens a page in a browser of its own with this profile folder. */
export async function openTab(executable: string, profile: string, url: string): Promise<Tab> {
  const flags = [
    ...FLAGS,
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    `--user-data-dir=${profile}`,
  ];
  const browser = spawn(executable, [...flags, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const gone = new Promise<void>((resolve) => browser.once('exit', () => resolve()));
  const pipe = new Pipe(browser.stdio[3] as Writable, browser.stdio[4] as Readable); // 'pipe' above
  void gone.then(() => pipe.end('The browser ended.'));
  const { targetId } = (await pipe.send('Target.createTarget', { url })) as { targetId: string };
  const attached = await pipe.send('Target.attachToTarget', { targetId, flatten: true });
  const { sessionId: session } = attached as { sessionId: string };
  let worker = '';
  pipe.on((method, params) => {
    if (method === 'Inspector.targetCrashed') pipe.end('The tab crashed.');
    if (method !== 'Target.attachedToTarget') return;
    const found = params as { sessionId: string; targetInfo: { type: string } }; // as the protocol says
    if (found.targetInfo.type === 'worker') worker = found.sessionId;
  });
  await pipe.send('Inspector.enable', {}, session);
  const auto = { autoAttach: true, waitForDebuggerOnStart: false, flatten: true };
  await pipe.send('Target.setAutoAttach', auto, session);

  async function script(expression: string): Promise<unknown> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails: thrown } = (await pipe.send(
      'Runtime.evaluate',
      params,
      session,
    )) as Evaluated;
    if (!thrown) return result.value;
    const { description, value } = thrown.exception ?? {};
    throw new Error(description ?? (value === undefined ? thrown.text : JSON.stringify(value)));
  }
  const there = `location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`;
  const between = (thrown: unknown): boolean => {
    if (thrown instanceof Error && thrown.message.includes('context')) return false; // no document at this moment
    throw thrown;
  };
  while ((await script(there).catch(between)) !== true)
    await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    evaluate: async (work: (given: never) => unknown, given?: unknown) =>
      script(`(${work.toString()})(${JSON.stringify(given)})`) as Promise<never>, // as the function says
    script,
    async workerHeap() {
      const usage = await pipe.send('Runtime.getHeapUsage', {}, worker);
      const { usedSize, backingStorageSize } = usage as { usedSize: number; backingStorageSize: number };
      return usedSize + backingStorageSize;
    },
    async collectGarbage() {
      await pipe.send('HeapProfiler.collectGarbage', {}, worker);
    },
    async close() {
      await pipe.send('Browser.close', {}).catch(() => undefined); // it may be gone
      await gone;
    },
  };
}

/** Messages are JSON and end in a zero byte. */
class Pipe {
  readonly #into: Writable;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #listeners: ((method: string, params: unknown) => void)[] = [];
  #ended = '';
  #next = 0;

  constructor(into: Writable, from: Readable) {
    this.#into = into;
    into.on('error', ({ message }) => this.end(message));
    let parts: Buffer[] = [];
    from.on('data', (bytes: Buffer) => {
      let start = 0;
      for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
        const message = Buffer.concat([...parts, bytes.subarray(start, end)]).toString();
        parts = [];
        start = end + 1;
        this.#hear(JSON.parse(message) as Reply);
      }
      parts.push(bytes.subarray(start));
    });
  }

  on(listener: (method: string, params: unknown) => void): void {
    this.#listeners.push(listener);
  }

  send(method: string, params: unknown, sessionId?: string): Promise<unknown> {
    if (this.#ended !== '') return Promise.reject(new Error(this.#ended));
    const id = ++this.#next;
    this.#into.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Nothing will be answered any more. */
  end(why: string): void {
    this.#ended ||= why;
    for (const { reject } of this.#waiting.values()) reject(new Error(this.#ended));
    this.#waiting.clear();
  }

  #hear({ id, method, params, result, error }: Reply): void {
    if (id === undefined) {
      for (const listener of this.#listeners) listener(method ?? '', params);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }
}
