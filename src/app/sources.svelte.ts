/** Sounds from outside on their way into the library: a file or a recording becomes a track without words or latents. */
import { asEngineError, EngineError } from '../lib/errors.ts';
import { checkTask, type TaskLimits } from '../lib/task.ts';
import type { Track } from '../storage/library.ts';
import { Recorder } from './recorder.svelte.ts';
import type { Shelf } from './shelf.svelte.ts';
import { askSound } from './sound-client.ts';
import { decodeSound } from './sources.ts';
import { TEXT } from './text.ts';

/** What the sound is for: a song that follows it, or to be worked on itself. */
export type SoundUse = 'reference' | 'work';

export interface SourceDesk {
  readonly shelf: Shelf;
  /** Of the model in use; null until one is known. */
  limits(): TaskLimits | null;
  /** Puts the new track in the studio, with the tool that it is for. */
  show(track: Track, use: SoundUse): Promise<void>;
}

export class Sources {
  readonly recorder = new Recorder();
  working = $state(false);
  /** Why the last one was not taken; empty where it was. */
  problem = $state('');
  readonly #desk: SourceDesk;

  constructor(desk: SourceDesk) {
    this.#desk = desk;
  }

  /**
   * Takes a sound into the library and shows it.
   * @throws EngineError saying what is wrong with the file
   */
  async take(file: Blob & { readonly name?: string }, use: SoundUse): Promise<Track> {
    const { shelf } = this.#desk;
    const limits = this.#desk.limits();
    if (!limits) throw new EngineError('unsupported', TEXT.sources.notReady);
    if (!shelf.persistent) throw new EngineError('storage', TEXT.sources.notKept);
    const recorded = file.name === undefined;
    const name = file.name ?? TEXT.sources.recording;
    const pcm = await decodeSound(file, name);
    const seconds = (pcm.channels[0]?.length ?? 0) / pcm.sampleRate;
    // Structured clone copies the samples: the browser's own buffers cannot be handed over.
    const { wav, peaks, loudness } = await askSound({ type: 'file', pcm });
    const range = limits.seconds;
    const track = await shelf.add(
      {
        id: crypto.randomUUID(),
        createdAt: Date.now(),
        title: (recorded ? name : name.replace(/\.[^.]{1,5}$/u, '')).toWellFormed().slice(0, 200) || name,
        task: checkTask(
          {
            kind: 'text2music',
            prompt: '',
            seconds: Math.min(range.max, Math.max(range.min, seconds)),
            seed: 0,
          },
          limits,
        ),
        model: '',
        audio: await shelf.put(wav),
        latents: null,
        peaks,
        seconds,
        sampleRate: pcm.sampleRate,
        loudness,
        seed: 0,
        timings: {},
        favourite: false,
        origin: { kind: recorded ? 'recording' : 'file', name: name.toWellFormed().slice(0, 200) },
      },
      {},
    );
    await this.#desk.show(track, use);
    return track;
  }

  /** The same, with its trouble said in `problem`. True when it was taken. */
  async tryTake(file: Blob & { readonly name?: string }, use: SoundUse): Promise<boolean> {
    this.working = true;
    this.problem = '';
    try {
      await this.take(file, use);
      return true;
    } catch (thrown) {
      this.problem = asEngineError(thrown).message;
      return false;
    } finally {
      this.working = false;
    }
  }
}
