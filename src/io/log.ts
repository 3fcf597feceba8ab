// The log port over pino: JSON lines, with code and remedy of what went wrong.
import { type DestinationStream, type Logger, pino } from 'pino';
import { isPeerbootError } from '../base/errors.ts';
import type { Log, LogFields } from '../base/log.ts';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Fields of every line, e.g. `{ site }`. */
  readonly base?: LogFields;
  /** Standard output when absent. */
  readonly destination?: DestinationStream;
}

/** A line is written before its call returns: none is lost when the process ends. */
export function createLog(options: LogOptions): Log {
  const { base = {}, level, destination = toStdout() } = options;
  const settings = {
    level,
    base: { ...base },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: (error: unknown) => errorFields(error) },
  };
  return over(pino(settings, destination));
}

function toStdout(): DestinationStream {
  return pino.destination({ fd: 1, sync: true });
}

function over(logger: Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => over(logger.child(fields)),
  };
}

/** Code and remedy for what an operator can mend; a stack only for what may be our own mistake. */
function errorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const cause = error.cause === undefined || depth > 4 ? {} : { cause: errorFields(error.cause, depth + 1) };
  if (isPeerbootError(error)) {
    const { code, details, message, remedy } = error;
    return { code, message, remedy, ...(Object.keys(details).length === 0 ? {} : { details }), ...cause };
  }
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(depth === 0 ? { stack: error.stack } : {}),
    ...cause,
  };
}
