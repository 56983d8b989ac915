import { describe, expect, test } from 'vitest';
import { openCheckpoints } from './checkpoints.ts';
import { fakeStorage } from './opfs.testing.ts';

const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(values);

describe.each(['worker', 'page'] as const)('checkpoints in a %s', (where) => {
  test('the newest whole one is read, and only it is kept', async () => {
    const { storage, folder } = fakeStorage(where);
    const checkpoints = await openCheckpoints(storage);
    expect(await checkpoints.read('a')).toBeNull();
    for (let step = 1; step <= 11; step++) await checkpoints.write('a', bytes(step, 7));
    await checkpoints.write('b', bytes(9));
    expect(await checkpoints.read('a')).toEqual(bytes(11, 7));
    expect([...folder.files.keys()]).toEqual(['a.11', 'b.1']);
    await checkpoints.delete('a');
    expect(await checkpoints.read('a')).toBeNull();
    expect(await checkpoints.read('b')).toEqual(bytes(9));
    await checkpoints.write('c', bytes(1));
    await checkpoints.sweep(new Set(['c']));
    expect([...folder.files.keys()]).toEqual(['c.1']);
  });

  test('a damaged file is passed over for the one before it', async () => {
    const { storage, folder } = fakeStorage(where);
    const checkpoints = await openCheckpoints(storage);
    await checkpoints.write('a', bytes(1, 2, 3));
    const first = folder.files.get('a.1')!;
    await checkpoints.write('a', bytes(4, 5, 6));
    folder.files.set('a.1', first); // as if the tab had ended before the older one went
    expect(await checkpoints.read('a')).toEqual(bytes(4, 5, 6));
    const second = folder.files.get('a.2')!;
    second.bytes[second.bytes.length - 1]! ^= 1;
    expect(await checkpoints.read('a')).toEqual(bytes(1, 2, 3));
  });

  test('no room is told with numbers, and what was there stays', async () => {
    const { storage, folder } = fakeStorage(where);
    const checkpoints = await openCheckpoints(storage);
    await checkpoints.write('a', bytes(1));
    folder.quota = 100;
    await expect(checkpoints.write('a', new Uint8Array(500))).rejects.toMatchObject({
      name: 'storage',
      message: expect.stringContaining('full') as string,
    });
    expect(await checkpoints.read('a')).toEqual(bytes(1));
    expect([...folder.files.keys()]).toEqual(['a.1']);
  });
});

test('denied storage keeps nothing and breaks nothing', async () => {
  const denied = { getDirectory: () => Promise.reject(new DOMException('no', 'SecurityError')) };
  const checkpoints = await openCheckpoints(denied as unknown as StorageManager); // all that is asked of it
  await checkpoints.write('a', bytes(1));
  expect(await checkpoints.read('a')).toBeNull();
});
