// The three kinds of wrong: nonsense from outside (WireError), an operational failure with a code, and our own bug.
import { ERROR_TABLE, type ErrorCode } from './error-table.ts';

/** They sent nonsense: count it, drop it. Returned by codecs, never thrown across a room. */
export class WireError extends Error {
  override readonly name = 'WireError';
  /** Where in the packet, in bytes from its start, when that is known. */
  readonly offset: number | undefined;
  constructor(message: string, offset?: number) {
    super(message);
    this.offset = offset;
  }
}

/** Something an operator can mend: a code from the one table, what happened here, and the remedy. */
export class PeerbootError extends Error {
  override readonly name = 'PeerbootError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  constructor(
    code: ErrorCode,
    what: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(what, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
  get remedy(): string {
    return ERROR_TABLE[this.code].remedy;
  }
}

export function isPeerbootError(error: unknown, code?: ErrorCode): error is PeerbootError {
  return error instanceof PeerbootError && (code === undefined || error.code === code);
}

/** States what must be true; when it is not, we are wrong and stop. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** The end of an exhaustive switch: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
