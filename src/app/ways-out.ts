/**
 * When a song does not fit into memory, or a wish cannot be met: what would. Pure; what is offered is what place() says can run, so nothing is
 * promised that this device refuses.
 */
import { EngineError, type ErrorCode } from '../lib/errors.ts';
import type { ModelManifest, Precision } from '../lib/manifest.ts';
import { NO_WISH, place, type Capabilities, type Placement, type Wish } from '../lib/placement.ts';
import type { Task, TaskLimits } from '../lib/task.ts';

export type WayOut =
  /** The same song, from its last saved step, with smaller weights. */
  | { readonly type: 'precision'; readonly precision: Precision; readonly wish: Wish }
  /** The same song, with one graph in memory at a time. */
  | { readonly type: 'one'; readonly wish: Wish }
  /** A shorter song, from the start. */
  | { readonly type: 'shorter'; readonly task: Task };

/** Failures that less memory may mend: a driver often restarts because it ran out of it. */
const SHORT: ReadonlySet<ErrorCode> = new Set(['memory', 'device-lost']);

export interface Stuck {
  readonly code: ErrorCode;
  readonly task: Task;
  readonly manifest: ModelManifest;
  readonly limits: TaskLimits;
  readonly caps: Capabilities;
  readonly wish: Wish;
  /** What was used. */
  readonly placement: Placement;
}

/** The gentlest first. */
export function waysOut(stuck: Stuck): readonly WayOut[] {
  if (!SHORT.has(stuck.code)) return [];
  return [onePrecisionLess(stuck), oneAtATime(stuck), shorter(stuck)].filter((way) => way !== null);
}

/** What comes next to a wish that cannot be met: with fewer of its parts, the memory budget last. Null: nothing can. */
export function nearestTo(
  wish: Wish,
  manifest: ModelManifest,
  caps: Capabilities,
): { readonly wish: Wish; readonly placement: Placement } | null {
  const fewer: readonly Wish[] = [
    { ...wish, precision: 'auto' },
    { ...wish, provider: 'auto' },
    { ...wish, precision: 'auto', provider: 'auto' },
    { ...NO_WISH, threads: wish.threads },
  ];
  for (const next of fewer) {
    const placement = placed(manifest, caps, next);
    if (placement) return { wish: next, placement };
  }
  return null;
}

const MIB = 2 ** 20;

const weightsOf = ({ graphs }: Placement): number =>
  Object.values(graphs).reduce((sum, { variant }) => sum + variant.needs.memoryBytes, 0);

/** Of all precisions that take less than the one in use, the one that takes the most. */
function onePrecisionLess({ manifest, caps, wish, placement }: Stuck): WayOut | null {
  const used = weightsOf(placement);
  const all = Object.values(manifest.graphs).flatMap(({ variants }) => variants.map((v) => v.precision));
  const smaller = [...new Set(all)].flatMap((precision) => {
    const asked = { ...wish, precision };
    const bytes = weightsOf(placed(manifest, caps, asked) ?? placement);
    return bytes < used ? [{ bytes, way: { type: 'precision', precision, wish: asked } as const }] : [];
  });
  return smaller.toSorted((a, b) => b.bytes - a.bytes)[0]?.way ?? null;
}

/** A budget below what all graphs take together has them loaded one by one; by as much as is seen when it is shown. */
function oneAtATime({ manifest, caps, wish, placement }: Stuck): WayOut | null {
  if (placement.residency === 'one') return null;
  const asked = { ...wish, memoryBytes: weightsOf(placement) - MIB };
  return placed(manifest, caps, asked)?.residency === 'one' ? { type: 'one', wish: asked } : null;
}

/** Half as long. What is made of another sound has the length of that. */
function shorter({ task, limits }: Stuck): WayOut | null {
  const seconds = Math.max(limits.seconds.min, Math.floor(task.seconds / 2));
  return task.kind === 'text2music' && seconds < task.seconds
    ? { type: 'shorter', task: { ...task, seconds } }
    : null;
}

function placed(manifest: ModelManifest, caps: Capabilities, wish: Wish): Placement | null {
  try {
    return place(manifest, caps, wish);
  } catch (thrown) {
    if (thrown instanceof EngineError && thrown.code === 'unsupported') return null;
    throw thrown;
  }
}
