/** Files that the user brings for the form: LoRAs and sounds to start from. They are kept as blobs, by their content. */
import { writeWav } from '../lib/audio/wav.ts';
import { parseSafetensors } from '../lib/safetensors.ts';
import { EngineError } from '../lib/errors.ts';
import { openBlobs } from '../storage/blobs.ts';

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

/** Longer than any song that a model here makes. */
const MAX_SOUND_SECONDS = 600;
const MAX_SOUND_BYTES = 300_000_000;

/**
 * Decodes a sound of any kind that the browser knows and keeps it as WAV; returns its blob id.
 * @throws EngineError 'bad-task' where it is no sound, empty or too long, 'storage' where there is no room
 */
export async function keepSound(file: File): Promise<string> {
  if (file.size > MAX_SOUND_BYTES) {
    throw new EngineError(
      'bad-task',
      `${file.name} has ${file.size} bytes; at most ${MAX_SOUND_BYTES} are read.`,
    );
  }
  const context = new OfflineAudioContext({ numberOfChannels: 2, length: 1, sampleRate: 48_000 });
  let sound: AudioBuffer;
  try {
    sound = await context.decodeAudioData(await file.arrayBuffer());
  } catch (thrown) {
    throw new EngineError(
      'bad-task',
      `${file.name} is not a sound that this browser can read. Choose WAV, FLAC, MP3, Ogg or M4A.`,
      { cause: thrown },
    );
  }
  if (sound.length < sound.sampleRate / 10 || sound.duration > MAX_SOUND_SECONDS) {
    throw new EngineError(
      'bad-task',
      `${file.name} lasts ${sound.duration.toFixed(1)} s; a reference has 0.1 to ${MAX_SOUND_SECONDS} s. Cut it first.`,
    );
  }
  const left = sound.getChannelData(0);
  const channels = [left, sound.numberOfChannels > 1 ? sound.getChannelData(1) : left];
  return (await openBlobs()).put(writeWav({ channels, sampleRate: sound.sampleRate }, 'float32'));
}
