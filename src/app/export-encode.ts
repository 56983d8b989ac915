/**
 * Sound into files, in a worker. WAV is written by lib/audio/wav.ts; everything else by Mediabunny, whose only door
 * this is. FLAC, MP3 and AAC have encoders of their own in WebAssembly, fetched when first used and run in workers of
 * theirs; Opus is the browser's own.
 */
import {
  AudioSample,
  AudioSampleSource,
  BufferTarget,
  canEncodeAudio,
  FlacOutputFormat,
  Mp3OutputFormat,
  Mp4OutputFormat,
  OggOutputFormat,
  Output,
} from 'mediabunny';
import type { AudioCodec, MetadataTags, OutputFormat } from 'mediabunny';
import { joined } from '../lib/audio/bytes.ts';
import { quantise } from '../lib/audio/dither.ts';
import { SETTINGS_FIELD, shortKey } from '../lib/audio/fields.ts';
import type { SongTags } from '../lib/audio/fields.ts';
import { writeId3 } from '../lib/audio/id3.ts';
import type { Pcm } from '../lib/audio/pcm.ts';
import { KEY_BOX, SETTINGS_BOX } from '../lib/audio/tags.ts';
import { writeWav } from '../lib/audio/wav.ts';
import type { WavFormat } from '../lib/audio/wav.ts';
import { EngineError } from '../lib/errors.ts';
import type { Compressed, ExportFormat, FileFormat } from './export-formats.ts';

/** Bits per second; null where the format keeps every sample. */
interface Coding {
  readonly codec: AudioCodec;
  readonly container: () => OutputFormat;
  /** An encoder for browsers that have none of their own. */
  readonly bring?: () => Promise<void>;
}

const CODINGS: Readonly<Record<Compressed, Coding>> = {
  flac: {
    codec: 'flac',
    container: () => new FlacOutputFormat(),
    bring: async () => (await import('@mediabunny/flac-encoder')).registerFlacEncoder(),
  },
  mp3: {
    codec: 'mp3',
    container: () => new Mp3OutputFormat(),
    bring: async () => (await import('@mediabunny/mp3-encoder')).registerMp3Encoder(),
  },
  opus: { codec: 'opus', container: () => new OggOutputFormat() },
  m4a: {
    codec: 'aac',
    container: () => new Mp4OutputFormat({ fastStart: 'in-memory' }),
    bring: async () => (await import('@mediabunny/aac-encoder')).registerAacEncoder(),
  },
};

/** Frames handed over at a time, so that progress moves and a cancel is heard. */
const PIECE = 2 ** 15;

/** True where files of this kind can be written. */
export const canWrite = async (format: ExportFormat): Promise<boolean> =>
  format === 'wav' || CODINGS[format].bring !== undefined || (await canEncodeAudio(CODINGS[format].codec));

/**
 * A whole file.
 * @param progress is told the share that is done, 0..1
 * @throws EngineError 'unsupported' when this browser has no encoder for it
 */
export async function encode(
  pcm: Pcm,
  file: FileFormat,
  tags: SongTags,
  progress: (share: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  if (file.format === 'wav') return wavFile(pcm, file.depth, tags);
  const { codec, container, bring } = CODINGS[file.format];
  const bitrate = file.format === 'flac' ? undefined : 1000 * file.kbps;
  const { sampleRate, channels } = pcm;
  const asked = { numberOfChannels: channels.length, sampleRate, ...(bitrate && { bitrate }) };
  if (!(await canEncodeAudio(codec, asked))) await bring?.();
  if (!(await canEncodeAudio(codec, asked))) {
    throw new EngineError(
      'unsupported',
      `This browser cannot write ${file.format.toUpperCase()} at ${sampleRate} Hz. Choose FLAC or MP3.`,
    );
  }
  const target = new BufferTarget();
  const output = new Output({ format: container(), target });
  const source = new AudioSampleSource({ codec, ...(bitrate && { bitrate, bitrateMode: 'constant' }) });
  output.addAudioTrack(source);
  // The tag of an MP3 is the one that WAV files get too.
  if (file.format !== 'mp3') output.setMetadataTags(metadata(tags, file.format));
  await output.start();
  const read = reader(pcm, file);
  const frames = channels[0]?.length ?? 0;
  for (let at = 0; at < frames; at += PIECE) {
    const end = Math.min(frames, at + PIECE);
    const sample = new AudioSample({
      ...read(at, end),
      numberOfChannels: channels.length,
      sampleRate,
      timestamp: at / sampleRate,
    });
    await source.add(sample);
    sample.close();
    progress(end / frames);
  }
  await output.finalize();
  const bytes = new Uint8Array(target.buffer ?? new ArrayBuffer(0));
  return file.format === 'mp3' ? joined([writeId3(tags), bytes]) : bytes;
}

type Raw = { readonly data: ArrayBuffer; readonly format: 'f32-planar' | 's16' | 's32' };

/** Pieces of the sound as the encoder wants them: whole numbers for FLAC, floats for the others. */
function reader(pcm: Pcm, file: FileFormat): (from: number, to: number) => Raw {
  const { channels } = pcm;
  if (file.format !== 'flac') {
    return (from, to) => {
      const data = new Float32Array((to - from) * channels.length);
      channels.forEach((samples, c) => data.set(samples.subarray(from, to), c * (to - from)));
      return { data: data.buffer, format: 'f32-planar' };
    };
  }
  const bits = file.depth === 'int16' ? 16 : 24;
  const all = quantise(channels, bits);
  return (from, to) => {
    const piece = all.slice(from * channels.length, to * channels.length);
    if (bits === 16) return { data: Int16Array.from(piece).buffer, format: 's16' };
    return { data: piece.map((x) => x * 2 ** 8).buffer, format: 's32' }; // 24 bits stand at the top
  };
}

function wavFile(pcm: Pcm, depth: WavFormat, tags: SongTags): Uint8Array<ArrayBuffer> {
  const { title, artist, genre, settings } = tags;
  const info = { title, artist, genre, software: 'Cadenza' };
  // The settings have a chunk of their own.
  return writeWav(pcm, depth, { tags: info, settings, id3: writeId3({ ...tags, settings: undefined }) });
}

function metadata(tags: SongTags, format: Compressed): MetadataTags {
  const { title, artist, genre, bpm, key, lyrics, cover, settings } = tags;
  const json = settings === undefined ? null : JSON.stringify(settings);
  const raw: NonNullable<MetadataTags['raw']> =
    format === 'm4a'
      ? { [SETTINGS_BOX]: json, [KEY_BOX]: shortKey(key) || null }
      : { [SETTINGS_FIELD]: json, INITIALKEY: shortKey(key) || null };
  return {
    ...(title && { title }),
    ...(artist && { artist }),
    ...(genre && { genre }),
    ...(bpm !== null && { beatsPerMinute: Math.round(bpm) }),
    ...(lyrics && { lyrics }),
    ...(cover && { images: [{ data: cover.bytes, mimeType: cover.type, kind: 'coverFront' as const }] }),
    raw,
  };
}
