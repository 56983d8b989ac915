/**
 * npm run convert -- CHECKPOINT_FOLDER OUT_FOLDER --precision P [--recipes FOLDER] [--lyric-vocab FILE]
 *
 * The browser's converter in Node: official checkpoint + recipe -> pack (graphs, weight files, manifest). The same
 * bytes as `python -m export_onnx convert`. Without --recipes it takes those of the 3.5B model; for a checkpoint of
 * other sizes it has export-scripts write fitting ones first.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convert } from '../src/lib/convert/convert.ts';
import type { SourceFile } from '../src/lib/convert/convert.ts';
import { parseRecipe } from '../src/lib/convert/recipe.ts';
import { asEngineError, EngineError } from '../src/lib/errors.ts';
import type { Precision } from '../src/lib/manifest.ts';
import { headerLength, LENGTH_BYTES, parseLayout } from '../src/lib/safetensors.ts';
import { INSTEAD } from '../src/lib/template.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OFFICIAL = path.join(ROOT, 'public/models/ace-step-v1-3.5b');
const PYTHON = path.join(
  ROOT,
  process.platform === 'win32' ? '.venv/Scripts/python.exe' : '.venv/bin/python',
);
/** The parts of a manifest that conversion touches. */
interface Listed {
  files: Record<string, { path: string; bytes: number | null; sha256: string | null }>;
  readonly graphs: Record<string, { variants: ListedVariant[] }>;
}
interface ListedVariant {
  readonly precision: string;
  readonly weights: { path: string; bytes: number; sha256: string | null }[];
}

const readJson = async (file: string): Promise<unknown> =>
  JSON.parse(await readFile(file, 'utf8')) as unknown;

async function openSource(file: string): Promise<SourceFile & { close(): Promise<void> }> {
  const handle = await open(file, 'r');
  const { size } = await handle.stat();
  const read = async (begin: number, end: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(end - begin);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, begin);
    if (bytesRead !== bytes.length)
      throw new EngineError('integrity', `${file} ends at byte ${begin + bytesRead}.`);
    return bytes;
  };
  const length = headerLength(await read(0, Math.min(LENGTH_BYTES, size)), size);
  const base = LENGTH_BYTES + length;
  const { ranges } = parseLayout(await read(LENGTH_BYTES, base), size - base);
  const tensors = new Map(
    [...ranges].map(([key, range]) => [key, { ...range, begin: base + range.begin, end: base + range.end }]),
  );
  return { tensors, read, close: () => handle.close() };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Written whole under another name, then renamed: a file that exists is complete. */
async function keep(folder: string, name: string, bytes: Uint8Array | string): Promise<void> {
  const target = path.join(folder, name);
  await writeFile(`${target}.part`, bytes);
  await rename(`${target}.part`, target);
}

async function fits(checkpoint: string, recipes: string): Promise<boolean> {
  const listed = await readJson(path.join(recipes, 'manifest.json')).catch(() => null);
  if (listed === null) return false;
  const { config } = listed as { config: { heads: number; headDim: number } };
  const own = (await readJson(path.join(checkpoint, 'ace_step_transformer/config.json')).catch(
    (cause: unknown) => {
      const message = `${checkpoint} holds no ace_step_transformer/config.json that can be read. Name the folder of an official checkpoint: ace_step_transformer, music_dcae_f8c8, music_vocoder and umt5-base lie in it.`;
      throw new EngineError('manifest', message, { cause });
    },
  )) as Record<string, unknown>;
  return own['num_attention_heads'] === config.heads && own['attention_head_dim'] === config.headDim;
}

function writeRecipes(checkpoint: string, precision: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'cadenza-recipe-'));
  // fp32 stands in for graphs that have no variant of the wanted precision in a small checkpoint.
  const variants = [...new Set([precision, INSTEAD[precision as Precision] ?? precision])].join(',');
  const args = [
    '-m',
    'export_onnx',
    'recipe',
    folder,
    '--checkpoint',
    path.resolve(checkpoint),
    '--variants',
    variants,
  ];
  const { status, stderr } = spawnSync(PYTHON, args, {
    cwd: path.join(ROOT, 'export-scripts'),
    encoding: 'utf8',
  });
  if (status !== 0) {
    const why = stderr?.trim() || `${PYTHON} could not be run; npm test sets it up`;
    throw new EngineError('manifest', `No recipe for this checkpoint could be written: ${why}`);
  }
  return folder;
}

