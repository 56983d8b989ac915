import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { headerLength, LENGTH_BYTES, parseLayout } from '../../src/lib/safetensors.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GOLDEN = join(ROOT, '../shared/golden/ace-step-v1');
const PYTHON = join(ROOT, '.venv/bin/python');
const WEIGHTS = 'checkpoints/ace_step_transformer/diffusion_pytorch_model.safetensors';
const ONLY = 'modules/transformer_decode';

const parity = (folder: string) =>
  spawnSync(process.execPath, ['scripts/run.mjs', 'scripts/parity.ts', folder, '--only', ONLY], {
    cwd: ROOT,
    encoding: 'utf8',
  });

/** The golden folder with one number of one matrix changed. */
function altered(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cadenza-parity-'));
  cpSync(join(GOLDEN, 'checkpoints'), join(folder, 'checkpoints'), { recursive: true });
  mkdirSync(join(folder, 'lyrics'));
  symlinkSync(join(GOLDEN, 'modules'), join(folder, 'modules'));
  const bytes = readFileSync(join(folder, WEIGHTS));
  const start = LENGTH_BYTES + headerLength(bytes.subarray(0, LENGTH_BYTES), bytes.length);
  const { ranges } = parseLayout(bytes.subarray(LENGTH_BYTES, start), bytes.length - start);
  const [, range] = [...ranges].find(([name]) => name.endsWith('cross_attn.to_out.0.weight'))!;
  // 1.5, whose upper half is the whole of it in bfloat16.
  if (range.dtype === 'BF16') bytes.writeUInt16LE(0x3fc0, start + range.begin);
  else bytes.writeFloatLE(1.5, start + range.begin);
  rmSync(join(folder, WEIGHTS));
  writeFileSync(join(folder, WEIGHTS), bytes);
  return folder;
}

test.skipIf(!existsSync(GOLDEN) || !existsSync(PYTHON) /* needs ../shared and .venv */)(
  'parity passes on the golden folder and fails where one weight is another (needs ../shared and .venv)',
  () => {
    const good = parity(GOLDEN);
    expect(good.stdout).toMatch(/[1-9]\d* passed, 0 failed/);
    expect(good.status).toBe(0);
    const folder = altered();
    try {
      const bad = parity(folder);
      expect(bad.stdout).toMatch(/ FAIL/);
      expect(bad.stdout).toMatch(/[1-9]\d* failed/);
      expect(bad.status).toBe(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  300_000,
);
