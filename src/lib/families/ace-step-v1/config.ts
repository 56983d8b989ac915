/** Sizes of one model of the ACE-Step v1 family. Everything that differs between nano and the 3.5B model is here. */
export interface AceStepConfig {
  readonly sampleRate: 44100;
  /** Rate of the finished sound: 48000 for the official model, 44100 where the vocoder's rate is kept. */
  readonly outputRate: number;
  /** Samples a mel frame (512) and mel frames a latent (8). */
  readonly hop: number;
  readonly framesPerLatent: number;
  /** Latents are (1, channels, rows, T). */
  readonly channels: number;
  readonly rows: number;
  readonly heads: number;
  readonly headDim: number;
  readonly ropeTheta: number;
  readonly speakerSize: number;
  /** Flow-match timestep shift; the reference applies it twice. */
  readonly shift: number;
  /** 'unigram': UMT5 tokenizer.json, with relative position buckets. 'words': nano's word list. */
  readonly text: {
    readonly tokenizer: 'unigram' | 'words';
    readonly maxTokens: number;
    readonly buckets?: number;
    readonly maxDistance?: number;
  };
  /** null: the model does not sing, condition_encoder takes no lyrics. */
  readonly lyrics: null | { readonly hidden: number };
  /** True: prompt and score go through the rule planner into speaker and frame inputs. */
  readonly planner: boolean;
  /** log-mel range mapped to -1..1 before the encoder and back after the decoder; null = the graphs take log-mel itself. */
  readonly melRange: null | { readonly min: number; readonly max: number };
  /** latent = (z - shift) * scale outside the codec graphs. 0 and 1 when inside. */
  readonly latent: { readonly shift: number; readonly scale: number };
  /** 'waveform': mel -> samples in the graph. 'spectrum': phase by inversion on the host, the graph refines the spectrum. */
  readonly vocoder: 'waveform' | 'spectrum';
  /** Windowed decoding: latents a window and on either side. */
  readonly window: { readonly latents: number; readonly overlap: number };
  readonly seconds: { readonly min: number; readonly max: number; readonly default: number };
  readonly sampling: import('../../task.ts').Sampling;
  readonly presets: import('../../task.ts').TaskLimits['presets'];
}
