import { IDBFactory } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { memoryLibrary, openLibrary } from './library.ts';
import type { Library, Track } from './library.ts';

const track = (id: string, createdAt: number): Track => ({
  id,
  createdAt,
  title: `Song ${id}`,
  task: { kind: 'text2music' } as Track['task'], // the library keeps tasks, it does not read them
  model: 'nano',
  audio: `audio-${id}`,
  latents: `latents-${id}`,
  peaks: [] as unknown as Track['peaks'], // as above
  seconds: 3,
  sampleRate: 44100,
  loudness: -16,
  seed: 7,
  timings: { total: 12 },
  favourite: false,
});

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

const LIBRARIES: Record<string, () => Promise<Library>> = {
  IndexedDB: () => openLibrary(),
  memory: async () => memoryLibrary(),
};

describe.each(Object.keys(LIBRARIES))('a library in %s', (name) => {
  test('lists songs newest first and changes what the user may change', async () => {
    const library = await LIBRARIES[name]!();
    await library.add(track('a', 1));
    await library.add(track('b', 2));
    expect((await library.tracks()).map(({ id }) => id)).toEqual(['b', 'a']);
    expect(await library.update('a', { title: 'Réveil <b>', favourite: true })).toMatchObject({
      title: 'Réveil <b>',
    });
    expect((await library.tracks())[1]).toEqual({ ...track('a', 1), title: 'Réveil <b>', favourite: true });
    expect(library.persistent).toBe(name === 'IndexedDB');
  });

  test('deletes to a trash that can be undone, and forgets only when it is emptied', async () => {
    const library = await LIBRARIES[name]!();
    await library.add(track('a', 1));
    await library.add(track('b', 2));
    await library.remove('a');
    expect((await library.tracks()).map(({ id }) => id)).toEqual(['b']);
    expect((await library.trash()).map(({ id }) => id)).toEqual(['a']);
    expect(await library.liveBlobs()).toEqual(new Set(['audio-a', 'latents-a', 'audio-b', 'latents-b']));
    await library.restore('a');
    expect((await library.tracks())[1]).toEqual(track('a', 1));
    await library.remove('a');
    expect(await library.emptyTrash(60_000)).toBe(0);
    expect(await library.emptyTrash()).toBe(1);
    expect(await library.trash()).toEqual([]);
    expect(await library.liveBlobs()).toEqual(new Set(['audio-b', 'latents-b']));
  });

  test('finds a track by its sound, also in the trash', async () => {
    const library = await LIBRARIES[name]!();
    await library.add(track('a', 1));
    await library.remove('a');
    expect((await library.byAudio('audio-a'))?.latents).toBe('latents-a');
    expect(await library.byAudio('nothing')).toBeNull();
  });

  test('keeps settings', async () => {
    const library = await LIBRARIES[name]!();
    expect(await library.setting('wish')).toBeUndefined();
    await library.setSetting('wish', { threads: 2 });
    expect(await library.setting('wish')).toEqual({ threads: 2 });
  });

  test('says which track it does not have', async () => {
    const library = await LIBRARIES[name]!();
    await expect(library.update('zz', {})).rejects.toMatchObject({
      name: 'storage',
      message: 'The library has no track zz.',
    });
  });
});

test('songs survive a reload', async () => {
  await (await openLibrary()).add(track('a', 1));
  expect(await (await openLibrary()).tracks()).toEqual([track('a', 1)]);
});

test('two tabs do not undo each other', async () => {
  const [one, other] = [await openLibrary(), await openLibrary()];
  await one.add(track('a', 1));
  await Promise.all([one.update('a', { title: 'new' }), other.update('a', { favourite: true })]);
  expect((await one.tracks())[0]).toMatchObject({ title: 'new', favourite: true });
});

test("a newer Cadenza's library is refused, not downgraded", async () => {
  const newer = indexedDB.open('cadenza', 99);
  await new Promise((resolve) => (newer.onsuccess = resolve));
  newer.result.close();
  await expect(openLibrary()).rejects.toMatchObject({
    name: 'storage',
    message: expect.stringContaining('newer Cadenza') as string,
  });
});

test('a denied database becomes memory that says so', async () => {
  vi.spyOn(indexedDB, 'open').mockImplementation(() => {
    throw new DOMException('denied', 'SecurityError');
  });
  expect((await openLibrary()).persistent).toBe(false);
});
