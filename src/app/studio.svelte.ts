/** The app's one store: it holds the stores of the parts and wires them. Components read its fields and call its methods. */
import { untrack } from 'svelte';
import type { Result } from '../engine/engine.ts';
import { asEngineError } from '../lib/errors.ts';
import type { Placement, Wish } from '../lib/placement.ts';
import { recipeOf } from '../lib/recipe.ts';
import type { Sampling, Task, TaskLimits } from '../lib/task.ts';
import type { NewTrack, Track, TrackPatch } from '../storage/library.ts';
import { Analyst } from './listen/analyst.ts';
import { coverSvg } from './listen/cover.ts';
import { EarlySongs } from './listen/early-songs.svelte.ts';
import { Backup } from './backup.svelte.ts';
import { readBatch, writeBatch, type Batch } from './batch.ts';
import { Browse } from './browse.svelte.ts';
import { Bench } from './bench.svelte.ts';
import { Compose, EMPTY_DRAFT, parseDraft, rollSeed, type Draft } from './compose.svelte.ts';
import { Device } from './device.svelte.ts';
import { copyText, saveFile } from './download.ts';
import { Drops } from './drop.svelte.ts';
import { presetOf } from './fields.ts';
import { EngineClient } from './engine-client.ts';
import { rateOf, workSeconds } from './estimate.ts';
import { Exports } from './export.svelte.ts';
import { fileName } from './format.ts';
import { Gallery } from './gallery.svelte.ts';
import type { Job } from './job.ts';
import { View } from './listen/view.svelte.ts';
import { Log } from './log.svelte.ts';
import { ModelShelf } from './models.svelte.ts';
import { Overlays } from './overlays.svelte.ts';
import { Player } from './player.svelte.ts';
import { Pwa, UPDATE_EVENT } from './pwa.svelte.ts';
import { Queue } from './queue.svelte.ts';
import { isLink, Router } from './router.svelte.ts';
import { notify } from './notify.ts';
import { createSettings, Keep } from './settings.svelte.ts';
import { sectionsOf } from './sections.ts';
import { Shelf } from './shelf.svelte.ts';
import { TEXT } from './text.ts';
import { takesOf, titleOf } from './titles.ts';
import { Sources } from './sources.svelte.ts';
import { Toasts } from './toasts.svelte.ts';
import { nearestTo, waysOut, type WayOut } from './ways-out.ts';
import { Work, type Tool } from './work.svelte.ts';

/** Of Vite's loader, on the window. */
const MISSING_EVENT = 'vite:preloadError';

export class Studio {
  readonly settings = createSettings();
  readonly router = new Router();
  readonly overlays = new Overlays();
  readonly toasts = new Toasts();
  readonly log = new Log();
  readonly shelf = new Shelf(this.toasts);
  readonly exports = new Exports(this.shelf, this.toasts, this.overlays);
  readonly browse = new Browse(this.shelf);
  readonly compose = new Compose(new Keep('cadenza.draft', EMPTY_DRAFT, parseDraft));
  readonly player = new Player(
    {
      open: (track) => this.shelf.sound(track),
      find: (id) => this.shelf.find(id),
      skip: (by) => void this.skip(by),
      show: (track) => ({
        title: track.title,
        artist: TEXT.app.name,
        album: track.task.prompt,
        cover: coverSvg(sectionsOf(track)),
      }),
    },
    this.settings.current.volume,
  );

  readonly early = new EarlySongs(this.player);
  readonly view = new View();
  readonly analyst = new Analyst();
  readonly backup = new Backup(
    this.shelf,
    this.toasts,
    this.overlays,
    () => this.compose.draft.prompt === '' && this.compose.draft.lyrics === '',
  );
  readonly drops = new Drops(this, {
    limits: (model) => {
      if (typeof model === 'string') this.useModel(model);
      return this.compose.limits;
    },
    lora: async (file) => {
      await this.addLora(file);
      this.#toAdvanced('loras');
    },
    back: (draft) => this.#back(draft),
    sound: async (file, use) => void (await this.sources.take(file, use)),
    backup: (file) => this.backup.choose(file),
    batch: (text) => this.openBatch(text),
  });
  /** A list of songs with faults, for the dialog that tells them. */
  batch = $state.raw<Batch | null>(null);
  /** Settings that came with the address, for the dialog that asks about them. */
  linked = $state.raw<unknown>(null);
  readonly work = new Work({
    limits: (model) => this.device.models.find(({ manifest }) => manifest.id === model)?.limits ?? null,
    current: () => ({ model: this.model?.manifest.id ?? '', sampling: this.compose.sampling }),
    roll: rollSeed,
    enqueue: (tasks, parent) => this.enqueue(tasks, parent.title, parent.id),
    say: (text) => this.toasts.show({ text }),
    sound: (track) => this.shelf.sound(track),
    keep: (wav) => this.shelf.put(wav),
    compose: (reference, strength, prompt) => {
      const mine = this.compose.draft.prompt.trim();
      this.compose.set({ reference, strength, ...(mine === '' && { prompt }) });
      this.#toAdvanced('reference');
      this.toasts.show({ text: TEXT.send.sent(reference.name) });
      this.toasts.say(TEXT.send.sent(reference.name));
    },
  });
  readonly sources = new Sources({
    shelf: this.shelf,
    limits: () => this.model?.limits ?? null,
    show: async (track, use) => {
      await this.show(track, false);
      this.router.show('song');
      this.work.show(track);
      this.work.prompt = this.compose.draft.prompt.trim() || null;
      if (use === 'reference') this.work.open('audio2audio');
    },
  });

