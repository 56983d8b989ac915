/** Speed of long work over its last seconds, and the time that is left. */

const WINDOW_MS = 10_000;
/** Before this, a guess would jump about. */
const LEAST_MS = 2_000;

export class Pace {
  #marks: { readonly done: number; readonly ms: number }[] = [];

  /** Bytes a second and seconds left, null until they are known. `ms` is any clock that runs forward. */
  at(
    done: number,
    total: number,
    ms: number,
  ): { readonly speed: number | null; readonly left: number | null } {
    this.#marks.push({ done, ms });
    while (this.#marks.length > 2 && ms - this.#marks[1]!.ms > WINDOW_MS) this.#marks.shift(); // more than two
    const first = this.#marks[0]!; // one was just added
    if (ms - first.ms < LEAST_MS || done <= first.done) return { speed: null, left: null };
    const speed = ((done - first.done) / (ms - first.ms)) * 1000;
    return { speed, left: (total - done) / speed };
  }
}
