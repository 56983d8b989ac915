/** Memory of a browser's processes, as the kernel counts it (Linux only). */
import { readdirSync, readFileSync } from 'node:fs';

/** Kinds of processes as Chromium names them: browser, renderer, gpu-process, utility … */
export type Peaks = Record<string, number>;

export interface Sampler {
  /** Largest proportional set size of one process of each kind since the last call, bytes. */
  take(): Peaks;
  /** Process ids of one kind that are alive. */
  running(kind: string): readonly number[];
  stop(): void;
}

/** Watches the browser that runs with this profile folder, twice a second. */
export function sampleMemory(profile: string, everyMs = 500): Sampler {
  let peaks: Peaks = {};
  const look = (): void => {
    for (const { kind, pid } of processesOf(profile)) {
      const bytes = setSize(pid);
      if (bytes > (peaks[kind] ?? 0)) peaks[kind] = bytes;
    }
  };
  const timer = setInterval(look, everyMs);
  return {
    take() {
      look();
      const taken = peaks;
      peaks = {};
      return taken;
    },
    running: (wanted) => processesOf(profile).flatMap(({ kind, pid }) => (kind === wanted ? [pid] : [])),
    stop: () => clearInterval(timer),
  };
}

function processesOf(profile: string): readonly { readonly pid: number; readonly kind: string }[] {
  const found = new Map<number, { parent: number; command: string }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      found.set(Number(name), { parent, command: readFileSync(`/proc/${name}/cmdline`, 'utf8') });
    } catch {
      // It ended while we were looking.
    }
  }
  const ours = new Set<number>();
  for (const [pid, { command }] of found) if (command.includes(`--user-data-dir=${profile}`)) ours.add(pid);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, { parent }] of found) {
      if (ours.has(parent) && !ours.has(pid)) grown = Boolean(ours.add(pid));
    }
  }
  return [...ours].map((pid) => ({
    pid,
    kind: /--type=([a-z-]+)/.exec(found.get(pid)!.command)?.[1] ?? 'browser',
  }));
}

function setSize(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it ended
  }
}
