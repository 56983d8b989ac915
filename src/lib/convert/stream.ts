/**
 * The same conversion with the source read once, from front to back: for sources that come over a network and are
 * hashed on the way. Steps are carried out as soon as their last byte has come; what they make goes to its place in
 * any order. Memory: the steps in hand, so next to nothing where tensors that belong together lie together.
 */
import { assert } from '../errors.ts';
import { stepsOf } from './convert.ts';
import type { SourceTensor, Step, Write } from './convert.ts';
import { placesOf } from './recipe.ts';
import type { GraphRecipe } from './recipe.ts';

/** A write, with the weight file that it belongs to. */
export interface ShardWrite extends Write {
  readonly path: string;
}

export interface StreamPlan {
  /** In the order of their last bytes. */
  readonly steps: readonly PlannedStep[];
  /** Ascending positions where one may stop and go on later: no step needs bytes from both sides. */
  readonly cuts: readonly number[];
}

interface PlannedStep extends Step {
  readonly shards: GraphRecipe['shards'];
  readonly first: number;
  readonly last: number;
  /** The first byte that this or any later step needs. */
  needs: number;
}

/**
 * What to do with one source file of `bytes`. Steps that would only write files that `have` names are left out.
 * @throws EngineError 'integrity' as `convert`.
 */
export function planStream(
  recipes: readonly GraphRecipe[],
  file: string,
  tensors: ReadonlyMap<string, SourceTensor>,
  bytes: number,
  have: (path: string) => boolean = () => false,
): StreamPlan {
  const steps: PlannedStep[] = [];
  for (const { tensors: made, shards } of recipes) {
    for (const tensor of made) {
      const done = placesOf(tensor).every(({ shard }) => have(shards[shard]!.path)); // parseRecipe checked it
      if (tensor.file !== file || done) continue;
      for (const step of stepsOf(tensor, tensors)) {
        const first = Math.min(...step.ranges.map(({ begin }) => begin));
        const last = Math.max(...step.ranges.map(({ end }) => end));
        steps.push({ ...step, shards, first, last, needs: 0 });
      }
    }
  }
  steps.sort((a, b) => a.last - b.last || a.first - b.first);
  let needs = bytes;
  for (let i = steps.length - 1; i >= 0; i--) {
    needs = Math.min(needs, steps[i]!.first); // i is in range
    steps[i]!.needs = needs;
  }
  const cuts = steps.flatMap(({ last }, i) => ((steps[i + 1]?.needs ?? bytes) >= last ? [last] : []));
  return { steps, cuts: [...new Set([...cuts, bytes])] };
}

/** Takes the bytes of a file in order, from a cut on, and gives what they become. */
export class StreamConverter {
  readonly #plan: StreamPlan;
  #next: number;
  #position: number;
  /** Bytes that a step still needs, in order and without gaps up to the position. */
  #held: { readonly begin: number; readonly bytes: Uint8Array }[] = [];

  /** @param from 0 or a cut: steps that end before it are done. */
  constructor(plan: StreamPlan, from = 0) {
    this.#plan = plan;
    this.#position = from;
    const next = plan.steps.findIndex(({ last }) => last > from);
    this.#next = next < 0 ? plan.steps.length : next;
  }

  get position(): number {
    return this.#position;
  }

  /** The largest cut in (position, until], or null. */
  cutBefore(until: number): number | null {
    return this.#plan.cuts.findLast((cut) => cut <= until && cut > this.#position) ?? null;
  }

  *push(bytes: Uint8Array): Generator<ShardWrite> {
    const { steps } = this.#plan;
    this.#held.push({ begin: this.#position, bytes });
    this.#position += bytes.byteLength;
    for (let step = steps[this.#next]; step !== undefined && step.last <= this.#position;) {
      const parts = step.ranges.map(({ begin, end }) => this.#collect(begin, end));
      for (const write of step.run(parts)) {
        yield { ...write, path: step.shards[write.place.shard]!.path }; // parseRecipe checked it
      }
      step = steps[++this.#next];
      this.#forget();
    }
    this.#forget();
  }

  /** A copy where a piece straddles what came at once; else a view. */
  #collect(begin: number, end: number): Uint8Array {
    const inside = this.#held.find((one) => one.begin <= begin && one.begin + one.bytes.byteLength >= end);
    if (inside) return inside.bytes.subarray(begin - inside.begin, end - inside.begin);
    const whole = new Uint8Array(end - begin);
    let filled = 0;
    for (const { begin: at, bytes } of this.#held) {
      const part = bytes.subarray(Math.max(0, begin - at), Math.max(0, end - at));
      if (part.byteLength === 0) continue; // it lies beside the range
      whole.set(part, Math.max(0, at - begin));
      filled += part.byteLength;
    }
    assert(filled === whole.byteLength, `bytes ${begin} to ${end} were not held`);
    return whole;
  }

  #forget(): void {
    const needs = this.#plan.steps[this.#next]?.needs ?? Infinity;
    this.#held = this.#held.filter(({ begin, bytes }) => begin + bytes.byteLength > needs);
  }
}
