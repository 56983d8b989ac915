import { IDBFactory } from 'fake-indexeddb';
import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { outlineOf } from '../lib/audio/pcm.ts';
import type { Peaks } from '../lib/audio/pcm.ts';
import type { StoredJob } from './jobs.ts';
import { memoryLibrary, openLibrary } from './library.ts';
import type { Change, Library, NewTrack, Track } from './library.ts';

const level = (samples: number, ...max: number[]) => {
  const high = Float32Array.from(max);
  return { samples, max: high, min: high.map((x) => -x), rms: high };
};
const PEAKS: Peaks = { sampleRate: 44100, levels: [level(1024, 0.25, 1), level(8192, 1), level(65536, 1)] };

const fresh = (id: string, createdAt: number): NewTrack => ({
  id,
  createdAt,
  title: `Song ${id}`,
  task: { kind: 'text2music' } as Track['task'], // the library keeps tasks, it does not read them
  model: 'nano',
  audio: `audio-${id}`,
  latents: `latents-${id}`,
  peaks: PEAKS,
  seconds: 3,
  sampleRate: 44100,
  loudness: -16,
  seed: 7,
  timings: { total: 12 },
  favourite: false,
});
const track = (id: string, createdAt: number): Track => {
  const { peaks, ...rest } = fresh(id, createdAt);
  return { ...rest, outline: outlineOf(peaks) };
};
const job = (id: string, order: number, task: object = {}): StoredJob => ({
  id,
  order,
  title: id,
  preset: '',
  task: { kind: 'text2music', ...task } as Track['task'], // as above
  saved: null,
  starts: 0,
  error: null,
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
    await library.add(fresh('a', 1));
    await library.add(fresh('b', 2));
    expect((await library.tracks()).map(({ id }) => id)).toEqual(['b', 'a']);
    expect(await library.update('a', { title: 'Réveil <b>', favourite: true })).toMatchObject({
      title: 'Réveil <b>',
    });
    expect((await library.tracks())[1]).toEqual({ ...track('a', 1), title: 'Réveil <b>', favourite: true });
    expect(library.persistent).toBe(name === 'IndexedDB');
  });

  test('deletes to a trash that can be undone, until songs are forgotten', async () => {
    const library = await LIBRARIES[name]!();
    await library.add(fresh('a', 1));
    await library.add(fresh('b', 2));
    await library.remove(['a']);
    expect((await library.tracks()).map(({ id }) => id)).toEqual(['b']);
    expect((await library.trash()).map(({ id }) => id)).toEqual(['a']);
    expect(await library.liveBlobs()).toEqual(new Set(['audio-a', 'latents-a', 'audio-b', 'latents-b']));
    await library.restore(['a']);
    expect((await library.tracks())[1]).toEqual(track('a', 1));
    await library.remove(['a', 'b']);
    await library.forget(['a']);
    expect((await library.trash()).map(({ id }) => id)).toEqual(['b']);
    expect(await library.peaks('a')).toBeNull();
    expect(await library.liveBlobs()).toEqual(new Set(['audio-b', 'latents-b']));
  });

  test('keeps waveforms beside the songs, and their outlines with them', async () => {
    const library = await LIBRARIES[name]!();
    const added = await library.add(fresh('a', 1));
    expect(added.outline).toHaveLength(64);
    expect([added.outline[0], added.outline[63]]).toEqual([64, 255]);
    expect('peaks' in (await library.tracks())[0]!).toBe(false);
    expect(await library.peaks('a')).toEqual(PEAKS);
  });

  test('changes many songs at once', async () => {
    const library = await LIBRARIES[name]!();
    for (const id of ['a', 'b', 'c']) await library.add(fresh(id, 1));
    await library.updateEach(['a', 'c'], ({ tags = [] }) => ({ tags: [...tags, 'loop'] }));
    await library.updateEach(['a'], ({ tags = [] }) => ({ tags: [...tags, 'keep'] }));
    const found = await library.find(['c', 'zz', 'a', 'b']);
    expect(found.map(({ id, tags }) => [id, tags])).toEqual([
      ['c', ['loop']],
      ['a', ['loop', 'keep']],
      ['b', undefined],
    ]);
  });

  test('keeps collections, and the line in its order', async () => {
    const library = await LIBRARIES[name]!();
    await library.putCollection({ id: 'x', name: 'Ferry EP', createdAt: 1 });
    await library.putCollection({ id: 'x', name: 'Ferry', createdAt: 1 });
    expect(await library.collections()).toEqual([{ id: 'x', name: 'Ferry', createdAt: 1 }]);
    await library.deleteCollection('x');
    expect(await library.collections()).toEqual([]);
    await library.putJobs([job('second', 2), job('first', 1, { source: { blob: 'audio-x' } })]);
    await library.changeJobs(['second', 'gone'], (one) => ({ ...one, order: 0.5 }));
    expect((await library.jobs()).map(({ id }) => id)).toEqual(['second', 'first']);
    expect(await library.liveBlobs(), 'a source that work in line needs').toEqual(new Set(['audio-x']));
    await library.deleteJobs(['first']);
    expect(await library.jobs()).toEqual([job('second', 0.5)]);
  });

  test('finds a track by its sound, also in the trash', async () => {
    const library = await LIBRARIES[name]!();
    await library.add(fresh('a', 1));
    await library.remove(['a']);
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
  await (await openLibrary()).add(fresh('a', 1));
  expect(await (await openLibrary()).tracks()).toEqual([track('a', 1)]);
});

