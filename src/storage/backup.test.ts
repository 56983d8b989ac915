import { makeZip } from 'client-zip';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { sourceOf } from '../lib/audio/bytes.ts';
import { peaksOf } from '../lib/audio/pcm.ts';
import { readDirectory } from '../lib/zip.ts';
import { backupEntries, inspectBackup, restoreBackup, type Stored } from './backup.ts';
import { memoryBlobs, type Blobs } from './blobs.ts';
import { openCheckpoints } from './checkpoints.ts';
import { LINE_PAUSED, type StoredJob } from './jobs.ts';
import { memoryLibrary, type Library, type NewTrack } from './library.ts';
import { fakeStorage } from './opfs.testing.ts';

const text = (value: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(value));
const nothing = (): void => undefined;

async function song(blobs: Blobs, id: string, more: Partial<NewTrack> = {}): Promise<NewTrack> {
  return {
    id,
    createdAt: 1000 + id.length,
    title: `Song ${id} <b>`,
    task: {
      kind: 'text2music',
      prompt: id,
      seeds: [1],
      sampling: {},
      score: {},
    } as unknown as NewTrack['task'], // as much as is read
    model: 'nano',
    audio: await blobs.put(text(`sound of ${id}`)),
    latents: await blobs.put(text(`latents of ${id}`)),
    peaks: peaksOf({ sampleRate: 8000, channels: [new Float32Array(9000).fill(0.25)] }),
    seconds: 1.125,
    sampleRate: 8000,
    loudness: null,
    seed: 1,
    timings: { total: 1 },
    favourite: true,
    ...more,
  };
}

const job = (id: string, order: number, more: Partial<StoredJob> = {}): StoredJob => ({
  id,
  order,
  title: `Work ${id}`,
  preset: 'Standard',
  task: {
    kind: 'text2music',
    model: 'nano',
    prompt: id,
    seconds: 2,
    seeds: [1],
    sampling: { steps: 4 },
    score: {},
    loras: [],
  } as unknown as StoredJob['task'], // as much as is read
  saved: null,
  starts: 0,
  error: null,
  ...more,
});

/** A browser with nothing in it. */
const empty = async (): Promise<Stored> => ({
  library: memoryLibrary(),
  blobs: memoryBlobs(),
  checkpoints: await openCheckpoints(fakeStorage('worker').storage),
});

async function written(stored: Stored, inHand: readonly string[] = []): Promise<Uint8Array> {
  const { entries } = await backupEntries(stored, { 'cadenza.settings': '{"theme":"dark"}' }, inHand);
  return new Uint8Array(await new Response(makeZip(entries)).arrayBuffer());
}

async function everything(library: Library): Promise<unknown> {
  const tracks = [...(await library.tracks()), ...(await library.trash())];
  const peaks = await Promise.all(tracks.map(({ id }) => library.peaks(id)));
  const line = { jobs: await library.jobs(), paused: await library.setting(LINE_PAUSED) };
  return { tracks, peaks, collections: await library.collections(), line };
}

async function filled() {
  const stored = await empty();
  const { library, blobs, checkpoints } = stored;
  await library.add(await song(blobs, 'a'));
  await library.add(await song(blobs, 'bb', { parent: 'a', tags: ['x'], collections: ['c'] }));
  await library.add(await song(blobs, 'ccc', { latents: null }));
  await library.remove(['ccc']);
  await library.putCollection({ id: 'c', name: 'Best', createdAt: 5 });
  // The line: one in its middle, one that starts from a sound with a LoRA, one that failed, one that was kept.
  const sound = await blobs.put(text('a sound from outside'));
  const lora = await blobs.put(text('a LoRA'));
  const { task } = job('w2', 2);
  await library.putJobs([
    job('w1', -1, { saved: { step: 3, steps: 4 }, starts: 1, parent: 'a' }),
    job('w2', 2.5, {
      task: { ...task, source: { blob: sound }, loras: [{ file: lora, weight: 1 }] } as never,
    }), // as read
    job('w3', 7, { error: { code: 'memory', message: 'no room' } }),
    job('bb', 8, { saved: { step: 2, steps: 4 }, keptAt: 2 }),
  ]);
  await checkpoints.write('bb', text('latents of step 2'));
  await checkpoints.write('w1', text('latents of step 3'));
  await library.setSetting(LINE_PAUSED, true);
  return { ...stored, stored, sound, lora };
}