export async function convertFolder(
  checkpoint: string,
  out: string,
  precision: string,
  recipes: string,
  lyricVocab: string | null = null,
): Promise<void> {
  const listed = (await readJson(path.join(recipes, 'manifest.json'))) as Listed;
  await mkdir(out, { recursive: true });
  const used = new Set<string>();
  const sources = new Map<string, Awaited<ReturnType<typeof openSource>>>();
  const source = async (file: string): Promise<SourceFile> => {
    const opened = sources.get(file) ?? (await openSource(path.join(checkpoint, file)));
    sources.set(file, opened);
    return opened;
  };
  try {
    for (const [name, graph] of Object.entries(listed.graphs)) {
      const variant =
        graph.variants.find((v) => v.precision === precision) ??
        graph.variants.find((v) => v.precision === INSTEAD[precision as Precision]);
      if (!variant) throw new EngineError('manifest', `${name} has no variant ${precision} in ${recipes}.`);
      const file = path.join(recipes, `recipe.${variant.precision}.json`);
      const recipe = parseRecipe(await readJson(file)).graphs.find((steps) => steps.graph === name);
      if (!recipe) throw new EngineError('manifest', `${file} has no graph ${name}.`);
      await copyFile(path.join(recipes, recipe.file), path.join(out, recipe.file));
      used.add(path.basename(file));
      for await (const shard of convert(recipe, source)) {
        await keep(out, shard.path, shard.bytes);
        const entry = variant.weights[shard.index];
        if (entry)
          Object.assign(entry, { path: shard.path, bytes: shard.bytes.length, sha256: sha256(shard.bytes) });
      }
      graph.variants = [variant];
      const bytes = variant.weights.reduce((sum, w) => sum + w.bytes, 0);
      console.log(
        `${name.padEnd(18)} ${variant.precision.padEnd(6)} ${(bytes / 1e6).toFixed(1).padStart(8)} MB`,
      );
    }
    const beside = new Map(
      Object.entries(listed.files).map(([name, ref]) => [name, path.join(checkpoint, ref.path)]),
    );
    if (lyricVocab !== null) beside.set('lyric_vocab', lyricVocab);
    for (const name of used) beside.set(name.replace(/\.json$/, ''), path.join(recipes, name)); // LoRAs need them
    for (const [name, file] of beside) {
      const bytes = await readFile(file);
      const target = path.basename(file);
      await keep(out, target, bytes);
      listed.files[name] = { path: target, bytes: bytes.length, sha256: sha256(bytes) };
    }
    await keep(out, 'manifest.json', `${JSON.stringify(listed, null, 2)}\n`);
  } finally {
    for (const opened of sources.values()) await opened.close();
  }
}

async function main(): Promise<void> {
  const usage =
    'usage: npm run convert -- CHECKPOINT_FOLDER OUT_FOLDER --precision fp32|fp16|bf16|q8|q4f16|q4f32 [--recipes FOLDER] [--lyric-vocab FILE]';
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      precision: { type: 'string' },
      recipes: { type: 'string' },
      'lyric-vocab': { type: 'string' },
    },
  });
  const [checkpoint, out] = positionals;
  const { precision } = values;
  if (!checkpoint || !out || !precision) {
    console.error(usage);
    process.exit(2);
  }
  const started = performance.now();
  const made =
    values.recipes || (await fits(checkpoint, OFFICIAL)) ? null : writeRecipes(checkpoint, precision);
  try {
    await convertFolder(
      checkpoint,
      out,
      precision,
      values.recipes ?? made ?? OFFICIAL,
      values['lyric-vocab'] ?? null,
    );
  } finally {
    if (made) rmSync(made, { recursive: true });
  }
  const seconds = (performance.now() - started) / 1000;
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(`${out}: ${seconds.toFixed(1)} s, peak memory ${peak.toFixed(0)} MiB`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((thrown: unknown) => {
    const error = asEngineError(thrown);
    console.error(error.code === 'bug' ? error.stack : error.message);
    process.exit(1);
  });
}
