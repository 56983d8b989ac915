/**
 * A model that is not here yet: the manifest of the pack that it will be, in which files that are still to be made have
 * no hash, and the official files that it is made of. Which variants an installation consists of is decided here.
 */
import { Field } from './check.ts';
import { parseManifest, PRECISIONS } from './manifest.ts';
import type { FileRef, GraphSpec, ModelManifest, Precision, Variant } from './manifest.ts';

/** A file of the official checkpoint, or one that belongs to it. */
export interface SourceRef {
  /** In the checkpoint's folder. */
  readonly path: string;
  readonly bytes: number;
  /** 64 hex digits; null where it is not known: then the one that is found is recorded. */
  readonly sha256: string | null;
  /** Where it lies when that is not base + path. */
  readonly url: string | null;
  /** Its name among the manifest's files when it is kept as it is. */
  readonly as: string | null;
  /** Line ends may differ: it is hashed, and kept, with LF. */
  readonly text: boolean;
}

export interface Sources {
  /** Address that the paths are relative to; ends in a slash, or is empty for the folder of this file. */
  readonly base: string;
  readonly files: readonly SourceRef[];
}

/** What codec graphs take when the others are quantised; the table of export-scripts (`commands.INSTEAD`). */
export const INSTEAD: Readonly<Partial<Record<Precision, Precision>>> = {
  q4f16: 'fp16',
  q4f32: 'bf16',
  q8: 'bf16',
};

const SHA256 = /^[0-9a-f]{64}$/;
/** Stands for a hash that is not known yet. */
export const PENDING = '0'.repeat(64);

/** @throws EngineError 'manifest' naming the field. */
export function parseSources(json: unknown): Sources {
  const sources = new Field(json, '', 'manifest');
  if (sources.at('schema').value !== 1) sources.at('schema').refuse('1');
  sources.only(['schema', 'base', 'files']);
  const base = sources.at('base').text();
  if (base !== '' && !base.endsWith('/'))
    sources.at('base').refuse('an address that ends in a slash, or empty');
  return { base, files: sources.at('files').list({ min: 1, max: Infinity }).map(sourceRef) };
}

function sourceRef(field: Field): SourceRef {
  field.only(['path', 'bytes', 'sha256', 'url', 'as', 'text']);
  const sha256 = field.at('sha256');
  const optional = (name: string): string | null => (field.at(name).missing ? null : field.at(name).text());
  return {
    path: field.at('path').text(),
    bytes: field.at('bytes').integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    sha256:
      sha256.value === null || SHA256.test(sha256.text())
        ? (sha256.value as string | null)
        : sha256.refuse('64 hex digits'), // null or a text, just tested
    url: optional('url'),
    as: optional('as'),
    text: field.at('text').missing ? false : field.at('text').boolean(),
  };
}

/**
 * A manifest in which `bytes` and `sha256` of a file may be null: there they become 0 and PENDING.
 * @throws EngineError 'manifest' naming the field.
 */
export function parseTemplate(json: unknown): ModelManifest {
  return parseManifest(
    JSON.parse(JSON.stringify(json), (name, value: unknown) =>
      value !== null ? value : name === 'sha256' ? PENDING : name === 'bytes' ? 0 : null,
    ),
  );
}

/** The variant of a graph that belongs to an installation in this precision; null where there is none. */
export const suited = ({ variants }: Pick<GraphSpec, 'variants'>, precision: Precision): Variant | null =>
  variants.find((variant) => variant.precision === precision) ??
  variants.find((variant) => variant.precision === INSTEAD[precision]) ??
  null;

/** Precisions that every graph has a variant for, in the order of the manifest's own preference. */
export function precisionsOf({ graphs }: ModelManifest): readonly Precision[] {
  const specs = Object.values(graphs);
  const order = specs.toSorted((a, b) => b.variants.length - a.variants.length)[0]?.variants ?? [];
  return order
    .map(({ precision }) => precision)
    .filter(
      (precision) =>
        PRECISIONS.includes(precision) && specs.every((spec) => suited(spec, precision) !== null),
    );
}

/** The manifest of what an installation in these precisions holds; variants stay in order. */
export function reduced(manifest: ModelManifest, precisions: readonly Precision[]): ModelManifest {
  const graphs = Object.entries(manifest.graphs).map(([name, spec]) => {
    const kept = new Set(precisions.map((precision) => suited(spec, precision)));
    return [name, { ...spec, variants: spec.variants.filter((variant) => kept.has(variant)) }];
  });
  return { ...manifest, graphs: Object.fromEntries(graphs) as ModelManifest['graphs'] }; // the same keys
}

/** The manifest with other facts about some of its files, by path. */
export function resolved(manifest: ModelManifest, files: ReadonlyMap<string, FileRef>): ModelManifest {
  const known = <T extends FileRef>(ref: T): T => {
    const { bytes, sha256 } = files.get(ref.path) ?? ref;
    return { ...ref, bytes, sha256 };
  };
  const variant = (one: Variant): Variant => ({
    ...one,
    graph: known(one.graph),
    weights: one.weights.map(known),
  });
  const graphs = Object.entries(manifest.graphs).map(([name, spec]) => [
    name,
    { ...spec, variants: spec.variants.map(variant) },
  ]);
  return { ...manifest, graphs: Object.fromEntries(graphs) as ModelManifest['graphs'] }; // the same keys
}

/** Bytes of all weight files and graphs of an installation in one precision. */
export function installedBytes(manifest: ModelManifest, precision: Precision): number {
  const files = Object.values(manifest.graphs)
    .flatMap((spec) => suited(spec, precision) ?? [])
    .flatMap(({ graph, weights }) => [graph, ...weights]);
  return [...new Map(files.map((file) => [file.path, file.bytes])).values()].reduce(
    (sum, bytes) => sum + bytes,
    0,
  );
}
