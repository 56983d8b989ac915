/**
 * The one player of the page. It lives as long as the page does, so the music goes on while pages come and go: they
 * show its state and call its methods. Sound is read in pieces from its file and laid end to end on the audio clock
 * (listen/deck.ts); what plays next stands in `playlist`.
 */
import { momentaryLoudness } from '../lib/audio/loudness.ts';
import { asEngineError } from '../lib/errors.ts';
import type { Track } from '../storage/library.ts';
import {
  amplitudeOf,
  comparison,
  matchingGains,
  open as namesShown,
  reduceCompare,
  type CompareAction,
  type Comparison,
  type Side,
} from './listen/compare.ts';
import { Deck, FADE_SECONDS, Rated, type Programme } from './listen/deck.ts';
import { levelOf, type EarlySound } from './listen/early.ts';
import * as lists from './listen/playlist.ts';
import type { Playlist } from './listen/playlist.ts';
import { Session, type Shown } from './listen/session.ts';
import { openWav, type Sound } from './listen/sound.ts';
import { wantsCalm } from './settings.svelte.ts';

/** How often the shown position follows the sound, milliseconds; with reduced motion four times a second. */
const FRAME_MS = { usual: 66, reduced: 250 } as const;
/** Volume moves within this time, so that it does not crackle. */
const VOLUME_SECONDS = 0.02;
/** From one side of a comparison to the other: no click, and no mixture to hear. */
const SWAP_SECONDS = 0.015;
/** From an early sound to the finished song: the same music, whose level then settles. */
const HANDOVER_SECONDS = 0.03;
const SETTLE_SECONDS = 3;
const MAX_TRIM = 4;
const SHORTEST_LOOP = 0.05;
/** Samples that an analyser holds at most, and what of them is a moment (EBU Tech 3341). */
const TAP = 32_768;
const MOMENT_SECONDS = 0.4;
/** Below this a meter has nothing to show, LUFS. */
const QUIET = -70;
/** Open files: the song in hand, the next one, and one to go back to. */
const SOUNDS_KEPT = 4;

export interface Sounds {
  /** The WAV file of a track. */
  open(track: Track): Promise<Blob>;
  /** The track of an id; null once it is deleted. */
  find(id: string): Track | null;
  /** The media keys ask for the song before or after. */
  skip(by: -1 | 1): void;
  /** What the operating system shows of a track. */
  show(track: Track): Shown;
}

/** A stretch of a song, seconds. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** A song that is not finished. */
export interface Early {
  readonly job: string;
  readonly shown: Shown;
  readonly sound: EarlySound;
}

/** What exists from the first play on: browsers let a page make sound only after it was touched. */
interface Rig {
  readonly context: AudioContext;
  readonly rated: Rated;
  /** Everything that is heard, before the volume. */
  readonly bus: GainNode;
  readonly volume: GainNode;
  /** One for each channel of what is heard, before the volume. */
  readonly taps: readonly AnalyserNode[];
  readonly deck: Deck<string>;
}

export class Player {
  track = $state.raw<Track | null>(null);
  /** The sound of `track` is open. */
  ready = $state(false);
  playing = $state(false);
  /** Seconds. */
  time = $state(0);
  loop = $state(false);
  /** What loops instead of the whole song. */
  region = $state.raw<Stretch | null>(null);
  muted = $state(false);
  volume = $state(1);
  /** Sound is to come that is not there yet. */
  waiting = $state(false);
  /** Why the track cannot be played; empty while it can. */
  trouble = $state('');
  playlist = $state.raw<Playlist>(lists.EMPTY);
  comparison = $state.raw<Comparison | null>(null);
  /** A song that is heard while it is made; `track` is null meanwhile. */
  early = $state.raw<Early | null>(null);

  readonly #sounds: Sounds;
  readonly #session = new Session();
  #rig: Rig | null = null;
  #frame = 0;
  #tick: ReturnType<typeof setInterval> | undefined;
  /** Counts openings, so that a slow file cannot replace a newer choice. */
  #opening = 0;
  readonly #open = new Map<string, Promise<Sound>>();
  /** What plays in step: the song in hand, or both of a comparison. */
  #lanes: readonly Sound[] = [];
  /** Gain of the song in hand: 1, but for the moment when it takes over from its early sound. */
  #trim = 1;
  #pair: Readonly<Record<Side, Track>> | null = null;
  /** Id of the song that was last heard. */
  #heard = '';

