/**
 * What a dropped or pasted file is, by its content first and its name second. Files are looked at in slices: whatever is
 * large stays on the disk. Nothing is changed here; what cannot be taken is refused in words.
 */
import type { ByteSource } from '../lib/audio/bytes.ts';
import { formatOf, HEAD_BYTES, readTags } from '../lib/audio/tags.ts';
import { EngineError } from '../lib/errors.ts';
import { MAX_RECIPE_BYTES } from '../lib/recipe.ts';
import { MAX_BATCH_BYTES } from './batch.ts';
import { slicesOf } from './drop-slices.ts';
import { size } from './format.ts';
import { sizeProblem } from './sources.ts';
import { TEXT } from './text.ts';

export type Dropped =
  /** An exported song, or a `.json`: unchecked settings. */
  | { readonly kind: 'recipe'; readonly settings: unknown }
  | { readonly kind: 'sound'; readonly title: string }
  | { readonly kind: 'lyrics'; readonly text: string }
  | { readonly kind: 'lora' }
  | { readonly kind: 'backup' }
  /** A list of songs to make: unchecked JSON. */
  | { readonly kind: 'batch'; readonly text: string };

export const MAX_LYRICS_BYTES = 2 ** 18;
/** A header of safetensors is at most 100 MB; its length stands first, as 64 bits. */
const MAX_TENSOR_HEADER = 100_000_000;

/** @throws EngineError 'bad-task' with the file's name, what is wrong with it, and the way out */
export async function look(file: File): Promise<Dropped> {
  const { name } = file;
  const T = TEXT.drop;
  if (file.size === 0) return refuse(T.empty(name));
  const source = slicesOf(file);
  const head = await source.read(0, HEAD_BYTES);
  const extension = /\.([^.]+)$/.exec(name.toLowerCase())?.[1] ?? '';
  if (formatOf(head) !== null) return sound(file, source);
  if (head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4) return { kind: 'backup' };
  switch (extension) {
    case 'json':
      return recipe(file);
    case 'txt':
    case 'lrc':
      return lyrics(file, extension);
    case 'safetensors':
      return isTensors(head, file.size) ? { kind: 'lora' } : refuse(T.notLora(name));
    default:
      // Formats that the browser may know although their tags are not read here: AIFF, WebM, Vorbis in Matroska …
      return /^(audio|video)\//.test(file.type) ? limited(file) : refuse(T.unknown(name));
  }
}

async function sound(file: File, source: ByteSource): Promise<Dropped> {
  const { settings, title } = await readTags(source);
  if (settings !== undefined) return { kind: 'recipe', settings };
  return limited(file, title);
}

function limited(file: File, title = ''): Dropped {
  const problem = sizeProblem(file.name, file.size);
  if (problem !== '') refuse(problem);
  return { kind: 'sound', title: title || file.name.replace(/\.[^.]+$/, '') };
}

async function recipe(file: File): Promise<Dropped> {
  const text = await textOf(file, MAX_BATCH_BYTES);
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch {
    refuse(TEXT.drop.notJson(file.name)); // where it broke says nothing to a musician
  }
  if (Array.isArray(settings)) return { kind: 'batch', text };
  if (file.size > MAX_RECIPE_BYTES)
    refuse(TEXT.drop.tooBig(file.name, size(file.size), size(MAX_RECIPE_BYTES)));
  return { kind: 'recipe', settings };
}

async function lyrics(file: File, extension: 'txt' | 'lrc'): Promise<Dropped> {
  const text = await textOf(file, MAX_LYRICS_BYTES);
  return { kind: 'lyrics', text: (extension === 'lrc' ? withoutTimes(text) : text).trim() };
}

/** UTF-8, or UTF-16 with its mark. */
async function textOf(file: File, limit: number): Promise<string> {
  const { name } = file;
  if (file.size > limit) refuse(TEXT.drop.tooBig(name, size(file.size), size(limit)));
  const bytes = new Uint8Array(await file.arrayBuffer());
  const utf16 =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : null;
  try {
    const text = new TextDecoder(utf16 ?? 'utf-8', { fatal: true }).decode(bytes);
    if (text.includes('\0')) refuse(TEXT.drop.notText(name));
    return text.replace(/\r\n?/g, '\n');
  } catch (thrown) {
    if (thrown instanceof EngineError) throw thrown;
    return refuse(TEXT.drop.notText(name)); // not UTF-8, as the decoder found
  }
}

/** Lines of an LRC file: "[00:12.30]words", facts such as "[ar:Name]", times of words in "<00:12.80>". */
export const withoutTimes = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^\s*\[(ar|al|ti|au|by|offset|length|re|ve|tool|#)\s*:.*\]\s*$/iu.test(line))
    .map((line) =>
      line.replace(/\[\d+:\d{1,2}(?:[.:]\d{1,3})?\]/g, '').replace(/<\d+:\d{1,2}(?:[.:]\d{1,3})?>\s?/g, ''),
    )
    .map((line) => line.trim())
    .join('\n');

function isTensors(head: Uint8Array, bytes: number): boolean {
  if (head.length < 9) return false;
  const header = Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0, true));
  return header > 1 && header <= MAX_TENSOR_HEADER && header + 8 <= bytes && head[8] === 0x7b; // {
}

function refuse(message: string): never {
  throw new EngineError('bad-task', message);
}
