// The log of a child process: one JSON line a line, which the test that started it waits for.
import type { Log } from '../../src/base/log.ts';

export const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const level = (name: string) => (fields: object, msg: string) => say({ level: name, msg, ...fields });

export const jsonLog: Log = {
  debug: level('debug'),
  info: level('info'),
  warn: level('warn'),
  error: level('error'),
  child: () => jsonLog,
};
