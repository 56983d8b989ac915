/** A model pack: data that says which family drives it, its sizes, and where its graphs and weights lie. */
import { EngineError } from './errors.ts';
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

/**
 * A manifest from untrusted JSON. Unknown fields are refused, so that a misspelt one cannot pass unseen.
 * @throws EngineError 'manifest' naming the field, what it must be and what it is.
 */
export function parseManifest(json: unknown): ModelManifest {
  const manifest = fields(json, 'manifest', MANIFEST_FIELDS);
  const schema = manifest.schema;
  if (schema !== 1) {
    fail('schema', '1', schema, typeof schema === 'number' && schema > 1 ? ' Update Cadenza.' : '');
  }
  const source = fields(manifest.source, 'source', ['repo', 'revision']);
  const id = text(manifest.id, 'id');
  if (!ID.test(id)) fail('id', 'lower-case letters, digits, dots and hyphens', id);
  const graphs = record(manifest.graphs, 'graphs', graphSpec);
  if (Object.keys(graphs).length === 0) fail('graphs', 'at least one graph', {});
  return {
    schema: 1,
    id,
    family: text(manifest.family, 'family'),
    title: text(manifest.title, 'title'),
    description: text(manifest.description, 'description'),
    license: text(manifest.license, 'license'),
    // Empty where the pack was made from a folder of the user's own.
    source: { repo: words(source.repo, 'source.repo'), revision: words(source.revision, 'source.revision') },
    config: manifest.config,
    files: record(manifest.files, 'files', fileRef),
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

const MANIFEST_FIELDS = [
  'schema',
  'id',
  'family',
  'title',
  'description',
  'license',
  'source',
  'config',
  'files',
  'graphs',
] as const;

const ID = /^[a-z0-9][a-z0-9.-]*$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Relative, forward slashes, no way out of the pack's folder, nothing a URL would read as more than a path. */
const PATH = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.-]+(?:\/[\w.-]+)*$/;

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

function fail(at: string, expected: string, got: unknown, hint = ''): never {
  const shown = JSON.stringify(got) ?? String(got);
  const short = shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
  throw new EngineError('manifest', `${at} must be ${expected} (got ${short}).${hint}`);
}

/** The object's fields: all of `names`, those of `optional` where they are there, and no others. */
function fields<K extends string, O extends string = never>(
  value: unknown,
  at: string,
  names: readonly K[],
  optional: readonly O[] = [],
): Readonly<Record<K, unknown> & Partial<Record<O, unknown>>> {
  const object = plain(value, at);
  const known: readonly string[] = [...names, ...optional];
  for (const name of names) if (!Object.hasOwn(object, name)) fail(join(at, name), 'given', undefined);
  for (const name of Object.keys(object)) {
    if (!known.includes(name)) fail(join(at, name), 'left out: no such field', object[name]);
  }
  return object as Record<K, unknown> & Partial<Record<O, unknown>>; // the loop above proved every name of K
}

function plain(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(at, 'an object', value);
  return value as Record<string, unknown>; // a non-null object, not an array
}

const join = (at: string, name: string): string => (at === 'manifest' ? name : `${at}.${name}`);

function record<T>(
  value: unknown,
  at: string,
  parse: (item: unknown, at: string) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries(
    Object.entries(plain(value, at)).map(([key, item]) => [key, parse(item, join(at, key))]),
  );
}

function list<T>(value: unknown, at: string, parse: (item: unknown, at: string) => T): readonly T[] {
  if (!Array.isArray(value)) return fail(at, 'a list', value);
  return value.map((item, i) => parse(item, `${at}[${i}]`));
}

function words(value: unknown, at: string): string {
  return typeof value === 'string' ? value : fail(at, 'a text', value);
}

function text(value: unknown, at: string): string {
  return words(value, at) || fail(at, 'a text that is not empty', value);
}

function count(value: unknown, at: string): number {
  return Number.isSafeInteger(value) && Number(value) >= 0
    ? Number(value)
    : fail(at, 'a whole number of at least 0', value);
}

function oneOf<T extends string>(values: readonly T[]): (value: unknown, at: string) => T {
  return (value, at) => values.find((v) => v === value) ?? fail(at, `one of ${values.join(', ')}`, value);
}

function fileRef(value: unknown, at: string): FileRef {
  return fileFields(fields(value, at, ['path', 'bytes', 'sha256']), at);
}

function fileFields(file: Readonly<Record<'path' | 'bytes' | 'sha256', unknown>>, at: string): FileRef {
  const path = text(file.path, `${at}.path`);
  if (!PATH.test(path)) fail(`${at}.path`, "a relative path inside the pack's folder", path);
  const sha256 = text(file.sha256, `${at}.sha256`);
  if (!SHA256.test(sha256)) fail(`${at}.sha256`, '64 lower-case hex digits', sha256);
  return { path, bytes: count(file.bytes, `${at}.bytes`), sha256 };
}

function weightRef(value: unknown, at: string): WeightRef {
  const file = fields(value, at, ['path', 'bytes', 'sha256', 'location'], ['widen']);
  const widen = file.widen === undefined ? {} : { widen: oneOf(HALVES)(file.widen, `${at}.widen`) };
  return { ...fileFields(file, at), location: text(file.location, `${at}.location`), ...widen };
}

function variant(value: unknown, at: string): Variant {
  const given = fields(value, at, ['precision', 'graph', 'weights', 'needs', 'error']);
  const needs = fields(given.needs, `${at}.needs`, ['providers', 'features', 'bufferBytes', 'memoryBytes']);
  const { error } = given;
  if (error !== null && !(typeof error === 'number' && error >= 0 && Number.isFinite(error))) {
    fail(`${at}.error`, 'a relative error of at least 0, or null', error);
  }
  return {
    precision: oneOf(PRECISIONS)(given.precision, `${at}.precision`),
    graph: fileRef(given.graph, `${at}.graph`),
    weights: list(given.weights, `${at}.weights`, weightRef),
    needs: {
      providers: list(needs.providers, `${at}.needs.providers`, oneOf(PROVIDERS)),
      features: list(needs.features, `${at}.needs.features`, text),
      bufferBytes: count(needs.bufferBytes, `${at}.needs.bufferBytes`),
      memoryBytes: count(needs.memoryBytes, `${at}.needs.memoryBytes`),
    },
    error: error as number | null, // just checked
  };
}

function graphSpec(value: unknown, at: string): GraphSpec {
  const given = fields(value, at, ['inputs', 'outputs', 'keep', 'variants']);
  const outputs = list(given.outputs, `${at}.outputs`, text);
  const keep = list(given.keep, `${at}.keep`, text);
  const stray = keep.find((name) => !outputs.includes(name));
  if (stray !== undefined) fail(`${at}.keep`, `names of outputs (${outputs.join(', ')})`, stray);
  const variants = list(given.variants, `${at}.variants`, variant);
  if (variants.length === 0) fail(`${at}.variants`, 'at least one variant', variants);
  return { inputs: list(given.inputs, `${at}.inputs`, text), outputs, keep, variants };
}
