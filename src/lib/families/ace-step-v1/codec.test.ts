import { describe, expect, it } from 'vitest';
import { maxError } from '../../../../scripts/golden/read.ts';
import { noise, sine } from '../../../../scripts/golden/signals.ts';
import { logMel } from '../../audio/mel.ts';
import { resample } from '../../audio/resample.ts';
import { EngineError } from '../../errors.ts';
import type { Model } from '../../family.ts';
import { float32, type Tensor, type Value } from '../../tensor.ts';
import { decodeLatents, encodeAudio, type AudioPiece } from './codec.ts';
import type { AceStepConfig } from './config.ts';

type Graph = (feeds: Readonly<Record<string, Tensor>>) => Record<string, Tensor>;

const CONFIG = {
  sampleRate: 44100,
  outputRate: 48000,
  hop: 512,
  framesPerLatent: 8,
  channels: 8,
  rows: 16,
  melRange: { min: -11, max: 3 },
  latent: { shift: -1.9091, scale: 0.1786 },
  vocoder: 'waveform',
  window: { latents: 256, overlap: 128 },
} as const;

/** A model whose graphs are functions; counts and sizes of runs are kept. */
class FakeModel {
  readonly config: AceStepConfig;
  readonly runs: string[] = [];
  private readonly graphs: Readonly<Record<string, Graph>>;
  private readonly cancelAfter: number;

  constructor(graphs: Record<string, Graph>, config: Partial<AceStepConfig> = {}, cancelAfter = Infinity) {
    this.graphs = graphs;
    this.config = { ...CONFIG, ...config } as AceStepConfig; // fields that the codec does not read are left out
    this.cancelAfter = cancelAfter;
  }

  run(graph: string, feeds: Readonly<Record<string, Value>>): Promise<Record<string, Tensor>> {
    if (this.runs.length >= this.cancelAfter) return Promise.reject(new EngineError('cancelled', ''));
    this.runs.push(graph);
    return Promise.resolve(this.graphs[graph]!(feeds as Record<string, Tensor>)); // fakes make plain tensors
  }

  get model(): Model<AceStepConfig> {
    return this as unknown as Model<AceStepConfig>; // the codec uses `config` and `run` alone
  }
}

/** mel[c, band, 8t + j] from latent row (c·128 + band) mod 128 at t: local in time, as nano's decoder is. */
const decoder: Graph = ({ z }) => {
  const length = z!.dims[3]!;
  const mel = new Float32Array(256 * 8 * length);
  for (let row = 0; row < 256; row++) {
    for (let f = 0; f < 8 * length; f++) {
      mel[row * 8 * length + f] =
        0.5 * (z!.data as Float32Array)[(row % 128) * length + (f >> 3)]! + 0.01 * (f % 8);
    }
  }
  return { mel: float32(mel, [1, 2, 128, 8 * length]) };
};

/** Sums `rows` rows around each frame, `reach` frames to either side. */
function smoothed(data: Float32Array, rows: number, frames: number, reach: number): Float32Array {
  const out = new Float32Array(frames);
  for (let t = 0; t < frames; t++) {
    for (let u = Math.max(0, t - reach); u <= Math.min(frames - 1, t + reach); u++) {
      for (let r = 0; r < rows; r += 64) out[t]! += data[r * frames + u]! / (1 + Math.abs(u - t));
    }
  }
  return out;
}

/** Sound whose every sample depends on mel frames up to `reach` away. */
const vocoder =
  (reach: number): Graph =>
  ({ mel }) => {
    const frames = mel!.dims[2]!;
    const levels = smoothed(mel!.data as Float32Array, 128, frames, reach);
    const wave = Float32Array.from({ length: frames * 512 }, (_, n) => levels[n >> 9]! * Math.cos(n % 512));
    return { waveform: float32(wave, [1, 1, wave.length]) };
  };

const latentsOf = (length: number): Tensor => float32(noise(128 * length, length), [1, 8, 16, length]);

