/**
 * The media keys, the lock screen and the headset: what the operating system shows and asks of the player. Browsers
 * give this only to pages whose media element plays, and Web Audio alone is none; so an element plays silence along.
 */
import { writeWav } from '../../lib/audio/wav.ts';

export interface Shown {
  readonly title: string;
  readonly artist: string;
  readonly album: string;
  /** The cover as SVG. */
  readonly cover: string;
}

export interface Asked {
  play(): void;
  pause(): void;
  stop(): void;
  /** Seconds. */
  seekTo(seconds: number): void;
  seekBy(seconds: number): void;
  skip(by: -1 | 1): void;
}

/** Chromium takes shorter sounds for a beep and shows no controls. */
const SILENCE_SECONDS = 6;
const SEEK_SECONDS = 5;
const COVER_PIXELS = 512;

export class Session {
  #silence: HTMLAudioElement | null = null;
  #cover = '';
  readonly #session: MediaSession | null = 'mediaSession' in navigator ? navigator.mediaSession : null;

  /** Answers the keys until the returned function is called. */
  listen(asked: Asked): () => void {
    const handlers: Partial<Record<MediaSessionAction, MediaSessionActionHandler>> = {
      play: () => asked.play(),
      pause: () => asked.pause(),
      stop: () => asked.stop(),
      seekto: ({ seekTime }) => seekTime != null && asked.seekTo(seekTime),
      seekbackward: ({ seekOffset }) => asked.seekBy(-(seekOffset ?? SEEK_SECONDS)),
      seekforward: ({ seekOffset }) => asked.seekBy(seekOffset ?? SEEK_SECONDS),
      previoustrack: () => asked.skip(-1),
      nexttrack: () => asked.skip(1),
    };
    const set = (clear: boolean): void => {
      for (const [action, handler] of Object.entries(handlers)) {
        try {
          this.#session?.setActionHandler(action as MediaSessionAction, clear ? null : handler);
        } catch {
          // This browser does not know the action; the others work.
        }
      }
    };
    set(false);
    return () => {
      set(true);
      this.#silence?.pause();
    };
  }

  /** Shows a song, or nothing. The cover is drawn, so it comes a moment later. */
  async show(shown: Shown | null): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#cover = shown?.cover ?? '';
    session.metadata = shown && new MediaMetadata({ ...pick(shown), artwork: [] });
    if (!shown) return;
    const src = await drawn(shown.cover);
    if (this.#cover !== shown.cover || !src) return; // another song came
    const sizes = `${COVER_PIXELS}x${COVER_PIXELS}`;
    session.metadata = new MediaMetadata({ ...pick(shown), artwork: [{ src, sizes, type: 'image/png' }] });
  }

  playing(is: boolean): void {
    if (this.#session) this.#session.playbackState = is ? 'playing' : 'paused';
    if (!is) return this.#silence?.pause();
    this.#silence ??= silence();
    // Refused where nobody has touched the page yet; then there are no media keys, and the music plays all the same.
    this.#silence.play().catch(() => undefined);
  }

  position(seconds: number, duration: number): void {
    if (!(duration > 0)) return;
    this.#session?.setPositionState?.({ duration, position: Math.min(Math.max(0, seconds), duration) });
  }
}

const pick = ({ title, artist, album }: Shown) => ({ title, artist, album });

function silence(): HTMLAudioElement {
  const rate = 8000;
  const channels = [new Float32Array(SILENCE_SECONDS * rate)];
  const file = new Blob([writeWav({ channels, sampleRate: rate }, 'float32')], { type: 'audio/wav' });
  const audio = new Audio(URL.createObjectURL(file));
  audio.loop = true;
  return audio;
}

/** A PNG of an SVG, as a data URL: what operating systems show. Empty where it cannot be drawn. */
async function drawn(svg: string): Promise<string> {
  const image = new Image(COVER_PIXELS, COVER_PIXELS);
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  try {
    await image.decode();
  } catch {
    return ''; // the title alone will do
  }
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = COVER_PIXELS;
  canvas.getContext('2d')?.drawImage(image, 0, 0, COVER_PIXELS, COVER_PIXELS);
  return canvas.toDataURL('image/png');
}
