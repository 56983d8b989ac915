import { describe, expect, test } from 'vitest';
import { memoryBlobs, openBlobs, sha256 } from './blobs.ts';
import type { Blobs } from './blobs.ts';
import { fakeStorage } from './opfs.testing.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(new TextEncoder().encode(text));
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'; // FIPS 180-2, appendix B.1

test('an id is the SHA-256 of the bytes', async () => {
  expect(await sha256(bytes('abc'))).toBe(ABC);
});

const STORES: Record<string, () => Promise<Blobs>> = {
  'OPFS in a worker': () => openBlobs(fakeStorage('worker').storage),
  'OPFS on a page': () => openBlobs(fakeStorage('page').storage),
  memory: async () => memoryBlobs(),
};

describe.each(Object.keys(STORES))('%s', (name) => {
  test('gives back what was put, once for the same bytes', async () => {
    const blobs = await STORES[name]!();
    expect(await blobs.put(bytes('abc'))).toBe(ABC);
    expect(await blobs.put(bytes('abc'))).toBe(ABC);
    const other = await blobs.put(bytes('other'));
    expect(await (await blobs.open(ABC)).text()).toBe('abc');
    expect(await (await blobs.open(other)).text()).toBe('other');
    expect(await blobs.has(ABC)).toBe(true);
    expect(await blobs.usage()).toEqual({ count: 2, bytes: 8 });
    expect(blobs.persistent).toBe(name !== 'memory');
  });

  test('says which blob is missing', async () => {
    const blobs = await STORES[name]!();
    expect(await blobs.has(ABC)).toBe(false);
    await expect(blobs.open(ABC)).rejects.toMatchObject({
      name: 'storage',
      message: expect.stringContaining('ba7816bf8f01') as string,
    });
  });

  test('sweeps what nobody names, but nothing young', async () => {
    const blobs = await STORES[name]!();
    await blobs.put(bytes('abc'));
    const orphan = await blobs.put(bytes('orphan'));
    expect(await blobs.sweep(new Set([ABC]))).toBe(0);
    expect(await blobs.sweep(new Set([ABC]), 0)).toBe(6);
    expect([await blobs.has(ABC), await blobs.has(orphan)]).toEqual([true, false]);
  });
});

describe.each(['worker', 'page'] as const)('a full disk, on a %s', (where) => {
  test('is told in numbers, leaves no half file, and the next try works', async () => {
    const { storage, folder } = fakeStorage(where);
    const blobs = await openBlobs(storage);
    await blobs.put(bytes('abc'));
    folder.quota = 2_000_000;
    await expect(blobs.put(new Uint8Array(3_000_000))).rejects.toMatchObject({
      name: 'storage',
      message: expect.stringMatching(/Storing 3\.0 MB failed: .* full\. .* of 2\.0 MB are free\.$/) as string,
    });
    expect([...folder.files.keys()]).toEqual([ABC]);
    folder.quota = Infinity;
    expect(await blobs.has(await blobs.put(new Uint8Array(3_000_000)))).toBe(true);
  });
});

test('denied storage becomes memory that says so', async () => {
  const denied = { getDirectory: () => Promise.reject(new DOMException('no', 'SecurityError')) };
  expect((await openBlobs(denied as unknown as StorageManager)).persistent).toBe(false);
  expect((await openBlobs(undefined)).persistent).toBe(false);
});
