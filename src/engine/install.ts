/**
 * One installation: official files -> the weight files of one precision, in a model's folder.
 *
 * Each source file is read once, from front to back, hashed on the way and converted step by step. What is made goes
 * into files that end in .part. Every 64 MiB, at a place where no step is half done, the .part files are flushed and the
 * journal notes the position and the state of the hash: an interrupted installation goes on from there. Only when the
 * whole source file has the published hash are its weight files hashed in turn; only when everything is there are they
 * renamed and the manifest written, which is what makes a pack. Until then the pack that was there stays as it is.
 */
import { createSHA256 } from 'hash-wasm';
import { planStream, StreamConverter } from '../lib/convert/stream.ts';
import type { StreamPlan } from '../lib/convert/stream.ts';
import type { SourceTensor } from '../lib/convert/convert.ts';
import { parseRecipe } from '../lib/convert/recipe.ts';
import type { GraphRecipe } from '../lib/convert/recipe.ts';
import { EngineError } from '../lib/errors.ts';
import type { FileRef, ModelManifest, Precision } from '../lib/manifest.ts';
import { filesOf } from '../lib/manifest.ts';
import { headerLength, LENGTH_BYTES, parseLayout } from '../lib/safetensors.ts';
import { precisionsOf, reduced, resolved } from '../lib/template.ts';
import type { SourceRef, Sources } from '../lib/template.ts';
import { sha256 } from '../storage/blobs.ts';
import { PART } from '../storage/models.ts';
import type { ModelFolder, Stored, Writer } from '../storage/models.ts';
import { encode, MANIFEST, readJson, readManifest, readReceipt, RECEIPT, unchanged } from './receipts.ts';
import type { FileReceipt, Receipt, SourceRecord } from './receipts.ts';
import { ordered } from './sources.ts';
import type { SourceReader } from './sources.ts';

export const JOURNAL = 'install.json';

/** Where an interrupted installation stands. */
export interface Journal {
  readonly schema: 1;
  readonly precision: Precision;
  /** Changes with the recipes: what an older version of the application began is begun again. */
  readonly key: string;
  /** By source path. */
  readonly files: Record<string, FileState>;
  /** SHA-256 of finished weight files, by path. */
  readonly shards: Record<string, string>;
  readonly done: number;
  readonly total: number;
}

interface FileState {
  /** All before this byte is hashed and converted. */
  position: number;
  /** State of the hash, base64; '' before the first byte. */
  hash: string;
  /** SHA-256 of the file's header as it was hashed. */
  header: string;
  /** SHA-256 of the whole file, once it is through. */
  sha256: string;
}

/** What an installation says on its way. `done` and `total` count bytes. */
export interface InstallProgress {
  readonly phase: 'read' | 'check';
  readonly file: string;
  readonly done: number;
  readonly total: number;
}

/** A recipe's text beside the recipe: it becomes a file of the pack. */
export interface RecipeFile {
  readonly path: string;
  readonly text: string;
}

export interface Installation {
  readonly folder: ModelFolder;
  readonly template: ModelManifest;
  readonly sources: Sources;
  readonly precision: Precision;
  readonly recipes: readonly RecipeFile[];
  readonly reader: SourceReader;
  /** A file of our own origin, verified: graphs without weights. */
  own(file: FileRef): Promise<Uint8Array<ArrayBuffer>>;
  readonly signal: AbortSignal;
  report(progress: InstallProgress): void;
}

const MIB = 1 << 20;
const CHECKPOINT_BYTES = 64 * MIB;
const PIECE_BYTES = 8 * MIB;
const PARALLEL = 4;
const SMALLEST_PIECE = 64 << 10;

/** Small files are cut as finely as large ones, so that all of this is exercised by them, too. */
const pieceOf = (bytes: number): number => Math.max(SMALLEST_PIECE, Math.min(PIECE_BYTES, bytes >> 6));
const intervalOf = (bytes: number): number =>
  Math.max(SMALLEST_PIECE, Math.min(CHECKPOINT_BYTES, bytes >> 4));

