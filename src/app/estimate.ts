/** How long a song will take here, judged by the last one that was made here. Nothing measured: nothing said. */
import type { Sampling } from '../lib/task.ts';
import type { Track } from '../storage/library.ts';

export interface Rate {
  /** One pass through the denoiser for a second of music, milliseconds. */
  readonly passMs: number;
  /** Turning a second of music into sound, milliseconds. */
  readonly soundMs: number;
}

type Measured = Pick<Track, 'model' | 'createdAt' | 'seconds' | 'task' | 'timings' | 'stoppedAt'>;

/** Of the newest finished song of this model since `since` (epoch milliseconds); null when there is none. */
export function rateOf(tracks: readonly Measured[], model: string, since: number): Rate | null {
  for (const track of tracks) {
    const { denoise, sound } = track.timings;
    const passes = passesOf(track.task.sampling) * track.seconds;
    // A song that was stopped and kept is shorter in steps than its task says; its rate would flatter.
    if (track.model !== model || track.createdAt < since || track.stoppedAt !== undefined) continue;
    if (!denoise || !sound || !(passes > 0)) continue;
    return { passMs: denoise / passes, soundMs: sound / track.seconds };
  }
  return null;
}

/** Seconds of work for so many seconds of music. */
export const workSeconds = (rate: Rate, seconds: number, sampling: Sampling): number =>
  (seconds * (rate.passMs * passesOf(sampling) + rate.soundMs)) / 1000;

/** Runs of the denoiser: guided steps run it twice, thrice when text and lyrics are guided apart; some solvers twice. */
export function passesOf({ steps, solver, guidance, ossSteps }: Sampling): number {
  const count = ossSteps.length > 0 ? ossSteps.length : steps;
  const guided = guidance.scale > 1 ? (guidance.textScale > 1 && guidance.lyricScale > 1 ? 2 : 1) : 0;
  const perStep = 1 + guided * guidance.interval;
  return count * perStep * (solver === 'heun' ? 2 : 1);
}
