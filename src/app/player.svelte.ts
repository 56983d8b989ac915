/**
 * The one player of the page. It owns the audio element, which lives as long as the page does, so the music goes on
 * while pages come and go; waveforms attach to the element and let go of it.
 */
import type { Track } from '../storage/library.ts';
import { wantsCalm } from './settings.svelte.ts';

/** How often the shown position follows the sound, milliseconds; with reduced motion four times a second. */
const FRAME_MS = { usual: 66, reduced: 250 } as const;

export interface Sounds {
  /** The WAV file of a track. */
  open(track: Track): Promise<Blob>;
}

export class Player {
  readonly audio = new Audio();
  track = $state.raw<Track | null>(null);
  /** The element has the sound of `track`. */
  ready = $state(false);
  playing = $state(false);
  /** Seconds. */
  time = $state(0);
  loop = $state(false);
  muted = $state(false);
  volume = $state(1);
  /** Why the track cannot be played; empty while it can. */
  trouble = $state('');

  readonly #sounds: Sounds;
  #url = '';
  #frame = 0;
  /** Counts openings, so that a slow file cannot replace a newer choice. */
  #opening = 0;

  constructor(sounds: Sounds, volume: number) {
    this.#sounds = sounds;
    this.volume = volume;
    this.audio.volume = volume;
    this.audio.preload = 'auto';
  }

  get duration(): number {
    return this.track?.seconds ?? 0;
  }

  /** Follows the element until the returned function is called. */
  listen(): () => void {
    const { audio } = this;
    const off = new AbortController();
    const on = (type: keyof HTMLMediaElementEventMap, does: () => void): void =>
      audio.addEventListener(type, does, { signal: off.signal });
    on('play', () => {
      this.playing = true;
      this.#follow();
    });
    on('pause', () => {
      this.playing = false;
      this.time = audio.currentTime;
    });
    on('ended', () => {
      this.playing = false;
      this.time = this.duration;
    });
    on('seeked', () => {
      this.time = audio.currentTime;
    });
    on('timeupdate', () => {
      if (!this.playing) this.time = audio.currentTime;
    });
    on('error', () => {
      if (this.#url !== '') this.trouble = audio.error?.message || 'unknown format';
    });
    return () => {
      off.abort();
      cancelAnimationFrame(this.#frame);
    };
  }

  /** Puts a track into the player. Its sound is read only when needed: now if `play`, else when played or seeked. */
  async open(track: Track, play: boolean): Promise<void> {
    if (track.id !== this.track?.id) {
      this.#release();
      this.track = track;
    }
    if (!this.ready) await this.#load(track);
    if (play && this.track?.id === track.id) await this.play();
  }

  /** Takes the newer record of the track in hand (a new title …). */
  refresh(track: Track): void {
    if (track.id === this.track?.id) this.track = track;
  }

  close(): void {
    this.#release();
    this.track = null;
  }

  async play(): Promise<void> {
    if (!this.ready) return;
    if (this.time >= this.duration - 0.05) this.audio.currentTime = 0;
    try {
      await this.audio.play();
    } catch (thrown) {
      // A pause or another song overtook this one; anything else is told.
      if (!(thrown instanceof DOMException && thrown.name === 'AbortError')) this.trouble = String(thrown);
    }
  }

  pause(): void {
    this.audio.pause();
  }

  async toggle(): Promise<void> {
    if (this.playing) this.pause();
    else await this.play();
  }

  seek(seconds: number): void {
    if (!this.ready) return;
    this.audio.currentTime = Math.min(Math.max(0, seconds), this.duration);
    this.time = this.audio.currentTime;
  }

  setLoop(loop: boolean): void {
    this.loop = loop;
    this.audio.loop = loop;
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
    this.audio.muted = muted;
  }

  setVolume(volume: number): void {
    this.volume = Math.min(1, Math.max(0, volume));
    this.audio.volume = this.volume;
    if (this.volume > 0) this.setMuted(false);
  }

  async #load(track: Track): Promise<void> {
    const mine = ++this.#opening;
    try {
      const sound = await this.#sounds.open(track);
      if (mine !== this.#opening) return;
      // The store keeps bytes without a type; without one the element would have to guess.
      this.#url = URL.createObjectURL(new Blob([sound], { type: 'audio/wav' }));
      this.audio.src = this.#url;
      this.ready = true;
    } catch (thrown) {
      if (mine === this.#opening) this.trouble = thrown instanceof Error ? thrown.message : String(thrown);
    }
  }

  #release(): void {
    this.#opening += 1;
    this.audio.pause();
    this.audio.removeAttribute('src');
    if (this.#url !== '') URL.revokeObjectURL(this.#url);
    this.#url = '';
    this.ready = false;
    this.playing = false;
    this.time = 0;
    this.trouble = '';
  }

  #follow(): void {
    cancelAnimationFrame(this.#frame);
    const every = wantsCalm() ? FRAME_MS.reduced : FRAME_MS.usual;
    let last = -Infinity;
    const frame = (now: number): void => {
      if (!this.playing) return;
      if (now - last >= every) {
        last = now;
        this.time = this.audio.currentTime;
      }
      this.#frame = requestAnimationFrame(frame);
    };
    this.#frame = requestAnimationFrame(frame);
  }
}
