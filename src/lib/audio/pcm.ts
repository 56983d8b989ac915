/** Sound as plain arrays: one Float32Array a channel, nominal range -1..1. */
export interface Pcm {
  readonly channels: readonly Float32Array[];
  readonly sampleRate: number;
}

export const secondsOf = (pcm: Pcm): number => (pcm.channels[0]?.length ?? 0) / pcm.sampleRate;
