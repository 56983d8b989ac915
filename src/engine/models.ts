/**
 * The models of this browser: what can be installed, what is, and the work of installing, checking, deleting and moving
 * packs. The methods of this class are the whole protocol between the page and its install worker (Comlink). One piece
 * of work at a time; a lock that all tabs share keeps it to one writer a model.
 */
import { asEngineError, assert, EngineError } from '../lib/errors.ts';
import { filesOf, parseManifest } from '../lib/manifest.ts';
import type { FileRef, ModelManifest, Precision } from '../lib/manifest.ts';
import { parseSources, parseTemplate, precisionsOf, reduced } from '../lib/template.ts';
import type { Sources } from '../lib/template.ts';
import { sha256 } from '../storage/blobs.ts';
import { holding } from '../storage/handles.ts';
import { openModelFolders, PART } from '../storage/models.ts';
import type { ModelFolder, ModelFolders } from '../storage/models.ts';
import { fetchJson, fetchText, fetchVerified } from './files.ts';
import { discard, install, readJournal, seal } from './install.ts';
import type { InstallProgress, RecipeFile } from './install.ts';
import { encode, installedIn, MANIFEST, readManifest, readReceipt, RECEIPT } from './receipts.ts';
import type { FileReceipt, Installed } from './receipts.ts';
import { httpSource, localSource } from './sources.ts';
import type { LocalFile } from './sources.ts';

/** An installation that was begun and not finished. */
export interface Unfinished {
  readonly precision: Precision;
  /** Bytes of source files, behind us and in all. */
  readonly done: number;
  readonly total: number;
  /** What it takes on the disk so far. */
  readonly bytes: number;
}

export interface Shelved {
  readonly id: string;
  /** What can be installed; null where the catalogue does not know this pack. */
  readonly template: ModelManifest | null;
  readonly sources: Sources | null;
  readonly installed: Installed | null;
  readonly unfinished: Unfinished | null;
  /** A tab is at work on it: this one or another. */
  readonly busy: boolean;
}

/** Where to install from: the published address, one of the user's own, or files of the user's. */
export interface From {
  /** Ends in a slash; null for the published one. */
  readonly address: string | null;
  readonly files: readonly LocalFile[] | null;
}

type Report = (progress: InstallProgress) => void;

const CATALOGUE = 'models/index.json';
const LOCK = 'cadenza-model-';
/** Progress is told so often at most. */
const REPORT_MS = 100;

interface Offer {
  readonly url: string;
  readonly template: ModelManifest;
  readonly sources: Sources;
}

export class Models {
  readonly #base: string;
  #folders: Promise<ModelFolders> | null = null;
  #offers: Promise<ReadonlyMap<string, Offer>> | null = null;
  #work: AbortController | null = null;

  /** @param base URL of the folder that holds models/: document.baseURI of the page. */
  constructor({ base }: { readonly base: string }) {
    this.#base = base;
  }

  /** Everything that is or can be here. @throws EngineError 'network', 'manifest', 'storage' */
  async list(): Promise<readonly Shelved[]> {
    const offers = await this.#catalogue();
    const folders = await this.#open();
    const { held = [] } = await navigator.locks.query();
    const ids = new Set([...offers.keys(), ...(await folders.ids())]);
    const all = [...ids].map(async (id): Promise<Shelved> => {
      const offer = offers.get(id);
      const busy = held.some(({ name }) => name === LOCK + id);
      const folder = await folders.folder(id);
      const [installed, unfinished] = [await installedIn(folder), await unfinishedIn(folder)];
      return {
        id,
        template: offer?.template ?? null,
        sources: offer?.sources ?? null,
        installed,
        unfinished,
        busy,
      };
    });
    return (await Promise.all(all)).filter(
      ({ template, installed }) => template !== null || installed !== null,
    );
  }

