/** The library as the page shows it: tracks in memory, changes written through, deleting with ten seconds to undo. */
import { openBlobs, type Blobs } from '../storage/blobs.ts';
import { openLibrary, type Library, type Track, type TrackPatch } from '../storage/library.ts';
import { asEngineError } from '../lib/errors.ts';
import { TEXT } from './text.ts';
import type { Toasts } from './toasts.svelte.ts';

/** Another tab may still offer to undo a deletion that is younger than this. */
const TRASH_MS = 60_000;

export class Shelf {
  /** Newest first. */
  tracks = $state.raw<readonly Track[]>([]);
  /** The first look into the library is over. */
  opened = $state(false);
  persistent = $state(true);
  /** Bytes that songs take. */
  bytes = $state(0);

  readonly #toasts: Toasts;
  readonly #library: Promise<Library>;
  readonly #blobs: Promise<Blobs>;
  /** Sounds that storage refused: they end with this page. */
  readonly #held = new Map<string, Blob>();
  /** Ids of songs that the library has no record of, because they could not be kept. */
  loose = $state.raw<ReadonlySet<string>>(new Set());
  #undo: (() => void) | null = null;

  constructor(toasts: Toasts) {
    this.#toasts = toasts;
    this.#library = openLibrary();
    this.#blobs = openBlobs();
  }

  async open(): Promise<void> {
    try {
      const library = await this.#library;
      this.persistent = library.persistent && (await this.#blobs).persistent;
      this.tracks = await library.tracks();
      await this.#tidy();
    } catch (thrown) {
      this.persistent = false;
      this.#tell(thrown);
    } finally {
      this.opened = true;
    }
  }

  find(id: string | null): Track | null {
    return this.tracks.find((track) => track.id === id) ?? null;
  }

  /** The WAV file of a track. */
  async sound(track: Track): Promise<Blob> {
    return this.#held.get(track.audio) ?? (await this.#blobs).open(track.audio);
  }

  /**
   * Takes a new song in. What storage refused, the sound or the record of it, is shown all the same and said: a record
   * without its sound would come back as a song that cannot be played.
   */
  async add(track: Track, unstored: Readonly<Record<string, Blob>>): Promise<void> {
    const held = Object.entries(unstored);
    for (const [id, blob] of held) this.#held.set(id, blob);
    this.tracks = [track, ...this.tracks];
    try {
      if (held.length > 0) this.loose = new Set([...this.loose, track.id]);
      else await (await this.#library).add(track);
      await this.#measure();
    } catch (thrown) {
      this.loose = new Set([...this.loose, track.id]);
      this.#tell(thrown);
    }
  }

  async update(id: string, patch: TrackPatch): Promise<Track | null> {
    this.tracks = this.tracks.map((track) => (track.id === id ? { ...track, ...patch } : track));
    try {
      if (!this.loose.has(id)) await (await this.#library).update(id, patch);
    } catch (thrown) {
      this.#tell(thrown);
    }
    return this.find(id);
  }

  /** `restored` runs when the user takes it back. */
  async remove(track: Track, restored: () => void): Promise<void> {
    const before = this.tracks;
    this.tracks = before.filter(({ id }) => id !== track.id);
    try {
      if (!this.loose.has(track.id)) await (await this.#library).remove(track.id);
    } catch (thrown) {
      this.tracks = before;
      return this.#tell(thrown);
    }
    const id = this.#toasts.show(
      {
        text: TEXT.library.deleted(track.title),
        action: { label: TEXT.library.undo, run: () => void this.#restore(track).then(restored) },
      },
      () => {
        this.#undo = null;
        void this.#tidy();
      },
    );
    this.#undo = () => this.#toasts.use(id);
    this.#toasts.say(TEXT.library.deleted(track.title));
  }

  /** Takes the last deletion back, while its notice stands. */
  undo(): void {
    this.#undo?.();
    this.#undo = null;
  }

  async #restore(track: Track): Promise<void> {
    try {
      if (!this.loose.has(track.id)) await (await this.#library).restore(track.id);
      this.tracks = [...this.tracks, track].toSorted((a, b) => b.createdAt - a.createdAt);
      this.#toasts.say(TEXT.library.restored(track.title));
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  /** Forgets old deletions and the sounds that nothing names any more. */
  async #tidy(): Promise<void> {
    const library = await this.#library;
    const blobs = await this.#blobs;
    try {
      await library.emptyTrash(TRASH_MS);
      // An empty list from a library that was denied must not look like "nothing is alive".
      if (this.persistent) await blobs.sweep(await library.liveBlobs());
      await this.#measure();
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  async #measure(): Promise<void> {
    this.bytes = (await (await this.#blobs).usage()).bytes;
  }

  #tell(thrown: unknown): void {
    this.#toasts.show({ text: asEngineError(thrown).message });
  }
}
