import { describe, expect, it } from 'vitest';
import golden from './convert.golden.json';
import { convert } from './convert.ts';
import type { Shard, SourceFile, SourceTensor } from './convert.ts';
import { parseRecipe } from './recipe.ts';
import type { GraphRecipe, RecipeTensor } from './recipe.ts';

const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, 'base64'));

interface StoredSource {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: string;
}

/** A checkpoint file in memory, with a byte before the first tensor so that nothing is aligned by luck. */
function fileOf(sources: Readonly<Record<string, StoredSource>>): SourceFile {
  const tensors = new Map<string, SourceTensor>();
  const parts: Uint8Array[] = [Uint8Array.of(0)];
  let at = 1;
  for (const [key, { dtype, shape, data }] of Object.entries(sources)) {
    const bytes = bytesOf(data);
    tensors.set(key, { dtype, shape, begin: at, end: at + bytes.length });
    parts.push(bytes);
    at += bytes.length;
  }
  const whole = Buffer.concat(parts);
  return { tensors, read: async (begin, end) => new Uint8Array(whole.subarray(begin, end)) };
}

function recipeOf(tensors: readonly RecipeTensor[], shards: readonly number[]): GraphRecipe {
  const files = shards.map((bytes, i) => ({ path: `g.${i}.bin`, bytes }));
  return { graph: 'g', precision: 'p', file: 'g.onnx', shards: files, tensors };
}

async function shardsOf(recipe: GraphRecipe, file: SourceFile, have?: ReadonlySet<number>): Promise<Shard[]> {
  const shards: Shard[] = [];
  for await (const shard of convert(recipe, async () => file, have)) shards.push(shard);
  return shards;
}

const CASES = golden as unknown as readonly {
  readonly name: string;
  readonly tensor: RecipeTensor;
  readonly sources: Readonly<Record<string, StoredSource>>;
  readonly expected: readonly string[];
}[]; // written by scripts/golden/convert.py in this shape

const places = (tensor: RecipeTensor) => ('scales' in tensor ? [tensor.data, tensor.scales] : [tensor.data]);
const find = (part: string) => CASES.find(({ name }) => name === part)!;

describe('convert', () => {
  it.each(CASES)('writes the bytes of export-scripts: $name', async ({ tensor, sources, expected }) => {
    const last = places(tensor).at(-1)!;
    const [shard] = await shardsOf(recipeOf([tensor], [last.offset + last.bytes]), fileOf(sources));
    places(tensor).forEach(({ offset, bytes }, i) => {
      expect(Buffer.from(shard!.bytes.subarray(offset, offset + bytes)).toString('base64')).toBe(expected[i]);
    });
  });

  it('gives the files in order, each when it is complete, and leaves out those at hand', async () => {
    const { tensor, sources, expected } = find('4 bits, f16 scales of BF16');
    const [codes, scales] = expected.map(bytesOf);
    // Codes end one file, scales begin the next; a second tensor follows them.
    const split = (data: number): RecipeTensor =>
      ({
        ...tensor,
        data: { shard: data, offset: 0, bytes: codes!.length },
        scales: {
          ...('scales' in tensor ? tensor.scales : {}),
          shard: data + 1,
          offset: 0,
          bytes: scales!.length,
        },
      }) as RecipeTensor; // only the places differ from a tensor of the golden file
    const recipe = recipeOf(
      [split(0), split(2)],
      [codes!.length, scales!.length, codes!.length, scales!.length],
    );
    const all = await shardsOf(recipe, fileOf(sources));
    expect(all.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(all[1]!.bytes).toEqual(scales);
    expect(all[2]!.bytes).toEqual(codes);
    const rest = await shardsOf(recipe, fileOf(sources), new Set([0, 2]));
    expect(rest.map(({ index }) => index)).toEqual([1, 3]);
    expect(rest[0]!.bytes).toEqual(scales);
  });

  it('names the key that a checkpoint lacks, or whose type or shape does not fit', async () => {
    const { tensor, sources } = find('joined and transposed of BF16');
    const recipe = recipeOf([tensor], [tensor.data.bytes]);
    const { a, b } = sources as { a: StoredSource; b: StoredSource };
    await expect(shardsOf(recipe, fileOf({ a }))).rejects.toThrow('f has no tensor b');
    const short = {
      ...b,
      shape: [2, 6],
      data: Buffer.from(bytesOf(b.data).subarray(0, 24)).toString('base64'),
    };
    await expect(shardsOf(recipe, fileOf({ a, b: short }))).rejects.toThrow('b [2, 6] cannot become [6, 8]');
    await expect(shardsOf(recipe, fileOf({ a, b: { ...b, dtype: 'I64' } }))).rejects.toThrow(
      'b has the type I64',
    );
  });
});

/** Patterns of infinity and NaN, little endian. */
const BROKEN = {
  F32: [0x7f800000, 0xffc00001],
  F16: [0xfc00, 0x7e00],
  BF16: [0x7f80, 0xffc1],
} as const;

describe.each(['F32', 'F16', 'BF16'] as const)('a broken value of %s', (type) => {
  const ways = CASES.filter(({ name }) => name.endsWith(` of ${type}`));

  it.each(ways)('is refused with its place: $name', async ({ tensor, sources }) => {
    const last = places(tensor).at(-1)!;
    const key = tensor.keys.at(-1)!;
    const stored = sources[key]!;
    const bytes = bytesOf(stored.data);
    const size = type === 'F32' ? 4 : 2;
    // 'rows across a border' uses all but the first rows of one key and the last of the other.
    const at = tensor.rows ? 0 : bytes.length / size - 1;
    for (const pattern of BROKEN[type]) {
      for (let b = 0; b < size; b++) bytes[at * size + b] = (pattern >>> (8 * b)) & 255;
      const broken = { ...sources, [key]: { ...stored, data: Buffer.from(bytes).toString('base64') } };
      await expect(shardsOf(recipeOf([tensor], [last.offset + last.bytes]), fileOf(broken))).rejects.toThrow(
        `f: ${key} is infinite or no number at element ${at}: the file is damaged`,
      );
    }
  });
});

describe('parseRecipe', () => {
  const { tensor } = find('copy to f16 of BF16');
  const whole = { schema: 1, id: 'm', precision: 'fp16', graphs: [recipeOf([tensor], [tensor.data.bytes])] };

  it('takes what export-scripts writes', () => expect(parseRecipe(whole).graphs).toHaveLength(1));

  it('refuses places outside of their file, overlaps, unknown types and other schemas', () => {
    const withGraph = (graph: GraphRecipe) => ({ ...whole, graphs: [graph] });
    expect(() => parseRecipe(withGraph(recipeOf([tensor], [tensor.data.bytes - 1])))).toThrow(
      'where it cannot',
    );
    expect(() => parseRecipe(withGraph(recipeOf([tensor, tensor], [1000])))).toThrow('where it cannot');
    const odd = { ...tensor, dtype: 'q3' } as unknown as RecipeTensor; // on purpose
    expect(() => parseRecipe(withGraph(recipeOf([odd], [1000])))).toThrow('unknown type q3');
    expect(() => parseRecipe({ ...whole, schema: 2 })).toThrow('schema must be 1 (got 2)');
  });
});
