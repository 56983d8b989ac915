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
    const known = Object.keys(ERRORS) as ErrorCode[]; // the keys are the codes
    const code = known.find((name) => name === thrown.name) ?? (isAllocation(thrown) ? 'memory' : 'bug');
    return new EngineError(code, thrown.message, { cause: thrown });
  }
  return new EngineError('bug', String(thrown));
}

/** Typed arrays that do not fit: the words of Chromium, Firefox and Safari in turn. */
const isAllocation = ({ name, message }: Error): boolean =>
  (name === 'RangeError' || name === 'InternalError') &&
  /allocation failed|allocation size overflow|out of memory/i.test(message);

/** Our own assumptions; a failure is a fault of the program, never of the user. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new EngineError('bug', message);
}
