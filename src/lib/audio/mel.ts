/**
 * The log-mel spectrogram of ACE-Step v1 (acestep/music_dcae, LogMelSpectrogram over torchaudio's MelScale):
 * magnitude sqrt(re² + im² + 1e-6), 128 Slaney bands with Slaney's area normalisation, natural logarithm.
 */
import { assert } from '../errors.ts';
import { Stft } from './stft.ts';

export const MEL = {
  sampleRate: 44100,
  fft: 2048,
  hop: 512,
  bands: 128,
  minHz: 40,
  maxHz: 16000,
  /** Added to re² + im². */
  power: 1e-6,
  /** Smallest mel value before the logarithm. */
  floor: 1e-5,
} as const;

/** Rows of a band matrix: band b weighs bins first[b] … with values[start[b] … start[b+1]]. */
export interface SparseRows {
  readonly first: Int32Array;
  readonly start: Int32Array;
  readonly values: Float32Array;
}

/** (bands, bins) matrix from magnitudes to mel bands; about 1480 of its 131 200 weights are not zero. */
export function melBands(): SparseRows {
  const low = melOf(MEL.minHz);
  const step = (melOf(MEL.maxHz) - low) / (MEL.bands + 1);
  const edges = Array.from({ length: MEL.bands + 2 }, (_, i) => hzOf(low + i * step));
  const first = new Int32Array(MEL.bands);
  const start = new Int32Array(MEL.bands + 1);
  const values: number[] = [];
  for (let band = 0; band < MEL.bands; band++) {
    const [left, centre, right] = [edges[band]!, edges[band + 1]!, edges[band + 2]!];
    first[band] = Math.ceil((left * MEL.fft) / MEL.sampleRate);
    for (let bin = first[band]!; (bin * MEL.sampleRate) / MEL.fft < right; bin++) {
      const hz = (bin * MEL.sampleRate) / MEL.fft;
      const triangle = Math.min((hz - left) / (centre - left), (right - hz) / (right - centre));
      values.push((triangle * 2) / (right - left));
    }
    start[band + 1] = values.length;
  }
  return { first, start, values: Float32Array.from(values) };
}

/**
 * Log-mel of one channel at 44.1 kHz: (bands, frames) row-major, frames = samples / hop; values from ln(1e-5) = -11.5 to
 * about 3.
 *
 * @param wave at least 1024 samples, a multiple of the hop
 * @param into where the frames go; written from `offset` on
 */
export function logMel(wave: Float32Array, into?: Float32Array, offset = 0): Float32Array {
  assert(wave.length % MEL.hop === 0, `log-mel needs a multiple of ${MEL.hop} samples (got ${wave.length})`);
  assert(wave.length > MEL.fft / 2 - MEL.hop / 2, `log-mel needs over 768 samples (got ${wave.length})`);
  const frames = wave.length / MEL.hop;
  const out = into ?? new Float32Array(MEL.bands * frames);
  const stft = new Stft(MEL.fft, MEL.hop);
  const bands = melBands();
  const magnitude = new Float64Array(stft.bins);
  for (let t = 0; t < frames; t++) {
    stft.analyse(wave, t);
    const { re, im } = stft.fft;
    for (let k = 0; k < magnitude.length; k++)
      magnitude[k] = Math.sqrt(re[k]! ** 2 + im[k]! ** 2 + MEL.power);
    for (let band = 0; band < MEL.bands; band++) {
      const end = bands.start[band + 1]!;
      let sum = 0;
      for (let i = bands.start[band]!, k = bands.first[band]!; i < end; i++, k++) {
        sum += bands.values[i]! * magnitude[k]!;
      }
      out[offset + band * frames + t] = Math.log(Math.max(sum, MEL.floor));
    }
  }
  return out;
}

// Slaney's scale (Auditory Toolbox): 200/3 Hz a mel up to 1 kHz, then 27 mels for every factor of 6.4.
const LINEAR_HZ = 200 / 3;
const BREAK_HZ = 1000;
const BREAK_MEL = BREAK_HZ / LINEAR_HZ;
const LOG_STEP = Math.log(6.4) / 27;

function melOf(hz: number): number {
  return hz < BREAK_HZ ? hz / LINEAR_HZ : BREAK_MEL + Math.log(hz / BREAK_HZ) / LOG_STEP;
}

function hzOf(mel: number): number {
  return mel < BREAK_MEL ? mel * LINEAR_HZ : BREAK_HZ * Math.exp(LOG_STEP * (mel - BREAK_MEL));
}
