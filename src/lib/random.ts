/**
 * The CPU random generator of torch: Mersenne Twister 19937 and the two ways in which torch.randn turns its words
 * into normal values. The same seed gives the same noise as the reference pipeline, to the last bits of float32.
 * SPEC 5.2.
 */
const WORDS = 624; // state size of MT19937
const MIDDLE = 397; // recurrence offset
const MATRIX = 0x9908b0df;

/** Words of a saved generator: the twister's, its index, and the spare value with its flag. */
export const STATE_WORDS = WORDS + 4;

/** Below this many values torch.randn takes its scalar path. */
const VECTORISED_FROM = 16;

export class TorchGenerator {
  readonly #state = new Uint32Array(WORDS);
  #index = WORDS;
  /** Second value of the last scalar pair, kept until the scalar path asks again. */
  #spare: number | null = null;

  /** `seed`: any integer; like torch, its low 32 bits count (two's complement when negative). */
  constructor(seed: number | bigint) {
    const state = this.#state;
    state[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < WORDS; i++) {
      const previous = state[i - 1]!;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** `count` standard normal values, exactly as torch.randn(count) draws them from this generator. */
  randn(count: number): Float32Array {
    return count < VECTORISED_FROM ? this.#scalar(count) : this.#vectorised(count);
  }

  /** All that later draws depend on: STATE_WORDS words, for restore(). */
  state(): Uint32Array {
    const out = new Uint32Array(STATE_WORDS);
    out.set(this.#state);
    out[WORDS] = this.#index;
    out[WORDS + 1] = this.#spare === null ? 0 : 1;
    const spare = Float64Array.of(this.#spare ?? 0);
    out.set(new Uint32Array(spare.buffer), WORDS + 2);
    return out;
  }

  /** Goes back to where state() was asked, in this generator or another. */
  restore(state: Uint32Array): void {
    this.#state.set(state.subarray(0, WORDS));
    this.#index = state[WORDS]!;
    const spare = new Float64Array(state.slice(WORDS + 2, STATE_WORDS).buffer);
    this.#spare = state[WORDS + 1] === 1 ? spare[0]! : null;
  }

  /** Uniforms first, in order; then blocks of 16 are turned in place, the first half with the second. */
  #vectorised(count: number): Float32Array {
    const out = new Float32Array(count);
    for (let i = 0; i < count; i++) out[i] = this.#uniform24();
    for (let i = 0; i + 16 <= count; i += 16) boxMuller16(out, i);
    if (count % 16 !== 0) {
      // A ragged tail: the last 16 values, part of them already normal, are drawn again.
      const tail = count - 16;
      for (let i = tail; i < count; i++) out[i] = this.#uniform24();
      boxMuller16(out, tail);
    }
    return out;
  }

  #scalar(count: number): Float32Array {
    const out = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      if (this.#spare !== null) {
        out[i] = this.#spare;
        this.#spare = null;
        continue;
      }
      const angle = 2 * Math.PI * this.#uniform53();
      const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform53()));
      out[i] = radius * Math.cos(angle);
      this.#spare = radius * Math.sin(angle);
    }
    return out;
  }

  #uniform24(): number {
    return (this.#word() & 0xffffff) * 2 ** -24;
  }

  /** The low 53 bits of a 64-bit draw: 21 of the first word, all of the second. */
  #uniform53(): number {
    const high = this.#word() & 0x1fffff;
    return (high * 2 ** 32 + this.#word()) * 2 ** -53;
  }

  #word(): number {
    if (this.#index === WORDS) this.#refill();
    let y = this.#state[this.#index++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < WORDS; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % WORDS]! & 0x7fffffff);
      state[i] = state[(i + MIDDLE) % WORDS]! ^ (y >>> 1) ^ (y & 1 ? MATRIX : 0);
    }
    this.#index = 0;
  }
}

const { fround } = Math;
const TWO_PI = fround(2 * Math.PI);

/** Turns 16 uniforms at `at` into normals: pair j uses values j and j + 8. Rounded where torch's float32 rounds. */
function boxMuller16(values: Float32Array, at: number): void {
  for (let j = at; j < at + 8; j++) {
    const radius = fround(Math.sqrt(fround(-2 * fround(Math.log(1 - values[j]!)))));
    const angle = fround(TWO_PI * values[j + 8]!);
    values[j] = radius * Math.cos(angle);
    values[j + 8] = radius * Math.sin(angle);
  }
}
