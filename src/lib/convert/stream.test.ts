import { expect, it } from 'vitest';
import golden from './convert.golden.json';
import { convert } from './convert.ts';
import type { SourceFile, SourceTensor } from './convert.ts';
import type { GraphRecipe, RecipeTensor } from './recipe.ts';
import { planStream, StreamConverter } from './stream.ts';

const CASES = golden as unknown as readonly {
  readonly tensor: RecipeTensor;
  readonly sources: Readonly<Record<string, { dtype: string; shape: readonly number[]; data: string }>>;
}[]; // written by scripts/golden/convert.py in this shape

/** All golden tensors in one file, keys made distinct, each graph with one tensor. */
function everything(): { whole: Uint8Array; tensors: Map<string, SourceTensor>; recipes: GraphRecipe[] } {
  const tensors = new Map<string, SourceTensor>();
  const parts: Uint8Array[] = [];
  let at = 0;
  const recipes = CASES.map(({ tensor, sources }, i): GraphRecipe => {
    for (const [key, { dtype, shape, data }] of Object.entries(sources)) {
      const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
      tensors.set(`${i}.${key}`, { dtype, shape, begin: at, end: at + bytes.length });
      parts.push(bytes);
      at += bytes.length;
    }
    const place = 'scales' in tensor ? tensor.scales : tensor.data;
    const shards = [{ path: `${i}.bin`, bytes: place.offset + place.bytes }];
    const own = { ...tensor, keys: tensor.keys.map((key) => `${i}.${key}`) };
    return { graph: `${i}`, precision: 'p', file: 'g.onnx', shards, tensors: [own] };
  });
  return { whole: new Uint8Array(Buffer.concat(parts)), tensors, recipes };
}

it('gives the bytes of convert, in pieces of any size, and from any cut on', async () => {
  const { whole, tensors, recipes } = everything();
  const name = recipes[0]!.tensors[0]!.file;
  const file: SourceFile = { tensors, read: async (begin, end) => whole.slice(begin, end) };
  const wanted = new Map<string, Uint8Array>();
  for (const recipe of recipes)
    for await (const { path, bytes } of convert(recipe, async () => file)) wanted.set(path, bytes);
  const plan = planStream(recipes, name, tensors, whole.length);
  expect(plan.cuts.at(-1)).toBe(whole.length);

  for (const piece of [7, 1000, whole.length]) {
    const made = new Map([...wanted].map(([path, bytes]) => [path, new Uint8Array(bytes.length)]));
    const run = (from: number, to: number): void => {
      const converter = new StreamConverter(plan, from);
      for (let at = from; at < to; at += piece) {
        for (const { path, place, at: offset, bytes } of converter.push(
          whole.slice(at, Math.min(at + piece, to)),
        )) {
          made.get(path)!.set(bytes, place.offset + offset);
        }
      }
    };
    // Stopped at a cut in the middle, and gone on from there.
    const cut = plan.cuts[plan.cuts.length >> 1]!;
    run(0, cut);
    run(cut, whole.length);
    expect(made).toEqual(wanted);
  }
});

it('leaves out what only makes files that are there', () => {
  const { whole, tensors, recipes } = everything();
  const name = recipes[0]!.tensors[0]!.file;
  expect(planStream(recipes, name, tensors, whole.length, () => true).steps).toEqual([]);
});
