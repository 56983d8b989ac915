/** The engine as the page sees it, on a server of the application's own files; in memory, as where storage is denied. */
import 'fake-indexeddb/auto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { NODE_BUILDS } from '../../scripts/lib/node-ort.ts';
import type { EngineEvent } from '../lib/events.ts';
import { NO_WISH } from '../lib/placement.ts';
import { openLibrary } from '../storage/library.ts';
import { Engine } from './engine.ts';
import type { WebBuilds } from './ort.ts';

const PUBLIC = new URL('../../public/', import.meta.url);
const BUILDS: WebBuilds = { ...NODE_BUILDS, urls: async (build) => [`https://cdn.invalid/${build}.wasm`] };
const TASK = { prompt: 'piano waltz', seconds: 1, seed: 7, steps: 2 };

/** Answers instead of files, by path; null is 404. */
const instead = new Map<string, string | Buffer | null>();
const asked: string[] = [];
const server = createServer((request, response) => {
  const path = request.url!.slice(1);
  asked.push(path);
  const send = (body: string | Buffer | null): void =>
    void (body === null ? response.writeHead(404).end() : response.end(body));
  const answer = instead.get(path);
  if (answer !== undefined) return send(answer);
  readFile(new URL(path, PUBLIC)).then(send, () => send(null));
});

const ignore = (): void => undefined;

describe('Engine with nano', () => {
  let base: string;
  let engine: Engine;
  const fresh = (): Engine => new Engine({ base, wish: NO_WISH }, BUILDS);
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    engine = fresh();
  });
  afterAll(() => void server.close());
  afterEach(() => {
    instead.clear();
    asked.length = 0;
  });

  test('lists models with limits and sizes, and says where they run and why', async () => {
    const [nano] = await engine.models();
    expect(nano!.manifest.id).toBe('nano');
    expect(nano!.limits.seconds.max).toBeGreaterThanOrEqual(30);
    expect(nano!.bytes).toBeGreaterThan(1e6);
    const { graphs, notices } = await engine.place('');
    expect(graphs.denoiser).toMatchObject({
      provider: 'wasm',
      why: expect.stringMatching(/no WebGPU/) as string,
    });
    expect(notices.map(({ code }) => code)).toEqual(['no-webgpu', 'one-thread']);
    expect(await engine.selfCheck()).toEqual([]);
  });

  test('an altered file is named; the next try works and keeps the song', async () => {
    const file = (await engine.models())[0]!.manifest.graphs.denoiser!.variants.at(-1)!.weights[0]!;
    instead.set(`models/nano/${file.path}`, Buffer.alloc(file.bytes));
    await expect(engine.generate(TASK, ignore)).rejects.toMatchObject({
      name: 'integrity',
      message: expect.stringContaining(`${file.path} is damaged`) as string,
    });
    instead.set(`models/nano/${file.path}`, null);
    await expect(engine.generate(TASK, ignore)).rejects.toMatchObject({ name: 'network' });
    instead.clear();

    const events: EngineEvent[] = [];
    const { songs, task, model } = await engine.generate(TASK, (event) => events.push(event));
    expect([model, task.model, songs[0]!.seed]).toEqual(['nano', 'nano', 7]);
    // There is no private file system in Node: the page gets the bytes, and is told.
    const { audio, latents, unstored } = songs[0]!;
    expect(Object.keys(unstored).sort()).toEqual([audio, latents].sort());
    expect(unstored[audio]!.size).toBeGreaterThan(44_100 * 0.9 * 8);
    expect(events.filter(({ type }) => type === 'notice')).toContainEqual(
      expect.objectContaining({
        code: 'not-stored',
        text: expect.stringContaining('download it') as string,
      }),
    );
    expect((await engine.memory()).heapBytes).toBeGreaterThan(2 ** 20);
  });

  test('a song of the library is a source without being encoded again', async () => {
    const { songs, task } = await engine.generate(TASK, ignore);
    const { unstored: _, ...song } = songs[0]!;
    const track = {
      id: 't',
      createdAt: 1,
      title: '',
      task,
      model: 'nano',
      timings: {},
      favourite: false,
      ...song,
    };
    await (await openLibrary()).add(track);
    const variation = { ...TASK, kind: 'repaint', source: { blob: song.audio }, start: 0.5, end: 1 };
    const repainted = await engine.generate(variation, ignore);
    expect(repainted.songs[0]!.audio).not.toBe(song.audio);
    const encoder = (await engine.memory()).graphs.find(({ graph }) => graph === 'dcae_encoder');
    expect(encoder!.runs).toBe(0);
  });

  test('cancel before the first graph, and one song at a time', async () => {
    const song = engine.generate(TASK, ignore);
    expect(() => engine.generate(TASK, ignore)).toThrowError(
      expect.objectContaining({ name: 'bug' }) as Error,
    );
    engine.cancel();
    await expect(song).rejects.toMatchObject({ name: 'cancelled' });
    await expect(engine.generate({ ...TASK, model: 'none' }, ignore)).rejects.toMatchObject({
      name: 'bad-task',
      message: 'model must be one of nano (got "none").',
    });
  });

  test('offline needs what was fetched for a song, and the runtime', async () => {
    const alone = fresh();
    const urls = await alone.offlineUrls();
    asked.length = 0;
    await alone.generate(TASK, ignore);
    const fetched = asked.map((path) => base + path);
    expect(urls).toEqual(expect.arrayContaining(fetched));
    expect(urls).toContain('https://cdn.invalid/wasm.wasm');
    expect(urls.some((url) => url.includes('fp16.onnx'))).toBe(false); // variants that do not run here
  });

  test.each([
    ['no catalogue', 'models/index.json', null, 'network', 'models/index.json answered 404'],
    [
      'an empty catalogue',
      'models/index.json',
      '{"models":[]}',
      'manifest',
      'models must be a list of at least one',
    ],
    [
      'a manifest of tomorrow',
      'models/nano/manifest.json',
      '{"schema":2}',
      'manifest',
      'nano/manifest.json: schema must be 1',
    ],
  ])('%s is told, and asked for again next time', async (_, path, answer, name, message) => {
    instead.set(path, answer);
    const other = fresh();
    await expect(other.models()).rejects.toMatchObject({
      name,
      message: expect.stringContaining(message) as string,
    });
    instead.clear();
    expect(await other.models()).toHaveLength(1);
  });
});
