import { describe, expect, test } from 'vitest';
import { EngineError } from './errors.ts';
import { filesOf, parseManifest } from './manifest.ts';

const file = (path: string) => ({ path, bytes: 3, sha256: 'ab'.repeat(32) });

const good = () => ({
  schema: 1,
  id: 'tiny-1.0',
  family: 'f',
  title: 'Tiny',
  description: 'A model.',
  license: 'MIT',
  source: { repo: 'r', revision: '1' },
  config: { any: ['thing'] },
  files: { tokenizer: file('tokenizer.json') },
  graphs: {
    net: {
      inputs: ['x'],
      outputs: ['y', 'z'],
      keep: ['z'],
      variants: [
        {
          precision: 'fp32',
          graph: file('net.onnx'),
          weights: [{ ...file('net.fp16.bin'), location: 'net.bin', widen: 'fp16' }],
          needs: { providers: ['webgpu', 'wasm'], features: [], bufferBytes: 0, memoryBytes: 6 },
          error: null as number | null,
        },
        {
          precision: 'fp16',
          graph: file('net.half.onnx'),
          weights: [{ ...file('net.fp16.bin'), location: 'net.bin' }],
          needs: { providers: ['webgpu'], features: ['shader-f16'], bufferBytes: 3, memoryBytes: 3 },
          error: 0.001 as number | null,
        },
      ],
    },
  },
});

describe('parseManifest', () => {
  test('returns what it was given', () => {
    expect(parseManifest(JSON.parse(JSON.stringify(good())))).toEqual(good());
  });

  /** Changes the good manifest at a path of keys; undefined deletes. */
  const changed = (path: string, value: unknown): unknown => {
    const manifest = good();
    const keys = path.split('.');
    const last = keys.pop()!;
    const parent = keys.reduce<Record<string, never>>((at, key) => at[key]!, manifest as never);
    if (value === undefined) delete parent[last];
    else parent[last] = value as never;
    return manifest;
  };

  test.each([
    ['schema', 2, 'schema must be 1 (got 2). Update Cadenza.'],
    ['schema', undefined, 'schema must be 1 (it is missing)'],
    ['id', 'Nano/..', 'id must be lower-case letters'],
    ['family', '', 'family must be a text that is not empty (got "")'],
    ['titel', 'x', 'titel must be left out: no such field (got "x")'],
    ['source.revision', 7, 'source.revision must be a text (got 7)'],
    ['files.tokenizer.path', '../secret', 'files.tokenizer.path must be a relative path'],
    ['files.tokenizer.path', 'https://x/y', 'files.tokenizer.path must be a relative path'],
    ['files.tokenizer.path', 'a/../b', 'files.tokenizer.path must be a relative path'],
    ['files.tokenizer.bytes', -1, 'files.tokenizer.bytes must be 0 to'],
    ['files.tokenizer.sha256', 'AB'.repeat(32), 'files.tokenizer.sha256 must be 64 lower-case hex digits'],
    ['graphs', {}, 'graphs must be at least one graph'],
    ['graphs', [], 'graphs must be an object'],
    ['graphs.net.keep', ['x'], 'graphs.net.keep[0] must be one of y, z (got "x")'],
    ['graphs.net.inputs', 'x', 'graphs.net.inputs must be a list'],
    ['graphs.net.variants', [], 'graphs.net.variants must be a list of at least 1 items'],
    ['graphs.net.variants.0.precision', 'fp8', 'graphs.net.variants[0].precision must be one of fp32, fp16'],
    ['graphs.net.variants.0.weights.0.widen', 'q8', 'weights[0].widen must be one of fp16, bf16'],
    ['graphs.net.variants.0.needs.providers', ['cuda'], 'needs.providers[0] must be one of webgpu, wasm'],
    ['graphs.net.variants.1.error', NaN, 'graphs.net.variants[1].error must be 0 to Infinity'],
  ])('refuses %s = %j', (path, value, message) => {
    expect(() => parseManifest(changed(path, value))).toThrowError(
      expect.objectContaining({ name: 'manifest', message: expect.stringContaining(message) }) as Error,
    );
  });

  test.each([[null], [1], ['{}'], [[]], [undefined]])('refuses %j with words', (json) => {
    expect(() => parseManifest(json)).toThrow(EngineError);
  });
});

test('filesOf lists a shared weight file once', () => {
  const paths = filesOf(parseManifest(good())).map(({ path }) => path);
  expect(paths.sort()).toEqual(['net.fp16.bin', 'net.half.onnx', 'net.onnx', 'tokenizer.json']);
});
