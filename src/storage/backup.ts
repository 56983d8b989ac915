/**
 * Everything of this browser as entries of one zip, and back again. A backup holds a line for each song (its record and
 * its peaks), the collections, the line of work with the songs that are in their middle, the settings of the page, and
 * the blobs under their hashes. Restoring adds what is not here and changes nothing that is.
 */
import type { ByteSource } from '../lib/audio/bytes.ts';
import type { Peaks, PeakLevel } from '../lib/audio/pcm.ts';
import { Field } from '../lib/check.ts';
import { EngineError, ERRORS, type ErrorCode } from '../lib/errors.ts';
import type { Task } from '../lib/task.ts';
import { placeOf, readDirectory, type ZipEntry } from '../lib/zip.ts';
import { sha256, type Blobs } from './blobs.ts';
import type { Checkpoints } from './checkpoints.ts';
import { LINE_PAUSED, type StoredJob } from './jobs.ts';
import type { Collection, Library, NewTrack, Track } from './library.ts';

export const BACKUP_VERSION = 1;
/** What the page keeps under its own keys in localStorage. */
export type PageSettings = Readonly<Record<string, string>>;

export interface BackupFacts {
  readonly cadenza: 'backup';
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly songs: number;
  /** Of the blobs. */
  readonly bytes: number;
}

/** Where everything lies. */
export interface Stored {
  readonly library: Library;
  readonly blobs: Blobs;
  readonly checkpoints: Checkpoints;
}

export interface Entry {
  readonly name: string;
  readonly input: string | Blob | Uint8Array<ArrayBuffer> | AsyncIterable<string>;
}

const FACTS = 'backup.json';
const SETTINGS = 'settings.json';
const COLLECTIONS = 'collections.json';
const TRACKS = 'tracks.jsonl';
const LINE = 'line.json';
const CHECKPOINTS = 'checkpoints/';
const BLOBS = 'blobs/';
/** Of one entry that is read whole. */
const LARGEST_JSON = 64 * 2 ** 20;
const LARGEST_BLOB = 2 ** 30;
const LARGEST_LINE = 16 * 2 ** 20;
const READ_BYTES = 2 ** 20;

interface Line {
  readonly track: Omit<Track, 'outline'>;
  readonly peaks: PackedPeaks;
}
/** A piece of work, with the SHA-256 of its newest checkpoint; null where it has none. */
interface LineEntry {
  readonly job: StoredJob;
  readonly checkpoint: string | null;
}
/** The line of work. */
interface KeptLine {
  readonly paused: boolean;
  readonly jobs: readonly LineEntry[];
}
interface PackedPeaks {
  readonly sampleRate: number;
  readonly levels: readonly {
    readonly samples: number;
    readonly min: string;
    readonly max: string;
    readonly rms: string;
  }[];
}

/**
 * The entries of a backup, and what they add up to. Songs whose sound is gone are not in it: there is nothing to keep.
 *
 * @param inHand blobs that the page's settings name: sounds and LoRAs of the form
 */
export async function backupEntries(
  { library, blobs, checkpoints }: Stored,
  settings: PageSettings,
  inHand: readonly string[],
): Promise<{ readonly facts: BackupFacts; readonly entries: readonly Entry[] }> {
  const all = [...(await library.tracks()), ...(await library.trash())];
  const sounds = new Map<string, Blob>();
  const tracks: Track[] = [];
  for (const track of all) {
    const ids = track.latents === null ? [track.audio] : [track.audio, track.latents];
    const there = await Promise.all(ids.map((id) => blobs.has(id)));
    if (!there[0]) continue;
    tracks.push(track);
    for (const [i, id] of ids.entries()) if (there[i]) sounds.set(id, await blobs.open(id));
  }
  // What songs were made from, what work in line starts from, and what the form holds.
  for (const id of [...(await library.liveBlobs()), ...inHand])
    if (!sounds.has(id) && (await blobs.has(id))) sounds.set(id, await blobs.open(id));
  const line: LineEntry[] = [];
  const middles: Entry[] = [];
  for (const job of await library.jobs()) {
    const input = await checkpoints.read(job.id);
    const checkpoint = input && (await sha256(input));
    line.push({ job, checkpoint });
    if (input && !middles.some(({ name }) => name === CHECKPOINTS + checkpoint))
      middles.push({ name: `${CHECKPOINTS}${checkpoint}`, input });
  }
  const paused = (await library.setting(LINE_PAUSED)) === true;
  const bytes = [...sounds.values()].reduce((sum, { size }) => sum + size, 0);
  const facts: BackupFacts = {
    cadenza: 'backup',
    version: BACKUP_VERSION,
    createdAt: Date.now(),
    songs: tracks.length,
    bytes,
  };
  async function* lines(): AsyncGenerator<string> {
    for (const { outline: _, ...track } of tracks) {
      const peaks = await library.peaks(track.id);
      if (peaks) yield `${JSON.stringify({ track, peaks: packPeaks(peaks) } satisfies Line)}\n`;
    }
  }
  return {
    facts,
    entries: [
      { name: FACTS, input: JSON.stringify(facts, null, 2) },
      { name: SETTINGS, input: JSON.stringify(settings, null, 2) },
      { name: COLLECTIONS, input: JSON.stringify(await library.collections(), null, 2) },
      { name: LINE, input: JSON.stringify({ paused, jobs: line }, null, 2) },
      { name: TRACKS, input: lines() },
      ...middles,
      ...[...sounds].map(([id, input]) => ({ name: `${BLOBS}${id}`, input })),
    ],
  };
}

