/**
 * Where official files come from: an address that answers ranges, or a folder of the user's own. Whoever reads gets the
 * bytes that were asked for or an error; a network that fails is tried again for some seconds first.
 */
import { EngineError } from '../lib/errors.ts';
import type { SourceRef } from '../lib/template.ts';

export interface SourceReader {
  /** Bytes [begin, end) of the file. */
  read(ref: SourceRef, begin: number, end: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** For the record: the address, or the name of the file. */
  placeOf(ref: SourceRef): string;
}

/** A file of a folder that the user chose; `path` is relative to that folder or to one above it. */
export interface LocalFile {
  readonly path: string;
  readonly file: Blob;
}

/** Milliseconds before each new try. */
const WAITS = [250, 500, 1000, 2000, 4000] as const;
/** A range that takes longer than this and its bytes at the least rate counts as cut. */
const STALL_MS = 20_000;
const LEAST_RATE = 64; // bytes a millisecond
const LONGEST_WAIT_MS = 30_000;

const AGAIN = 'What was converted is kept: go on when the connection is back.';

/** @param base ends in a slash */
export function httpSource(base: string, own: boolean): SourceReader {
  /** What the server calls the version of a file, by URL: it may not change between ranges. */
  const versions = new Map<string, string>();
  const urls = (ref: SourceRef): readonly string[] => {
    const mine = base + ref.path;
    if (ref.url === null) return [mine];
    return own ? [mine, ref.url] : [ref.url]; // a mirror may have it, too
  };
  return {
    placeOf: (ref) => urls(ref)[0]!, // one at least
    async read(ref, begin, end, signal) {
      const [first, second] = urls(ref);
      if (second === undefined) return readRange(first!, ref, begin, end, versions, signal);
      try {
        return await readRange(first!, ref, begin, end, versions, signal);
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        return readRange(second, ref, begin, end, versions, signal);
      }
    },
  };
}

/** @param elsewhere for files that are not in the folder and have an address of their own */
export function localSource(files: readonly LocalFile[], elsewhere: SourceReader): SourceReader {
  const find = (ref: SourceRef): LocalFile | undefined =>
    files.find(({ path }) => path === ref.path || path.endsWith(`/${ref.path}`));
  return {
    placeOf: (ref) => find(ref)?.path ?? elsewhere.placeOf(ref),
    async read(ref, begin, end, signal) {
      signal.throwIfAborted();
      const found = find(ref);
      if (found === undefined) {
        if (ref.url !== null) return elsewhere.read(ref, begin, end, signal);
        const message = `The folder has no ${ref.path}. Choose the folder that holds the official files as they were published.`;
        throw new EngineError('integrity', message);
      }
      if (!ref.text && found.file.size !== ref.bytes) throw wrongSize(ref, found.file.size, found.path);
      try {
        const part = ref.text ? found.file : found.file.slice(begin, end);
        const bytes = new Uint8Array(await part.arrayBuffer());
        return ref.text ? withLf(bytes) : bytes;
      } catch (thrown) {
        const message = `${found.path} cannot be read any more: it was changed or removed. Choose the folder again.`;
        throw new EngineError('integrity', message, { cause: thrown });
      }
    },
  };
}

/** The file in order in pieces of `piece` bytes, several ranges under way at once. */
export async function* ordered(
  source: SourceReader,
  ref: SourceRef,
  from: number,
  { piece, parallel }: { readonly piece: number; readonly parallel: number },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const under: Promise<Uint8Array<ArrayBuffer>>[] = [];
  let asked = from;
  try {
    for (let at = from; at < ref.bytes;) {
      while (under.length < parallel && asked < ref.bytes) {
        const end = Math.min(asked + piece, ref.bytes);
        const part = source.read(ref, asked, end, both);
        part.catch(() => undefined); // an error of a later one is heard in its turn
        under.push(part);
        asked = end;
      }
      const bytes = await under.shift()!; // the loop above leaves one at least
      at += bytes.byteLength;
      yield bytes;
    }
  } finally {
    ended.abort();
  }
}

async function readRange(
  url: string,
  ref: SourceRef,
  begin: number,
  end: number,
  versions: Map<string, string>,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  for (let tries = 0; ; tries++) {
    let wait: number = WAITS[Math.min(tries, WAITS.length - 1)]!; // in range
    try {
      return await once(url, ref, begin, end, versions, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof Passing)) throw thrown;
      if (tries === WAITS.length) {
        throw new EngineError('network', `${thrown.message} ${AGAIN}`, { cause: thrown.cause });
      }
      wait = Math.max(wait, Math.min(thrown.waitMs, LONGEST_WAIT_MS));
    }
    await pause(wait, signal);
  }
}

