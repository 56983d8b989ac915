/**
 * Everything of this browser as entries of one zip, and back again. A backup holds a line for each song (its record and
 * its peaks), the collections, the settings of the page, and the blobs under their hashes. Restoring adds what is not
 * here and changes nothing that is.
 */
import type { ByteSource } from '../lib/audio/bytes.ts';
import type { Peaks, PeakLevel } from '../lib/audio/pcm.ts';
import { Field } from '../lib/check.ts';
import { EngineError } from '../lib/errors.ts';
import { placeOf, readDirectory, type ZipEntry } from '../lib/zip.ts';
import { sha256, type Blobs } from './blobs.ts';
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

export interface Entry {
  readonly name: string;
  readonly input: string | Blob | AsyncIterable<string>;
}

const FACTS = 'backup.json';
const SETTINGS = 'settings.json';
const COLLECTIONS = 'collections.json';
const TRACKS = 'tracks.jsonl';
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
interface PackedPeaks {
  readonly sampleRate: number;
  readonly levels: readonly {
    readonly samples: number;
    readonly min: string;
    readonly max: string;
    readonly rms: string;
  }[];
}

/** The entries of a backup, and what they add up to. Songs whose sound is gone are not in it: there is nothing to keep. */
export async function backupEntries(
  library: Library,
  blobs: Blobs,
  settings: PageSettings,
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
      { name: TRACKS, input: lines() },
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
  /** Sounds and latents whose bytes are not those that their names promise. */
  readonly damaged: number;
  readonly settings: PageSettings;
}

/**
 * Adds what is missing: a sound only after its hash was found right, a song only after its sound is kept.
 *
 * @param progress is told bytes of blobs
 * @throws EngineError as inspectBackup, and 'storage' when there is no room; what came back until then stays
 */
export async function restoreBackup(
  source: ByteSource,
  library: Library,
  blobs: Blobs,
  progress: (done: number, total: number) => void,
): Promise<Restoration> {
  const entries = entriesOf(await readDirectory(source));
  const facts = await factsOf(source, entries);
  const known = new Set([...(await library.tracks()), ...(await library.trash())].map(({ id }) => id));
  const collections = new Set((await library.collections()).map(({ id }) => id));
  for (const value of await jsonOf(source, entries, COLLECTIONS, 'list')) {
    const collection = readCollection(value);
    if (!collections.has(collection.id)) await library.putCollection(collection);
  }
  let [songs, done] = [0, 0];
  const damaged = new Set<string>();
  const keep = async (id: string): Promise<boolean> => {
    if (damaged.has(id)) return false;
    const entry = entries.get(`${BLOBS}${id}`);
    if (entry) progress((done += entry.size), facts.bytes);
    if (await blobs.has(id)) return true;
    if (!entry || entry.size > LARGEST_BLOB) return false;
    const { from, to } = await placeOf(source, entry);
    const bytes = new Uint8Array(await source.read(from, to)); // a copy that is only ours
    if ((await sha256(bytes)) === id) await blobs.put(bytes);
    else damaged.add(id);
    return !damaged.has(id);
  };
  for await (const text of linesOf(source, entries)) {
    const song = readLine(text);
    if (known.has(song.id) || !(await keep(song.audio))) continue;
    const latents = song.latents !== null && (await keep(song.latents)) ? song.latents : null;
    await library.add({ ...song, latents });
    songs += 1;
  }
  const settings = await jsonOf(source, entries, SETTINGS, 'object');
  return { songs, damaged: damaged.size, settings: pageSettings(settings) };
}

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

function readLine(text: string): NewTrack {
  const line = new Field(parse(text, TRACKS), 'song', 'bad-task');
  const track = line.at('track');
  const name = (field: string): string => track.at(field).text(200);
  const hash = (field: string): string => {
    const id = track.at(field).text(64);
    return /^[0-9a-f]{64}$/.test(id) ? id : track.at(field).refuse('a SHA-256');
  };
  const number = (field: string): number => track.at(field).number({ min: -1e16, max: 1e16 });
  track.at('task').at('prompt').text();
  track.at('task').at('seeds').list({ min: 1, max: 1000 });
  track.at('task').at('sampling').object();
  track.at('task').at('score').object();
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
