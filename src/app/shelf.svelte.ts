/**
 * The library as the page shows it: records in memory, changes written through, and what other tabs change taken in.
 * Deleting moves songs to the trash, with ten seconds to undo it by one key and thirty days to do it from there.
 */
import { outlineOf } from '../lib/audio/pcm.ts';
import type { Peaks } from '../lib/audio/pcm.ts';
import { asEngineError } from '../lib/errors.ts';
import { openBlobs, type Blobs } from '../storage/blobs.ts';
import {
  openLibrary,
  type Change,
  type Collection,
  type Library,
  type NewTrack,
  type Track,
  type TrackPatch,
} from '../storage/library.ts';
import { TEXT } from './text.ts';
import type { Toasts } from './toasts.svelte.ts';
import { pause } from './turns.ts';

const TRASH_DAYS = 30;
/** Looking through all files takes the disk a while with thousands of songs: nobody waits for it at the start. */
const TIDY_AFTER_MS = 3000;

export class Shelf {
  /** Newest first. */
  tracks = $state.raw<readonly Track[]>([]);
  /** Latest deletion first. */
  trash = $state.raw<readonly Track[]>([]);
  /** By name. */
  collections = $state.raw<readonly Collection[]>([]);
  /** The first look into the library is over. */
  opened = $state(false);
  persistent = $state(true);
  /** Bytes that songs take, and those of them that only the trash names. */
  bytes = $state(0);
  trashBytes = $state(0);
  /** Ids of songs that the library has no record of, because they could not be kept. */
  loose = $state.raw<ReadonlySet<string>>(new Set());

