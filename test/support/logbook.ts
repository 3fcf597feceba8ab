// A log that a test reads: every line with its fields, in order.
import type { Log, LogFields } from '../../src/base/log.ts';

export interface Logbook extends Log {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[];
}

export function logbook(): Logbook {
  const lines: Logbook['lines'] = [];
  const make = (bound: LogFields): Log => {
    const at = (level: string) => (fields: LogFields, message: string) => {
      lines.push({ level, message, fields: { ...bound, ...fields } });
    };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => make({ ...bound, ...fields }),
    };
  };
  return { ...make({}), lines };
}