  constructor(sounds: Sounds, volume: number) {
    this.#sounds = sounds;
    this.volume = volume;
  }

  get duration(): number {
    const { a, b } = this.#pair ?? {};
    if (this.early) return this.early.sound.seconds;
    // Two songs are in step as long as both are there.
    return a && b ? Math.min(a.seconds, b.seconds) : (this.track?.seconds ?? 0);
  }

  /** Songs to come, soonest first. */
  get coming(): readonly Track[] {
    return lists.coming(this.playlist).flatMap((id) => this.#sounds.find(id) ?? []);
  }

  /** Answers the media keys until the returned function is called; then the music ends too. */
  listen(): () => void {
    const off = this.#session.listen({
      play: () => void this.play(),
      pause: () => this.pause(),
      stop: () => this.pause(),
      seekTo: (seconds) => this.seek(seconds),
      seekBy: (seconds) => this.seek(this.time + seconds),
      skip: (by) => this.#sounds.skip(by),
    });
    return () => {
      off();
      this.pause();
      void this.#rig?.context.close();
      this.#rig = null;
    };
  }

  /** Puts a track into the player. Its sound is read only as it plays. */
  async open(track: Track, play: boolean): Promise<void> {
    if (track.id !== this.track?.id) this.#take(track);
    if (!this.ready) await this.#load(track);
    if (play && this.track?.id === track.id) await this.play();
  }

  /** Takes the newer record of the track in hand (a new title …). */
  refresh(track: Track): void {
    if (track.id !== this.track?.id) return;
    this.track = track;
    this.#show();
  }

  close(): void {
    this.#take(null);
  }

  async play(): Promise<void> {
    if (!this.ready) return;
    if (this.time >= this.duration - 0.05) this.time = 0;
    const rig = this.#start();
    this.#setPlaying(true);
    try {
      // Waits where the browser wants the page touched first.
      await rig.context.resume();
      if (this.playing)
        await rig.deck.play(() => this.#here(rig, this.time), this.time > 0 ? FADE_SECONDS : 0);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  pause(): void {
    if (!this.playing) return;
    this.#follow();
    this.#setPlaying(false);
    const { deck, context } = this.#rig ?? {};
    deck?.stop();
    // After the fade; a clock that stands costs nothing.
    setTimeout(() => !this.playing && void context?.suspend(), 10 * 1000 * FADE_SECONDS);
  }

  async toggle(): Promise<void> {
    if (this.playing) this.pause();
    else await this.play();
  }

  seek(seconds: number): void {
    if (!this.ready) return;
    const { sound } = this.early ?? {};
    const there = sound ? sound.have / sound.sampleRate : this.duration;
    this.time = Math.min(Math.max(0, seconds), there);
    this.#session.position(this.time, this.duration);
    const rig = this.#rig;
    if (!this.playing || !rig) return;
    const { time } = this;
    void rig.deck.play(() => this.#here(rig, time), FADE_SECONDS);
  }

  setLoop(loop: boolean): void {
    this.loop = loop;
    void this.#replan();
  }

  /** What the loop goes round; the whole song when null. */
  setRegion(region: Stretch | null): void {
    this.region = region && region.end - region.start >= SHORTEST_LOOP ? region : null;
    if (this.loop) void this.#replan();
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
    this.#applyVolume();
  }

  setVolume(volume: number): void {
    this.volume = Math.min(1, Math.max(0, volume));
    if (this.volume > 0) this.muted = false;
    this.#applyVolume();
  }

  /** Plays a list from one of its songs on; without one, from the first, or from any when shuffled. */
  async playAll(tracks: readonly Track[], from?: Track): Promise<void> {
    const { shuffle } = this.playlist;
    const first = from ?? tracks[shuffle ? Math.floor(Math.random() * tracks.length) : 0];
    if (!first) return;
    const ids = tracks.map(({ id }) => id);
    this.playlist = lists.started(this.playlist, ids, first.id, Math.random);
    await this.open(first, true);
  }

  playNext(track: Track): void {
    this.#plan(lists.putNext(this.playlist, track.id));
  }

  playLast(track: Track): void {
    this.#plan(lists.putLast(this.playlist, track.id));
  }

  /** Changes what comes after the song in hand. */
  #plan(playlist: Playlist): void {
    this.playlist = playlist;
    void this.#replan();
  }

  unqueue(track: Track): void {
    this.#plan(lists.without(this.playlist, track.id));
  }

  moveNext(track: Track, by: -1 | 1): void {
    this.#plan(lists.moved(this.playlist, track.id, by));
  }

  clearQueue(): void {
    this.#plan(lists.cleared(this.playlist));
  }

  setRepeat(repeat: boolean): void {
    this.#plan(lists.repeated(this.playlist, repeat));
  }

  setShuffle(shuffle: boolean): void {
    this.#plan(lists.shuffled(this.playlist, shuffle, Math.random));
  }

  /** The song after (1) or before (-1) the one in hand, and whether there is one. */
  neighbour(by: -1 | 1): Track | null {
    if (by === 1) return this.coming[0] ?? null;
    const id = lists.earlier(this.playlist);
    return id === null ? null : this.#sounds.find(id);
  }

  /** Goes to a song, and on with the list it is in; plays if the one before did. */
  async skipTo(track: Track): Promise<void> {
    this.playlist = lists.arrived(this.playlist, track.id);
    await this.open(track, this.playing);
  }

  /** Hears a song while it is being made. */
  async playEarly(early: Early): Promise<void> {
    this.#take(null);
    this.early = early;
    this.#heard = early.job;
    this.#lanes = [early.sound];
    this.ready = true;
    this.#show();
    await this.play();
  }

  /**
   * The song of a job is finished: where it is heard already, the finished one takes over at the same sample, from the
   * level it is heard at to its own. False where it is not.
   */
  async adopt(job: string, track: Track): Promise<boolean> {
    const { early } = this;
    if (early?.job !== job) return false;
    const mine = ++this.#opening;
    try {
      const sound = await this.#sound(track);
      const here = Math.round(this.time * sound.sampleRate);
      const [from, to] = [here - sound.sampleRate / 2, here + sound.sampleRate / 2];
      const [before, after] = [await levelOf(early.sound, from, to), await levelOf(sound, from, to)];
      if (mine !== this.#opening) return true;
      this.#trim = after > 0 ? Math.min(MAX_TRIM, Math.max(1 / MAX_TRIM, before / after)) : 1;
      this.#lanes = [sound];
    } catch (thrown) {
      if (mine === this.#opening) this.#fail(thrown);
      return true;
    }
    this.early = null;
    this.track = track;
    this.#show();
    this.#heard = track.id;
    await this.#replan(HANDOVER_SECONDS);
    this.#trim = 1;
    this.#rig?.deck.mix(this.#gains(), SETTLE_SECONDS);
    return true;
  }

  /** Hears two songs side by side, from where the first one is. */
  async compare(a: Track, b: Track): Promise<void> {
    const was = this.playing;
    if (this.track?.id !== a.id) await this.open(a, false);
    const mine = this.#opening;
    try {
      const pair = await Promise.all([this.#sound(a), this.#sound(b)]);
      if (mine !== this.#opening) return;
      this.#lanes = pair;
      this.#pair = { a, b };
      this.comparison = comparison(a.id, b.id);
    } catch (thrown) {
      return this.#fail(thrown);
    }
    this.time = Math.min(this.time, this.duration);
    if (this.playing) void this.#replan(FADE_SECONDS);
    else if (was) await this.play();
  }

  /** A step of the comparison: hear the other side, hide the names, choose … */
  act(action: CompareAction): void {
    if (!this.comparison || !this.#pair) return;
    this.comparison = reduceCompare(this.comparison, action);
    this.#rig?.deck.mix(this.#gains(), SWAP_SECONDS);
    // What is shown is what is heard, but for a blind test, where that would tell.
    const shown = this.#pair[namesShown(this.comparison) ? this.comparison.heard : 'a'];
    if (shown.id === this.track?.id) return;
    this.track = this.#sounds.find(shown.id) ?? shown;
    this.#show();
  }

  /** Goes on with the song that is heard. */
  endCompare(): void {
    const { comparison: at } = this;
    if (!at || !this.#pair) return;
    const track = this.#pair[at.heard];
    this.#lanes = this.#lanes.slice(at.heard === 'a' ? 0 : 1).slice(0, 1);
    this.#pair = null;
    this.comparison = null;
    this.track = this.#sounds.find(track.id) ?? track;
    this.#heard = track.id;
    this.#show();
    void this.#replan(FADE_SECONDS);
  }

  /** Decibels that each side of the comparison is turned by. */
  get matched(): Readonly<Record<Side, number>> {
    return this.#pair ? matchingGains(this.#pair.a.loudness, this.#pair.b.loudness) : { a: 0, b: 0 };
  }

  /** Loudness of the last 400 ms as it is heard, LUFS; null for silence, and while nothing plays. */
  momentary(): number | null {
    const rig = this.#rig;
    if (!rig || !this.playing) return null;
    const { sampleRate } = rig.context;
    const channels = rig.taps.map((tap) => {
      const samples = new Float32Array(TAP);
      tap.getFloatTimeDomainData(samples);
      return samples.subarray(-Math.min(TAP, Math.round(MOMENT_SECONDS * sampleRate)));
    });
    const level = momentaryLoudness({ channels, sampleRate });
    return level < QUIET ? null : level;
  }

  #gains(): readonly number[] {
    const { comparison: at, matched } = this;
    if (!at) return [this.#trim];
    return (['a', 'b'] as const).map((side) => (side === at.heard ? amplitudeOf(matched[side]) : 0));
  }

  #take(track: Track | null): void {
    this.#opening += 1;
    this.#rig?.deck.stop();
    if (this.playing) this.#setPlaying(false);
    this.#lanes = [];
    this.#pair = null;
    this.comparison = null;
    this.early = null;
    this.#trim = 1;
    this.ready = false;
    this.time = 0;
    this.trouble = '';
    this.region = null;
    this.track = track;
    this.#heard = track?.id ?? '';
    this.#show();
  }

  async #load(track: Track): Promise<void> {
    const mine = ++this.#opening;
    try {
      const sound = await this.#sound(track);
      if (mine !== this.#opening) return;
      this.#lanes = [sound];
      this.ready = true;
    } catch (thrown) {
      if (mine === this.#opening) this.#fail(thrown);
    }
  }

  #sound(track: Track): Promise<Sound> {
    const kept = this.#open.get(track.id);
    if (kept) return kept;
    const sound = this.#sounds.open(track).then(openWav);
    sound.catch(() => this.#open.delete(track.id)); // the next try reads again
    this.#open.set(track.id, sound);
    const [oldest] = this.#open.keys();
    if (this.#open.size > SOUNDS_KEPT && oldest !== undefined) this.#open.delete(oldest);
    return sound;
  }

  #start(): Rig {
    if (this.#rig) return this.#rig;
    // At the rate of the first song nothing is converted; songs of another rate are, exactly.
    const context = new AudioContext({ latencyHint: 'balanced', sampleRate: this.track?.sampleRate });
    const bus = context.createGain();
    const volume = context.createGain();
    bus.connect(volume).connect(context.destination);
    const splitter = context.createChannelSplitter(2);
    bus.connect(splitter);
    const taps = [0, 1].map((channel) => {
      const tap = context.createAnalyser();
      tap.fftSize = TAP;
      splitter.connect(tap, channel);
      return tap;
    });
    const deck = new Deck<string>(context, bus, {
      end: () => this.#ended(),
      trouble: (thrown) => this.#fail(thrown),
    });
    this.#rig = { context, rated: new Rated(context.sampleRate), bus, volume, taps, deck };
    this.#applyVolume();
    return this.#rig;
  }

  /** What is in hand, from a moment on. */
  #here(rig: Rig, seconds: number): Programme<string> {
    const sounds = this.#lanes.map((sound) => rig.rated.of(sound));
    return this.#programme(rig, this.#heard, sounds, Math.round(seconds * rig.context.sampleRate));
  }

  #programme(rig: Rig, song: string, sounds: readonly Sound[], frame: number): Programme<string> {
    let list = this.playlist; // runs ahead of what is heard
    const length = Math.min(...sounds.map(({ frames }) => frames));
    const [start, end] = this.#round(rig, length);
    const from = Math.min(frame, length - 1);
    return {
      first: { song, sounds, from, to: from < end ? end : length },
      gains: this.#gains(),
      after: async (passage) => {
        if (this.loop) return { ...passage, from: start, to: end };
        while (!this.comparison) {
          const [id] = lists.coming(list);
          if (id === undefined) break;
          list = lists.arrived(list, id);
          const next = this.#sounds.find(id);
          if (!next) continue; // deleted
          const sound = rig.rated.of(await this.#sound(next));
          return { song: id, sounds: [sound], from: 0, to: sound.frames };
        }
        return null;
      },
    };
  }

  /** Frames that the loop goes round; the whole song where there is no loop. */
  #round(rig: Rig, length: number): readonly [start: number, end: number] {
    if (!this.loop || !this.region) return [0, length];
    const { sampleRate } = rig.context;
    const end = Math.min(length, Math.round(this.region.end * sampleRate));
    return [Math.min(Math.round(this.region.start * sampleRate), end - 1), end];
  }

  /** What comes has changed; what is heard now goes on. */
  async #replan(fade = 0): Promise<void> {
    const rig = this.#rig;
    if (!this.playing || !rig) return;
    const same = fade === 0;
    await rig.deck.play((heard) => {
      if (!heard) return this.#here(rig, this.time);
      const { passage, frame } = heard;
      if (same) return this.#programme(rig, passage.song, passage.sounds, frame);
      return this.#here(rig, frame / rig.context.sampleRate);
    }, fade);
  }

  #setPlaying(playing: boolean): void {
    this.playing = playing;
    this.#session.playing(playing);
    this.#session.position(this.time, this.duration);
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#tick);
    if (!playing) return;
    // Frames do not come in a hidden tab; the song that is shown must change there too.
    this.#tick = setInterval(() => this.#follow(), FRAME_MS.reduced);
    const every = wantsCalm() ? FRAME_MS.reduced : FRAME_MS.usual;
    let last = -Infinity;
    const frame = (now: number): void => {
      this.#frame = requestAnimationFrame(frame);
      if (now - last < every) return;
      last = now;
      this.#follow();
    };
    this.#frame = requestAnimationFrame(frame);
  }

  /** Shows what is heard: the place, and the song once the next one has begun. */
  #follow(): void {
    const rig = this.#rig;
    if (!rig || !this.playing) return;
    const { sampleRate, outputLatency = 0 } = rig.context;
    const place = rig.deck.at(rig.deck.now - Math.round(outputLatency * sampleRate));
    this.waiting = rig.deck.waiting;
    if (!place) return;
    const { song } = place.passage;
    if (song !== this.#heard && !this.comparison) this.#arrive(song);
    this.time = place.frame / sampleRate;
  }

  #arrive(id: string): void {
    const track = this.#sounds.find(id);
    if (!track) return; // deleted within the last seconds; it plays to its end
    this.#opening += 1;
    this.#heard = id;
    this.playlist = lists.arrived(this.playlist, id);
    this.track = track;
    this.region = null;
    void this.#load(track);
    this.#show();
    this.#session.position(0, this.duration);
  }

  #ended(): void {
    this.#follow();
    this.#setPlaying(false);
    this.time = this.duration;
  }

  #fail(thrown: unknown): void {
    this.trouble = asEngineError(thrown).message;
    this.#setPlaying(false);
  }

  #applyVolume(): void {
    const { context, volume } = this.#rig ?? {};
    if (context)
      volume?.gain.setTargetAtTime(this.muted ? 0 : this.volume, context.currentTime, VOLUME_SECONDS / 3);
  }

  #show(): void {
    void this.#session.show(this.early?.shown ?? (this.track && this.#sounds.show(this.track)));
  }
}
