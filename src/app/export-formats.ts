/** The kinds of file that a song can be exported as, and what there is to choose for each. */
import type { WavFormat } from '../lib/audio/wav.ts';

export type Depth = Extract<WavFormat, 'int16' | 'int24'>;

/** What is written, with the choices that belong to it. */
export type FileFormat =
  | { readonly format: 'wav'; readonly depth: WavFormat }
  | { readonly format: 'flac'; readonly depth: Depth }
  | { readonly format: 'mp3' | 'opus' | 'm4a'; readonly kbps: number };

export type ExportFormat = FileFormat['format'];
export type Compressed = Exclude<ExportFormat, 'wav'>;

interface Choices {
  readonly extension: string;
  readonly type: string;
  readonly depths: readonly WavFormat[];
  /** Kilobits per second, best first. */
  readonly kbps: readonly number[];
  readonly defaultKbps: number;
  readonly sampleRates: readonly number[];
}

const RATES = [44_100, 48_000] as const;

export const FORMATS: Readonly<Record<ExportFormat, Choices>> = {
  wav: {
    extension: 'wav',
    type: 'audio/wav',
    depths: ['int16', 'int24', 'float32'],
    kbps: [],
    defaultKbps: 0,
    sampleRates: RATES,
  },
  flac: {
    extension: 'flac',
    type: 'audio/flac',
    depths: ['int16', 'int24'],
    kbps: [],
    defaultKbps: 0,
    sampleRates: RATES,
  },
  mp3: {
    extension: 'mp3',
    type: 'audio/mpeg',
    depths: [],
    kbps: [320, 256, 192, 128],
    defaultKbps: 320,
    sampleRates: RATES,
  },
  // Opus knows no 44.1 kHz. RFC 6716 section 2
  opus: {
    extension: 'opus',
    type: 'audio/ogg',
    depths: [],
    kbps: [256, 192, 160, 128, 96],
    defaultKbps: 160,
    sampleRates: [48_000],
  },
  m4a: {
    extension: 'm4a',
    type: 'audio/mp4',
    depths: [],
    kbps: [256, 192, 160, 128],
    defaultKbps: 256,
    sampleRates: RATES,
  },
};

const BYTES: Readonly<Record<WavFormat, number>> = { int16: 2, int24: 3, float32: 4 };

/** Size of the sound in the file, bytes; null where nobody knows before it is written. */
export function sizeOf(file: FileFormat, seconds: number, sampleRate: number): number | null {
  if (file.format === 'wav') return seconds * sampleRate * 2 * BYTES[file.depth];
  return file.format === 'flac' ? null : (seconds * file.kbps * 1000) / 8;
}
