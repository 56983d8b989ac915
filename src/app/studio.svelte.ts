/**
 * The app's one store. Components read its fields and call its methods; only it talks to the engine.
 * One song is made at a time; the others wait in line in the order of `jobs`.
 */
import type { Result } from '../engine/engine.ts';
import { asEngineError } from '../lib/errors.ts';
import type { EngineEvent } from '../lib/events.ts';
import type { Sampling } from '../lib/task.ts';
import type { Track } from '../storage/library.ts';
import { coverSvg } from './listen/cover.ts';
import { Compose, EMPTY_DRAFT, parseDraft, rollSeed } from './compose.svelte.ts';
import { Device } from './device.svelte.ts';
import { saveFile } from './download.ts';
import { EngineClient } from './engine-client.ts';
import { rateOf, workSeconds } from './estimate.ts';
import { fileName } from './format.ts';
import { milestone, newJob, progress, reduceJob, type Job, type JobAction } from './job.ts';
import { Log } from './log.svelte.ts';
import { Overlays } from './overlays.svelte.ts';
import { Player } from './player.svelte.ts';
import { Pwa, UPDATE_EVENT } from './pwa.svelte.ts';
import { Router } from './router.svelte.ts';
import { notify } from './notify.ts';
import { createSettings, Keep } from './settings.svelte.ts';
import { sectionsOf } from './sections.ts';
import { Shelf } from './shelf.svelte.ts';
import { TEXT } from './text.ts';
import { titleOf } from './titles.ts';
import { Toasts } from './toasts.svelte.ts';

const DOWNLOAD_MS = 100;

export class Studio {
  readonly settings = createSettings();
  readonly router = new Router();
  readonly overlays = new Overlays();
  readonly toasts = new Toasts();
  readonly log = new Log();
  readonly shelf = new Shelf(this.toasts);
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

  readonly pwa = new Pwa();
  readonly device: Device;
  readonly #client: EngineClient;

  jobs = $state.raw<readonly Job[]>([]);
  lastSeed = $state<number | null>(null);
  /** Moves once a second while a song is being made, so that what depends on time is drawn again. */
  now = $state(Date.now());
  /** A new version is to take over as soon as no song is being made. */
  #updateWanted = false;
  #abort: AbortController | null = null;
  /** When the progress of a download was last shown. */
  #downloadAt = 0;

  readonly running: Job | null = $derived(this.jobs.find(({ state }) => state === 'running') ?? null);
  readonly waiting: readonly Job[] = $derived(this.jobs.filter(({ state }) => state === 'waiting'));
  readonly busy: boolean = $derived(this.running !== null || this.waiting.length > 0);
  /** Share of the running song that is done, 0..1. */
  readonly share: number = $derived(this.running ? progress(this.running, this.now) : 0);

  constructor(client = new EngineClient()) {
    this.#client = client;
    this.device = new Device(client, this.settings);
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
    await this.#keepOffline();
  }

