import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { NODE_BUILDS } from '../../scripts/lib/node-ort.ts';
import { EngineError } from '../lib/errors.ts';
import { parseManifest } from '../lib/manifest.ts';
import type { FileRef } from '../lib/manifest.ts';
import type { Capabilities } from '../lib/placement.ts';
import { float32 } from '../lib/tensor.ts';
import { openRuntime } from './ort.ts';
import type { Runtime } from './ort.ts';
import { selfCheck, withChecks } from './self-check.ts';

const FOLDER = new URL('../../public/models/selfcheck/', import.meta.url);
const pack = parseManifest(JSON.parse(await readFile(new URL('manifest.json', FOLDER), 'utf8')));
const read = async ({ path }: FileRef): Promise<Uint8Array> =>
  new Uint8Array(await readFile(new URL(path, FOLDER)));

const caps = (features: string[]): Capabilities => ({
  gpu: {
    adapter: { vendor: '', architecture: '', device: '', description: '' },
    software: false,
    features,
    maxBufferBytes: 2 ** 30,
    maxBindingBytes: 2 ** 30,
    selfCheck: { fp32: 'untested', fp16: 'untested' },
  },
  gpuAbsent: '',
  jspi: true,
  simd: true,
  isolated: true,
  cores: 1,
  memoryBytes: 2 ** 30,
});

/** WebAssembly in the GPU's place: the graphs and their answers are what is tested here. */
const runtime = (): Promise<Runtime> =>
  openRuntime({ ...NODE_BUILDS, providers: { webgpu: 'wasm', wasm: 'wasm' } }, 'wasm', 1);

/** A GPU whose every answer is `value`, or which throws. */
const broken = (value: number | Error): Runtime => ({
  build: 'jspi',
  threads: 1,
  heapBytes: () => null,
  load: async ({ name }) => ({
    async run() {
      if (typeof value !== 'number') throw value;
      const answers = (
        pack.config as { answers: Record<string, { outputs: Record<string, { dims: number[] }> }> }
      ).answers;
      return Object.fromEntries(
        Object.entries(answers[name]!.outputs).map(([output, { dims }]) => [
          output,
          float32(new Float32Array(dims.reduce((a, b) => a * b)).fill(value), dims),
        ]),
      );
    },
    release: async () => undefined,
  }),
});

describe('the self-check', () => {
  test('passes where the numbers are right, in both precisions', async () => {
    const reports = await selfCheck(pack, await runtime(), read, caps(['shader-f16']));
    expect(reports.map(({ graph, precision, result }) => [graph, precision, result])).toEqual([
      ['attention', 'fp16', 'passed'],
      ['attention', 'fp32', 'passed'],
      ['upsample', 'fp16', 'passed'],
      ['upsample', 'fp32', 'passed'],
    ]);
    for (const { error, precision } of reports)
      expect(error).toBeLessThan(precision === 'fp16' ? 1e-2 : 1e-5);
  });

  test('asks a GPU without shader-f16 for fp32 only', async () => {
    const reports = await selfCheck(pack, await runtime(), read, caps([]));
    const { gpu } = withChecks(caps([]), reports);
    expect(gpu!.selfCheck).toEqual({ fp32: 'passed', fp16: 'untested' });
  });

  test.each([0, 1e30, NaN, Infinity])('finds a GPU that answers %d', async (value) => {
    const { gpu } = withChecks(
      caps(['shader-f16']),
      await selfCheck(pack, broken(value), read, caps(['shader-f16'])),
    );
    expect(gpu!.selfCheck).toEqual({ fp32: 'wrong', fp16: 'wrong' });
  });

  test('reports a GPU that does not run, in its words', async () => {
    const reports = await selfCheck(pack, broken(new Error('no such kernel')), read, caps([]));
    expect(reports[0]).toMatchObject({ result: 'failed', error: null, detail: 'no such kernel' });
    expect(withChecks(caps([]), reports).gpu!.selfCheck.fp32).toBe('failed');
  });

  test('does not blame the GPU for a file that did not arrive', async () => {
    const offline = broken(new EngineError('network', 'x could not be fetched.'));
    await expect(selfCheck(pack, offline, read, caps([]))).rejects.toMatchObject({ name: 'network' });
  });
});
