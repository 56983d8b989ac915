/** For tests: a private file system in memory, with the errors a browser gives. */

class FakeFile {
  readonly kind = 'file';
  name: string;
  bytes = new Uint8Array();
  lastModified = Date.now();
  readonly #folder: FakeFolder;

  constructor(name: string, folder: FakeFolder) {
    this.name = name;
    this.#folder = folder;
  }

  async getFile(): Promise<File> {
    return new File([this.bytes], this.name, { lastModified: this.lastModified });
  }

  store(bytes: Uint8Array, at: number): number {
    const room = this.#folder.quota - this.#folder.used();
    const count = Math.min(bytes.byteLength, Math.max(0, room));
    const grown = new Uint8Array(Math.max(this.bytes.byteLength, at + count));
    grown.set(this.bytes);
    grown.set(bytes.subarray(0, count), at);
    this.bytes = grown;
    return count;
  }

  async createWritable(): Promise<{ write(bytes: Uint8Array): Promise<void>; close(): Promise<void> }> {
    let hidden = new Uint8Array();
    return {
      write: async (bytes) => {
        if (bytes.byteLength > this.#folder.quota - this.#folder.used()) {
          throw new DOMException('no room', 'QuotaExceededError');
        }
        hidden = Uint8Array.from(bytes);
      },
      close: async () => void (this.bytes = hidden),
    };
  }

  async move(name: string): Promise<void> {
    this.#folder.files.delete(this.name);
    this.#folder.files.set(name, this);
    this.name = name;
  }
}

/** As in a worker: with sync access handles. */
class FakeWorkerFile extends FakeFile {
  async createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { at: number }): number;
    flush(): void;
    close(): void;
  }> {
    return {
      write: (bytes, { at }) => this.store(bytes, at),
      flush: () => undefined,
      close: () => undefined,
    };
  }
}

class FakeFolder {
  readonly files = new Map<string, FakeFile>();
  readonly #File: typeof FakeFile;
  quota = Infinity;

  constructor(File: typeof FakeFile) {
    this.#File = File;
  }

  used = (): number => [...this.files.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    const found = this.files.get(name);
    if (found) return found;
    if (!create) throw new DOMException(name, 'NotFoundError');
    const made = new this.#File(name, this);
    this.files.set(name, made);
    return made;
  }

  async removeEntry(name: string): Promise<void> {
    if (!this.files.delete(name)) throw new DOMException(name, 'NotFoundError');
  }

  async *entries(): AsyncGenerator<[string, FakeFile]> {
    yield* [...this.files];
  }

  async *values(): AsyncGenerator<FakeFile> {
    yield* [...this.files.values()];
  }
}

/** `where` decides which ways of writing exist, as in browsers. */
export function fakeStorage(where: 'worker' | 'page'): { storage: StorageManager; folder: FakeFolder } {
  const folder = new FakeFolder(where === 'worker' ? FakeWorkerFile : FakeFile);
  const storage = {
    getDirectory: async () => ({ getDirectoryHandle: async () => folder }),
    estimate: async () => ({ quota: folder.quota, usage: folder.used() }),
  };
  return { storage: storage as unknown as StorageManager, folder }; // only what blobs.ts uses is there
}
