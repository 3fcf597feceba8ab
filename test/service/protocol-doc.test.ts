// docs/protocol.md names every path, every metric of ours and every code that HTTP can answer.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ROUTES } from '../../src/api/routes.ts';
import { DEFAULT_HTTP_LIMITS } from '../../src/service/http-limits.ts';
import { testPeer } from './peer.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const text = read('docs/protocol.md');

it.each(Object.entries(ROUTES))('%s', (_, path) => expect(text).toContain(path));

it('every metric of ours', async () => {
  const { body } = await testPeer().http.app.inject({ url: '/metrics' });
  const names = [...body.matchAll(/^# TYPE (peerboot_\w+)/gm)].map((match) => match[1] as string);
  expect(names.length).toBeGreaterThan(5);
  expect(names.filter((name) => !text.includes(name))).toEqual([]);
});

it('every code with a status of its own', () => {
  const codes = [...read('src/service/http-errors.ts').matchAll(/'(PB-[A-Z-]+)': \d/g)].map(
    (m) => m[1] as string,
  );
  expect(codes.length).toBeGreaterThan(5);
  expect(codes.filter((code) => !text.includes(code))).toEqual([]);
});

it('the limits as they are', () => {
  const { connections, connectionsPerAddress, headMs, requestMs, idleMs, keepAliveMs } = DEFAULT_HTTP_LIMITS;
  expect(text).toContain(
    `${connections.toLocaleString('en')} in all, ${connectionsPerAddress} of one address`,
  );
  expect(text).toContain(`| request head | ${headMs / 1000} s`);
  expect(text).toContain(`| whole request | ${requestMs / 1000} s`);
  expect(text).toContain(`closed after ${idleMs / 1000} s`);
  expect(text).toContain(`| kept open after an answer | ${keepAliveMs / 1000} s`);
});
