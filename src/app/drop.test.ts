import { describe, expect, it } from 'vitest';
import { writeWav } from '../lib/audio/wav.ts';
import { look, withoutTimes } from './drop.ts';
import { MAX_SOUND_BYTES } from './sources.ts';

const file = (name: string, ...parts: (string | Uint8Array<ArrayBuffer>)[]): File => new File(parts, name);
const wav = (settings?: unknown) =>
  writeWav({ sampleRate: 8000, channels: [new Float32Array(80)] }, 'int16', { settings });

/** A file that says it is large; reading it whole would be noticed. */
function large(name: string, head: string | Uint8Array<ArrayBuffer>, size: number, type = ''): File {
  const small = new File([head], name, { type });
  return new Proxy(small, {
    get(target, key) {
      if (key === 'size') return size;
      if (key === 'arrayBuffer' || key === 'text' || key === 'stream') throw new Error('read whole');
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('look', () => {
  it('knows files by what is in them', async () => {
    const settings = { cadenza: 1, task: { prompt: 'x' } };
    expect(await look(file('renamed.txt', wav(settings)))).toEqual({ kind: 'recipe', settings });
    expect(await look(file('My take.wav', wav()))).toEqual({ kind: 'sound', title: 'My take' });
    expect(await look(file('a.json', JSON.stringify(settings)))).toEqual({ kind: 'recipe', settings });
    expect(await look(file('a.lrc', '[ar:Me]\r\n[00:01.00]one\r\n[00:02]two'))).toEqual({
      kind: 'lyrics',
      text: 'one\ntwo',
    });
    expect(await look(file('a.txt', '\ufefföde', '\r\nZeile\r\n'))).toEqual({
      kind: 'lyrics',
      text: 'öde\nZeile',
    });
    expect(await look(file('a.txt', Uint8Array.of(0xff, 0xfe, 0x42, 0x30)))).toEqual({
      kind: 'lyrics',
      text: 'あ',
    });
    expect(await look(file('b.zip', 'PK\u0003\u0004rest of it'))).toEqual({ kind: 'backup' });
    expect(await look(file('queue.json', '[{"prompt":"x"}]'))).toEqual({
      kind: 'batch',
      text: '[{"prompt":"x"}]',
    });
    const header = JSON.stringify({ a: {} });
    const length = new Uint8Array(8);
    length[0] = header.length;
    expect(await look(file('l.safetensors', length, header))).toEqual({ kind: 'lora' });
  });

  it.each([
    [file('nothing.wav'), /nothing\.wav is empty \(0 bytes\)/],
    [file('paper.pdf', '%PDF-1.7 and so on'), /paper\.pdf is nothing that Cadenza reads\. Drop sound/],
    [file('page.html', '<script>alert(1)</script>'), /nothing that Cadenza reads/],
    [file('cut.json', '{"task": {"prompt": "x'), /cut\.json is not whole/],
    [file('binary.txt', Uint8Array.of(65, 0, 0, 66)), /binary\.txt is not readable as text/],
    [file('latin.txt', Uint8Array.of(0xe4, 0xf6, 0xfc)), /save it as UTF-8/i],
    [
      file('cut.safetensors', Uint8Array.of(255, 255, 0, 0, 0, 0, 0, 0, 0x7b)),
      /not a safetensors file, or it is cut off/,
    ],
    [large('film.mov', 'moov....', 5e9, 'video/quicktime'), /film\.mov has 5\.0 GB; at most 512 MB/],
    [large('two.wav', 'RIFF....WAVE', MAX_SOUND_BYTES + 1e9), /two\.wav has 1\.5 GB; at most 512 MB/],
    [large('huge.json', '{}', 2e9), /huge\.json has 2\.0 GB; at most 8\.0 MB/],
    [large('huge.lrc', 'x', 2e9), /huge\.lrc has 2\.0 GB/],
  ] as const)('refuses in words: %#', async (bad, message) => {
    await expect(look(bad)).rejects.toThrow(message);
  });
});

it('withoutTimes keeps sections and words', () => {
  expect(withoutTimes('[offset:+100]\n[verse]\n[00:01.5][01:02.50]la <00:02.10>la\n\n[re:x]')).toBe(
    '[verse]\nla la\n',
  );
});