  /**
   * Installs one precision, or goes on with it.
   * @throws EngineError; 'cancelled' after stop(): what was made is kept.
   */
  async install(id: string, precision: Precision, from: From, report: Report): Promise<void> {
    const offer = (await this.#catalogue()).get(id);
    assert(offer, `the catalogue has no ${id}`);
    await this.#alone(id, async (folder, signal) => {
      const recipes = await this.#recipes(offer, precision);
      const published = httpSource(new URL(offer.sources.base, offer.url).href, false);
      const reader = from.address === null ? published : httpSource(from.address, true);
      await install({
        folder,
        template: offer.template,
        sources: offer.sources,
        precision,
        recipes,
        reader: from.files === null ? reader : localSource(from.files, reader),
        own: (file) => fetchVerified(file, offer.url, () => undefined),
        signal,
        report: throttled(report),
      });
    });
  }

  /** Ends the work in hand; an installation can go on later. */
  stop(): void {
    this.#work?.abort(new EngineError('cancelled', 'Stopped.'));
  }

  /** Removes what an unfinished installation left. */
  async discard(id: string): Promise<void> {
    await this.#alone(id, discard);
  }

  /**
   * Reads and hashes every file of a pack. Files that are not what the manifest says are removed, so that installing
   * again makes just them anew.
   * @returns their paths
   */
  async verify(id: string, report: Report): Promise<readonly string[]> {
    return this.#alone(id, async (folder, signal) => {
      const manifest = await readManifest(folder);
      if (manifest === null) return [];
      const files = filesOf(manifest);
      const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
      const tell = throttled(report);
      const receipt = await readReceipt(folder);
      const stored = await folder.list();
      const receipts: Record<string, FileReceipt> = {};
      const bad: string[] = [];
      let done = 0;
      for (const file of files) {
        signal.throwIfAborted();
        tell({ phase: 'check', file: file.path, done, total });
        const at = stored.get(file.path);
        const found = at && (await hashOf(folder, file.path));
        if (at && found === file.sha256) {
          receipts[file.path] = { ...at, sha256: found, made: receipt.files[file.path]?.made ?? '' };
        } else {
          bad.push(file.path);
          if (at) await folder.remove(file.path);
        }
        done += file.bytes;
      }
      tell({ phase: 'check', file: '', done, total });
      await seal(folder, manifest, {
        ...receipt,
        files: receipts,
        verified: bad.length > 0 ? receipt.verified : Date.now(),
      });
      return bad;
    });
  }

  /** Deletes one precision of a pack, or all of it (null). @throws EngineError 'storage' while a graph is being loaded. */
  async remove(id: string, precision: Precision | null): Promise<void> {
    await this.#alone(id, async (folder) => {
      const manifest = await readManifest(folder);
      const left = manifest && precision ? precisionsOf(manifest).filter((one) => one !== precision) : [];
      if (manifest === null || left.length === 0) return (await this.#open()).remove(id);
      const smaller = reduced(manifest, left);
      const receipt = await readReceipt(folder);
      const kept = new Set(filesOf(smaller).map(({ path }) => path));
      const files = Object.entries(receipt.files).filter(([path]) => kept.has(path));
      await seal(folder, smaller, { ...receipt, files: Object.fromEntries(files) });
      for (const { path } of filesOf(manifest)) if (!kept.has(path)) await folder.remove(path);
    });
  }

  /**
   * Takes a pack from a folder of the user's: manifest.json and all that it names, hashed on the way.
   * @returns its id
   */
  async importPack(files: readonly LocalFile[], report: Report): Promise<string> {
    const found = files.filter(({ path }) => path.split('/').at(-1) === MANIFEST);
    const [first] = found.toSorted((a, b) => a.path.length - b.path.length);
    if (first === undefined) {
      const message = `The folder has no ${MANIFEST}, so it is no model pack. Official files are installed with "Use my own copy".`;
      throw new EngineError('manifest', message);
    }
    const prefix = first.path.slice(0, -MANIFEST.length);
    const manifest = parseManifest(await jsonOf(first));
    return this.#alone(manifest.id, async (folder, signal) => {
      const wanted = filesOf(manifest);
      const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
      const tell = throttled(report);
      let done = 0;
      for (const ref of wanted) {
        signal.throwIfAborted();
        tell({ phase: 'read', file: ref.path, done, total });
        await importFile(
          folder,
          ref,
          files.find(({ path }) => path === prefix + ref.path),
        );
        done += ref.bytes;
      }
      const receipts: Record<string, FileReceipt> = {};
      for (const ref of wanted) await folder.rename(ref.path + PART, ref.path);
      const stored = await folder.list();
      for (const ref of wanted)
        receipts[ref.path] = { ...stored.get(ref.path)!, sha256: ref.sha256, made: '' }; // just renamed
      await seal(folder, manifest, { schema: 1, files: receipts, sources: [], verified: Date.now() });
      const ours = new Set([MANIFEST, RECEIPT, ...Object.keys(receipts)]);
      for (const path of stored.keys()) if (!ours.has(path)) await folder.remove(path);
      tell({ phase: 'read', file: '', done, total });
      return manifest.id;
    });
  }

  /** Writes a pack into a folder of the user's, as importPack takes it; the manifest last. */
  async exportPack(id: string, into: FileSystemDirectoryHandle, report: Report): Promise<void> {
    await this.#alone(id, async (folder, signal) => {
      const manifest = await readManifest(folder);
      if (manifest === null) throw new EngineError('storage', `${id} is not installed.`);
      const target = await into.getDirectoryHandle(id, { create: true });
      const files = filesOf(manifest);
      const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
      const tell = throttled(report);
      let done = 0;
      for (const file of files) {
        signal.throwIfAborted();
        tell({ phase: 'read', file: file.path, done, total });
        await exportFile(target, file.path, await wholeOf(folder, file.path));
        done += file.bytes;
      }
      await exportFile(target, MANIFEST, encode(manifest));
      tell({ phase: 'read', file: '', done, total });
    });
  }

  #open(): Promise<ModelFolders> {
    this.#folders ??= openModelFolders().catch((thrown: unknown) => {
      this.#folders = null;
      throw thrown;
    });
    return this.#folders;
  }

  #catalogue(): Promise<ReadonlyMap<string, Offer>> {
    this.#offers ??= this.#readCatalogue().catch((thrown: unknown) => {
      this.#offers = null;
      throw thrown;
    });
    return this.#offers;
  }

  async #readCatalogue(): Promise<ReadonlyMap<string, Offer>> {
    const url = new URL(CATALOGUE, this.#base).href;
    const { install: entries = [] } = (await fetchJson(url)) as {
      readonly install?: readonly { readonly manifest: string; readonly sources: string }[];
    }; // a file of our own build
    const offers = entries.map(async (entry): Promise<[string, Offer]> => {
      const at = new URL(entry.manifest, url).href;
      const template = parseTemplate(await fetchJson(at));
      const sources = parseSources(await fetchJson(new URL(entry.sources, url).href));
      return [template.id, { url: at, template, sources }];
    });
    return new Map(await Promise.all(offers));
  }

  /** The recipes of the precisions that an installation consists of. */
  async #recipes({ url, template }: Offer, precision: Precision): Promise<readonly RecipeFile[]> {
    const variants = Object.values(reduced(template, [precision]).graphs).flatMap((spec) => spec.variants);
    const names = [...new Set(variants.map((variant) => `recipe.${variant.precision}.json`))];
    return Promise.all(names.map(async (path) => ({ path, text: await fetchText(new URL(path, url).href) })));
  }

  /** Holds the model's lock; refuses at once where another tab has it. */
  async #alone<T>(id: string, work: (folder: ModelFolder, signal: AbortSignal) => Promise<T>): Promise<T> {
    assert(this.#work === null, 'the install worker does one thing at a time');
    const { signal } = (this.#work = new AbortController());
    try {
      return await navigator.locks.request(LOCK + id, { ifAvailable: true }, async (lock) => {
        if (lock === null) {
          throw new EngineError(
            'storage',
            `Another tab is at work on ${id}. See there, or close that tab and try again.`,
          );
        }
        return work(await (await this.#open()).folder(id), signal);
      });
    } catch (thrown) {
      // Whatever an aborted request or a closed stream threw: it was stopped.
      throw asEngineError(signal.aborted ? signal.reason : thrown);
    } finally {
      this.#work = null;
    }
  }
}

async function unfinishedIn(folder: ModelFolder): Promise<Unfinished | null> {
  const journal = await readJournal(folder);
  if (journal === null) return null;
  const { precision, done, total } = journal;
  const stored = [...(await folder.list())].filter(([path]) => path.endsWith(PART));
  return { precision, done, total, bytes: stored.reduce((sum, [, { bytes }]) => sum + bytes, 0) };
}

async function importFile(folder: ModelFolder, ref: FileRef, found: LocalFile | undefined): Promise<void> {
  if (found === undefined) {
    throw new EngineError(
      'integrity',
      `The folder has no ${ref.path}, which its ${MANIFEST} names. Export the pack again.`,
    );
  }
  const bytes = new Uint8Array(await found.file.arrayBuffer());
  if (bytes.byteLength !== ref.bytes || (await sha256(bytes)) !== ref.sha256) {
    const message = `${found.path} is damaged: it is not what ${MANIFEST} says. Nothing was imported. Export the pack again.`;
    throw new EngineError('integrity', message);
  }
  const writer = await folder.writer(ref.path + PART);
  try {
    writer.resize(0);
    writer.write(bytes, 0);
    writer.flush();
  } finally {
    writer.close();
  }
}

async function exportFile(
  into: FileSystemDirectoryHandle,
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const names = path.split('/');
  const name = names.pop()!; // split gives one at least
  let folder = into;
  for (const part of names) folder = await folder.getDirectoryHandle(part, { create: true });
  try {
    const handle = await holding(folder, (one) => one.getFileHandle(name, { create: true }));
    const stream = await holding(handle, (one) => one.createWritable());
    await stream.write(bytes);
    await stream.close();
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new EngineError('storage', `${name} could not be written there: ${why}`, { cause: thrown });
  }
}

async function wholeOf(folder: ModelFolder, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await folder.read(path);
  if (bytes === null)
    throw new EngineError('storage', `${path} is missing. Verify the model, then install it again.`);
  return bytes;
}

const hashOf = async (folder: ModelFolder, path: string): Promise<string> =>
  sha256(await wholeOf(folder, path));

async function jsonOf({ path, file }: LocalFile): Promise<unknown> {
  try {
    return JSON.parse(await file.text()) as unknown;
  } catch (thrown) {
    throw new EngineError('manifest', `${path} is not JSON.`, { cause: thrown });
  }
}

/** Ten times a second, and whenever the file or the phase changes. */
function throttled(report: Report): Report {
  let at = 0;
  let what = '';
  return (progress) => {
    const now = performance.now();
    const next = `${progress.phase} ${progress.file}`;
    if (next === what && now - at < REPORT_MS && progress.done < progress.total) return;
    [at, what] = [now, next];
    report(progress);
  };
}