test('two tabs do not undo each other', async () => {
  const [one, other] = [await openLibrary(), await openLibrary()];
  await one.add(fresh('a', 1));
  await Promise.all([one.update('a', { title: 'new' }), other.update('a', { favourite: true })]);
  expect((await one.tracks())[0]).toMatchObject({ title: 'new', favourite: true });
});

test('a tab hears what another one changes, and not itself', async () => {
  const [one, other] = [await openLibrary(), await openLibrary()];
  const heard: Change[] = [];
  const deaf = one.onChange((change) => heard.push(change));
  await one.add(fresh('z', 1));
  await other.add(fresh('a', 1));
  await other.update('a', { title: 'new' });
  await other.putJobs([job('j', 1)]);
  await other.setSetting('paused', true);
  const expected: Change[] = [
    { type: 'tracks', ids: ['a'] },
    { type: 'tracks', ids: ['a'] },
    { type: 'jobs' },
    { type: 'setting', key: 'paused' },
  ];
  await vi.waitFor(() => expect(heard).toEqual(expected));
  deaf();
  await other.remove(['a']);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(heard).toHaveLength(4);
});

test('a library of version 1 keeps every song, and gets outlines', async () => {
  const { outline: _, ...old } = track('a', 1);
  const request = indexedDB.open('cadenza', 1);
  request.onupgradeneeded = () => {
    const tracks = request.result.createObjectStore('tracks', { keyPath: 'id' });
    tracks.createIndex('audio', 'audio');
    tracks.createIndex('createdAt', 'createdAt');
    request.result.createObjectStore('settings').put({ threads: 2 }, 'wish');
    tracks.put({ ...old, peaks: PEAKS });
    tracks.put({ ...old, id: 'b', createdAt: 2, deletedAt: 3, peaks: PEAKS });
  };
  await new Promise((resolve) => (request.onsuccess = resolve));
  request.result.close();

  const library = await openLibrary();
  expect(await library.tracks()).toEqual([track('a', 1)]);
  expect((await library.trash()).map(({ id }) => id)).toEqual(['b']);
  expect(await library.peaks('a')).toEqual(PEAKS);
  expect(await library.peaks('b')).toEqual(PEAKS);
  expect(await library.setting('wish')).toEqual({ threads: 2 });
  expect(await library.jobs()).toEqual([]);
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