/** The whole song at once: the definition that windows must not change. */
function wholeSong(latents: Tensor, graph: Graph): Float32Array[] {
  const z = (latents.data as Float32Array).map((v) => v / CONFIG.latent.scale + CONFIG.latent.shift);
  const mel = (decoder({ z: float32(z, latents.dims) })['mel']!.data as Float32Array).map(
    (v) => (v / 2 + 0.5) * 14 - 11,
  );
  const frames = latents.dims[3]! * 8;
  return [0, 1].map((c) => {
    const part = mel.slice(c * 128 * frames, (c + 1) * 128 * frames);
    const { waveform } = graph({ mel: float32(part, [1, 128, frames]) });
    return resample(waveform!.data as Float32Array, 44100, 48000);
  });
}

describe('decodeLatents', () => {
  it('vocodes in windows what the whole song would give, piece by piece', async () => {
    const latents = latentsOf(160); // 15 s: whole for the decoder, two windows for the vocoder
    const fake = new FakeModel({ dcae_decoder: decoder, vocoder: vocoder(92) });
    const pieces: AudioPiece[] = [];
    const pcm = await decodeLatents(latents, fake.model, (piece) => pieces.push(piece));
    const whole = wholeSong(latents, vocoder(92));
    expect(pcm.sampleRate).toBe(48000);
    [0, 1].forEach((c) => expect(maxError(pcm.channels[c]!, whole[c]!)).toBeLessThan(1e-4));
    expect(fake.runs.filter((graph) => graph === 'dcae_decoder')).toHaveLength(1);
    expect(pieces.length).toBeGreaterThan(1);
    let end = 0;
    for (const { start, total, channels } of pieces) {
      expect(start).toBe(end);
      expect(total).toBe(whole[0]!.length);
      expect(maxError(channels[1]!, pcm.channels[1]!.subarray(start, start + channels[1]!.length))).toBe(0);
      end += channels[0]!.length;
    }
    expect(end).toBe(pcm.channels[0]!.length);
  });

  it('decodes long songs in overlapping windows and gives sound before the last of them', async () => {
    const latents = latentsOf(150);
    const short = { window: { latents: 64, overlap: 16 } };
    const fake = new FakeModel({ dcae_decoder: decoder, vocoder: vocoder(0) }, short);
    const runsAtPiece: number[] = [];
    const pcm = await decodeLatents(latents, fake.model, () =>
      runsAtPiece.push(fake.runs.filter((graph) => graph === 'dcae_decoder').length),
    );
    // Local fake graphs make the reference's joins invisible, but for the fade of equal sounds and the shorter end.
    const whole = wholeSong(latents, vocoder(0));
    expect(pcm.channels[0]!.length).toBe(Math.floor((150 * 4096 * 48000) / 44100));
    expect(maxError(pcm.channels[0]!, whole[0]!.subarray(0, pcm.channels[0]!.length))).toBeLessThan(1e-3);
    expect(runsAtPiece[0]).toBe(1);
    expect(runsAtPiece.at(-1)).toBe(2);
  });

  it.each([1, 2, 17, 60])('nano: %i latents in windows equal the whole song bit for bit', async (length) => {
    const reach = 20; // field of its network
    const refine: Graph = ({ mel, lin, re, im }) => {
      const frames = mel!.dims[2]!;
      const scaled = (part: Tensor): Tensor => {
        const data = new Float32Array(part.data.length);
        for (let c = 0; c < 2; c++) {
          const level = smoothed((lin!.data as Float32Array).subarray(c * 1025 * frames), 64, frames, reach);
          for (let i = 0; i < 1025 * frames; i++) {
            data[c * 1025 * frames + i] =
              (part.data as Float32Array)[c * 1025 * frames + i]! * level[i % frames]!;
          }
        }
        return float32(data, part.dims);
      };
      return { out_re: scaled(re!), out_im: scaled(im!) };
    };
    const nano = {
      vocoder: 'spectrum',
      melRange: null,
      latent: { shift: 0, scale: 1 },
      outputRate: 44100,
    } as const;
    const decode = async (kept: number): Promise<Float32Array> => {
      const config = { ...nano, window: { latents: kept, overlap: 0 } };
      const fake = new FakeModel({ dcae_decoder: decoder, vocoder: refine }, config);
      const { channels } = await decodeLatents(latentsOf(length), fake.model);
      expect(channels[1]!.length).toBe(length * 4096);
      return channels[1]!;
    };
    expect(maxError(await decode(13), await decode(1000))).toBe(0);
  });

  it('stops where the model says that the user cancelled', async () => {
    const fake = new FakeModel({ dcae_decoder: decoder, vocoder: vocoder(0) }, {}, 3);
    await expect(decodeLatents(latentsOf(160), fake.model)).rejects.toMatchObject({ name: 'cancelled' });
    expect(fake.runs).toHaveLength(3);
  });

  it('refuses latents of another model', async () => {
    const fake = new FakeModel({});
    await expect(decodeLatents(float32(new Float32Array(256), [1, 16, 16, 1]), fake.model)).rejects.toThrow(
      /8, 16/,
    );
  });
});

