/**
 * Sound to latents and back (acestep/music_dcae, MusicDCAE):
 *
 *   encode: PCM -> 44.1 kHz -> log-mel -> dcae_encoder -> latents
 *   decode: latents -> dcae_decoder -> log-mel -> vocoder -> 44.1 kHz -> output rate
 *
 * Both work in windows so that memory does not grow with the song and the first seconds play while the rest decodes.
 * Cancel is seen between windows, because every `model.run` looks for it.
 *
 * A song of one window (512 latents, 47.6 s, for the official model) goes through the codec graphs whole, as the
 * reference does it up to 48 s. The vocoder is local, so it runs in windows that overlap by its field: the same samples.
 * Longer songs follow the reference's overlapped decode, which hears its window's ends and joins them as said below.
 */
import { logMel, MEL } from '../../audio/mel.ts';
import { toStereo, type Pcm } from '../../audio/pcm.ts';
import { resample, Resampler } from '../../audio/resample.ts';
import { assert, EngineError } from '../../errors.ts';
import type { Model } from '../../family.ts';
import { float32, type Tensor, type Value } from '../../tensor.ts';
import type { AceStepConfig } from './config.ts';
import { CONTEXT_FRAMES, MelInverter, toWave } from './spectrum.ts';

type AceStep = Model<AceStepConfig>;

/** Channels of sound: the mel of a stereo pair is one (1, 2, 128, frames) tensor. */
const STEREO = 2;
const MEL_ROWS = STEREO * MEL.bands;

/**
 * Mel frames on either side that a sample of the HiFi-GAN vocoder depends on: 57 of its ConvNeXt backbone (a stem of 7
 * and 18 blocks of 7), 6 of the first convolution, 28 of the upsampling levels; 92 in all, rounded up to whole latents.
 */
const WAVEFORM_CONTEXT = 96;
/** Mel frames of such a window that are kept: 11.9 s; the overlap then costs a fifth. */
const WAVEFORM_KEPT = 1024;

/** The reference's overlapped vocoder (MusicDCAE.decode_overlap): blocks of 512 frames, neighbours share 4. */
const BLOCK_FRAMES = 512;
const BLOCK_STEP = 508;
/** Samples at either end of a block that are thrown away, and how many of them are faded into the block before. */
const BLOCK_EDGE = 1024;
const BLOCK_FADE = 128;

/** A finished piece: samples [start, start + length) of `total`. */
export interface AudioPiece {
  readonly start: number;
  readonly total: number;
  readonly sampleRate: number;
  readonly channels: readonly Float32Array[];
}

export interface DecodeOptions {
  /** The sound is a recording that the model did not compose: its pitches are not snapped to A = 440 Hz. */
  readonly recorded?: boolean;
}

/**
 * Latents (1, channels, rows, T) of a sound. The reference pads with silence to whole latents, so what comes back from
 * `decodeLatents` may be up to 93 ms longer than the source. Sources longer than one window are encoded in windows,
 * where the reference takes any length at once: its attention then hears the whole song, but needs gigabytes for it.
 */
export async function encodeAudio(pcm: Pcm, model: AceStep): Promise<Tensor> {
  const { config } = model;
  const channels = toStereo(pcm).channels.map((samples) =>
    resample(samples, pcm.sampleRate, config.sampleRate),
  );
  const length = channels[0]!.length;
  if (length === 0)
    throw new EngineError('bad-task', 'The audio source is empty (0 samples). Choose another sound.');
  const perLatent = config.hop * config.framesPerLatent;
  const latents = Math.ceil(length / perLatent);
  const frames = latents * config.framesPerLatent;
  const mel = new Float32Array(MEL_ROWS * frames);
  channels.forEach((samples, c) => {
    const padded = new Float32Array(latents * perLatent);
    padded.set(samples);
    logMel(padded, mel, c * MEL.bands * frames);
  });
  if (config.melRange) {
    const { min, max } = config.melRange;
    for (let i = 0; i < mel.length; i++) mel[i] = (2 * (mel[i]! - min)) / (max - min) - 1;
  }

  const rows = config.channels * config.rows;
  const out = new Float32Array(rows * latents);
  for (const w of windows(latents, config.window.latents, config.window.overlap)) {
    const part = columns(
      mel,
      MEL_ROWS,
      frames,
      w.from * config.framesPerLatent,
      w.to * config.framesPerLatent,
    );
    const size = (w.to - w.from) * config.framesPerLatent;
    const { z } = await model.run('dcae_encoder', { mel: float32(part, [1, STEREO, MEL.bands, size]) });
    paste(
      await floats(z),
      w.to - w.from,
      w.keepFrom - w.from,
      out,
      latents,
      w.keepFrom,
      w.keepTo - w.keepFrom,
    );
  }
  const { shift, scale } = config.latent;
  for (let i = 0; i < out.length; i++) out[i] = (out[i]! - shift) * scale;
  return float32(out, [1, config.channels, config.rows, latents]);
}