describe('a backup', () => {
  it('brings everything back, byte for byte', async () => {
    const { library, blobs, checkpoints, stored } = await filled();
    const inForm = await blobs.put(text('a LoRA that only the form names'));
    const source = sourceOf(await written(stored, [inForm]));
    expect(await inspectBackup(source)).toMatchObject({ songs: 3, version: 1 });
    const other = await empty();
    const seen: number[] = [];
    const result = await restoreBackup(source, other, (done, total) => seen.push(done / total));
    expect(result).toEqual({
      songs: 3,
      jobs: 4,
      damaged: 0,
      settings: { 'cadenza.settings': '{"theme":"dark"}' },
    });
    expect(seen.at(-1)).toBe(1);
    expect(await everything(other.library)).toEqual(await everything(library));
    const live = [...(await library.liveBlobs()), inForm];
    expect(live.length, 'five of songs, two of work, one of the form').toBe(8);
    for (const id of live)
      expect(await (await other.blobs.open(id)).text()).toBe(await (await blobs.open(id)).text());
    for (const { id } of await library.jobs())
      expect(await other.checkpoints.read(id)).toEqual(await checkpoints.read(id));
    expect(await other.checkpoints.read('w1')).toEqual(text('latents of step 3'));
  });

  it('puts work behind the line that is here, and brings none back that was finished since', async () => {
    const { stored } = await filled();
    const source = sourceOf(await written(stored));
    const other = await empty();
    await other.library.putJobs([job('mine', 4), job('w3', 5)]);
    await other.library.add(await song(other.blobs, 'w2'));
    expect((await restoreBackup(source, other, nothing)).jobs).toBe(2);
    expect((await other.library.jobs()).map(({ id, order }) => [id, order])).toEqual([
      ['mine', 4],
      ['w3', 5],
      ['w1', 6],
      ['bb', 7],
    ]);
    expect(await other.library.setting(LINE_PAUSED), 'the line that is here goes on').toBeUndefined();
  });

  it('a checkpoint with wrong bytes is left out: that song begins anew', async () => {
    const { stored } = await filled();
    const bytes = await written(stored);
    bytes[new TextDecoder('latin1').decode(bytes).indexOf('latents of step 3')] = 0;
    const other = await empty();
    expect(await restoreBackup(sourceOf(bytes), other, nothing)).toMatchObject({ jobs: 4, damaged: 1 });
    expect((await other.library.jobs())[0]).toMatchObject({ id: 'w1', saved: null });
    expect(await other.checkpoints.read('w1')).toBeNull();
  });

  it('changes nothing that is here', async () => {
    const { library, stored } = await filled();
    const source = sourceOf(await written(stored));
    await library.update('a', { title: 'Renamed since' });
    await library.remove(['bb']);
    const before = await everything(library);
    expect((await restoreBackup(source, stored, nothing)).songs).toBe(0);
    expect(await everything(library)).toEqual(before);
  });

  it('leaves out sounds whose bytes are not what their names promise, and keeps the rest', async () => {
    const bytes = await written((await filled()).stored);
    const at = new TextDecoder('latin1').decode(bytes).indexOf('sound of a');
    bytes[at] = 0;
    const other = await empty();
    const result = await restoreBackup(sourceOf(bytes), other, nothing);
    expect(result).toMatchObject({ songs: 2, damaged: 1 });
    expect((await other.library.tracks()).map(({ id }) => id)).toEqual(['bb']);
  });

  it('survives every truncation and many wrong bytes: an error in words, or songs that are whole', async () => {
    const whole = await written((await filled()).stored);
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 400; round++) {
      const bytes = whole.slice(0, round % 2 ? random(whole.length) : whole.length);
      if (round % 2 === 0) for (let n = 0; n < 3; n++) bytes[random(bytes.length)] = random(256);
      try {
        await restoreBackup(sourceOf(bytes), await empty(), nothing);
      } catch (thrown) {
        expect((thrown as Error).name, String(thrown)).toBe('bad-task');
      }
    }
  });

  it.each([
    ['packed', zipSync({ 'backup.json': new Uint8Array(100_000) }), /"backup\.json" is packed/],
    ['another zip', zipSync({ 'a.txt': text('x') }, { level: 0 }), /no backup of Cadenza/],
    ['a way out', zipSync({ '../../evil': text('x') }, { level: 0 }), /no name inside of a folder/],
    ['no zip', text('PK\u0003\u0004 and nothing more'), /no zip, or its end is missing/],
    [
      'from the future',
      zipSync(
        { 'backup.json': text('{"cadenza":"backup","version":9}'), 'tracks.jsonl': text('') },
        { level: 0 },
      ),
      /newer Cadenza \(version 9/,
    ],
  ] as const)('%s is refused in words', async (_, bytes, message) => {
    await expect(inspectBackup(sourceOf(bytes))).rejects.toThrow(message);
  });

  it('reads directories of more than 4 GiB', async () => {
    // Only the end of such a file is there; the rest is never asked for.
    const { makeZip: make } = await import('client-zip');
    const size = 5 * 2 ** 30;
    const fake = new ReadableStream({ start: (controller) => controller.close() });
    const small = new Uint8Array(await new Response(make([{ name: 'x', input: fake }])).arrayBuffer());
    const [entry] = await readDirectory(sourceOf(small));
    expect(entry).toEqual({ name: 'x', size: 0, at: 0 });
    const le = (n: number, bytes: number): number[] =>
      Array.from({ length: bytes }, (_, i) => Math.floor(n / 2 ** (8 * i)) & 255);
    const extra = [...le(1, 2), ...le(24, 2), ...le(size, 8), ...le(size, 8), ...le(7, 8)];
    const record = [
      ...le(0x02014b50, 4), ...new Array<number>(16).fill(0), ...le(0xffffffff, 4), ...le(0xffffffff, 4),
      ...le(1, 2), ...le(extra.length, 2), ...new Array<number>(10).fill(0), ...le(0xffffffff, 4), 120, ...extra,
    ]; // prettier-ignore
    const from = size + 100;
    const end64 = [
      ...le(0x06064b50, 4),
      ...le(44, 8),
      ...new Array<number>(28).fill(0),
      ...le(record.length, 8),
      ...le(from, 8),
    ];
    const locator = [...le(0x07064b50, 4), ...le(0, 4), ...le(from + record.length, 8), ...le(1, 4)];
    const end = [
      ...le(0x06054b50, 4),
      ...new Array<number>(8).fill(0),
      ...le(0xffffffff, 4),
      ...le(0xffffffff, 4),
      0,
      0,
    ];
    const tail = Uint8Array.from([...record, ...end64, ...locator, ...end]);
    const source = {
      size: from + tail.length,
      read: async (a: number, b: number) => {
        const out = new Uint8Array(Math.min(b, from + tail.length) - a);
        const [start, stop] = [Math.max(a, from), Math.min(b, from + tail.length)];
        if (stop > start) out.set(tail.subarray(start - from, stop - from), start - a);
        return out;
      },
    };
    expect(await readDirectory(source)).toEqual([{ name: 'x', size, at: 7 }]);
  });
});