  readonly library: Promise<Library>;
  readonly #toasts: Toasts;
  readonly #blobs: Promise<Blobs>;
  /** Sounds that storage refused: they end with this page. */
  readonly #held = new Map<string, Blob>();
  readonly #heldPeaks = new Map<string, Peaks>();
  readonly #byId: ReadonlyMap<string, Track> = $derived(
    new Map(this.tracks.map((track) => [track.id, track])),
  );
  #undo: (() => void) | null = null;

  /** The user's labels with the number of songs, most used first. */
  readonly tags: readonly (readonly [tag: string, count: number])[] = $derived.by(() => {
    const counts = new Map<string, number>();
    for (const { tags = [] } of this.tracks)
      for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  });

  /** Blobs that something else on the page still needs. */
  inHand: () => readonly string[] = () => [];

  constructor(toasts: Toasts) {
    this.#toasts = toasts;
    this.library = pause().then(() => openLibrary()); // it holds the page up: a task of its own
    this.#blobs = openBlobs();
  }

  async open(): Promise<void> {
    try {
      const library = await this.library;
      this.persistent = library.persistent && (await this.#blobs).persistent;
      const [tracks, trash, collections] = await Promise.all([
        library.tracks(),
        library.trash(),
        library.collections(),
      ]);
      this.tracks = tracks;
      this.trash = byDeletion(trash);
      this.collections = byName(collections);
      setTimeout(() => void this.#tidy(), TIDY_AFTER_MS);
    } catch (thrown) {
      this.persistent = false;
      this.#tell(thrown);
    } finally {
      this.opened = true;
    }
  }

  /** Takes in what other tabs change until the returned function is called; `changed` hears of each track. */
  listen(changed: (track: Track) => void): () => void {
    let deaf = (): void => undefined;
    let ended = false;
    this.library.then(
      (library) => {
        if (!ended) deaf = library.onChange((change) => void this.#heard(change, changed));
      },
      () => undefined, // open() tells of it
    );
    return () => {
      ended = true;
      deaf();
    };
  }

  find(id: string | null): Track | null {
    return (id !== null && this.#byId.get(id)) || null;
  }

  /** The WAV file of a track. */
  async sound(track: Track): Promise<Blob> {
    return this.#held.get(track.audio) ?? (await this.#blobs).open(track.audio);
  }

  /**
   * Stores a file and gives its id; a track that names it must follow.
   * @throws EngineError 'storage'
   */
  async put(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    return (await this.#blobs).put(bytes);
  }

  /** What the waveform of a track is drawn from; null where there is none. */
  async peaks(track: Track): Promise<Peaks | null> {
    return this.#heldPeaks.get(track.id) ?? (await this.library).peaks(track.id);
  }

  /**
   * Takes a new song in. What storage refused, the sound or the record of it, is shown all the same and said: a record
   * without its sound would come back as a song that cannot be played.
   */
  async add(song: NewTrack, unstored: Readonly<Record<string, Blob>>): Promise<Track> {
    const held = Object.entries(unstored);
    for (const [id, blob] of held) this.#held.set(id, blob);
    const { peaks, ...rest } = song;
    const track = { ...rest, outline: outlineOf(peaks) };
    this.#take([track]);
    try {
      if (held.length > 0) this.#hold(track, peaks);
      else await (await this.library).add(song);
      this.bytes += await (await this.#blobs).sizes(blobsOf(track));
    } catch (thrown) {
      this.#hold(track, peaks);
      this.#tell(thrown);
    }
    return track;
  }

  async update(id: string, patch: TrackPatch): Promise<Track | null> {
    await this.updateEach([id], () => patch);
    return this.find(id);
  }

  /** Many songs in one go. */
  async updateEach(ids: readonly string[], patchOf: (track: Track) => TrackPatch): Promise<void> {
    const chosen = new Set(ids);
    this.tracks = this.tracks.map((track) =>
      chosen.has(track.id) ? { ...track, ...patchOf(track) } : track,
    );
    try {
      const kept = ids.filter((id) => !this.loose.has(id));
      if (kept.length > 0) await (await this.library).updateEach(kept, patchOf);
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  /** Into the trash. `restored` runs when the user takes it back at once. */
  async remove(tracks: readonly Track[], restored: () => void = () => undefined): Promise<void> {
    const [first] = tracks;
    if (!first) return;
    const ids = tracks.map(({ id }) => id);
    const before = { tracks: this.tracks, trash: this.trash };
    const deletedAt = Date.now();
    this.#drop(ids);
    this.trash = [...tracks.map((track) => ({ ...track, deletedAt })), ...this.trash];
    try {
      const kept = ids.filter((id) => !this.loose.has(id));
      if (kept.length > 0) await (await this.library).remove(kept);
    } catch (thrown) {
      this.tracks = before.tracks;
      this.trash = before.trash;
      return this.#tell(thrown);
    }
    const text =
      tracks.length === 1 ? TEXT.library.deleted(first.title) : TEXT.library.deletedMany(tracks.length);
    const back = (): void => void this.restore(ids).then(restored);
    const toast = { text, action: { label: TEXT.library.undo, run: back } };
    const id = this.#toasts.show(toast, () => (this.#undo = null));
    this.#undo = () => this.#toasts.use(id);
    this.#toasts.say(text);
    await this.#weigh();
  }

  /** Out of the trash. */
  async restore(ids: readonly string[]): Promise<void> {
    const chosen = new Set(ids);
    const back = this.trash.filter(({ id }) => chosen.has(id));
    const [first] = back;
    if (!first) return;
    try {
      const kept = ids.filter((id) => !this.loose.has(id));
      if (kept.length > 0) await (await this.library).restore(kept);
    } catch (thrown) {
      return this.#tell(thrown);
    }
    this.trash = this.trash.filter(({ id }) => !chosen.has(id));
    this.#take(back.map(({ deletedAt: _, ...track }) => track));
    this.#toasts.say(
      back.length === 1 ? TEXT.library.restored(first.title) : TEXT.library.restoredMany(back.length),
    );
    await this.#weigh();
  }

  /** Deletes songs of the trash for good, with every sound that nothing else needs. */
  async forget(ids: readonly string[]): Promise<void> {
    const chosen = new Set(ids);
    const gone = this.trash.filter(({ id }) => chosen.has(id));
    try {
      const library = await this.library;
      await library.forget(ids);
      this.trash = this.trash.filter(({ id }) => !chosen.has(id));
      // An empty list from a library that was denied must not look like "nothing is needed".
      if (this.persistent) {
        const live = await library.liveBlobs();
        const dead = gone.flatMap(blobsOf).filter((id) => !live.has(id));
        this.bytes -= await (await this.#blobs).remove(new Set(dead));
      }
      await this.#weigh();
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  /** A deletion can still be taken back. */
  get canUndo(): boolean {
    return this.#undo !== null;
  }

  /** Takes the last deletion back, while its notice stands. */
  undo(): void {
    this.#undo?.();
    this.#undo = null;
  }

  async putCollection(collection: Collection): Promise<void> {
    this.collections = byName([...this.collections.filter(({ id }) => id !== collection.id), collection]);
    try {
      await (await this.library).putCollection(collection);
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  /** Puts songs into a collection, or takes them out of it. */
  collect(ids: readonly string[], collection: string, into: boolean): Promise<void> {
    return this.updateEach(ids, ({ collections = [] }) => {
      const others = collections.filter((id) => id !== collection);
      return { collections: into ? [...others, collection] : others };
    });
  }

  /** The songs stay; an undo puts all of them back into it. */
  async deleteCollection(collection: Collection): Promise<void> {
    this.collections = this.collections.filter(({ id }) => id !== collection.id);
    try {
      await (await this.library).deleteCollection(collection.id);
    } catch (thrown) {
      return this.#tell(thrown);
    }
    const text = TEXT.library.deleted(collection.name);
    const back = (): void => void this.putCollection(collection);
    this.#toasts.show({ text, action: { label: TEXT.library.undo, run: back } });
    this.#toasts.say(text);
  }

  async #heard(change: Change, changed: (track: Track) => void): Promise<void> {
    try {
      const library = await this.library;
      if (change.type === 'collections') this.collections = byName(await library.collections());
      if (change.type !== 'tracks') return;
      const found = await library.find(change.ids);
      const trash = found.filter(({ deletedAt }) => deletedAt !== undefined);
      const chosen = new Set(change.ids);
      this.#drop(change.ids);
      this.trash = byDeletion([...this.trash.filter(({ id }) => !chosen.has(id)), ...trash]);
      this.#take(found.filter(({ deletedAt }) => deletedAt === undefined));
      found.forEach(changed);
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  /** Puts tracks in their places; one that is there already is replaced. */
  #take(tracks: readonly Track[]): void {
    if (tracks.length === 0) return;
    const ids = new Set(tracks.map(({ id }) => id));
    const others = this.tracks.filter(({ id }) => !ids.has(id));
    this.tracks = [...tracks, ...others].sort((a, b) => b.createdAt - a.createdAt);
  }

  #drop(ids: readonly string[]): void {
    const chosen = new Set(ids);
    this.tracks = this.tracks.filter(({ id }) => !chosen.has(id));
  }

  #hold(track: Track, peaks: Peaks): void {
    this.#heldPeaks.set(track.id, peaks);
    this.loose = new Set([...this.loose, track.id]);
  }

  /** Forgets old deletions and the sounds that nothing names any more; counts what is left. */
  async #tidy(): Promise<void> {
    const old = Date.now() - TRASH_DAYS * 86_400_000;
    const gone = this.trash.filter(({ deletedAt = 0 }) => deletedAt < old);
    if (gone.length > 0) await this.forget(gone.map(({ id }) => id));
    try {
      const blobs = await this.#blobs;
      // As in forget().
      if (this.persistent) {
        const live = await (await this.library).liveBlobs();
        await blobs.sweep(new Set([...live, ...this.inHand()]));
      }
      this.bytes = (await blobs.usage()).bytes;
      await this.#weigh();
    } catch (thrown) {
      this.#tell(thrown);
    }
  }

  /** What deleting the trash for good would free. */
  async #weigh(): Promise<void> {
    const live = new Set(this.tracks.flatMap(blobsOf));
    const dead = new Set(this.trash.flatMap(blobsOf).filter((id) => !live.has(id)));
    this.trashBytes = await (await this.#blobs).sizes(dead);
  }

  #tell(thrown: unknown): void {
    this.#toasts.show({ text: asEngineError(thrown).message });
  }
}

const blobsOf = ({ audio, latents }: Track): readonly string[] =>
  latents === null ? [audio] : [audio, latents];

const byDeletion = (tracks: readonly Track[]): readonly Track[] =>
  tracks.toSorted((a, b) => (b.deletedAt ?? 0) - (a.deletedAt ?? 0));

const byName = (collections: readonly Collection[]): readonly Collection[] =>
  collections.toSorted((a, b) => a.name.localeCompare(b.name));