/**
 * Sound of latents (1, channels, rows, T) at the model's output rate. Not clipped: values may pass ±1 a little, as the
 * reference's do.
 *
 * @param onAudio gets every piece as soon as its samples are final, in order
 */
export async function decodeLatents(
  latents: Tensor,
  model: AceStep,
  onAudio?: (piece: AudioPiece) => void,
  options: DecodeOptions = {},
): Promise<Pcm> {
  const { config } = model;
  if (latents.data instanceof Float32Array && !latents.data.every(Number.isFinite)) {
    throw new EngineError(
      'graph',
      'The model gave values that are not numbers, so there is no sound. Its weights may be damaged: install it again; or choose another precision.',
    );
  }
  const mel = new MelDecoder(latents, model);
  const overlapped = config.vocoder === 'waveform' && mel.latents > whole(config);
  const waves =
    config.vocoder === 'spectrum'
      ? spectrumVocoder(mel, model, options)
      : overlapped
        ? blockVocoder(mel, model)
        : waveformVocoder(mel, model);
  const length = (mel.frames * config.hop * config.outputRate) / config.sampleRate;
  // The overlapped reference cuts where the plain one rounds up: one sample less.
  const total = overlapped ? Math.floor(length) : Math.ceil(length);
  const channels = Array.from({ length: STEREO }, () => new Float32Array(total));
  const resamplers = channels.map(() => new Resampler(config.sampleRate, config.outputRate));
  let start = 0;
  const deliver = (pieces: readonly Float32Array[]): void => {
    const fitting = pieces.map((piece) => piece.subarray(0, total - start));
    const size = fitting[0]!.length;
    if (size === 0) return;
    fitting.forEach((piece, c) => channels[c]!.set(piece, start));
    onAudio?.({
      start,
      total,
      sampleRate: config.outputRate,
      channels: fitting.map((piece) => piece.slice()),
    });
    start += size;
  };
  for await (const pair of waves) deliver(pair.map((wave, c) => resamplers[c]!.push(wave)));
  deliver(resamplers.map((resampler) => resampler.end()));
  assert(start === total, `decoded ${start} of ${total} samples`);
  return { channels, sampleRate: config.outputRate };
}

/** Decodes mel windows when they are asked for, so that sound begins before the last latent is decoded. */
class MelDecoder {
  readonly latents: number;
  /** Mel frames of the song. */
  readonly frames: number;
  /** (2, 128, frames) log-mel; valid up to what `upTo` has reached. */
  readonly mel: Float32Array;
  private readonly source: Tensor;
  private readonly model: AceStep;
  private readonly windows: Iterator<Window>;
  private ready = 0;

  constructor(source: Tensor, model: AceStep) {
    const { channels, rows, window, framesPerLatent } = model.config;
    const [batch, c, r, length] = source.dims;
    assert(
      batch === 1 && c === channels && r === rows && length !== undefined && length > 0,
      `latents must be (1, ${channels}, ${rows}, T) (got ${source.dims.join(', ')})`,
    );
    this.source = source;
    this.model = model;
    this.latents = length;
    this.frames = length * framesPerLatent;
    this.mel = new Float32Array(MEL_ROWS * this.frames);
    this.windows = windows(length, window.latents, window.overlap);
  }

