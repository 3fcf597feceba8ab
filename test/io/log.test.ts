// The log adapter: JSON lines with one id a machine, failures with code and remedy.
import { expect, it } from 'vitest';
import { PeerbootError } from '../../src/base/errors.ts';
import { createLog } from '../../src/io/log.ts';

function sink(): { lines: string[]; destination: { write(text: string): void } } {
  const lines: string[] = [];
  return { lines, destination: { write: (text) => void lines.push(text) } };
}

it('a line is one JSON object with time, level and the fields of its parents', () => {
  const { lines, destination } = sink();
  const log = createLog({ level: 'info', base: { site: 'store-1' }, destination });
  log.child({ part: 'machines' }).child({ machine: 'm-1' }).info({ rung: 'seen' }, 'machine reached seen');
  expect(lines).toHaveLength(1);
  const line = JSON.parse(lines[0] as string);
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    site: 'store-1',
    part: 'machines',
    machine: 'm-1',
    rung: 'seen',
    msg: 'machine reached seen',
  });
});

it('leaves out what is below its level', () => {
  const { lines, destination } = sink();
  const log = createLog({ level: 'warn', destination });
  log.debug({}, 'a');
  log.info({}, 'b');
  log.warn({}, 'c');
  log.error({}, 'd');
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['c', 'd']);
});

it('a failure has its code, remedy and causes; a bug of ours has its stack', () => {
  const { lines, destination } = sink();
  const log = createLog({ level: 'info', destination });
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  log.warn({ err: new PeerbootError('PB-SOURCE-FAILED', 'http://cdn', { cause }) }, 'failed');
  log.error({ err: new TypeError('x is undefined') }, 'broke');
  log.error({ err: 'only text' }, 'odd');
  const [failed, broke, odd] = lines.map((line) => JSON.parse(line).err);
  expect(failed).toEqual({
    code: 'PB-SOURCE-FAILED',
    message: 'http://cdn',
    remedy: expect.stringContaining('Check the address'),
    cause: { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
  });
  expect(broke).toMatchObject({ type: 'TypeError', stack: expect.stringContaining('log.test.ts') });
  expect(odd).toBe('only text');
});

it('text from machines cannot forge a second line', () => {
  const { lines, destination } = sink();
  createLog({ level: 'info', destination }).info({ serial: 'a\n{"level":"error"}' }, 'b\nc');
  expect(lines.join('').trimEnd().split('\n')).toHaveLength(1);
});
