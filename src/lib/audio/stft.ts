/**
 * Short-time Fourier transform as ACE-Step's mel front end cuts its frames: periodic Hann window, reflected padding of
 * (size - hop)/2 on both sides and no centring, so that frames · hop samples give exactly `frames` frames
 * (acestep/music_dcae, LogMelSpectrogram). The inverse is windowed overlap-add.
 *
 * Spectra are frame-major: bin k of frame t lies at t · bins + k.
 */
import { assert } from '../errors.ts';
import { RealFft } from './fft.ts';

/** Where a frame's window weighs too little to divide by (the very ends), the sum of squared windows counts as this. */
const MIN_WEIGHT = 1e-3;

export class Stft {
  readonly hop: number;
  readonly bins: number;
  /** Frame by frame access: `analyse` leaves its spectrum in fft.re and fft.im. */
  readonly fft: RealFft;
  private readonly window: Float64Array;
  private readonly left: number;

  constructor(size: number, hop: number) {
    assert(
      size % hop === 0 && (size - hop) % 2 === 0,
      `STFT hop ${hop} must divide the window of ${size} samples`,
    );
    this.fft = new RealFft(size);
    this.hop = hop;
    this.bins = size / 2 + 1;
    this.left = (size - hop) / 2;
    this.window = torchHann(size);
  }

  /** Spectrum of frame `t` of `wave` into fft.re and fft.im. `wave` is longer than the padding. */
  analyse(wave: Float32Array, t: number): void {
    const { window } = this;
    const { size, time } = this.fft;
    const start = t * this.hop - this.left;
    if (start >= 0 && start + size <= wave.length) {
      for (let n = 0; n < size; n++) time[n] = wave[start + n]! * window[n]!;
    } else {
      const last = wave.length - 1;
      for (let n = 0; n < size; n++) {
        const at = Math.abs(start + n); // reflected without repeating the end sample
        time[n] = wave[at > last ? 2 * last - at : at]! * window[n]!;
      }
    }
    this.fft.forward();
  }

  /** Adds the frame whose spectrum is in fft.re and fft.im to `wave`; what falls outside is dropped. */
  overlapAdd(wave: Float32Array, t: number): void {
    const { window } = this;
    const { size, time } = this.fft;
    this.fft.inverse();
    const start = t * this.hop - this.left;
    const from = Math.max(0, -start);
    const to = Math.min(size, wave.length - start);
    for (let n = from; n < to; n++) wave[start + n]! += time[n]! * window[n]!;
  }

  /** Divides a wave of overlap-added frames by the sum of their squared windows. */
  normalise(wave: Float32Array): void {
    const { hop, left } = this;
    const frames = wave.length / hop;
    const reach = Math.ceil(left / hop) + 1; // blocks at either end that fewer frames cover
    const steady = this.gains(reach, Infinity);
    for (let block = 0; block < frames; block++) {
      const gains = block >= reach && block < frames - reach ? steady : this.gains(block, frames);
      for (let r = 0, n = block * hop; r < hop; r++, n++) wave[n]! *= gains[r]!;
    }
  }

  /** 1 over the sum of squared windows at each sample of a block of one hop, in a wave of `frames` frames. */
  private gains(block: number, frames: number): Float64Array {
    const { hop, left, window } = this;
    return Float64Array.from({ length: hop }, (_, r) => {
      const at = block * hop + r + left; // in the padded signal
      const newest = Math.min(frames - 1, Math.floor(at / hop));
      const oldest = Math.max(0, Math.floor((at - window.length) / hop) + 1);
      let weight = 0;
      for (let t = oldest; t <= newest; t++) weight += window[at - t * hop]! ** 2;
      return 1 / Math.max(weight, MIN_WEIGHT);
    });
  }
}

/**
 * torch.hann_window in float32. Its arguments are rounded before the cosine, which leaves errors of 2e-7 in the window:
 * nothing to hear, but 1e-3 in the log-mel of a silent band beside a loud tone, so parity wants the same window.
 */
function torchHann(size: number): Float64Array {
  const turn = Math.fround((2 * Math.PI) / size);
  return Float64Array.from({ length: size }, (_, n) =>
    Math.fround(0.5 - 0.5 * Math.fround(Math.cos(Math.fround(n * turn)))),
  );
}