/**
 * Installs, or goes on installing. The lock of the folder is the caller's.
 * @throws EngineError 'network' and 'storage' when it can go on later, 'integrity' when a source is not what it should
 * be: then what came of that file is thrown away. What `signal` was aborted with, when it was.
 */
export async function install(job: Installation): Promise<void> {
  const run = new Run(job);
  await run.prepare();
  for (const ref of run.weights()) await run.convert(ref);
  await run.commit();
}

/** Removes what an unfinished installation left. */
export async function discard(folder: ModelFolder): Promise<void> {
  for (const path of (await folder.list()).keys()) if (path.endsWith(PART)) await folder.remove(path);
  await folder.remove(JOURNAL);
}

export async function readJournal(folder: ModelFolder): Promise<Journal | null> {
  const journal = (await readJson(folder, JOURNAL)) as Journal | null; // written below
  return journal?.schema === 1 ? journal : null;
}

/**
 * Manifest and receipt of a pack whose files lie in the folder under their final names. The manifest comes last: with
 * it the pack is there.
 */
export async function seal(folder: ModelFolder, manifest: ModelManifest, receipt: Receipt): Promise<void> {
  await folder.write(RECEIPT, encode(receipt));
  await folder.write(MANIFEST, encode(manifest));
  await folder.remove(JOURNAL);
}

/** A weight file that is to be made. */
interface ToMake {
  readonly bytes: number;
  readonly made: string;
  readonly source: string;
}

class Run {
  readonly #job: Installation;
  #recipes: readonly GraphRecipe[] = [];
  /** Weight files of this precision that are not there yet, by path. */
  readonly #toMake = new Map<string, ToMake>();
  /** Those of this precision that an earlier installation left, by path. */
  readonly #there = new Map<string, FileReceipt>();
  #before: Receipt = { schema: 1, files: {}, sources: [], verified: 0 };
  #journal!: { -readonly [K in keyof Journal]: Journal[K] }; // set by prepare, which comes first
  /** Bytes of source files that are behind us. */
  #passed = 0;

  constructor(job: Installation) {
    this.#job = job;
  }