/** May be better the next time. */
class Passing extends Error {
  readonly waitMs: number;
  constructor(message: string, waitMs = 0, cause?: unknown) {
    super(message, { cause });
    this.waitMs = waitMs;
  }
}

async function once(
  url: string,
  ref: SourceRef,
  begin: number,
  end: number,
  versions: Map<string, string>,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(), STALL_MS + (end - begin) / LEAST_RATE);
  try {
    let response: Response;
    try {
      response = await fetch(url, {
        headers: ref.text ? {} : { Range: `bytes=${begin}-${end - 1}` },
        signal: AbortSignal.any([signal, stall.signal]),
        credentials: 'omit',
        // Ranges of gigabytes have no place in the browser's cache.
        cache: 'no-store',
      });
    } catch (thrown) {
      throw new Passing(`${hostOf(url)} could not be reached for ${ref.path}.`, 0, thrown);
    }
    refuseStatus(response, url, ref);
    if (!ref.text) checkVersion(response, url, ref, versions);
    const bytes = await bodyOf(response, ref);
    if (ref.text) return withLf(bytes);
    if (bytes.byteLength !== end - begin) {
      const message = `${hostOf(url)} sent ${bytes.byteLength} bytes of ${ref.path} where ${end - begin} were asked for.`;
      throw new Passing(message);
    }
    return bytes;
  } finally {
    clearTimeout(timer);
  }
}

async function bodyOf(response: Response, ref: SourceRef): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (thrown) {
    throw new Passing(`The connection ended in the middle of ${ref.path}.`, 0, thrown);
  }
}

function refuseStatus(response: Response, url: string, ref: SourceRef): void {
  const { status } = response;
  const host = hostOf(url);
  if (status === (ref.text ? 200 : 206)) return;
  void response.body?.cancel();
  if (status === 200) {
    const message = `${host} sends whole files where a part is asked for, so ${ref.path} cannot be read piece by piece. Choose another address, or use your own copy of the files.`;
    throw new EngineError('network', message);
  }
  if (status === 416) {
    const message = `${ref.path} at ${host} is shorter than the published ${ref.bytes} bytes: it is another file. Choose another address, or use your own copy of the files.`;
    throw new EngineError('integrity', message);
  }
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after'));
    throw new Passing(
      `${host} answered ${status} for ${ref.path}.`,
      Number.isFinite(seconds) ? seconds * 1000 : 0,
    );
  }
  const message = `${host} answered ${status} for ${ref.path}. Check the address, or use your own copy of the files.`;
  throw new EngineError('network', message);
}

/** Headers that the server does not let us see are no fault: the hash of the whole file decides in the end. */
function checkVersion(response: Response, url: string, ref: SourceRef, versions: Map<string, string>): void {
  const total = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (total !== undefined && Number(total) !== ref.bytes) throw wrongSize(ref, Number(total), hostOf(url));
  const tag = response.headers.get('etag');
  // Where the hash is known it says more than a tag, which other servers of the same host may choose differently.
  if (tag === null || ref.sha256 !== null) return;
  const known = versions.get(url) ?? tag;
  versions.set(url, known);
  if (known === tag) return;
  const message = `${ref.path} changed at ${hostOf(url)} while it was being read. Nothing of it was used. Start it again.`;
  throw new EngineError('integrity', message);
}

function wrongSize(ref: SourceRef, found: number, where: string): EngineError {
  const message = `${ref.path} has ${found} bytes at ${where}; the published file has ${ref.bytes}. It is another version, or was not copied whole. Choose another address, or another folder.`;
  return new EngineError('integrity', message);
}

function withLf(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.filter((byte, i) => !(byte === 13 && bytes[i + 1] === 10));
}

const hostOf = (url: string): string => new URL(url).host;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error); // what abort() was given, an AbortError by default
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
