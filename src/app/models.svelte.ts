/** Models that can be installed or are: what the Models page shows, and the one piece of work that may be under way. */
import type { InstallProgress } from '../engine/install.ts';
import type { Shelved } from '../engine/models.ts';
import type { LocalFile } from '../engine/sources.ts';
import { asEngineError } from '../lib/errors.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Precision } from '../lib/manifest.ts';
import { ModelsClient } from './models-client.ts';
import { Pace } from './pace.ts';
import { Keep } from './settings.svelte.ts';
import { TEXT } from './text.ts';
import type { Toasts } from './toasts.svelte.ts';

const T = TEXT.install;

export type WorkKind = 'install' | 'verify' | 'import' | 'export' | 'remove';

export interface Work {
  readonly kind: WorkKind;
  /** '' while a folder is being read that has not told it yet. */
  readonly id: string;
  readonly precision: Precision | null;
  readonly progress: InstallProgress | null;
  /** Bytes a second and seconds left; null until they are known. */
  readonly speed: number | null;
  readonly left: number | null;
  /** It was asked to stop and will, shortly. */
  readonly stopping: boolean;
}

/** Why the last piece of work on a model ended early. */
export interface Trouble {
  readonly kind: WorkKind;
  readonly precision: Precision | null;
  readonly code: ErrorCode;
  readonly message: string;
}

/** The source that the user chose instead of the published one. */
interface Choice {
  /** '' = the published address. */
  readonly address: string;
}

/** Tells other tabs of this site that the models changed. */
const CHANNEL = 'cadenza.models';

const parseChoice = ({ address }: Readonly<Record<string, unknown>>): Partial<Choice> =>
  typeof address === 'string' ? { address } : {};

export class ModelShelf {
  list = $state.raw<readonly Shelved[]>([]);
  /** Why the list is not known; empty while it is. */
  unknown = $state('');
  work = $state.raw<Work | null>(null);
  troubles = $state.raw<Readonly<Record<string, Trouble>>>({});
  /** "id precision" of what is deleted as soon as its notice is gone. */
  leaving = $state.raw<ReadonlySet<string>>(new Set());
  readonly choice = new Keep<Choice>('cadenza.source', { address: '' }, parseChoice);

  readonly #client: ModelsClient;
  readonly #toasts: Toasts;
  readonly #changed: () => Promise<void>;
  /** Files of the user's for a model, kept so that a paused installation can go on with them. */
  readonly #files = new Map<string, readonly LocalFile[]>();
  readonly #channel = new BroadcastChannel(CHANNEL);

  /** @param changed runs when packs came or went: the engine has to look again */
  constructor(toasts: Toasts, changed: () => Promise<void>, client = new ModelsClient()) {
    this.#toasts = toasts;
    this.#changed = changed;
    this.#client = client;
  }

  /** Follows other tabs and the network until the returned function is called. */
  listen(): () => void {
    const online = (): void => {
      const waiting = Object.entries(this.troubles).find(
        ([, { code, kind }]) => code === 'network' && kind === 'install',
      );
      const precision = waiting?.[1].precision;
      if (waiting && precision && this.work === null) void this.install(waiting[0], precision);
    };
    this.#channel.onmessage = () => void this.refresh().then(() => this.#changed());
    addEventListener('online', online);
    return () => {
      removeEventListener('online', online);
      this.#channel.close();
      this.#client.end();
    };
  }

  /** Never throws: `unknown` says what is wrong. */
  async refresh(): Promise<void> {
    try {
      this.list = await this.#client.list();
      this.unknown = '';
    } catch (thrown) {
      this.unknown = asEngineError(thrown).message;
    }
  }

  get bytes(): number {
    return this.list.reduce(
      (sum, { installed, unfinished }) => sum + (installed?.bytes ?? 0) + (unfinished?.bytes ?? 0),
      0,
    );
  }