  /** Sees to it that frames [0, end) are there. */
  async upTo(end: number): Promise<void> {
    while (this.ready < end) {
      const next = this.windows.next();
      assert(!next.done, `the song has ${this.frames} mel frames (asked for ${end})`);
      await this.decode(next.value);
    }
  }

  /** Frames [from, to) of some rows, from the first row on. */
  slice(firstRow: number, rows: number, from: number, to: number): Float32Array {
    return columns(this.mel.subarray(firstRow * this.frames), rows, this.frames, from, to);
  }

  private async decode({ from, to, keepFrom, keepTo }: Window): Promise<void> {
    const { framesPerLatent, latent, melRange, channels, rows } = this.model.config;
    const part = columns(await floats(this.source), channels * rows, this.latents, from, to);
    for (let i = 0; i < part.length; i++) part[i] = part[i]! / latent.scale + latent.shift;
    const { mel } = await this.model.run('dcae_decoder', {
      z: float32(part, [1, channels, rows, to - from]),
    });
    const frames = await floats(mel);
    if (melRange) {
      const { min, max } = melRange;
      for (let i = 0; i < frames.length; i++) frames[i] = (frames[i]! * 0.5 + 0.5) * (max - min) + min;
    }
    const at = (latents: number): number => latents * framesPerLatent;
    paste(
      frames,
      at(to - from),
      at(keepFrom - from),
      this.mel,
      this.frames,
      at(keepFrom),
      at(keepTo - keepFrom),
    );
    this.ready = at(keepTo);
  }
}

/** Pieces of a stereo wave at 44.1 kHz, end to end. */
type Waves = AsyncGenerator<readonly Float32Array[], void, void>;

/** A vocoder graph that makes sound itself, one channel a run. */
async function* waveformVocoder(mel: MelDecoder, model: AceStep): Waves {
  for (const w of windows(mel.frames, WAVEFORM_KEPT, WAVEFORM_CONTEXT)) {
    await mel.upTo(w.to);
    const pair: Float32Array[] = [];
    for (let c = 0; c < STEREO; c++) {
      const wave = await vocode(mel.slice(c * MEL.bands, MEL.bands, w.from, w.to), w.to - w.from, model);
      pair.push(wave.subarray((w.keepFrom - w.from) * MEL.hop, (w.keepTo - w.from) * MEL.hop));
    }
    yield pair;
  }
}

/**
 * The reference's overlapped way: a block's wave is used from sample 1024 to 1024 before its end, its last 128 samples
 * before that fading into the block that follows. The last block is filled up with mel 0, which is a loud value, not
 * silence: a quirk that parity needs, and it is heard only in what is cut off afterwards.
 */
async function* blockVocoder(mel: MelDecoder, model: AceStep): Waves {
  let tails: readonly Float32Array[] = [];
  for (let from = 0; from < mel.frames; from += BLOCK_STEP) {
    const to = Math.min(from + BLOCK_FRAMES, mel.frames);
    const last = from + BLOCK_STEP >= mel.frames;
    await mel.upTo(to);
    const pair: Float32Array[] = [];
    for (let c = 0; c < STEREO; c++) {
      const block = new Float32Array(MEL.bands * BLOCK_FRAMES);
      paste(mel.slice(c * MEL.bands, MEL.bands, from, to), to - from, 0, block, BLOCK_FRAMES, 0, to - from);
      const wave = await vocode(block, BLOCK_FRAMES, model);
      const tail = tails[c];
      if (tail) {
        for (let n = 0; n < BLOCK_FADE; n++) {
          const at = BLOCK_EDGE - BLOCK_FADE + n;
          const rise = n / (BLOCK_FADE - 1);
          wave[at] = tail[n]! * (1 - rise) + wave[at]! * rise;
        }
      }
      pair.push(
        wave.subarray(tail ? BLOCK_EDGE - BLOCK_FADE : 0, last ? wave.length : wave.length - BLOCK_EDGE),
      );
    }
    if (last) yield pair;
    else {
      yield pair.map((wave) => wave.subarray(0, -BLOCK_FADE));
      tails = pair.map((wave) => wave.subarray(-BLOCK_FADE));
    }
  }
}

