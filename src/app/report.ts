/** The Device page in words: the path in use, the ladder of paths, what the browser offers, and a report to copy. */
import type { Memory } from '../engine/engine.ts';
import type { CheckReport } from '../engine/self-check.ts';
import type { Capabilities, Gpu, Placement, Wish } from '../lib/placement.ts';
import type { Room } from './device.svelte.ts';
import { size } from './format.ts';
import { TEXT } from './text.ts';

const T = TEXT.device;

/** As the browser tells it: the description, else vendor and architecture; empty where it tells nothing. */
export const adapterName = ({ adapter }: Gpu): string =>
  adapter.description || [adapter.vendor, adapter.architecture].filter((part) => part !== '').join(' ');

export interface Summary {
  /** "WebGPU" or "WASM", by the graph that works hardest. */
  readonly provider: string;
  readonly precision: string;
  /** Adapter or threads. */
  readonly where: string;
  readonly title: string;
  /** True where something better was passed over. */
  readonly stepped: boolean;
}

/** The graph with the most weights stands for the model. */
export function summary(placement: Placement, caps: Capabilities): Summary {
  const placed = Object.values(placement.graphs);
  const main = placed.toSorted((a, b) => b.variant.needs.memoryBytes - a.variant.needs.memoryBytes)[0];
  const onGpu = main?.provider === 'webgpu';
  const provider = onGpu ? TEXT.badge.webgpu : TEXT.badge.wasm;
  const precision = main?.variant.precision ?? '';
  const where = onGpu && caps.gpu ? adapterName(caps.gpu) : TEXT.badge.threads(placement.threads);
  return {
    provider,
    precision,
    where,
    title: T.summary(provider, precision, where),
    stepped: placement.notices.length > 0,
  };
}

/** The reason that all graphs share, and those that have another one. */
export function reasons(placement: Placement): {
  readonly shared: string;
  readonly others: Readonly<Record<string, string>>;
} {
  const graphs = Object.entries(placement.graphs);
  const shared = graphs[0]?.[1].why ?? '';
  const others = graphs.filter(([, { why }]) => why !== shared).map(([name, { why }]) => [name, why]);
  return { shared, others: Object.fromEntries(others) as Record<string, string> }; // pairs of strings
}

export type RungState = 'inUse' | 'possible' | 'unavailable';

/** The ways to run, best first. */
export function ladder(
  placement: Placement,
  caps: Capabilities,
): readonly { readonly label: string; readonly state: RungState }[] {
  const { provider, precision } = summary(placement, caps);
  const gpu = provider === TEXT.badge.webgpu;
  const half = precision === 'fp16' || precision === 'q4f16';
  const threads = Math.max(placement.threads, caps.isolated ? caps.cores : 1);
  const rungs = [
    { label: T.ladderRows.f16, on: gpu && half, can: caps.gpu?.features.includes('shader-f16') ?? false },
    { label: T.ladderRows.f32, on: gpu && !half, can: caps.gpu !== null },
    {
      label: T.ladderRows.threads(gpu ? threads : Math.max(2, placement.threads)),
      on: !gpu && placement.threads > 1,
      can: caps.isolated && caps.cores > 1,
    },
    { label: T.ladderRows.single, on: !gpu && placement.threads === 1, can: true },
  ];
  return rungs.map(({ label, on, can }) => ({
    label,
    state: on ? 'inUse' : can ? 'possible' : 'unavailable',
  }));
}

interface Page {
  /** Threads in use; null before a model is placed. */
  readonly threads: number | null;
  readonly kept: boolean;
  readonly offline: boolean;
}

export function abilities(
  caps: Capabilities,
  page: Page,
): readonly { readonly label: string; readonly value: string; readonly good: boolean }[] {
  const yesNo = (good: boolean): { value: string; good: boolean } => ({ value: good ? T.yes : T.no, good });
  const { gpu } = caps;
  const has = (feature: string): { value: string; good: boolean } =>
    yesNo(gpu?.features.includes(feature) ?? false);
  // Without a GPU its details would only repeat that it is not there.
  const ofGpu = gpu
    ? [
        { label: T.rows.f16, ...has('shader-f16') },
        { label: T.rows.subgroups, ...has('subgroups') },
        { label: T.rows.timestamps, ...has('timestamp-query') },
        { label: T.rows.buffer, value: size(gpu.maxBufferBytes), good: true },
        { label: T.rows.binding, value: size(gpu.maxBindingBytes), good: true },
      ]
    : [];
  return [
    { label: TEXT.badge.webgpu, ...yesNo(gpu !== null) },
    ...ofGpu,
    { label: T.rows.isolated, ...yesNo(caps.isolated) },
    { label: T.rows.jspi, ...yesNo(caps.jspi) },
    { label: T.rows.simd, ...yesNo(caps.simd) },
    { label: T.rows.cores, value: String(caps.cores), good: caps.cores > 1 },
    {
      label: T.rows.threads,
      value: page.threads === null ? '–' : String(page.threads),
      good: (page.threads ?? 1) > 1,
    },
    { label: T.rows.memory, value: size(caps.memoryBytes), good: true },
    { label: T.rows.files, value: page.kept ? T.filesKept : T.filesMemory, good: page.kept },
    { label: T.rows.offline, value: page.offline ? T.yes : T.offlineNotYet, good: page.offline },
  ];
}

interface Everything {
  readonly caps: Capabilities | null;
  readonly placement: Placement | null;
  readonly checks: readonly CheckReport[];
  readonly memory: Memory | null;
  readonly room: Room | null;
  readonly songBytes: number;
  readonly wish: Wish;
  readonly trouble: string;
  readonly userAgent: string;
  readonly log: readonly string[];
}

/** Plain text for a bug report. It holds nothing of the songs but their total size. */
export function report(all: Everything): string {
  const { caps, placement } = all;
  const graphs = Object.entries(placement?.graphs ?? {}).map(
    ([name, { provider, variant, why }]) => `  ${name}: ${provider} ${variant.precision}. ${why}`,
  );
  const checks = all.checks.map(
    ({ graph, precision, result, error, detail }) =>
      `  ${graph} ${precision}: ${result}${error === null ? '' : `, error ${error}`}${detail && ` (${detail})`}`,
  );
  const memory = (all.memory?.graphs ?? []).map(
    ({ graph, liveBytes, peakBytes, runs, ms }) =>
      `  ${graph}: ${liveBytes} bytes now, ${peakBytes} at most, ${runs} runs, ${Math.round(ms)} ms`,
  );
  return [
    'Cadenza device report',
    all.userAgent,
    all.trouble && `Trouble: ${all.trouble}`,
    caps && placement ? summary(placement, caps).title : 'Not placed',
    `Wish: ${JSON.stringify(all.wish)}`,
    `Capabilities: ${JSON.stringify(caps)}`,
    `Storage: ${JSON.stringify(all.room)}, songs ${all.songBytes} bytes`,
    `Heap: ${all.memory?.heapBytes ?? 'none'}; graphs together at most ${all.memory?.peakBytes ?? 0} bytes`,
    'Graphs:',
    ...graphs,
    'Self-test:',
    ...checks,
    'Memory:',
    ...memory,
    'Log:',
    ...all.log,
  ]
    .filter((line) => line !== '')
    .join('\n');
}
