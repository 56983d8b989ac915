/** Reading untrusted JSON: every reader returns the value in its type, or throws naming the field, what it must be, and what it is. */
import { EngineError, type ErrorCode } from './errors.ts';

/** What a field may hold. The bounds belong to it. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** A value with the path that leads to it, such as `sampling.guidance.scale`. */
export class Field {
  readonly value: unknown;
  readonly path: string;
  readonly #code: ErrorCode;

  constructor(value: unknown, path: string, code: ErrorCode) {
    this.value = value;
    this.path = path;
    this.#code = code;
  }

  /** "seconds must be 5 to 240 (got 300)" */
  refuse(expected: string, hint = ''): never {
    const { value, path } = this;
    const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    const got = value === undefined ? 'it is missing' : `got ${shown}`;
    throw new EngineError(this.#code, `${path} must be ${expected} (${got}).${hint && ` ${hint}`}`);
  }

  /** The field `name` of this object; its value may be missing. */
  at(name: string): Field {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.refuse('an object');
    const own = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined; // a plain object
    return new Field(own, this.path === '' ? name : `${this.path}.${name}`, this.#code);
  }

  /** Refuses fields other than these: a misspelt one must not pass unseen. */
  only(names: readonly string[]): void {
    for (const [name, value] of Object.entries(this.object())) {
      if (value !== undefined && !names.includes(name))
        this.at(name).refuse('left out: no such field', `Known: ${names.join(', ')}.`);
    }
  }

  object(): Readonly<Record<string, unknown>> {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.refuse('an object');
    return value as Record<string, unknown>; // a non-null object, not an array
  }

  get missing(): boolean {
    return this.value === undefined;
  }

  number({ min, max }: Bounds): number {
    const { value } = this;
    return typeof value === 'number' && value >= min && value <= max
      ? value
      : this.refuse(`${min} to ${max}`);
  }

  integer(bounds: Bounds): number {
    const value = this.number(bounds);
    return Number.isInteger(value) ? value : this.refuse(`a whole number, ${bounds.min} to ${bounds.max}`);
  }

  boolean(): boolean {
    return typeof this.value === 'boolean' ? this.value : this.refuse('true or false');
  }

  text(maxLength = Infinity): string {
    const { value } = this;
    if (typeof value !== 'string') return this.refuse('a text');
    if (value.length > maxLength) return this.refuse(`at most ${maxLength} characters, not ${value.length}`);
    return value;
  }

  oneOf<T extends string>(options: readonly T[]): T {
    return options.find((option) => option === this.value) ?? this.refuse(`one of ${options.join(', ')}`);
  }

  list({ min, max }: Bounds): readonly Field[] {
    const { value } = this;
    const size = min === max ? `${min}` : Number.isFinite(max) ? `${min} to ${max}` : `at least ${min}`;
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      return this.refuse(`a list of ${size} items`);
    }
    return value.map((item: unknown, i) => new Field(item, `${this.path}[${i}]`, this.#code));
  }
}
