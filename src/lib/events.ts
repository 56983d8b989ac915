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
  /** A decoded piece of the song: samples [start, start + length) of song `index` are final and may be played. */
  | {
      readonly type: 'audio';
      readonly index: number;
      readonly start: number;
      readonly channels: readonly Float32Array[];
      readonly sampleRate: number;
      readonly total: number;
    }
  /** A slower path, a quirk or an adjustment that the user should know about. */
  | { readonly type: 'notice'; readonly code: string; readonly text: string };
