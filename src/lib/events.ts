/** Everything the engine may say while it works. Plain data: crosses the worker boundary by structured clone. */
export type Provider = 'webgpu' | 'wasm';
export type Stage = 'words' | 'plan' | 'source' | 'denoise' | 'sound';

export type EngineEvent =
  | { readonly type: 'download'; readonly file: string; readonly loaded: number; readonly total: number }
  | {
      readonly type: 'load';
      readonly graph: string;
      readonly provider: Provider;
      readonly dtype: string;
      readonly ms: number;
      readonly bytes: number;
    }
  | { readonly type: 'stage'; readonly stage: Stage }
  | {
      readonly type: 'plan';
      readonly bpm: number;
      readonly key: string;
      readonly meter: string;
      readonly chords: string;
      /** Seconds at which the first whole bar begins. */
      readonly firstBar: number;
      /** The form in time, seconds, without gaps. */
      readonly sections: readonly { readonly name: string; readonly start: number; readonly end: number }[];
    }
  /** One denoising step is done. `sigmas` is the whole schedule of this task, falling, so bars can be drawn to scale. */
  | {
      readonly type: 'step';
      readonly step: number;
      readonly steps: number;
      readonly sigma: number;
      readonly ms: number;
    }
  /** Everything up to this step is on disk: a task of the same id goes on from there. Also said when it does. */
  | { readonly type: 'saved'; readonly step: number; readonly steps: number }
  | { readonly type: 'schedule'; readonly sigmas: readonly number[] }
  /** A decoded piece: samples [start, start + length) of song `index`, which may be played while the rest is decoded. */
  | {
      readonly type: 'audio';
      readonly index: number;
      readonly start: number;
      readonly channels: readonly Float32Array[];
      readonly sampleRate: number;
      readonly total: number;
      /** The finished song differs: its level is found at its end, or it keeps samples of its source. */
      readonly preview: boolean;
    }
  /** A slower path, a quirk or an adjustment that the user should know about. */
  | { readonly type: 'notice'; readonly code: string; readonly text: string };

export type AudioEvent = EngineEvent & { readonly type: 'audio' };

export const isAudio = (value: unknown): value is AudioEvent =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'audio';

/** Memory of an event that is handed over between threads, not copied: nobody else holds a piece of sound. */
export const buffersOf = ({ channels }: AudioEvent): ArrayBufferLike[] =>
  channels.map(({ buffer }) => buffer);
