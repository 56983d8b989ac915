import { describe, expect, it } from 'vitest';
import { maxError } from '../../../scripts/golden/read.ts';
import { noise, sine } from '../../../scripts/golden/signals.ts';
import { readWav, writeWav, type WavFormat } from './wav.ts';

const stereo = { channels: [noise(1001, 1), noise(1001, 2)], sampleRate: 44100 };

/** A WAV file from its parts; sizes as given, so that they can lie. */
function riff(
  chunks: readonly (readonly [id: string, body: readonly number[], announced?: number])[],
  form = 'RIFF',
) {
  const out: number[] = [...ascii(form), ...u32(0), ...ascii('WAVE')];
  for (const [id, body, announced] of chunks) {
    out.push(...ascii(id), ...u32(announced ?? body.length), ...body, ...(body.length % 2 ? [0] : []));
  }
  return Uint8Array.from(out);
}
const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
const u16 = (n: number): number[] => [n & 255, n >> 8];
const u32 = (n: number): number[] => [...u16(n & 0xffff), ...u16(n >>> 16)];
const fmt = (tag: number, channels: number, bits: number, rate = 8000): number[] => [
  ...u16(tag),
  ...u16(channels),
  ...u32(rate),
  ...u32((rate * channels * bits) / 8),
  ...u16((channels * bits) / 8),
  ...u16(bits),
];

