/**
 * Latents to sound, in windows, as songs are finished: dcae_decoder and vocoder of the family ace-step-v1 through the
 * engine on WebAssembly in Node, at 30, 60, 120 and 240 s. The networks have the real structure, window and hop with few
 * channels and seeded weights, because 240 s at the real widths is 79 TFLOP; `full` decodes 30 s at the real widths,
 * in native onnxruntime.
 *
 * Songs of one window (47 s) are decoded at once, longer ones in windows that overlap by half, so a straight line begins at
 * 60 s: from 120 to 240 s it takes twice what it takes from 60 to 120. Processor time is judged, because other load
 * stretches the clock.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeLatents } from '../../src/lib/families/ace-step-v1/codec.ts';
import type { AceStepConfig } from '../../src/lib/families/ace-step-v1/config.ts';
import type { Model } from '../../src/lib/family.ts';
import { NO_WISH } from '../../src/lib/placement.ts';
import { float32 } from '../../src/lib/tensor.ts';
import { openNodeModel, ROOT } from '../lib/node-host.ts';
import { CPU_BUILDS } from '../lib/node-ort.ts';
import { ensurePython, PYTHON } from '../setup.mjs';
import { gateLine, median } from './options.ts';
import type { Options, Outcome } from './options.ts';

const SECONDS = [30, 60, 120, 240] as const;
const REAL_SECONDS = 30;
/** Of processor time: (240 s - 120 s) / (120 s - 60 s), 2 where it is linear, 4 where it is a square. Of the heap: 240 s / 60 s. */
const GATES = { growth: 2.4, heap: 1.05 };
const EXPORTER = fileURLToPath(new URL('export-scripts', ROOT));
const HELPER = fileURLToPath(new URL('scripts/lib/bench_decoder.py', ROOT));

/** Of one song. */
interface Decoded {
  readonly ms: number;
  readonly processorMs: number;
  /** Until its first piece can be heard. */
  readonly firstMs: number;
}

export async function benchDecoder({ rounds, threads: wished, full }: Options): Promise<Outcome> {
  await ensurePython();
  const threads = wished ?? availableParallelism();
  const folder = await mkdtemp(path.join(tmpdir(), 'cadenza-decoder-'));
  try {
    const checkpoint = path.join(folder, 'checkpoint');
    const pack = path.join(folder, 'pack');
    python(['-m', 'export_onnx', 'seeded', checkpoint, '--size', 'small']);
    python(['-m', 'export_onnx', 'export', checkpoint, pack, '--variants', 'fp32', '--no-errors']);
    const small = await timesOf(pack, threads, rounds);
    const real = full ? await realTimes(folder, threads) : null;
    return told(small, real, threads, rounds);
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Times {
  /** In the order of SECONDS. */
  readonly songs: readonly Decoded[];
  /** After each length, the shorter ones before it. */
  readonly heapBytes: readonly number[];
}

async function timesOf(pack: string, threads: number, rounds: number): Promise<Times> {
  const model = await openNodeModel(path.join(pack, 'manifest.json'), {
    ...NO_WISH,
    provider: 'wasm',
    threads,
  });
  await decoded(model, SECONDS[0]); // loads the graphs
  const heapBytes: number[] = [];
  const all = SECONDS.map((): Decoded[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, seconds] of SECONDS.entries()) {
      all[i]!.push(await decoded(model, seconds)); // one list for each length
      if (round === 0) heapBytes.push(model.heapBytes() ?? NaN);
    }
  }
  await model.host.release();
  const middle = (of: readonly Decoded[], key: keyof Decoded): number => median(of.map((one) => one[key]));
  return {
    heapBytes,
    songs: all.map((of) => ({
      ms: middle(of, 'ms'),
      processorMs: middle(of, 'processorMs'),
      firstMs: middle(of, 'firstMs'),
    })),
  };
}

async function realTimes(folder: string, threads: number): Promise<Decoded> {
  python([HELPER, folder]);
  const wish = { ...NO_WISH, provider: 'wasm', threads } as const;
  const model = await openNodeModel(path.join(folder, 'manifest.json'), wish, CPU_BUILDS);
  try {
    return await decoded(model, REAL_SECONDS);
  } finally {
    await model.host.release();
  }
}

async function decoded(
  { host }: Awaited<ReturnType<typeof openNodeModel>>,
  seconds: number,
): Promise<Decoded> {
  const { value } = await host.perform(
    async (model) => {
      const own = model as Model<AceStepConfig>; // the packs above are of this family
      const { sampleRate, hop, framesPerLatent, channels, rows } = own.config;
      const count = Math.round((seconds * sampleRate) / (hop * framesPerLatent));
      const noise = Float32Array.from({ length: channels * rows * count }, (_, i) =>
        Math.sin(i * 1.7 + (i % 13)),
      );
      const before = process.cpuUsage();
      const started = performance.now();
      let firstMs = NaN;
      await decodeLatents(float32(noise, [1, channels, rows, count]), own, () => {
        if (Number.isNaN(firstMs)) firstMs = performance.now() - started;
      });
      const { user, system } = process.cpuUsage(before);
      return { ms: performance.now() - started, processorMs: (user + system) / 1000, firstMs };
    },
    () => undefined,
  );
  return value;
}

function told({ songs, heapBytes }: Times, real: Decoded | null, threads: number, rounds: number): Outcome {
  console.log(
    `latents to sound, small networks on WebAssembly, ${threads} threads, medians of ${rounds}, load average ${loadavg()[0]!.toFixed(1)}\n\n` +
      'sound s   clock s   processor s   a second of sound   first piece s   heap MB',
  );
  const s = (ms: number): string => (ms / 1000).toFixed(2);
  songs.forEach(({ ms, processorMs, firstMs }, i) => {
    const cells = [
      String(SECONDS[i]).padStart(7),
      s(ms).padStart(10),
      s(processorMs).padStart(14),
      s(processorMs / SECONDS[i]!).padStart(20),
      s(firstMs).padStart(16),
      (heapBytes[i]! / 1e6).toFixed(0).padStart(10), // one for each length
    ];
    console.log(cells.join(''));
  });
  if (real !== null) {
    console.log(
      `\n${REAL_SECONDS} s at real widths, native onnxruntime: ${s(real.ms)} s, processor ${s(real.processorMs)} s, ` +
        `peak memory of the process ${(process.resourceUsage().maxRSS / 1e6).toFixed(1)} GB`,
    );
  }
  const [, at60, at120, at240] = songs.map(({ processorMs }) => processorMs);
  const growth = (at240! - at120!) / (at120! - at60!); // SECONDS has four
  const heap = heapBytes[3]! / heapBytes[1]!;
  const gates = [
    { gate: `time from 120 to 240 s, at most ${GATES.growth} times that from 60 to 120 s`, value: growth, passed: growth <= GATES.growth },
    { gate: `heap at 240 s, at most ${GATES.heap} of that at 60 s`, value: heap, passed: heap <= GATES.heap },
  ]; // prettier-ignore
  for (const { gate, value, passed } of gates) console.log(gateLine(passed, gate, value.toFixed(2)));
  return {
    report: { seconds: SECONDS, songs, heapBytes, real, gates },
    passed: gates.every(({ passed }) => passed),
  };
}

function python(args: readonly string[]): void {
  const run = spawnSync(PYTHON, args, { cwd: EXPORTER, stdio: ['ignore', 'ignore', 'inherit'] });
  if (run.status !== 0) throw new Error(`python ${args.join(' ')} failed; its message is above.`);
}
