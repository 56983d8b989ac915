/**
 * One block of the real denoiser (2560 wide, 20 heads, seeded weights) with 60 s of sound, natively and on WebAssembly:
 *
 *   node scripts/run.mjs scripts/bench-block.ts [--rounds 3] [--threads 2]
 *
 * Native onnxruntime in float32 and in integers beside our PyTorch module, in turn in one process; then the same two
 * graphs on WebAssembly. Integers are q8 as WebAssembly loads it (src/lib/int8.ts). Prints ratios of medians; exits
 * with 1 when a gate is missed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-web';
import { dynamicInt8 } from '../src/lib/int8.ts';
import { ensurePython, PYTHON } from './setup.mjs';

const LATENTS = 646; // 60 s
const CONDITION = 300; // a prompt and lyrics
/** Of PyTorch's time in float32. */
const GATES = { fp32: 1, int8: 0.5 };

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '2' } },
});
const [rounds, threads] = [Number(values.rounds), Number(values.threads)];
const HELPER = fileURLToPath(new URL('lib/bench_block.py', import.meta.url));

await ensurePython();
const folder = await mkdtemp(path.join(tmpdir(), 'cadenza-block-'));
let missed = false;
try {
  const files = Object.assign(
    {},
    ...python('export', folder).map((line) => JSON.parse(line) as object),
  ) as Record<string, string[]>; // as the helper's docstring says
  await writeInt8(files['q8'] ?? []);
  const [line = ''] = python('time', folder, ...[rounds, threads, LATENTS, CONDITION].map(String));
  const { seconds, errors } = JSON.parse(line) as Record<'seconds' | 'errors', Record<string, number>>; // as above
  const base = seconds['pytorch'] ?? NaN;
  for (const name of ['fp32', 'int8'] as const) {
    const ratio = (seconds[name] ?? NaN) / base;
    const ok = ratio <= GATES[name];
    missed ||= !ok;
    console.log(
      `${ok ? 'ok  ' : 'FAIL'} native ${name}: ${ratio.toFixed(2)} of PyTorch's ${base.toFixed(2)} s (gate ${GATES[name]}), relative error ${errors[name]?.toExponential(1)}`,
    );
  }
  ort.env.wasm.numThreads = threads;
  const [wide, narrow] = [await wasmSeconds('fp32', files['fp32']!), await wasmSeconds('int8', files['q8']!)];
  console.log(`     WebAssembly fp32: ${(wide / base).toFixed(1)} of PyTorch's time`);
  console.log(
    `     WebAssembly int8: ${(narrow / base).toFixed(1)} of PyTorch's time, ${(narrow / wide).toFixed(2)} of fp32's there`,
  );
} finally {
  await rm(folder, { recursive: true });
}
process.exit(missed ? 1 : 0);

function python(...args: string[]): string[] {
  const run = spawnSync(PYTHON, [HELPER, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (run.status !== 0) throw new Error('scripts/lib/bench_block.py failed; its message is above.');
  return run.stdout.trim().split('\n');
}

/** int8.onnx with the q8 files in the form that it reads. */
async function writeInt8(paths: readonly string[]): Promise<void> {
  const stored = new Map<string, Uint8Array>();
  for (const name of paths) stored.set(name, new Uint8Array(await readFile(path.join(folder, name))));
  const int8 = dynamicInt8(new Uint8Array(await readFile(path.join(folder, 'q8.onnx'))));
  if (int8 === null) throw new Error('the q8 graph has no 8-bit products');
  await writeFile(path.join(folder, 'int8.onnx'), int8.model);
  for (const [name, bytes] of stored) {
    const changed = await int8.weights(name, bytes.slice(), async (location) => stored.get(location)!);
    await writeFile(path.join(folder, name), changed);
  }
}

/** Median seconds of one run, after a first one. */
async function wasmSeconds(name: string, paths: readonly string[]): Promise<number> {
  const externalData = await Promise.all(
    paths.map(async (file) => ({
      path: file,
      data: new Uint8Array(await readFile(path.join(folder, file))),
    })),
  );
  const session = await ort.InferenceSession.create(
    new Uint8Array(await readFile(path.join(folder, `${name}.onnx`))),
    { executionProviders: ['wasm'], externalData },
  );
  const noise = (...dims: number[]): ort.Tensor =>
    new ort.Tensor(
      'float32',
      Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i * 1.7) * 0.5),
      dims,
    );
  const feeds = {
    latents: noise(1, 8, 16, LATENTS),
    time_features: noise(1, 256),
    k: noise(1, 20, 128, CONDITION),
    v: noise(1, 20, CONDITION, 128),
    rope_cos: noise(LATENTS, 128),
    rope_sin: noise(LATENTS, 128),
    erg_scale: new ort.Tensor('float32', Float32Array.of(1), []),
  };
  const times: number[] = [];
  for (let i = 0; i <= rounds; i++) {
    const started = performance.now();
    await session.run(feeds);
    if (i > 0) times.push((performance.now() - started) / 1000);
  }
  await session.release();
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}