/** @throws EngineError 'bad-task' when the file is no backup, is cut off, or one of a newer Cadenza */
export async function inspectBackup(source: ByteSource): Promise<BackupFacts> {
  return factsOf(source, entriesOf(await readDirectory(source)));
}

export interface Restoration {
  /** Songs that came back. */
  readonly songs: number;
  /** Pieces of work that are in line again. */
  readonly jobs: number;
  /** Sounds, latents and the like whose bytes are not those that their names promise. */
  readonly damaged: number;
  readonly settings: PageSettings;
}

/**
 * Adds what is missing: a sound only after its hash was found right, a song only after its sound is kept, work only
 * after what it starts from and what was made of it are.
 *
 * @param progress is told bytes of blobs
 * @throws EngineError as inspectBackup, and 'storage' when there is no room; what came back until then stays
 */
export async function restoreBackup(
  source: ByteSource,
  { library, blobs, checkpoints }: Stored,
  progress: (done: number, total: number) => void,
): Promise<Restoration> {
  const entries = entriesOf(await readDirectory(source));
  const facts = await factsOf(source, entries);
  const known = new Set([...(await library.tracks()), ...(await library.trash())].map(({ id }) => id));
  const line = readLine(new Field(await jsonOf(source, entries, LINE, 'object'), 'line', 'bad-task'));
  const collections = new Set((await library.collections()).map(({ id }) => id));
  for (const value of await jsonOf(source, entries, COLLECTIONS, 'list')) {
    const collection = readCollection(value);
    if (!collections.has(collection.id)) await library.putCollection(collection);
  }
  let [songs, done] = [0, 0];
  const damaged = new Set<string>();
  /** The bytes of an entry whose name ends with their hash; null where they are others, which is counted. */
  const whole = async (entry: ZipEntry, id: string): Promise<Uint8Array<ArrayBuffer> | null> => {
    const { from, to } = await placeOf(source, entry);
    const bytes = new Uint8Array(await source.read(from, to)); // a copy that is only ours
    if ((await sha256(bytes)) === id) return bytes;
    damaged.add(id);
    return null;
  };
  const counted = new Set<string>();
  const keep = async (id: string): Promise<boolean> => {
    if (damaged.has(id)) return false;
    const entry = entries.get(`${BLOBS}${id}`);
    if (entry && !counted.has(id)) progress((done += entry.size), facts.bytes);
    counted.add(id);
    if (await blobs.has(id)) return true;
    if (!entry || entry.size > LARGEST_BLOB) return false;
    const bytes = await whole(entry, id);
    if (bytes) await blobs.put(bytes);
    return bytes !== null;
  };
  for await (const text of linesOf(source, entries)) {
    const song = readSong(text);
    if (known.has(song.id) || !(await keep(song.audio))) continue;
    const latents = song.latents !== null && (await keep(song.latents)) ? song.latents : null;
    await library.add({ ...song, latents });
    songs += 1;
  }
  // What no song names as its own: sounds to start from, LoRAs. Nothing of it is used before its hash is found right.
  for (const name of entries.keys()) {
    const id = name.startsWith(BLOBS) ? name.slice(BLOBS.length) : '';
    if (SHA256.test(id)) await keep(id);
  }
  const jobs = await restoreLine(line, { library, blobs, checkpoints }, async (id) => {
    const entry = entries.get(`${CHECKPOINTS}${id}`);
    return entry && entry.size <= LARGEST_BLOB ? whole(entry, id) : null;
  });
  const settings = await jsonOf(source, entries, SETTINGS, 'object');
  return { songs, jobs, damaged: damaged.size, settings: pageSettings(settings) };
}

/**
 * Puts work in line again, behind what is here and in the order that it had; returns how much.
 * @param stepsOf the bytes of a checkpoint; null where they are gone or damaged: that song begins anew
 */