  readonly gallery = new Gallery({
    limits: (model) => this.limitsOf(model),
    tracks: () => this.shelf.tracks,
    pending: () => {
      const { running, waiting } = this.queue;
      return [...(running ? [running] : []), ...waiting].map(({ task }) => task);
    },
    enqueue: (task, title) => void this.queue.add([{ task, title, preset: '' }]),
    play: (track) => this.show(track, true),
    pause: () => this.player.pause(),
    playing: () => (this.player.playing ? this.player.track : null),
  });

  readonly pwa = new Pwa();
  readonly device: Device;
  readonly bench: Bench;
  readonly models = new ModelShelf(this.toasts, () => this.#lookAgain());
  readonly #client: EngineClient;

  readonly queue: Queue;
  lastSeed = $state<number | null>(null);
  /** A new version is to take over as soon as no song is being made. */
  #updateWanted = false;
  #readyNotice = 0;

  constructor(client = new EngineClient()) {
    this.#client = client;
    this.shelf.inHand = () => this.compose.files;
    this.device = new Device(client, this.settings);
    this.bench = new Bench(client);
    this.queue = new Queue({
      client,
      library: this.shelf.library,
      toasts: this.toasts,
      log: this.log,
      soundMs: (task) => {
        const rate = rateOf(this.shelf.tracks, task.model, this.device.since);
        return rate && rate.soundMs * task.seconds;
      },
      has: (id) => this.shelf.find(id) !== null,
      hear: (job, event) => this.early.hear(job, event),
      lost: (job, message) => this.#lost(job, message),
      take: (job, result) => this.#take(job, result),
      idle: () => this.#idle(),
    });
  }

  /** The model in use; null until the catalogue is known. */
  get model() {
    const { models } = this.device;
    return models.find(({ manifest }) => manifest.id === this.compose.draft.model) ?? models[0] ?? null;
  }

  /** Why no song can be made with the model in use; empty while one can, or while that is not known. */
  get trouble(): string {
    return this.device.trouble?.message ?? this.device.refusals[this.model?.manifest.id ?? ''] ?? '';
  }

  /** Everything that the page waits for at its start. */
  async open(): Promise<void> {
    await Promise.all([this.#openShelf(), this.look()]);
    if (!this.device.trouble) await this.queue.open();
    await this.#keepOffline();
  }

  /** Follows the world outside until the returned function is called. */
  listen(): () => void {
    const update = (): void => this.#offerUpdate();
    addEventListener(UPDATE_EVENT, update);
    const missing = (): void => this.#offerReload();
    addEventListener(MISSING_EVENT, missing);
    const link = (): void => void this.#readLink();
    addEventListener('hashchange', link);
    link();
    const ends = [
      this.router.listen(),
      this.player.listen(),
      this.pwa.listen(),
      this.shelf.listen((track) => this.player.refresh(track)),
      this.queue.listen(),
      this.drops.listen(),
      this.models.listen(),
      $effect.root(() => {
        $effect(() => {
          const { track } = this.player;
          untrack(() => this.work.show(track));
        });
      }),
    ];
    return () => {
      removeEventListener('hashchange', link);
      removeEventListener(UPDATE_EVENT, update);
      removeEventListener(MISSING_EVENT, missing);
      for (const end of ends) end();
      this.#client.end();
      this.analyst.end();
    };
  }

  async look(): Promise<void> {
    await this.device.look();
    const { model } = this;
    if (model) this.compose.adopt(model.manifest.id, model.limits);
    if (this.device.trouble) this.log.add('engine', this.device.trouble.message);
    for (const [id, { notices }] of Object.entries(this.device.placements))
      for (const { text } of notices) this.log.add('place', `${id}: ${text}`);
  }

  /** The models of this browser changed: an engine knows those that there were when it started. */
  async #lookAgain(): Promise<void> {
    this.#client.setWish(this.settings.current.wish);
    if (this.queue.running === null) await this.look();
  }

  /**
   * Puts a LoRA file into the form.
   * @throws EngineError saying why it is none, or not one for the model in use
   */
  async addLora(file: File): Promise<void> {
    const { model } = this;
    const fits = (one: File): Promise<void> =>
      this.#client.call((engine) => engine.checkLora(model?.manifest.id ?? '', one));
    const { keepLora } = await import('./attachments.ts');
    const id = await keepLora(file, model?.limits.loras ? fits : null);
    this.compose.addLora({ file: id, name: file.name.replace(/\.safetensors$/iu, '') });
  }

  /** To a row of the Advanced drawer. */
  #toAdvanced(row: string): void {
    this.router.show('compose');
    this.compose.set({ simple: false });
    this.overlays.advanced = true;
    this.overlays.goTo = row;
  }

  /** Goes on with a song in the Studio, with the tool open that it was sent to. */
  async sendTo(track: Track, tool: Tool): Promise<void> {
    await this.show(track, false);
    this.router.show('song');
    this.work.show(track);
    this.work.open(tool);
  }

  useModel(id: string): void {
    const found = this.device.models.find(({ manifest }) => manifest.id === id);
    if (found) this.compose.adopt(id, found.limits);
  }

  /** Seconds of work for so much music with these settings; null until a song was measured here. */
  estimate(seconds: number, sampling: Sampling, model = this.compose.draft.model): number | null {
    const rate = rateOf(this.shelf.tracks, model, this.device.since);
    return rate && workSeconds(rate, seconds, sampling);
  }

  /** Seconds until a waiting job begins; null where that is not known, or the line rests. */
  startsIn(job: Job): number | null {
    const { running, waiting, paused } = this.queue;
    if (paused || (running && running.left === null)) return null;
    const ahead = waiting
      .slice(0, waiting.indexOf(job))
      .map(({ task }) => this.estimate(task.seconds, task.sampling, task.model));
    if (ahead.includes(null)) return null;
    return ahead.reduce<number>((sum, seconds) => sum + (seconds ?? 0), running?.left ?? 0);
  }

  /** Seconds until everything in line is done; null where that is not known. */
  get queueSeconds(): number | null {
    const { running, waiting } = this.queue;
    const ahead = waiting.map(({ task }) => this.estimate(task.seconds, task.sampling));
    const left = running?.left ?? null;
    if (left === null || ahead.includes(null)) return null;
    return ahead.reduce<number>((sum, seconds) => sum + (seconds ?? 0), left);
  }

  /** Settings that can run where those chosen cannot; null where they can, or nothing can. */
  get nearest(): { readonly wish: Wish; readonly placement: Placement } | null {
    const { device, model } = this;
    if (!model || !device.caps || device.refusals[model.manifest.id] === undefined) return null;
    return nearestTo(this.settings.current.wish, model.manifest, device.caps);
  }

  /** What may help a job that did not fit into memory. */
  waysOut(job: Job): readonly WayOut[] {
    const { caps, models, placements } = this.device;
    const info = models.find(({ manifest }) => manifest.id === job.task.model);
    const placement = placements[job.task.model];
    if (!job.error || !caps || !info || !placement) return [];
    const { manifest, limits } = info;
    const { wish } = this.settings.current;
    return waysOut({ code: job.error.code, task: job.task, manifest, limits, caps, wish, placement });
  }

  async takeWayOut(job: Job, way: WayOut): Promise<void> {
    if (way.type !== 'shorter') await this.device.choose(way.wish);
    await this.queue.again(job, way.type === 'shorter' ? way.task : null);
  }

  limitsOf(model: string): TaskLimits | null {
    return this.device.models.find(({ manifest }) => manifest.id === model)?.limits ?? null;
  }

  /** Puts the draft in line, once for each take. */
  generate(): void {
    if (this.compose.problem || !this.compose.limits) return;
    const { prompt, preset } = this.compose.draft;
    const title = titleOf(prompt, TEXT.library.untitled);
    const work = this.compose.tasks().map((task) => ({ title, preset, task }));
    this.lastSeed = work.at(-1)?.task.seeds[0] ?? null;
    void this.queue.add(work);
  }

  /** Puts tasks in line; `parent` is the track that they start from. */
  enqueue(tasks: readonly Task[], title: string, parent: string): void {
    const work = tasks.map((task) => {
      const limits = this.device.models.find(({ manifest }) => manifest.id === task.model)?.limits;
      return { title, task, preset: limits ? presetOf(limits, task.sampling) : '', parent };
    });
    void this.queue.add(work);
  }

  /**
   * Puts a list of songs in line; where some of them do not fit, a dialog says which and asks.
   * @throws EngineError 'bad-task' when it is no list of songs
   */
  openBatch(text: string): void {
    const { models } = this.device;
    const batch = readBatch(text, {
      limits: (model) =>
        (model === '' ? this.model : models.find(({ manifest }) => manifest.id === model))?.limits ?? null,
      hasSound: (blob) => this.shelf.tracks.some(({ audio }) => audio === blob),
      untitled: TEXT.library.untitled,
    });
    if (batch.faults.length === 0) return void this.queue.add(batch.work);
    this.batch = batch;
    this.overlays.show('batch');
  }

  /** The line as a file. */
  saveBatch(): void {
    saveFile(new Blob([writeBatch(this.queue.jobs)]), TEXT.line.fileName, 'application/json');
  }

  /** Puts a song into the player and the stage. */
  async show(track: Track, play: boolean): Promise<void> {
    await this.player.open(track, play);
  }

  /** The song before (-1) or after (1) the one in the player: of its queue, else in the order of the library. */
  neighbour(by: -1 | 1): Track | null {
    const { player, shelf } = this;
    if (player.playlist.list.length > 0 || (by === 1 && player.coming.length > 0))
      return player.neighbour(by);
    const at = shelf.tracks.findIndex(({ id }) => id === player.track?.id);
    return at < 0 ? null : (shelf.tracks[at + by] ?? null);
  }

  async skip(by: -1 | 1): Promise<void> {
    const track = this.neighbour(by);
    if (track) await this.player.skipTo(track);
  }

  playNext(track: Track): void {
    this.player.playNext(track);
    this.toasts.show({ text: TEXT.listen.addedNext(track.title) });
  }

  playLast(track: Track): void {
    this.player.playLast(track);
    this.toasts.show({ text: TEXT.listen.addedLast(track.title) });
  }

  /** Measures a song once; its meters are kept with it. */
  async measure(track: Track): Promise<void> {
    const file = await this.shelf.sound(track);
    const meters = await this.analyst.ask((analysis) => analysis.meters(file));
    await this.change(track, { meters });
  }

  /** Hears a song against the one in the player; by itself, against its parent or another take of it. */
  async compare(track: Track): Promise<void> {
    const { track: playing } = this.player;
    const other = playing && playing.id !== track.id ? playing : this.partnersOf(track)[0];
    if (other) await this.player.compare(other, track);
  }

  /** What a song may be compared with: its parent, the other takes of it, then all others. */
  partnersOf(track: Track): readonly Track[] {
    const { tracks } = this.shelf;
    const parent = this.shelf.find(track.parent ?? null);
    const all = [...(parent ? [parent] : []), ...takesOf(track, tracks), ...tracks];
    const byId = new Map(all.map((one) => [one.id, one]));
    byId.delete(track.id);
    return [...byId.values()];
  }

  reuse(track: Track): void {
    this.refill(TEXT.library.reused, () => {
      this.useModel(track.model);
      this.compose.reuse(track.task);
    });
  }

  surprise(): void {
    this.refill(TEXT.compose.surprised, () => this.compose.surprise());
  }

  /** Changes the form as a whole and says so; what stood there comes back by the notice. */
  refill(text: string, change: () => void): void {
    const before = this.compose.draft;
    change();
    this.router.show('compose');
    const run = (): void => this.#back(before);
    this.toasts.show({ text, action: { label: TEXT.library.undo, run } });
    this.toasts.say(text);
  }

  #back(draft: Draft): void {
    this.useModel(draft.model);
    this.compose.set(draft);
    this.toasts.show({ text: TEXT.drop.undone });
    this.toasts.say(TEXT.drop.undone);
  }

