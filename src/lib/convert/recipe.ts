/**
 * A recipe says how the weight files of one graph in one precision are made from a checkpoint: for every parameter
 * the source tensors, the arithmetic and the place. Written by export-scripts (`variants.py`), carried out by
 * `convert.ts` here and by `convert.py` there. Format: docs/MODELS.md.
 */
import { EngineError } from '../errors.ts';
import { BITS, STORED_BYTES } from './numbers.ts';
import type { Quantised, Stored } from './numbers.ts';

/** Where bytes belong: `offset` and `bytes` count stored bytes in file number `shard`. */
export interface Place {
  readonly shard: number;
  readonly offset: number;
  readonly bytes: number;
}

interface Parameter {
  readonly name: string;
  /** Checkpoint file, relative to the checkpoint's folder. */
  readonly file: string;
  readonly keys: readonly string[];
  readonly how: 'copy' | 'weight_norm' | 'weight_norm_upsample';
  /** Rows [begin, end) of the keys' common axis 0. */
  readonly rows?: readonly [number, number];
  readonly shape: readonly number[];
  readonly data: Place;
}

/** Stored as it is, or with its two axes exchanged (`shape` is the stored one). */
export interface PlainParameter extends Parameter {
  readonly dtype: Stored;
  readonly transpose?: true;
}

/** A matrix (n, k) as codes and scales. */
export interface QuantisedParameter extends Parameter {
  readonly dtype: Quantised;
  readonly block: number;
  readonly scales: Place & { readonly dtype: Stored };
}

export type RecipeTensor = PlainParameter | QuantisedParameter;

export interface GraphRecipe {
  readonly graph: string;
  readonly precision: string;
  /** The .onnx file without weights. */
  readonly file: string;
  readonly shards: readonly { readonly path: string; readonly bytes: number }[];
  readonly tensors: readonly RecipeTensor[];
}

export interface Recipe {
  readonly schema: 1;
  readonly id: string;
  readonly precision: string;
  readonly graphs: readonly GraphRecipe[];
}

export const isQuantised = (tensor: RecipeTensor): tensor is QuantisedParameter => tensor.dtype in BITS;

export const placesOf = (tensor: RecipeTensor): readonly Place[] =>
  isQuantised(tensor) ? [tensor.data, tensor.scales] : [tensor.data];

/**
 * A recipe from JSON of our own making, checked as far as a wrong file would do harm: places must lie in their
 * files, in order, without overlap.
 * @throws EngineError 'manifest' naming the tensor.
 */
export function parseRecipe(json: unknown): Recipe {
  const recipe = json as Recipe; // every field that matters is checked below
  if (recipe?.schema !== 1 || !Array.isArray(recipe.graphs)) {
    throw new EngineError('manifest', `recipe: schema must be 1 (got ${JSON.stringify(recipe?.schema)}).`);
  }
  for (const graph of recipe.graphs) checkPlaces(graph);
  return recipe;
}

function checkPlaces(graph: GraphRecipe): void {
  const ends = graph.shards.map(() => 0);
  let last = 0;
  for (const tensor of graph.tensors) {
    const known = isQuantised(tensor) || tensor.dtype in STORED_BYTES;
    if (!known) fault(graph, tensor, `has the unknown type ${String(tensor.dtype)}`);
    for (const { shard, offset, bytes } of placesOf(tensor)) {
      const file = graph.shards[shard];
      if (file === undefined || shard < last || offset < ends[shard]! || offset + bytes > file.bytes) {
        fault(
          graph,
          tensor,
          `lies at bytes ${offset} to ${offset + bytes} of file ${shard}, where it cannot`,
        );
      }
      ends[shard] = offset + bytes;
      last = shard;
    }
  }
}

function fault(graph: GraphRecipe, tensor: RecipeTensor, what: string): never {
  throw new EngineError('manifest', `recipe of ${graph.graph}: ${tensor.name} ${what}. Reload the page.`);
}
