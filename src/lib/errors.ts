/**
 * One error class with a closed set of codes. Comlink carries only `name`, `message` and `stack` of a thrown
 * Error, so the code IS the name; the page rebuilds the EngineError from it.
 */
export const ERRORS = {
  'bad-task': 'Change the field that the message names.',
  unsupported: 'Choose another precision, provider or model; the message says what is missing.',
  manifest: 'The model files do not belong together. Install the model again.',
  network: 'Check the connection and try again; what was downloaded is kept.',
  integrity: 'The file was damaged and has been discarded. Try again.',
  storage: 'Free some space, or allow this site to store data, then try again.',
  memory: 'Try a shorter song, a smaller precision, or one graph at a time.',
  'device-lost': 'The graphics driver restarted. Try again.',
  graph: 'Copy the details from the Device page and report them.',
  cancelled: '',
  bug: 'This is a fault in Cadenza. Copy the details from the Device page and report them.',
} as const;

export type ErrorCode = keyof typeof ERRORS;

export class EngineError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = code;
  }
}

/** The EngineError that an unknown thrown value stands for: itself, one rebuilt from its name, or a bug. */
export function asEngineError(thrown: unknown): EngineError {
  if (thrown instanceof EngineError) return thrown;
  if (thrown instanceof Error) {
    const code = thrown.name in ERRORS ? (thrown.name as ErrorCode) : 'bug'; // `in` just proved the cast
    return new EngineError(code, thrown.message, { cause: thrown });
  }
  return new EngineError('bug', String(thrown));
}

/** Our own assumptions; a failure is a fault of the program, never of the user. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new EngineError('bug', message);
}