async function restoreLine(
  { paused, jobs }: KeptLine,
  { library, checkpoints }: Stored,
  stepsOf: (id: string) => Promise<Uint8Array<ArrayBuffer> | null>,
): Promise<number> {
  const here = await library.jobs();
  const inLine = new Set(here.map(({ id }) => id));
  const finished = new Set([...(await library.tracks()), ...(await library.trash())].map(({ id }) => id));
  const last = here.reduce((most, { order }) => Math.max(most, order), 0);
  const restored: StoredJob[] = [];
  for (const { job, checkpoint } of jobs) {
    // It is still in line, or was finished since. What was stopped and kept has its song beside it.
    if (inLine.has(job.id) || (job.keptAt === undefined && finished.has(job.id))) continue;
    const steps = checkpoint === null ? null : await stepsOf(checkpoint);
    if (steps) await checkpoints.write(job.id, steps);
    const order = here.length === 0 ? job.order : last + 1 + restored.length;
    restored.push({ ...job, order, saved: steps ? job.saved : null });
  }
  if (here.length === 0 && paused) await library.setSetting(LINE_PAUSED, true);
  if (restored.length > 0) await library.putJobs(restored);
  return restored.length;
}

const SHA256 = /^[0-9a-f]{64}$/;

type Entries = ReadonlyMap<string, ZipEntry>;

const entriesOf = (entries: readonly ZipEntry[]): Entries =>
  new Map(entries.map((entry) => [entry.name, entry]));

async function factsOf(source: ByteSource, entries: Entries): Promise<BackupFacts> {
  if (!entries.has(FACTS) || !entries.has(TRACKS)) throw new EngineError('bad-task', NO_BACKUP);
  const facts = new Field(await jsonOf(source, entries, FACTS, 'object'), '', 'bad-task');
  if (facts.at('cadenza').value !== 'backup') throw new EngineError('bad-task', NO_BACKUP);
  const count = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const version = facts.at('version').integer(count);
  if (version !== BACKUP_VERSION) {
    throw new EngineError(
      'bad-task',
      `The backup was written by a newer Cadenza (version ${version}, this one reads ${BACKUP_VERSION}). Update this page first.`,
    );
  }
  return {
    cadenza: 'backup',
    version,
    createdAt: facts.at('createdAt').number(count),
    songs: facts.at('songs').integer(count),
    bytes: facts.at('bytes').integer(count),
  };
}

const NO_BACKUP = 'The zip is no backup of Cadenza. Unpack it and drop what is inside.';

async function jsonOf(
  source: ByteSource,
  entries: Entries,
  name: string,
  kind: 'list',
): Promise<readonly unknown[]>;
async function jsonOf(source: ByteSource, entries: Entries, name: string, kind: 'object'): Promise<object>;
async function jsonOf(
  source: ByteSource,
  entries: Entries,
  name: string,
  kind: 'list' | 'object',
): Promise<readonly unknown[] | object> {
  const entry = entries.get(name);
  if (!entry) return kind === 'list' ? [] : {};
  if (entry.size > LARGEST_JSON)
    throw new EngineError('bad-task', `${name} of the backup has ${entry.size} bytes.`);
  const { from, to } = await placeOf(source, entry);
  const value = parse(new TextDecoder().decode(await source.read(from, to)), name);
  if (typeof value === 'object' && value !== null && Array.isArray(value) === (kind === 'list')) return value;
  throw new EngineError('bad-task', `${name} of the backup is damaged.`);
}

async function* linesOf(source: ByteSource, entries: Entries): AsyncGenerator<string> {
  const entry = entries.get(TRACKS);
  if (!entry) return;
  const { from, to } = await placeOf(source, entry);
  const decoder = new TextDecoder();
  let rest = '';
  for (let at = from; at < to; at += READ_BYTES) {
    const piece = await source.read(at, Math.min(to, at + READ_BYTES));
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LARGEST_LINE) throw new EngineError('bad-task', `${TRACKS} of the backup is damaged.`);
    yield* lines;
  }
  if (rest.trim() !== '') yield rest;
}

function readSong(text: string): NewTrack {
  const line = new Field(parse(text, TRACKS), 'song', 'bad-task');
  const track = line.at('track');
  const name = (field: string): string => track.at(field).text(200);
  const hash = (field: string): string => hashOf(track.at(field));
  const number = (field: string): number => track.at(field).number({ min: -1e16, max: 1e16 });
  readTask(track.at('task'));
  track.at('timings').object();
  return {
    ...(track.object() as unknown as Omit<Track, 'outline'>), // its fields are read below, or shown as texts only
    id: name('id'),
    title: name('title'),
    model: name('model'),
    audio: hash('audio'),
    latents: track.at('latents').value === null ? null : hash('latents'),
    createdAt: number('createdAt'),
    seconds: number('seconds'),
    sampleRate: number('sampleRate'),
    seed: number('seed'),
    favourite: track.at('favourite').boolean(),
    peaks: unpackPeaks(line.at('peaks')),
  };
}

