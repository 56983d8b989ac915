/** A second, independent reading of the WAV files that the app writes: the tests trust nothing of the product here. */
export interface Wav {
  readonly sampleRate: number;
  /** One array a channel, values in [-1, 1]. */
  readonly channels: readonly Float32Array[];
  readonly seconds: number;
}

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

export function readWav(bytes: Uint8Array): Wav {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (name(0) !== 'RIFF' || name(8) !== 'WAVE') throw new Error('not a WAV file');
  if (view.getUint32(4, true) !== bytes.byteLength - 8)
    throw new Error('the RIFF size is not that of the file');
  const chunks = new Map<string, number>();
  for (let at = 12; at + 8 <= bytes.byteLength; at += 8 + ((view.getUint32(at + 4, true) + 1) & ~1)) {
    chunks.set(name(at), at + 8);
  }
  const format = chunks.get('fmt ');
  const data = chunks.get('data');
  if (format === undefined || data === undefined) throw new Error('fmt or data is missing');
  const tag = view.getUint16(format, true);
  const kind = tag === EXTENSIBLE ? view.getUint16(format + 24, true) : tag;
  const count = view.getUint16(format + 2, true);
  const sampleRate = view.getUint32(format + 4, true);
  const width = view.getUint16(format + 14, true) / 8;
  const frames = view.getUint32(data - 4, true) / width / count;
  const readers: Readonly<Record<string, (at: number) => number>> = {
    [`${PCM}/2`]: (at) => view.getInt16(at, true) / 0x8000,
    [`${FLOAT}/4`]: (at) => view.getFloat32(at, true),
  };
  const sampleAt = readers[`${kind}/${width}`];
  if (!sampleAt) throw new Error(`format ${kind} with ${width} bytes a sample is not read here`);
  const channels = Array.from({ length: count }, (_, channel) =>
    Float32Array.from({ length: frames }, (_, i) => sampleAt(data + (i * count + channel) * width)),
  );
  return { sampleRate, channels, seconds: frames / sampleRate };
}

/** Root mean square over all channels. */
export function level({ channels }: Wav): number {
  let sum = 0;
  let count = 0;
  for (const samples of channels) {
    for (const sample of samples) sum += sample * sample;
    count += samples.length;
  }
  return Math.sqrt(sum / count);
}

/** Largest absolute difference; Infinity when the shapes differ. */
export function difference(a: Wav, b: Wav): number {
  if (a.channels.length !== b.channels.length) return Infinity;
  let worst = 0;
  for (const [channel, samples] of a.channels.entries()) {
    const other = b.channels[channel]!;
    if (other.length !== samples.length) return Infinity;
    for (let i = 0; i < samples.length; i++) worst = Math.max(worst, Math.abs(samples[i]! - other[i]!));
  }
  return worst;
}

/** Relative rms error of `b` against `a`. */
export function relativeError(a: Wav, b: Wav): number {
  let error = 0;
  let power = 0;
  for (const [channel, samples] of a.channels.entries()) {
    const other = b.channels[channel]!;
    for (let i = 0; i < samples.length; i++) {
      error += (samples[i]! - (other[i] ?? NaN)) ** 2;
      power += samples[i]! ** 2;
    }
  }
  return Math.sqrt(error / power);
}
