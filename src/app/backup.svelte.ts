/** Backing everything up into one file, and bringing it back. */
import { asEngineError } from '../lib/errors.ts';
import type { BackupFacts, PageSettings } from '../storage/backup.ts';
import { saveFile } from './download.ts';
import { proxy, withExporter } from './export-client.ts';
import { size } from './format.ts';
import type { Overlays } from './overlays.svelte.ts';
import type { Shelf } from './shelf.svelte.ts';
import { TEXT } from './text.ts';
import type { Toasts } from './toasts.svelte.ts';

const T = TEXT.backup;
const PREFIX = 'cadenza.';
/** What stands in the form now is not lost to an older one. */
const DRAFT = 'cadenza.draft';

/** The part of showSaveFilePicker that is used; TypeScript's libraries do not carry it. */
type Picker = (options: { suggestedName: string; id: string }) => Promise<FileSystemFileHandle>;

export class Backup {
  /** The backup that is to be restored, looked at and not yet touched. */
  chosen = $state.raw<{ readonly file: File; readonly facts: BackupFacts } | null>(null);
  /** Bytes. */
  progress = $state.raw<{ readonly done: number; readonly total: number; readonly restores: boolean } | null>(
    null,
  );
  trouble = $state('');

  readonly #shelf: Shelf;
  readonly #toasts: Toasts;
  readonly #overlays: Overlays;
  /** What the form says now has to survive: true while it is empty. */
  readonly #formEmpty: () => boolean;
  #abort: AbortController | null = null;

  constructor(shelf: Shelf, toasts: Toasts, overlays: Overlays, formEmpty: () => boolean) {
    this.#shelf = shelf;
    this.#toasts = toasts;
    this.#overlays = overlays;
    this.#formEmpty = formEmpty;
  }

  open(): void {
    if (!this.progress) this.trouble = '';
    this.#overlays.show('backup');
  }

  cancel(): void {
    this.#abort?.abort();
  }

  async make(): Promise<void> {
    if (!this.#shelf.persistent) {
      this.trouble = TEXT.library.memoryOnly;
      return;
    }
    const name = `Cadenza ${new Date().toISOString().slice(0, 10)}.zip`;
    await this.#work(false, async (progress, signal) => {
      const handle = await pickFile(name);
      if (handle === 'closed') return;
      const { facts, blob } = await withExporter(
        (exporter) => exporter.backup(pageSettings(), this.#shelf.inHand(), handle, progress),
        signal,
      );
      if (blob) saveFile(blob, name, blob.type);
      this.#end(T.done(facts.songs, size(facts.bytes)));
    });
  }

  /** Looks at a file and asks whether it is to be restored. @throws EngineError when it is no backup */
  async choose(file: File): Promise<void> {
    this.trouble = '';
    const facts = await withExporter((exporter) => exporter.inspect(file));
    this.chosen = { file, facts };
    this.#overlays.show('backup');
  }

  async restore(withSettings: boolean): Promise<void> {
    const { chosen } = this;
    if (!chosen) return;
    await this.#work(true, async (progress, signal) => {
      const { songs, jobs, damaged, settings } = await withExporter(
        (exporter) => exporter.restore(chosen.file, progress),
        signal,
      );
      this.chosen = null;
      const texts = [
        ...(songs > 0 ? [T.restored(songs)] : jobs > 0 ? [] : [T.already]),
        ...(jobs > 0 ? [TEXT.line.queued(jobs)] : []),
        ...(damaged > 0 ? [T.damaged(damaged)] : []),
      ];
      await this.#shelf.open();
      this.#end(...texts);
      if (!withSettings || Object.keys(settings).length === 0) return;
      const formEmpty = this.#formEmpty();
      for (const [key, value] of Object.entries(settings)) {
        if (key !== DRAFT || formEmpty) localStorage.setItem(key, value);
      }
      // The stores of the page have read them already.
      location.reload();
    });
  }

  async #work(
    restores: boolean,
    does: (progress: (done: number, total: number) => void, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    if (this.progress) return;
    this.trouble = '';
    this.#abort = new AbortController();
    this.progress = { done: 0, total: 0, restores };
    try {
      await does(
        proxy((done: number, total: number) => {
          this.progress = { done, total, restores };
        }),
        this.#abort.signal,
      );
    } catch (thrown) {
      const { code, message } = asEngineError(thrown);
      this.trouble = code === 'cancelled' ? TEXT.exporting.cancelled : message;
      this.#toasts.say(this.trouble);
    } finally {
      this.progress = null;
      this.#abort = null;
    }
  }

  #end(...texts: readonly string[]): void {
    this.#overlays.close('backup');
    for (const text of texts) {
      this.#toasts.show({ text });
      this.#toasts.say(text);
    }
  }
}

function pageSettings(): PageSettings {
  return Object.fromEntries(Object.entries(localStorage).filter(([key]) => key.startsWith(PREFIX)));
}

/** Null where the browser has no such picker: then a download it is. */
async function pickFile(suggestedName: string): Promise<FileSystemFileHandle | null | 'closed'> {
  const picker: unknown = Reflect.get(globalThis, 'showSaveFilePicker');
  if (typeof picker !== 'function') return null;
  try {
    return await (picker as Picker)({ suggestedName, id: 'backup' }); // a function of that name is the picker
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') return 'closed';
    throw thrown;
  }
}
