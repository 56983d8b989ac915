/** Watches typed arrays as they are made, to know the largest piece of memory that a function asked for. */

const NAMES = [
  'Uint8Array',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
] as const;

/** Bytes of the largest array made so far, views of other memory left out. One watch at a time; it slows all arrays down. */
export class AllocationWatch {
  largest = 0;
  readonly #natives = new Map<string, unknown>();

  start(): void {
    const globals = globalThis as unknown as Record<string, new (...args: never[]) => ArrayBufferView>; // typed arrays are among them
    for (const name of NAMES) {
      const Native = globals[name]!;
      this.#natives.set(name, Native);
      globals[name] = new Proxy(Native, {
        construct: (target, args: never[], newTarget) => {
          const [first] = args as unknown[];
          // Asked before it is made: a size beyond all memory must be seen even where making it fails.
          if (typeof first === 'number') this.#saw(first * bytesEach(Native));
          const made = Reflect.construct(target, args, newTarget) as ArrayBufferView;
          if (!(first instanceof ArrayBuffer)) this.#saw(made.byteLength);
          return made;
        },
      });
    }
  }

  stop(): void {
    Object.assign(globalThis, Object.fromEntries(this.#natives));
  }

  #saw(bytes: number): void {
    if (bytes > this.largest) this.largest = bytes;
  }
}

const bytesEach = (type: object): number =>
  'BYTES_PER_ELEMENT' in type ? Number(type.BYTES_PER_ELEMENT) : 1;
