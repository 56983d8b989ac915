/** What there is of the song that is being turned into sound: it can be heard before it is finished. */
import type { AudioEvent } from '../../lib/events.ts';
import type { Track } from '../../storage/library.ts';
import type { Job } from '../job.ts';
import type { Early, Player } from '../player.svelte.ts';
import { TEXT } from '../text.ts';
import { coverSvg } from './cover.ts';
import { EarlySound } from './early.ts';

export class EarlySongs {
  current = $state.raw<Early | null>(null);
  readonly #player: Player;

  constructor(player: Player) {
    this.#player = player;
  }

  of(job: Job): Early | null {
    return this.current?.job === job.id ? this.current : null;
  }

  /** The first song of a task is kept; one unfinished song is in memory at most. */
  hear(job: Job, event: AudioEvent): void {
    if (this.current?.job !== job.id) {
      const shown = { title: job.title, artist: TEXT.app.name, album: job.task.prompt, cover: coverSvg([]) };
      this.current = { job: job.id, shown, sound: new EarlySound(event) };
    }
    if (this.current.sound.index === event.index) this.current.sound.add(event);
  }

  /** The song is in the library: where it is heard, the finished one goes on. False where it is not. */
  async finish(job: Job, track: Track): Promise<boolean> {
    const adopted = await this.#player.adopt(job.id, track);
    if (this.current?.job === job.id) this.current = null;
    return adopted;
  }

  /** Nothing more will come. True where it was heard, and the player is empty now. */
  fail(job: Job, message: string): boolean {
    const early = this.of(job);
    if (!early) return false;
    this.current = null;
    const heard = this.#player.early?.job === job.id;
    if (heard) this.#player.close();
    early.sound.fail(message);
    return heard;
  }
}
