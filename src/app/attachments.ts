/** Files that the user brings for the form: LoRAs and sounds to start from. They are kept as blobs, by their content. */
import { writeWav } from '../lib/audio/wav.ts';
import { EngineError } from '../lib/errors.ts';
import { checkLora } from '../lib/lora.ts';
import { readLayout } from '../lib/safetensors.ts';
import { openBlobs } from '../storage/blobs.ts';
import { slicesOf } from './drop-slices.ts';
import { size } from './format.ts';
import { decodeSound } from './sources.ts';

/** A LoRA of rank 256 for the whole denoiser in half floats has 0.7 GB. */
export const MAX_LORA_BYTES = 1_500_000_000;

/**
 * Keeps a LoRA file and returns its blob id.
 * @param fits throws where the file is not for the model in use; null where that takes no LoRA
 * @throws EngineError 'bad-task' or 'integrity' where it is none, 'storage' where there is no room
 */
export async function keepLora(file: File, fits: ((file: File) => Promise<void>) | null): Promise<string> {
  if (file.size > MAX_LORA_BYTES) {
    throw new EngineError(
      'bad-task',
      `${file.name} has ${size(file.size)}; a LoRA has at most ${size(MAX_LORA_BYTES)}. Choose a LoRA, not a whole model.`,
    );
  }
  checkLora(await readLayout(slicesOf(file)), null);
  await fits?.(file);
  return (await openBlobs()).put(new Uint8Array(await file.arrayBuffer()));
}

/**
 * Decodes a sound of any kind that the browser knows and keeps it as WAV; returns its blob id.
 * @throws EngineError 'bad-task' where it is no sound, empty or too long, 'storage' where there is no room
 */
export async function keepSound(file: File): Promise<string> {
  return (await openBlobs()).put(writeWav(await decodeSound(file, file.name), 'float32'));
}
