import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../lib/placement.ts';
import { NO_WISH } from '../lib/placement.ts';
import { parseTemplate, precisionsOf } from '../lib/template.ts';
import { recommended, verdictOf } from './verdict.ts';

const GIB = 2 ** 30;
const template = parseTemplate(
  JSON.parse(
    readFileSync(new URL('../../public/models/ace-step-v1-3.5b/manifest.json', import.meta.url), 'utf8'),
  ),
);

function device(gpu: { features: readonly string[] } | null, memoryBytes: number): Capabilities {
  const checks = { fp32: 'passed', fp16: 'passed' } as const;
  return {
    gpu: gpu && {
      adapter: { vendor: '', architecture: '', device: '', description: '' },
      software: false,
      features: gpu.features,
      maxBufferBytes: 4 * GIB,
      maxBindingBytes: 4 * GIB,
      selfCheck: checks,
    },
    gpuAbsent: gpu ? '' : 'this browser has no WebGPU',
    jspi: true,
    simd: true,
    isolated: true,
    cores: 8,
    memoryBytes,
  };
}

const choice = (caps: Capabilities) =>
  recommended(precisionsOf(template).map((p) => [p, verdictOf(template, p, caps, NO_WISH)]));

describe('what is recommended for the 3.5B model', () => {
  const f16 = { features: ['shader-f16'] };
  it('is fp16 where half floats and memory are there', () => {
    expect(choice(device(f16, 16 * GIB))?.[0]).toBe('fp16');
    expect(choice(device(f16, 16 * GIB))?.[1].fit).toBe('fits');
  });
  it('is something smaller where memory is short, and q8 where there are no half floats', () => {
    expect(choice(device(f16, 3 * GIB))).toMatchObject(['q4f16', { fit: 'fits' }]);
    expect(choice(device({ features: [] }, 6 * GIB))?.[0]).toBe('q8');
  });
  it('may do on a processor, and the words say how slow', () => {
    const found = choice(device(null, 8 * GIB));
    expect(found?.[1].fit).toBe('may');
    expect(found?.[1].why).toContain('processor');
  });
  it('is nothing where nothing fits, with the need and the limit', () => {
    const caps = device(f16, 0.4 * GIB);
    expect(choice(caps)).toBeNull();
    expect(verdictOf(template, 'q4f16', caps, NO_WISH).why).toMatch(/takes .* the memory budget is/);
  });
});
