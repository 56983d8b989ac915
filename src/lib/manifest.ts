/** A model pack: data that says which family drives it, its sizes, and where its graphs and weights lie. */
import { Field } from './check.ts';
import type { Bounds } from './check.ts';
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

export const PRECISIONS = [
  'fp32',
  'fp16',
  'bf16',
  'q8',
  'q4f16',
  'q4f32',
] as const satisfies readonly Precision[];
export const PROVIDERS = ['webgpu', 'wasm'] as const satisfies readonly Provider[];
const HALVES = ['fp16', 'bf16'] as const;

const FIELDS = 'schema id family title description license source config files graphs'.split(' ');
const ID = /^[a-z0-9][a-z0-9.-]*$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Relative, forward slashes, no way out of the pack's folder, nothing that a URL would read as more than a path. */
const PATH = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.-]+(?:\/[\w.-]+)*$/;
const COUNT: Bounds = { min: 0, max: Number.MAX_SAFE_INTEGER };
const ANY: Bounds = { min: 0, max: Infinity };
const SOME: Bounds = { min: 1, max: Infinity };

/**
 * A manifest from untrusted JSON. Unknown fields are refused, so that a misspelt one cannot pass unseen.
 * @throws EngineError 'manifest' naming the field, what it must be and what it is.
 */
export function parseManifest(json: unknown): ModelManifest {
  const manifest = new Field(json, '', 'manifest');
  if (typeof json !== 'object' || json === null)
    new Field(json, 'the manifest', 'manifest').refuse('an object');
  const schema = manifest.at('schema');
  if (schema.value !== 1) schema.refuse('1', Number(schema.value) > 1 ? 'Update Cadenza.' : '');
  manifest.only(FIELDS);
  const id = manifest.at('id');
  const source = manifest.at('source');
  source.only(['repo', 'revision']);
  const graphs = record(manifest.at('graphs'), graphSpec);
  if (Object.keys(graphs).length === 0) manifest.at('graphs').refuse('at least one graph');
  return {
    schema: 1,
    id: ID.test(id.text()) ? id.text() : id.refuse('lower-case letters, digits, dots and hyphens'),
    family: words(manifest.at('family')),
    title: words(manifest.at('title')),
    description: words(manifest.at('description')),
    license: words(manifest.at('license')),
    // Empty where the pack was made from a folder of the user's own.
    source: { repo: source.at('repo').text(), revision: source.at('revision').text() },
    config: manifest.at('config').value,
    files: record(manifest.at('files'), fileRef),
    graphs,
  };
}

/** All files that a pack may load, each once. */
export function filesOf(manifest: ModelManifest): readonly FileRef[] {
  const variants = Object.values(manifest.graphs).flatMap(({ variants }) => variants);
  const all = [
    ...Object.values(manifest.files),
    ...variants.flatMap(({ graph, weights }) => [graph, ...weights]),
  ];
  return [...new Map(all.map((file) => [file.path, file])).values()];
}

function record<T>(field: Field, parse: (item: Field) => T): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.keys(field.object()).map((key) => [key, parse(field.at(key))]));
}

const words = (field: Field): string => field.text() || field.refuse('a text that is not empty');

function graphSpec(field: Field): GraphSpec {
  field.only(['inputs', 'outputs', 'keep', 'variants']);
  const names = (name: string): readonly string[] => field.at(name).list(ANY).map(words);
  const outputs = names('outputs');
  const keep = field.at('keep').list(ANY);
  return {
    inputs: names('inputs'),
    outputs,
    keep: keep.map((name) => name.oneOf(outputs)),
    variants: field.at('variants').list(SOME).map(variant),
  };
}

function variant(field: Field): Variant {
  field.only(['precision', 'graph', 'weights', 'needs', 'error']);
  const needs = field.at('needs');
  needs.only(['providers', 'features', 'bufferBytes', 'memoryBytes']);
  const error = field.at('error');
  return {
    precision: field.at('precision').oneOf(PRECISIONS),
    graph: fileRef(field.at('graph')),
    weights: field.at('weights').list(ANY).map(weightRef),
    needs: {
      providers: needs
        .at('providers')
        .list(SOME)
        .map((name) => name.oneOf(PROVIDERS)),
      features: needs.at('features').list(ANY).map(words),
      bufferBytes: needs.at('bufferBytes').integer(COUNT),
      memoryBytes: needs.at('memoryBytes').integer(COUNT),
    },
    error: error.value === null ? null : error.number(ANY),
  };
}

function weightRef(field: Field): WeightRef {
  field.only(['path', 'bytes', 'sha256', 'location', 'widen']);
  const widen = field.at('widen');
  const file = fileFields(field);
  const location = words(field.at('location'));
  return widen.missing ? { ...file, location } : { ...file, location, widen: widen.oneOf(HALVES) };
}

function fileRef(field: Field): FileRef {
  field.only(['path', 'bytes', 'sha256']);
  return fileFields(field);
}

function fileFields(field: Field): FileRef {
  const [path, sha256] = [field.at('path'), field.at('sha256')];
  return {
    path: PATH.test(path.text()) ? path.text() : path.refuse("a relative path inside the pack's folder"),
    bytes: field.at('bytes').integer(COUNT),
    sha256: SHA256.test(sha256.text()) ? sha256.text() : sha256.refuse('64 lower-case hex digits'),
  };
}
