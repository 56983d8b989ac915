/**
 * Weight files as the Blobs that onnxruntime-web takes for external data. The JSPI build reads such a Blob in pieces
 * straight into GPU buffers, so a model never lies in the heap whole; the other builds call arrayBuffer().
 * File.stream() of OPFS stalls after some hundred MB in Chromium 156, hence a Blob of our own over positioned reads.
 */
import { EngineError } from '../lib/errors.ts';
import type { WeightRef } from '../lib/manifest.ts';
import { widenBF16, widenF16 } from '../lib/safetensors.ts';

/** Random access to bytes: an array in memory, or the sync access handle of an OPFS file. */
export interface ByteSource {
  readonly size: number;
  /** Fills `into` from byte `at`; gives how many bytes there were. */
  read(into: Uint8Array, at: number): number | Promise<number>;
}

/** One that holds a file open until it is closed. */
export interface OpenSource extends ByteSource {
  close(): void;
}

export const memorySource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.byteLength,
  read(into, at) {
    const part = bytes.subarray(at, at + into.byteLength);
    into.set(part);
    return part.byteLength;
  },
});

/** Files that were read last, of those that share it; the latest at the end. */
export type Recent = Map<object, Uint8Array>;

const RECENT = 2; // a file of codes, and the one that their scales lie in

/** A file of `size` bytes that is read whole when it is asked for, and forgotten when others that share `recent` are. */
export function lazySource(size: number, recent: Recent, open: () => Promise<Uint8Array>): OpenSource {
  const source: OpenSource = {
    size,
    async read(into, at) {
      let bytes = recent.get(source);
      if (!bytes) {
        const [oldest] = recent.keys();
        if (oldest && recent.size >= RECENT) recent.delete(oldest);
        bytes = await open();
      }
      recent.delete(source);
      recent.set(source, bytes);
      return memorySource(bytes).read(into, at);
    },
    close: () => void recent.delete(source),
  };
  return source;
}

type Half = NonNullable<WeightRef['widen']>;

/**
 * The file as float32: sizes and offsets of the result count widened bytes. Any read is allowed, also one that
 * begins or ends inside a value.
 */
export function widened(half: ByteSource, format: Half): ByteSource {
  const table = WIDEN[format]();
  const size = half.size * 2;
  return {
    size,
    async read(into, at) {
      const length = Math.min(into.byteLength, size - at);
      const first = Math.floor(at / 4);
      const count = Math.ceil((at + length) / 4) - first;
      const narrow = new Uint16Array(count);
      await half.read(new Uint8Array(narrow.buffer), first * 2);
      const wide = new Uint32Array(count);
      for (let i = 0; i < count; i++) wide[i] = table[narrow[i]!]!; // 65536 entries: every index is in range
      into.set(new Uint8Array(wide.buffer, at - first * 4, length));
      return length;
    },
  };
}

/** Bit pattern of the float32 with the value of each 16-bit pattern. Built on first use, 256 KiB each. */
const WIDEN: Readonly<Record<Half, () => Uint32Array>> = {
  fp16: once(() => bitsOf(widenF16)),
  bf16: once(() => bitsOf(widenBF16)),
};

const bitsOf = (widen: (halves: Uint16Array) => Float32Array): Uint32Array =>
  new Uint32Array(widen(Uint16Array.from({ length: 65536 }, (_, pattern) => pattern)).buffer);

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const CHUNK = 2 ** 20;

/** A window [begin, end) of a source, as a Blob. */
export class SourceBlob extends Blob {
  readonly #source: ByteSource;
  readonly #begin: number;
  readonly #end: number;

  constructor(source: ByteSource, begin = 0, end = source.size) {
    super([]);
    this.#source = source;
    this.#begin = begin;
    this.#end = end;
  }

  override get size(): number {
    return this.#end - this.#begin;
  }

  override slice(start = 0, end = this.size): SourceBlob {
    const place = (at: number): number =>
      this.#begin + Math.max(0, Math.min(at < 0 ? this.size + at : at, this.size));
    return new SourceBlob(this.#source, place(start), Math.max(place(start), place(end)));
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const whole = new Uint8Array(this.size);
    await this.#fill(whole, this.#begin);
    return whole.buffer;
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = this.#begin;
    return new ReadableStream({
      type: 'bytes',
      pull: async (controller) => {
        const request = controller.byobRequest;
        const left = this.#end - at;
        if (left === 0) {
          controller.close();
          request?.respond(0);
          return;
        }
        const view = request?.view;
        const length = Math.min(view?.byteLength ?? CHUNK, left);
        const into = view ? new Uint8Array(view.buffer, view.byteOffset, length) : new Uint8Array(length);
        await this.#fill(into, at);
        at += length;
        if (request) request.respond(length);
        else controller.enqueue(into);
      },
    });
  }

  async #fill(into: Uint8Array, at: number): Promise<void> {
    const got = await this.#source.read(into, at);
    if (got !== into.byteLength) {
      throw new RangeError(`weights end ${into.byteLength - got} bytes early, at byte ${at + got}`);
    }
  }
}

/** So long may a session neither read weights nor finish: beyond it, its loader has stalled and will not come back. */
const STALL_MS = 90_000;

/**
 * A watchdog over the loading of one graph. Reading counts as life, and so does a worker that is busy: only turns of
 * the event loop in which nothing was read are counted, so a long optimisation, which blocks them, is not mistaken for
 * a stall.
 */
export function watched(
  doing: string,
  stallMs = STALL_MS,
): { over(source: ByteSource): ByteSource; guard<T>(work: Promise<T>): Promise<T> } {
  const TICKS = 10;
  let idle = 0;
  return {
    over: (source) => ({
      size: source.size,
      read(into, at) {
        idle = 0;
        return source.read(into, at);
      },
    }),
    async guard(work) {
      let timer: ReturnType<typeof setInterval> | undefined;
      const stalled = new Promise<never>((_, reject) => {
        timer = setInterval(() => {
          if (++idle < TICKS) return;
          const message = `${doing} has not moved for ${Math.round(stallMs / 1000)} s. Try a smaller precision, a smaller memory budget on the Device page, or restart the browser.`;
          reject(new EngineError('memory', message));
        }, stallMs / TICKS);
      });
      try {
        return await Promise.race([work, stalled]);
      } finally {
        clearInterval(timer);
      }
    },
  };
}