/** A vocoder graph that corrects a spectrum whose phase comes from the host, both channels in one run. */
async function* spectrumVocoder(mel: MelDecoder, model: AceStep, { recorded = false }: DecodeOptions): Waves {
  const kept = model.config.window.latents * model.config.framesPerLatent;
  const inverter = new MelInverter(STEREO, mel.frames, kept + 2 * CONTEXT_FRAMES, !recorded);
  for (const w of windows(mel.frames, kept, CONTEXT_FRAMES)) {
    await mel.upTo(w.to);
    const frames = w.to - w.from;
    const { lin, re, im } = inverter.window(mel.mel, w.from, w.to);
    const bins = MEL.fft / 2 + 1;
    const refined = await model.run('vocoder', {
      mel: float32(mel.slice(0, MEL_ROWS, w.from, w.to), [STEREO, MEL.bands, frames]),
      lin: float32(lin, [STEREO, bins, frames]),
      re: float32(re, [STEREO, bins, frames]),
      im: float32(im, [STEREO, bins, frames]),
    });
    const outRe = await floats(refined['out_re']);
    const outIm = await floats(refined['out_im']);
    yield Array.from({ length: STEREO }, (_, c) => {
      const part = [c * bins * frames, (c + 1) * bins * frames] as const;
      const wave = toWave(outRe.subarray(...part), outIm.subarray(...part), frames);
      return wave.subarray((w.keepFrom - w.from) * MEL.hop, (w.keepTo - w.from) * MEL.hop);
    });
  }
}

async function vocode(mel: Float32Array, frames: number, model: AceStep): Promise<Float32Array> {
  const { waveform } = await model.run('vocoder', { mel: float32(mel, [1, MEL.bands, frames]) });
  return floats(waveform);
}

/** Latents that the codec graphs take at once. */
const whole = ({ window }: AceStepConfig): number => window.latents + 2 * window.overlap;

/** A window [from, to) of a song, and what is kept of it: the keeps of all windows, end to end, are the song. */
interface Window {
  readonly from: number;
  readonly to: number;
  readonly keepFrom: number;
  readonly keepTo: number;
}

/**
 * Windows that keep `kept` and see `overlap` more on either side; those at the song's ends keep that too. With 256 and
 * 128 latents it is the reference's plan.
 */
function* windows(length: number, kept: number, overlap: number): Generator<Window, void, void> {
  assert(kept > 0 && overlap >= 0, `windows cannot keep ${kept} and overlap by ${overlap}`);
  const size = kept + 2 * overlap;
  for (let from = 0, last = false; !last; from += kept) {
    last = from + size >= length;
    const to = last ? length : from + size;
    yield { from, to, keepFrom: from === 0 ? 0 : from + overlap, keepTo: last ? length : to - overlap };
  }
}

/** Columns [from, to) of the first `rows` rows of a matrix with `length` columns. */
function columns(data: Float32Array, rows: number, length: number, from: number, to: number): Float32Array {
  const out = new Float32Array(rows * (to - from));
  for (let r = 0; r < rows; r++) out.set(data.subarray(r * length + from, r * length + to), r * (to - from));
  return out;
}

/** Copies `count` columns of `data` (`length` columns a row) from column `from` on into `into` at column `at`. */
function paste(
  data: Float32Array,
  length: number,
  from: number,
  into: Float32Array,
  intoLength: number,
  at: number,
  count: number,
): void {
  const rows = data.length / length;
  for (let r = 0; r < rows; r++) {
    into.set(data.subarray(r * length + from, r * length + from + count), r * intoLength + at);
  }
}

/** Values of a graph's float output, wherever it lies. */
async function floats(value: Value | undefined): Promise<Float32Array> {
  const tensor = value && 'read' in value ? await value.read() : value;
  assert(tensor?.data instanceof Float32Array, 'a codec graph gave no float32 output of the expected name');
  return tensor.data;
}