it.each([NaN, Infinity])('latents with %d, as damaged weights give them, are refused', async (value) => {
  const broken = new Float32Array(8 * 16 * 4);
  broken[77] = value;
  const decoding = decodeLatents(float32(broken, [1, 8, 16, 4]), new FakeModel({}).model);
  await expect(decoding).rejects.toThrow('values that are not numbers');
});

describe('encodeAudio', () => {
  /** z row r at latent t: the mean of mel row r over its 8 frames, left and right. */
  const encoder: Graph = ({ mel }) => {
    const frames = mel!.dims[3]!;
    const z = new Float32Array(128 * (frames / 8));
    (mel!.data as Float32Array).forEach((v, i) => {
      const row = Math.floor(i / frames) % 128;
      z[row * (frames / 8) + ((i % frames) >> 3)]! += v / 16;
    });
    return { z: float32(z, [1, 8, 16, frames / 8]) };
  };

  it('maps the log-mel to -1..1 and the latents to the diffusion scale, whatever the rate and channels', async () => {
    const fake = new FakeModel({ dcae_encoder: encoder });
    const mono = sine(1, 440, 48000, 0.3);
    const { dims, data } = await encodeAudio({ channels: [mono], sampleRate: 48000 }, fake.model);
    expect(dims).toEqual([1, 8, 16, 11]); // 44100 samples, padded to 11 · 4096
    const padded = new Float32Array(11 * 4096);
    padded.set(resample(mono, 48000, 44100));
    const mel = logMel(padded);
    const want = Float32Array.from({ length: 128 * 11 }, (_, i) => {
      const [row, t] = [Math.floor(i / 11), i % 11];
      let mean = 0;
      for (let f = 0; f < 8; f++) mean += mel[row * 88 + 8 * t + f]! / 8;
      return ((mean + 11) / 7 - 1 + 1.9091) * 0.1786;
    });
    expect(maxError(data as Float32Array, want)).toBeLessThan(1e-5);
  });

  it('encodes long sources in windows that do not show where the graph is local', async () => {
    const fake = new FakeModel({ dcae_encoder: encoder });
    const small = new FakeModel({ dcae_encoder: encoder }, { window: { latents: 5, overlap: 2 } });
    const stereo = { channels: [noise(44100 * 3, 1), noise(44100 * 3, 2)], sampleRate: 44100 };
    const whole = await encodeAudio(stereo, fake.model);
    const windowed = await encodeAudio(stereo, small.model);
    expect(fake.runs).toHaveLength(1);
    expect(small.runs.length).toBeGreaterThan(5);
    expect(maxError(windowed.data as Float32Array, whole.data as Float32Array)).toBe(0);
  });

  it.each([
    ['one sample', 1, 1, 44100],
    ['mono of 8 kHz', 1, 900, 8000],
    ['8 channels of 192 kHz', 8, 192000, 192000],
  ])('takes %s', async (_what, channels, samples, sampleRate) => {
    const fake = new FakeModel({ dcae_encoder: encoder });
    const pcm = { channels: Array.from({ length: channels }, (_, i) => noise(samples, i + 1)), sampleRate };
    const { dims, data } = await encodeAudio(pcm, fake.model);
    expect(dims).toEqual([1, 8, 16, Math.ceil((samples * 44100) / sampleRate / 4096)]);
    expect((data as Float32Array).every(Number.isFinite)).toBe(true);
  });

  it('refuses an empty source', async () => {
    const empty = { channels: [new Float32Array(0)], sampleRate: 44100 };
    await expect(encodeAudio(empty, new FakeModel({}).model)).rejects.toThrow(/empty/);
  });
});
