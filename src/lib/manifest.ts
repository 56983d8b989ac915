/** A model pack: data that says which family drives it, its sizes, and where its graphs and weights lie. */
import type { Provider } from './events.ts';

export type Precision = 'fp32' | 'fp16' | 'bf16' | 'q8' | 'q4f16' | 'q4f32';

/** A file of the pack; `path` is relative to the manifest. `sha256` is 64 lower-case hex digits. */
export interface FileRef {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** External data of a graph. `location` is the name inside the .onnx; `widen` says that the file stores half-size floats that the graph reads as float32. */
export interface WeightRef extends FileRef {
  readonly location: string;
  readonly widen?: 'fp16' | 'bf16';
}

export interface Variant {
  readonly precision: Precision;
  readonly graph: FileRef;
  readonly weights: readonly WeightRef[];
  readonly needs: {
    readonly providers: readonly Provider[];
    /** WebGPU feature names, e.g. 'shader-f16'. */
    readonly features: readonly string[];
    /** Largest single buffer the graph binds, bytes; 0 when it does not matter. */
    readonly bufferBytes: number;
    /** Weights once loaded, bytes. */
    readonly memoryBytes: number;
  };
  /** Measured against fp32: relative rms error of the outputs; null where it was not measured. */
  readonly error: number | null;
}

export interface GraphSpec {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Outputs that stay on the device because only other graphs read them. */
  readonly keep: readonly string[];
  /** In order of preference: the first that fits is taken. */
  readonly variants: readonly Variant[];
}

export interface ModelManifest {
  readonly schema: 1;
  readonly id: string;
  readonly family: string;
  readonly title: string;
  readonly description: string;
  readonly license: string;
  readonly source: { readonly repo: string; readonly revision: string };
  /** Parsed by the family. */
  readonly config: unknown;
  /** Tokenizers and other small files, by name. */
  readonly files: Readonly<Record<string, FileRef>>;
  readonly graphs: Readonly<Record<string, GraphSpec>>;
}