  async prepare(): Promise<void> {
    const { folder, precision, recipes, template } = this.#job;
    const wanted = new Set(weightsOf(reduced(template, [precision])));
    this.#recipes = recipes
      .flatMap(({ text }) => parseRecipe(JSON.parse(text)).graphs)
      .filter(({ shards }) => shards.some(({ path }) => wanted.has(path)));
    this.#before = await readReceipt(folder);
    const stored = await folder.list();
    for (const recipe of this.#recipes) {
      const made = await sha256(encode(recipe));
      const source = recipe.tensors[0]?.file ?? '';
      for (const { path, bytes } of recipe.shards) {
        const known = this.#before.files[path];
        if (known?.made === made && unchanged(known, stored.get(path))) this.#there.set(path, known);
        else this.#toMake.set(path, { bytes, made, source });
      }
    }
    const key = await sha256(
      encode([precision, ...[...this.#toMake].map(([path, { made }]) => [path, made])]),
    );
    const journal = await readJournal(folder);
    const current = journal?.key === key ? journal : null;
    if (current === null) await discard(folder);
    this.#journal = current ?? { schema: 1, precision, key, files: {}, shards: {}, done: 0, total: 0 };
    this.#journal.total = this.weights().reduce((sum, { bytes }) => sum + bytes, 0);
    await this.#checkRoom(stored, current !== null);
  }

  /** Source files that something has to be made of. */
  weights(): readonly SourceRef[] {
    const needed = new Set([...this.#toMake.values()].map(({ source }) => source));
    const refs = this.#job.sources.files.filter(({ path }) => needed.has(path));
    const missing = [...needed].find((path) => refs.every((ref) => ref.path !== path));
    if (missing !== undefined)
      throw new EngineError('manifest', `sources.json does not name ${missing}. Reload the page.`);
    return refs;
  }

  async convert(ref: SourceRef): Promise<void> {
    const state = (this.#journal.files[ref.path] ??= { position: 0, hash: '', header: '', sha256: '' });
    try {
      if (state.sha256 === '') await this.#read(ref, state);
      await this.#finish(ref);
    } catch (thrown) {
      throw await explain(thrown, ref);
    }
    this.#passed += ref.bytes;
  }

  /** From the position that the journal knows to the end, and the hash of the whole. */
  async #read(ref: SourceRef, state: FileState): Promise<void> {
    const { reader, signal, report } = this.#job;
    const header = await this.#header(ref);
    if (state.header !== '' && state.header !== header.sha256)
      throw await this.#refuse(ref, 'its header is not the one it began with');
    const hash = await createSHA256();
    hash.init();
    if (state.hash !== '') hash.load(fromBase64(state.hash));
    const plan = this.#plan(ref, header.tensors);
    const converter = new StreamConverter(plan, state.position);
    const writers = new Writers(this.#job.folder);
    const tell = (): void =>
      report({
        phase: 'read',
        file: ref.path,
        done: this.#passed + converter.position,
        total: this.#journal.total,
      });
    const push = async (bytes: Uint8Array): Promise<void> => {
      hash.update(bytes);
      for (const { path, place, at, bytes: made } of converter.push(bytes)) {
        if (!this.#toMake.has(path)) continue; // the other half of a tensor whose file is there
        (await writers.open(path + PART)).write(made, place.offset + at);
      }
      tell();
    };
    try {
      tell();
      const step = { piece: pieceOf(ref.bytes), parallel: PARALLEL };
      for await (let bytes of ordered(reader, ref, state.position, step, signal)) {
        if (converter.position === 0) this.#sameHeader(ref, header.bytes, bytes);
        const cut = converter.cutBefore(converter.position + bytes.byteLength);
        if (cut !== null && cut - state.position >= intervalOf(ref.bytes)) {
          const length = cut - converter.position;
          await push(bytes.subarray(0, length));
          bytes = bytes.subarray(length);
          writers.flush();
          Object.assign(state, { position: cut, hash: toBase64(hash.save()), header: header.sha256 });
          await this.#note(cut);
        }
        await push(bytes);
        signal.throwIfAborted();
      }
      writers.flush();
    } finally {
      writers.close();
    }
    const found = hash.digest();
    if (ref.sha256 !== null && ref.sha256 !== found) {
      throw await this.#refuse(
        ref,
        `its SHA-256 is ${found.slice(0, 12)}…, the published one is ${ref.sha256.slice(0, 12)}…`,
      );
    }
    Object.assign(state, { position: ref.bytes, hash: '', sha256: found });
    await this.#note(ref.bytes);
  }

  /** Hashes of the weight files that came of a source. */
  async #finish(ref: SourceRef): Promise<void> {
    const { folder, signal, report } = this.#job;
    const open = [...this.#toMake].filter(
      ([path, { source }]) => source === ref.path && !(path in this.#journal.shards),
    );
    for (const [path, { bytes }] of open) {
      signal.throwIfAborted();
      report({ phase: 'check', file: path, done: this.#passed + ref.bytes, total: this.#journal.total });
      const writer = await folder.writer(path + PART);
      try {
        writer.resize(bytes);
        writer.flush();
        const whole = new Uint8Array(bytes);
        writer.read(whole, 0);
        this.#journal.shards[path] = await sha256(whole);
      } finally {
        writer.close();
      }
    }
    if (open.length > 0) await this.#note(ref.bytes);
  }

  async commit(): Promise<void> {
    const { folder, template, precision, sources, recipes, reader, signal } = this.#job;
    const files = new Map<string, FileRef>();
    const made = new Map<string, string>();
    const records = new Map(this.#before.sources.map((record) => [record.path, record]));
    const named: Record<string, FileRef> = {};
    const keep = async (path: string, bytes: Uint8Array<ArrayBuffer>): Promise<FileRef> => {
      await folder.write(path, bytes);
      const ref = { path, bytes: bytes.byteLength, sha256: await sha256(bytes) };
      files.set(path, ref);
      return ref;
    };
    for (const ref of sources.files) {
      const state = this.#journal.files[ref.path];
      if (ref.as !== null) {
        const bytes = await reader.read(ref, 0, ref.bytes, signal);
        const found = await sha256(bytes);
        if (ref.sha256 !== null && found !== ref.sha256) {
          throw new EngineError(
            'integrity',
            `${ref.path} is damaged: its SHA-256 is ${found.slice(0, 12)}…, the published one is ${ref.sha256.slice(0, 12)}…. ${AGAIN}`,
          );
        }
        named[ref.as] = await keep(ref.path.split('/').at(-1)!, bytes); // split gives one at least
        records.set(ref.path, recordOf(ref, found, reader));
      } else if (state?.sha256) records.set(ref.path, recordOf(ref, state.sha256, reader));
    }
    for (const { path, text } of recipes) {
      named[path.replace(/\.json$/, '')] = await keep(path, new TextEncoder().encode(text));
    }
    const here = reduced(template, [precision]);
    for (const { variants } of Object.values(here.graphs)) {
      for (const { graph } of variants) await keep(graph.path, await this.#job.own(graph));
    }
    signal.throwIfAborted(); // from here on it goes through
    const staged = await folder.list();
    for (const [path, { bytes, made: by }] of this.#toMake) {
      const sum = this.#journal.shards[path]!; // every source is finished
      // An earlier try may have been ended between two renames.
      const part = staged.has(path + PART);
      if (staged.get(part ? path + PART : path)?.bytes !== bytes) {
        await discard(folder);
        throw new EngineError('integrity', `${path} is gone from this browser's storage. ${AGAIN}`);
      }
      if (part) await folder.rename(path + PART, path);
      files.set(path, { path, bytes, sha256: sum });
      made.set(path, by);
    }
    for (const [path, known] of this.#there) {
      files.set(path, { path, bytes: known.bytes, sha256: known.sha256 });
      made.set(path, known.made);
    }
    const before = await readManifest(folder);
    const precisions = [...(before ? precisionsOf(before) : []), precision];
    const manifest = {
      ...resolved(reduced(template, precisions), allFiles(before, files)),
      files: { ...before?.files, ...named },
    };
    const stored = await folder.list();
    const receipts: Record<string, FileReceipt> = {};
    for (const { path, sha256: sum } of filesOf(manifest)) {
      const at = stored.get(path);
      if (at)
        receipts[path] = { ...at, sha256: sum, made: made.get(path) ?? this.#before.files[path]?.made ?? '' };
    }
    await seal(folder, manifest, {
      schema: 1,
      files: receipts,
      sources: [...records.values()],
      verified: Date.now(),
    });
  }

  #plan(ref: SourceRef, tensors: ReadonlyMap<string, SourceTensor>): StreamPlan {
    const done = (path: string): boolean => !this.#toMake.has(path) || path in this.#journal.shards;
    return planStream(this.#recipes, ref.path, tensors, ref.bytes, done);
  }

  async #header(
    ref: SourceRef,
  ): Promise<{ bytes: Uint8Array; sha256: string; tensors: ReadonlyMap<string, SourceTensor> }> {
    const { reader, signal } = this.#job;
    const prefix = await reader.read(ref, 0, LENGTH_BYTES, signal);
    const base = LENGTH_BYTES + headerLength(prefix, ref.bytes);
    const bytes = await reader.read(ref, 0, base, signal);
    const { ranges } = parseLayout(bytes.subarray(LENGTH_BYTES), ref.bytes - base);
    const tensors = new Map(
      [...ranges].map(([key, range]) => [
        key,
        { ...range, begin: base + range.begin, end: base + range.end },
      ]),
    );
    return { bytes, sha256: await sha256(bytes), tensors };
  }

  /** The header was read for itself first; what is hashed has to be the same. */
  #sameHeader(ref: SourceRef, header: Uint8Array, first: Uint8Array): void {
    const length = Math.min(header.byteLength, first.byteLength);
    for (let i = 0; i < length; i++) {
      if (header[i] === first[i]) continue;
      throw new EngineError(
        'integrity',
        `${ref.path} changed while it was being read. Nothing of it was used. ${AGAIN}`,
      );
    }
  }

  /** Throws away what came of a source file that is not what it should be. */
  async #refuse(ref: SourceRef, why: string): Promise<EngineError> {
    const { folder } = this.#job;
    const made = [...this.#toMake].filter(([, { source }]) => source === ref.path).map(([path]) => path);
    this.#journal.files = without(this.#journal.files, [ref.path]);
    this.#journal.shards = without(this.#journal.shards, made);
    for (const path of made) await folder.remove(path + PART);
    await this.#note(0);
    const message = `${ref.path} is damaged or another version: ${why}. Nothing of it was used, and what came of it was removed. ${AGAIN}`;
    return new EngineError('integrity', message);
  }

  async #note(position: number): Promise<void> {
    this.#journal.done = this.#passed + position;
    await this.#job.folder.write(JOURNAL, encode(this.#journal));
  }

  async #checkRoom(stored: ReadonlyMap<string, Stored>, resuming: boolean): Promise<void> {
    const { quota, usage } = await (navigator.storage?.estimate?.() ?? {});
    if (quota === undefined || usage === undefined || resuming) return;
    const need = [...this.#toMake].reduce(
      (sum, [path, { bytes }]) => sum + (stored.has(path + PART) ? 0 : bytes),
      0,
    );
    const free = quota - usage;
    if (need <= free) return;
    const [needed, have] = [need, Math.max(0, free)].map((n) => `${(n / 1e9).toFixed(1)} GB`);
    const message = `This installation needs ${needed}; this browser offers ${have}. Free some space, or choose a smaller precision.`;
    throw new EngineError('storage', message);
  }
}

const AGAIN = 'Start it again; if this stays, choose another address or your own copy of the files.';

/** Weight files in the making, open for as long as their source is read. */
class Writers {
  readonly #folder: ModelFolder;
  readonly #open = new Map<string, Writer>();
  /** Written to since the last flush. */
  readonly #touched = new Set<Writer>();

  constructor(folder: ModelFolder) {
    this.#folder = folder;
  }

  async open(path: string): Promise<Writer> {
    const writer = this.#open.get(path) ?? (await this.#folder.writer(path));
    this.#open.set(path, writer);
    this.#touched.add(writer);
    return writer;
  }

  flush(): void {
    for (const writer of this.#touched) writer.flush();
    this.#touched.clear();
  }

  close(): void {
    for (const writer of this.#open.values()) writer.close();
    this.#open.clear();
  }
}

const weightsOf = (manifest: ModelManifest): readonly string[] =>
  Object.values(manifest.graphs).flatMap(({ variants }) =>
    variants.flatMap(({ weights }) => weights.map(({ path }) => path)),
  );

const without = <T>(record: Readonly<Record<string, T>>, keys: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));

function allFiles(
  before: ModelManifest | null,
  now: ReadonlyMap<string, FileRef>,
): ReadonlyMap<string, FileRef> {
  const old = before ? filesOf(before).map((file) => [file.path, file] as const) : [];
  return new Map([...old, ...now]);
}

const recordOf = (ref: SourceRef, found: string, reader: SourceReader): SourceRecord => ({
  path: ref.path,
  bytes: ref.bytes,
  sha256: found,
  from: reader.placeOf(ref),
  published: ref.sha256 !== null,
});

async function explain(thrown: unknown, ref: SourceRef): Promise<unknown> {
  if (thrown instanceof EngineError && thrown.code === 'integrity' && !thrown.message.includes(ref.path)) {
    return new EngineError('integrity', `${ref.path}: ${thrown.message}`, { cause: thrown.cause });
  }
  // Weights notice it themselves; the journal's own file says it through the folder.
  const first = thrown instanceof EngineError ? thrown.cause : thrown;
  if (!(first instanceof DOMException && first.name === 'QuotaExceededError')) return thrown;
  const { quota = 0 } = await (navigator.storage?.estimate?.() ?? {});
  const limit = quota > 0 ? ` (it allows ${(quota / 1e9).toFixed(1)} GB)` : '';
  const message = `This site's storage is full${limit}. What was made so far is kept: free some space and go on, or choose a smaller precision.`;
  return new EngineError('storage', message, { cause: first });
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)); // some hundred bytes
}

const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