/** As much of a task as the page reads; the engine checks the whole of it before it makes anything. */
function readTask(task: Field): void {
  task.at('kind').text(40);
  task.at('prompt').text();
  task.at('seeds').list({ min: 1, max: 1000 });
  task.at('sampling').object();
  task.at('score').object();
  if (!task.at('source').missing) task.at('source').at('blob').text(200);
  if (!task.at('loras').missing)
    for (const lora of task.at('loras').list({ min: 0, max: 1000 })) lora.at('file').text(200);
}

/** The line, first to last; the backups of earlier versions have none. */
function readLine(line: Field): KeptLine {
  if (line.at('jobs').missing) return { paused: false, jobs: [] };
  const count = { min: 0, max: 1e9 };
  const jobs = line
    .at('jobs')
    .list({ min: 0, max: 1e6 })
    .map((entry) => {
      const job = entry.at('job');
      const task = job.at('task');
      readTask(task);
      task.at('model').text(200);
      task.at('seconds').number({ min: 0, max: 1e6 });
      task.at('sampling').at('steps').integer({ min: 1, max: 1e6 });
      const [saved, error, checkpoint] = [job.at('saved'), job.at('error'), entry.at('checkpoint')];
      return {
        job: {
          id: job.at('id').text(200),
          order: job.at('order').number({ min: -1e15, max: 1e15 }),
          title: job.at('title').text(200),
          preset: job.at('preset').text(200),
          task: task.object() as unknown as Task, // as far as it is read here; see readTask
          ...(!job.at('parent').missing && { parent: job.at('parent').text(200) }),
          saved:
            saved.value === null
              ? null
              : { step: saved.at('step').integer(count), steps: saved.at('steps').integer(count) },
          starts: job.at('starts').integer(count),
          ...(!job.at('keptAt').missing && { keptAt: job.at('keptAt').integer(count) }),
          error:
            error.value === null
              ? null
              : {
                  code: error.at('code').oneOf(Object.keys(ERRORS) as ErrorCode[]), // the keys are the codes
                  message: error.at('message').text(10_000),
                },
        },
        checkpoint: checkpoint.value === null ? null : hashOf(checkpoint),
      };
    });
  return { paused: line.at('paused').value === true, jobs };
}

function hashOf(field: Field): string {
  const id = field.text(64);
  return SHA256.test(id) ? id : field.refuse('a SHA-256');
}

function readCollection(value: unknown): Collection {
  const field = new Field(value, 'collection', 'bad-task');
  return {
    id: field.at('id').text(200),
    name: field.at('name').text(200),
    createdAt: field.at('createdAt').number({ min: 0, max: 1e16 }),
  };
}

/** Texts under our keys; nothing else of the origin's storage is touched. */
const pageSettings = (value: object): PageSettings =>
  Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => entry[0].startsWith('cadenza.') && typeof entry[1] === 'string',
    ),
  );

function parse(json: string, where: string): unknown {
  try {
    return JSON.parse(json);
  } catch (thrown) {
    throw new EngineError('bad-task', `${where} of the backup is damaged.`, { cause: thrown });
  }
}

const packPeaks = ({ sampleRate, levels }: Peaks): PackedPeaks => ({
  sampleRate,
  levels: levels.map(({ samples, min, max, rms }) => ({
    samples,
    min: pack(min),
    max: pack(max),
    rms: pack(rms),
  })),
});

function unpackPeaks(field: Field): Peaks {
  const levels = field
    .at('levels')
    .list({ min: 3, max: 3 })
    .map((level): PeakLevel => ({
      samples: level.at('samples').integer({ min: 1, max: 2 ** 31 }),
      min: unpack(level.at('min')),
      max: unpack(level.at('max')),
      rms: unpack(level.at('rms')),
    })) as unknown as Peaks['levels']; // the list has three
  return { sampleRate: field.at('sampleRate').number({ min: 1, max: 1e6 }), levels };
}

function pack(values: Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = '';
  for (let at = 0; at < bytes.length; at += 2 ** 15)
    text += String.fromCharCode(...bytes.subarray(at, at + 2 ** 15));
  return btoa(text);
}

function unpack(field: Field): Float32Array {
  try {
    const bytes = Uint8Array.from(atob(field.text()), (sign) => sign.charCodeAt(0));
    return new Float32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
  } catch (thrown) {
    if (thrown instanceof EngineError) throw thrown;
    return field.refuse('base64');
  }
}