  /** Installs, or goes on. With `files`, from the user's own copy. */
  async install(id: string, precision: Precision, files?: readonly LocalFile[]): Promise<void> {
    if (files) this.#files.set(id, files);
    const own = this.#files.get(id) ?? null;
    const { address } = this.choice.current;
    const from = { address: address === '' ? null : withSlash(address), files: own };
    // Asked once there is something to lose; the answer is shown, and changes nothing here.
    navigator.storage?.persist?.().catch(() => false);
    const done = await this.#do({ kind: 'install', id, precision }, (on) =>
      this.#client.install(id, precision, from, on),
    );
    if (done) this.#say(T.installed(this.titleOf(id), precision));
  }

  /** Whether the next installation of this model reads the user's own copy. */
  ownCopy = (id: string): number => this.#files.get(id)?.length ?? 0;

  forgetCopy(id: string): void {
    this.#files.delete(id);
    this.list = [...this.list]; // what is shown of it changes
  }

  /** An installation can go on from where it is. */
  async pause(): Promise<void> {
    if (this.work) this.work = { ...this.work, stopping: true };
    await this.#client.stop().catch(() => undefined); // the work itself tells how it ended
  }

  /** Ends an installation and removes what it made. */
  async cancel(id: string): Promise<void> {
    if (this.work?.id === id) {
      await this.pause();
      await this.#idle;
    }
    await this.#do({ kind: 'remove', id, precision: null }, () => this.#client.discard(id));
    this.#clear(id);
  }

  async verify(id: string): Promise<void> {
    let bad: readonly string[] = [];
    const done = await this.#do({ kind: 'verify', id, precision: null }, async (on) => {
      bad = await this.#client.verify(id, on);
    });
    if (!done) return;
    if (bad.length === 0) return this.#say(T.sound(this.titleOf(id)));
    const message = T.damaged(bad.length, bad[0]!); // one at least
    this.troubles = {
      ...this.troubles,
      [id]: { kind: 'verify', precision: null, code: 'integrity', message },
    };
  }

  /** Deletes when its notice is gone; until then it can be taken back, and a closed tab deletes nothing. */
  remove(id: string, precision: Precision): void {
    const key = `${id} ${precision}`;
    this.leaving = new Set([...this.leaving, key]);
    const back = (): void => {
      this.leaving = new Set([...this.leaving].filter((one) => one !== key));
    };
    const text = T.deleted(this.titleOf(id), precision);
    this.#toasts.show({ text, action: { label: T.undo, run: back } }, () => {
      void this.#do({ kind: 'remove', id, precision }, () => this.#client.remove(id, precision)).then(back);
    });
    this.#toasts.say(text);
  }

  async importPack(files: readonly LocalFile[]): Promise<void> {
    let id = '';
    const done = await this.#do({ kind: 'import', id: '', precision: null }, async (on) => {
      id = await this.#client.importPack(files, on);
    });
    if (done) this.#say(T.imported(this.titleOf(id)));
  }

  async exportPack(id: string, into: FileSystemDirectoryHandle): Promise<void> {
    const done = await this.#do({ kind: 'export', id, precision: null }, (on) =>
      this.#client.exportPack(id, into, on),
    );
    if (done) this.#say(T.exported(this.titleOf(id)));
  }

  titleOf(id: string): string {
    const found = this.list.find((one) => one.id === id);
    return found?.template?.title ?? found?.installed?.manifest.title ?? id;
  }

  #idle: Promise<unknown> = Promise.resolve();

  /** True when it came to its end; else `troubles` says why not. */
  #do(
    { kind, id, precision }: Pick<Work, 'kind' | 'id' | 'precision'>,
    run: (on: (progress: InstallProgress) => void) => Promise<void>,
  ): Promise<boolean> {
    const work = this.#idle.then(async () => {
      this.#clear(id);
      const pace = new Pace();
      this.work = { kind, id, precision, progress: null, speed: null, left: null, stopping: false };
      try {
        await run((progress) => {
          if (!this.work) return;
          this.work = {
            ...this.work,
            progress,
            ...pace.at(progress.done, progress.total, performance.now()),
          };
        });
        return true;
      } catch (thrown) {
        const { code, message } = asEngineError(thrown);
        if (code !== 'cancelled') {
          this.troubles = { ...this.troubles, [id]: { kind, precision, code, message } };
          this.#toasts.say(message);
        }
        return false;
      } finally {
        this.work = null;
        await this.refresh();
        if (kind !== 'export') {
          this.#channel.postMessage(id);
          await this.#changed();
        }
      }
    });
    this.#idle = work.catch(() => undefined); // the caller hears it
    return work;
  }

  #clear(id: string): void {
    this.troubles = Object.fromEntries(Object.entries(this.troubles).filter(([one]) => one !== id));
  }

  #say(text: string): void {
    this.#toasts.show({ text });
    this.#toasts.say(text);
  }
}

const withSlash = (address: string): string => (address.endsWith('/') ? address : `${address}/`);
