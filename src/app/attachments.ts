/** Files that the user brings for the form: LoRAs and sounds to start from. They are kept as blobs, by their content. */
import { writeWav } from '../lib/audio/wav.ts';
import { parseSafetensors } from '../lib/safetensors.ts';
import { EngineError } from '../lib/errors.ts';
import { openBlobs } from '../storage/blobs.ts';
import { decodeSound } from './sources.ts';

/** A LoRA of rank 256 for the whole denoiser in half floats has 0.7 GB. */
export const MAX_LORA_BYTES = 1_500_000_000;

/**
 * Keeps a LoRA file and returns its blob id.
 * @throws EngineError 'bad-task' or 'integrity' where it is none, 'storage' where there is no room
 */
export async function keepLora(file: File): Promise<string> {
  if (file.size > MAX_LORA_BYTES) {
    throw new EngineError(
      'bad-task',
      `${file.name} has ${file.size} bytes; a LoRA has at most ${MAX_LORA_BYTES}. Choose a LoRA, not a whole model.`,
    );
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  parseSafetensors(bytes); // refuses what is damaged or something else
  return (await openBlobs()).put(bytes);
}

/**
 * Decodes a sound of any kind that the browser knows and keeps it as WAV; returns its blob id.
 * @throws EngineError 'bad-task' where it is no sound, empty or too long, 'storage' where there is no room
 */
export async function keepSound(file: File): Promise<string> {
  return (await openBlobs()).put(writeWav(await decodeSound(file, file.name), 'float32'));
}