  /** The settings of a song as an address. */
  async copyLink(track: Track): Promise<void> {
    try {
      const page = location.href.split('#')[0] ?? '';
      const { linkTo } = await import('./link.ts');
      const link = linkTo(page, recipeOf(track.title, track.task, track.seed));
      this.toasts.show({ text: (await copyText(link)) ? TEXT.link.copied : TEXT.app.copyFailed });
    } catch (thrown) {
      this.toasts.show({ text: asEngineError(thrown).message });
    }
  }

  /** What the address brought goes into the form, once the user has said so. */
  useLinked(): void {
    this.overlays.close('link');
    try {
      this.drops.fill(this.linked, TEXT.link.open);
    } catch (thrown) {
      this.toasts.show({ text: asEngineError(thrown).message, sticky: true });
    }
  }

  async #readLink(): Promise<void> {
    const { hash } = location;
    if (!isLink(hash)) return;
    history.replaceState(null, '', '#studio'); // a reload must not ask again
    try {
      const { settingsOf } = await import('./link.ts');
      this.linked = settingsOf(hash);
      this.overlays.show('link');
    } catch (thrown) {
      this.toasts.show({ text: asEngineError(thrown).message, sticky: true });
    }
  }

  async change(track: Track, patch: TrackPatch): Promise<void> {
    const changed = await this.shelf.update(track.id, patch);
    if (changed) this.player.refresh(changed);
  }

  async remove(...tracks: readonly Track[]): Promise<void> {
    const playing = tracks.find(({ id }) => id === this.player.track?.id);
    if (playing) this.player.close();
    for (const track of tracks) this.player.unqueue(track);
    await this.shelf.remove(tracks, () => {
      if (playing && !this.player.track) void this.show(playing, false);
    });
  }

  async download(track: Track): Promise<void> {
    try {
      saveFile(await this.shelf.sound(track), `${fileName(track.title)} - ${track.seed}.wav`, 'audio/wav');
    } catch (thrown) {
      this.toasts.show({ text: asEngineError(thrown).message });
    }
  }

  /** The song in hand will not be finished; who heard it gets the newest one back. */
  async #lost(job: Job, message: string): Promise<void> {
    const newest = this.shelf.tracks[0];
    if (this.early.fail(job, message) && newest) await this.show(newest, false);
  }

  #idle(): void {
    if (this.#updateWanted) return this.pwa.apply();
    // What the engine holds now is shown on the Device page; nobody waits for it.
    this.device.measure().catch(() => undefined);
  }

  async #openShelf(): Promise<void> {
    await this.shelf.open();
    const newest = this.shelf.tracks[0];
    if (newest && !this.player.track) await this.player.open(newest, false);
  }

  /** Without a service worker, or without a network, this comes to nothing, and the Device page says "not yet". */
  async #keepOffline(): Promise<void> {
    if (this.device.trouble) return;
    try {
      await this.pwa.keep(await this.#client.call((engine) => engine.offlineUrls()));
    } catch (thrown) {
      this.log.add('offline', asEngineError(thrown).message);
    }
  }

  /** A part that comes when it is first opened did not come. */
  #offerReload(): void {
    this.toasts.show({
      text: TEXT.update.missing,
      action: { label: TEXT.update.reload, run: () => location.reload() },
      sticky: true,
    });
    this.toasts.say(TEXT.update.missing);
  }

  #offerUpdate(): void {
    const wait = TEXT.update.waits;
    const apply = (): void => {
      this.#updateWanted = true;
      if (this.queue.busy) this.toasts.show({ text: wait });
      else this.pwa.apply();
    };
    this.toasts.show({
      text: TEXT.update.ready,
      action: { label: TEXT.update.now, run: apply },
      sticky: true,
    });
    this.toasts.say(TEXT.update.ready);
  }

  async #take(job: Job, result: Result): Promise<void> {
    const stopped = job.ending === 'keep' && job.step < job.steps;
    const songs = result.songs.map(({ unstored, ...facts }, i) => {
      const track: NewTrack = {
        ...facts,
        // Named after its work: a tab that ends in between records it again under the same name.
        id: i === 0 ? job.id : `${job.id}.${i}`,
        createdAt: Date.now(),
        title: job.title,
        task: { ...result.task, seeds: [facts.seed] },
        model: result.model,
        timings: result.timings,
        ...(stopped && { stoppedAt: job.step }),
        ...(job.plan && { plan: job.plan }),
        ...(job.parent !== undefined && { parent: job.parent }),
        favourite: false,
      };
      return { track, unstored };
    });
    const kept: Track[] = [];
    for (const { track, unstored } of songs) kept.push(await this.shelf.add(track, unstored));
    const [first, last] = [kept[0], kept.at(-1)];
    if (!first || !last) return;
    if (this.settings.current.notices) notify(TEXT.live.ready(job.title));
    const ready = last;
    const goesOn = await this.early.finish(job, first);
    this.gallery.arrived(ready);
    if (!goesOn && !this.player.playing) await this.show(ready, false);
    // The next song's takes its place: on a phone three of them cover the song.
    this.toasts.dismiss(this.#readyNotice);
    this.#readyNotice = this.toasts.show({
      text: TEXT.toast.ready(job.title),
      action: { label: TEXT.toast.play, run: () => void this.show(ready, true) },
    });
  }
}