describe('writeWav and readWav', () => {
  it.each([
    ['float32', 0],
    ['int24', 1.51 * 2 ** -23],
    ['int16', 1.51 * 2 ** -15],
  ] as const)('%s comes back within %d', (format, tolerance) => {
    const { pcm, truncated } = readWav(writeWav(stereo, format));
    expect(pcm.sampleRate).toBe(44100);
    expect(pcm.channels).toHaveLength(2);
    expect(truncated).toBe(false);
    [0, 1].forEach((c) =>
      expect(maxError(pcm.channels[c]!, stereo.channels[c]!)).toBeLessThanOrEqual(tolerance),
    );
  });

  it('dither keeps a tone of a tenth of a step, which rounding would silence', () => {
    const quiet = sine(1, 1000, 48000, 0.1 / 2 ** 15);
    const [back] = readWav(writeWav({ channels: [quiet], sampleRate: 48000 }, 'int16')).pcm.channels;
    const reference = sine(1, 1000, 48000);
    const amplitude = (2 * back!.reduce((sum, x, n) => sum + x * reference[n]!, 0)) / reference.length;
    expect(amplitude * 2 ** 15).toBeGreaterThan(0.08);
    expect(amplitude * 2 ** 15).toBeLessThan(0.12);
    const power = back!.reduce((sum, x) => sum + x * x, 0) / back!.length;
    expect(power * 2 ** 30).toBeCloseTo(1 / 4 + 0.1 ** 2 / 2, 1); // rounding 1/12, dither 2/12
  });

  it('clips integers and leaves floats alone', () => {
    const loud = { channels: [Float32Array.of(1.5, -1.5, 1)], sampleRate: 8000 };
    expect([...readWav(writeWav(loud, 'float32')).pcm.channels[0]!]).toEqual([1.5, -1.5, 1]);
    const clipped = [...readWav(writeWav(loud, 'int24')).pcm.channels[0]!];
    expect(clipped.slice(0, 2)).toEqual([1 - 2 ** -23, -1]);
    expect(1 - clipped[2]!).toBeLessThanOrEqual(2 ** -22); // dither may take it a step down
  });

  it('carries tags and settings, whatever their script and length', () => {
    const tags = { title: 'Für Élise 夜', artist: 'x', software: 'Cadenza', comment: '' };
    const settings = { kind: 'text2music', prompt: '♪ "quoted"\n', seeds: [1, 2] };
    for (const format of ['int16', 'int24', 'float32'] satisfies WavFormat[]) {
      const bytes = writeWav(stereo, format, { tags, settings });
      expect(bytes.length % 2).toBe(0);
      expect(new DataView(bytes.buffer).getUint32(4, true)).toBe(bytes.length - 8);
      const file = readWav(bytes);
      expect(file.settings).toEqual(settings);
      expect(file.tags).toEqual({ title: tags.title, artist: 'x', software: 'Cadenza' });
    }
    expect(readWav(writeWav(stereo, 'int16')).settings).toBeUndefined();
  });

  it('reads 8 bit, 24 bit, 32 bit, double and extensible', () => {
    const read = (format: number[], data: number[]): number[] => [
      ...readWav(
        riff([
          ['fmt ', format],
          ['data', data],
        ]),
      ).pcm.channels[0]!,
    ];
    expect(read(fmt(1, 1, 8), [0, 128, 192])).toEqual([-1, 0, 0.5]);
    expect(read(fmt(1, 1, 24), [0, 0, 0x80, 0, 0, 0x40])).toEqual([-1, 0.5]);
    expect(read(fmt(1, 1, 32), [0, 0, 0, 0xc0])).toEqual([-0.5]);
    expect(read(fmt(3, 1, 64), [...new Uint8Array(Float64Array.of(0.25).buffer)])).toEqual([0.25]);
    const guid = [...u16(1), 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    expect(read([...fmt(0xfffe, 1, 16), ...u16(22), ...u16(16), ...u32(4), ...guid], [0, 0x40])).toEqual([
      0.5,
    ]);
    const [left, right] = readWav(
      riff([
        ['fmt ', fmt(1, 2, 16)],
        ['data', [0, 0x40, 0, 0xc0]],
      ]),
    ).pcm.channels;
    expect([left![0], right![0]]).toEqual([0.5, -0.5]);
  });

  it('survives odd chunks, cut-off files and recorders that never wrote the size', () => {
    const sound = [0, 0x40, 0, 0xc0, 7];
    const read = (...chunks: Parameters<typeof riff>[0]) =>
      readWav(riff([['fmt ', fmt(1, 1, 16)], ...chunks]));
    const odd = read(['junk', [1, 2, 3]], ['data', sound.slice(0, 4)], ['cdnz', ascii('{"a":1')]);
    expect([...odd.pcm.channels[0]!]).toEqual([0.5, -0.5]);
    expect(odd.settings).toBeUndefined(); // damaged JSON
    const cut = read(['data', sound, 400]);
    expect([...cut.pcm.channels[0]!]).toEqual([0.5, -0.5, expect.closeTo(7 / 2 ** 15, 9)]); // the pad byte completes it
    expect(cut.truncated).toBe(true);
    for (const announced of [0, 2 ** 32 - 1]) {
      const streamed = read(['data', sound.slice(0, 4), announced]);
      expect([...streamed.pcm.channels[0]!]).toEqual([0.5, -0.5]);
      expect(streamed.truncated).toBe(false);
    }
  });

  it('reads a single sample in 24 bit on 8 channels at 192 kHz', () => {
    const sample = [0, 0, 0x40]; // a half
    const sound = Array.from({ length: 8 }, () => sample).flat();
    const { pcm } = readWav(
      riff([
        ['fmt ', fmt(1, 8, 24, 192_000)],
        ['data', sound],
      ]),
    );
    expect(pcm.sampleRate).toBe(192_000);
    expect(pcm.channels.map((channel) => [...channel])).toEqual(Array(8).fill([0.5]));
  });

  it('reads a view into a larger buffer', () => {
    const bytes = writeWav(stereo, 'int16');
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(readWav(shifted.subarray(3))).toEqual(readWav(bytes));
  });

  it.each([
    [new Uint8Array(3), /not a WAV/],
    [Uint8Array.from(ascii('ID3 this is an mp3 file')), /not a WAV/],
    [riff([], 'RF64'), /RF64/],
    [riff([['fmt ', fmt(1, 1, 16)]]), /no data chunk/],
    [riff([['data', [0, 0]]]), /no format chunk/],
    [riff([['fmt ', fmt(1, 1, 16).slice(0, 8)]]), /cut off \(8 of 16/],
    [riff([['fmt ', fmt(7, 1, 8)]]), /µ-law, 8 bit/],
    [riff([['fmt ', fmt(1, 0, 16)]]), /0 channels/],
  ])('refuses in words (%#)', (bytes, message) => {
    expect(() => readWav(bytes)).toThrow(message);
    expect(() => readWav(bytes)).toThrow(expect.objectContaining({ name: 'bad-task' }));
  });

  it('refuses sounds beyond 4 GiB before it makes room for them', () => {
    const long = { length: 2 ** 31 } as Float32Array; // only its length is looked at
    expect(() => writeWav({ channels: [long, long], sampleRate: 48000 }, 'int16')).toThrow(/8\.0/);
  });
});