  /** Follows the world outside until the returned function is called. */
  listen(): () => void {
    const update = (): void => this.#offerUpdate();
    addEventListener(UPDATE_EVENT, update);
    const ends = [this.router.listen(), this.player.listen(), this.pwa.listen()];
    return () => {
      removeEventListener(UPDATE_EVENT, update);
      for (const end of ends) end();
      this.#client.end();
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

  useModel(id: string): void {
    const found = this.device.models.find(({ manifest }) => manifest.id === id);
    if (found) this.compose.adopt(id, found.limits);
  }

  /** Seconds of work for so much music with these settings; null until a song was measured here. */
  estimate(seconds: number, sampling: Sampling, model = this.compose.draft.model): number | null {
    const rate = rateOf(this.shelf.tracks, model, this.device.since);
    return rate && workSeconds(rate, seconds, sampling);
  }

  /** Seconds until everything in line is done; null where that is not known. */
  get queueSeconds(): number | null {
    const ahead = this.waiting.map(({ task }) => this.estimate(task.seconds, task.sampling));
    const left = this.running?.left ?? null;
    if (left === null || ahead.includes(null)) return null;
    return ahead.reduce<number>((sum, seconds) => sum + (seconds ?? 0), left);
  }

  /** Puts the draft in line, once for each take. */
  generate(): void {
    if (this.compose.problem || !this.compose.limits) return;
    const { takes, seed, prompt, preset } = this.compose.draft;
    const title = titleOf(prompt, TEXT.library.untitled);
    for (let take = 0; take < takes; take++) {
      this.lastSeed = seed === null ? rollSeed() : seed + take;
      const task = this.compose.task(this.lastSeed);
      this.jobs = [...this.jobs, newJob(crypto.randomUUID(), title, task, preset)];
    }
    this.toasts.say(TEXT.live.queued(title));
    void this.#pump();
  }

  /** The same task in line again. */
  again(job: Job): void {
    const next = newJob(crypto.randomUUID(), job.title, job.task, job.preset);
    this.jobs = [...this.jobs.filter(({ id }) => id !== job.id), next];
    void this.#pump();
  }

  /** Ends the running song, or takes a waiting or ended one off the list. */
  cancel(job: Job): void {
    if (job.state === 'running') {
      this.#act(job.id, { type: 'ending', ending: 'cancel' });
      this.#abort?.abort();
    } else {
      this.jobs = this.jobs.filter(({ id }) => id !== job.id);
    }
  }

  async stopAndKeep(): Promise<void> {
    if (!this.running) return;
    this.#act(this.running.id, { type: 'ending', ending: 'keep' });
    try {
      await this.#client.stopAndKeep();
    } catch (thrown) {
      this.toasts.show({ text: asEngineError(thrown).message }); // the song itself goes on
    }
  }

  /** Moves a waiting job one place up (-1) or down (1) among those that wait. */
  move(job: Job, by: -1 | 1): void {
    const order = this.waiting.map(({ id }) => id);
    const from = order.indexOf(job.id);
    const other = order[from + by];
    if (from < 0 || other === undefined) return;
    const swap = (id: string): string => (id === job.id ? other : id === other ? job.id : id);
    const byId = new Map(this.jobs.map((one) => [one.id, one]));
    this.jobs = this.jobs.map((one) => byId.get(swap(one.id)) ?? one);
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

  reuse(track: Track): void {
    this.useModel(track.model);
    this.compose.reuse(track.task);
    this.router.go('studio');
    this.toasts.show({ text: TEXT.library.reused });
  }

  async change(track: Track, patch: { title?: string; favourite?: boolean }): Promise<void> {
    const changed = await this.shelf.update(track.id, patch);
    if (changed) this.player.refresh(changed);
  }

  async remove(track: Track): Promise<void> {
    if (this.player.track?.id === track.id) this.player.close();
    this.player.unqueue(track);
    await this.shelf.remove(track, () => {
      if (!this.player.track) void this.show(track, false);
    });
  }

  async download(track: Track): Promise<void> {
    try {
      saveFile(await this.shelf.sound(track), `${fileName(track.title)} - ${track.seed}.wav`, 'audio/wav');
    } catch (thrown) {
      this.toasts.show({ text: asEngineError(thrown).message });
    }
  }

  async #pump(): Promise<void> {
    const job = this.waiting[0];
    if (this.running || !job) return;
    this.#abort = new AbortController();
    const rate = rateOf(this.shelf.tracks, job.task.model, this.device.since);
    this.#act(job.id, { type: 'start', soundMs: rate && rate.soundMs * job.task.seconds });
    this.toasts.say(TEXT.live.started(job.title));
    const clock = setInterval(() => this.#act(job.id, { type: 'tick' }), 1000);
    try {
      const result = await this.#client.generate(
        job.task,
        (event) => {
          if (event.type === 'download' && !this.#worthShowing(event)) return;
          this.log.event(event);
          this.#act(job.id, event);
        },
        this.#abort.signal,
      );
      await this.#take(job, result);
    } catch (thrown) {
      const { code, message } = asEngineError(thrown);
      this.#act(job.id, { type: 'failed', error: { code, message } });
      if (code !== 'cancelled') this.log.add(code, message);
      this.toasts.say(
        code === 'cancelled'
          ? TEXT.live.cancelled(job.title)
          : TEXT.live.failed(job.title, TEXT.failures[code]),
      );
    } finally {
      clearInterval(clock);
      this.#abort = null;
    }
    // What failed stays to be read and tried again; what is done lives on in the library.
    this.jobs = this.jobs.filter(({ state }) => state !== 'done' && state !== 'cancelled');
    if (this.waiting.length > 0) return this.#pump();
    if (this.#updateWanted) this.pwa.apply();
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

  #offerUpdate(): void {
    const wait = TEXT.update.waits;
    const apply = (): void => {
      this.#updateWanted = true;
      if (this.busy) this.toasts.show({ text: wait });
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
    const now = this.jobs.find(({ id }) => id === job.id) ?? job;
    const stopped = now.ending === 'keep' && now.step < now.steps;
    const tracks = result.songs.map(({ unstored: _, ...facts }): Track => ({
      ...facts,
      id: crypto.randomUUID(),
      createdAt: Date.now(),
      title: job.title,
      task: { ...result.task, seeds: [facts.seed] },
      model: result.model,
      timings: result.timings,
      ...(stopped && { stoppedAt: now.step }),
      ...(now.plan && { plan: now.plan }),
      favourite: false,
    }));
    for (const [i, track] of tracks.entries()) await this.shelf.add(track, result.songs[i]?.unstored ?? {});
    const last = tracks.at(-1);
    this.#act(job.id, { type: 'done' });
    this.toasts.say(TEXT.live.ready(job.title));
    if (this.settings.current.notices) notify(TEXT.live.ready(job.title));
    if (!last) return;
    if (!this.player.playing) await this.show(last, false);
    this.toasts.show({
      text: TEXT.toast.ready(job.title),
      action: { label: TEXT.toast.play, run: () => void this.show(last, true) },
    });
  }

  /** Bytes from a cache come in hundreds of pieces a second; a bar that moves ten times a second is smooth. */
  #worthShowing({ loaded, total }: EngineEvent & { readonly type: 'download' }): boolean {
    const now = performance.now();
    if (loaded < total && now - this.#downloadAt < DOWNLOAD_MS) return false;
    this.#downloadAt = now;
    return true;
  }

  #act(id: string, action: JobAction): void {
    this.now = Date.now();
    this.jobs = this.jobs.map((job) => {
      if (job.id !== id) return job;
      const next = reduceJob(job, action, this.now);
      const heard = milestone(job, next);
      if (heard && 'stage' in heard) this.toasts.say(TEXT.job.stages[heard.stage]);
      if (heard && 'quarter' in heard) this.toasts.say(TEXT.live.quarter[heard.quarter]);
      return next;
    });
  }
}
