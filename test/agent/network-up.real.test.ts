// The target's network comes up by real DHCP in a namespace: two cards, one cable, a server that is late.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Running, run, start } from '../lab/process.ts';

const id = `pb-${randomBytes(3).toString('hex')}`;
const [store, target] = [`${id}-store`, `${id}-target`];
const folder = mkdtempSync(join(tmpdir(), 'pb-network-up-'));
const running: Running[] = [];
const ip = (...words: string[]) => run('ip', words);

beforeAll(async () => {
  for (const namespace of [store, target]) await ip('netns', 'add', namespace);
  await ip('-n', target, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', store);
  // A card whose cable leads nowhere.
  await ip('-n', target, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'loose', 'netns', store);
  await ip('-n', store, 'addr', 'add', '10.77.21.1/24', 'dev', 'eth0');
  mkdirSync(join(folder, 'bin'));
  symlinkSync(execFileSync('which', ['busybox'], { encoding: 'utf8' }).trim(), join(folder, 'bin/udhcpc'));
});
afterAll(async () => {
  for (const one of running) await one.stop('SIGTERM');
  for (const namespace of [store, target]) await ip('netns', 'del', namespace);
  rmSync(folder, { recursive: true });
});

it('says what is missing, takes the first lease, and sets address, route and name servers', async () => {
  const child = fileURLToPath(new URL('./network-up-child.ts', import.meta.url));
  const path = `${join(folder, 'bin')}:${process.env.PATH}`;
  const agent = start('env', [`PATH=${path}`, process.execPath, child, folder], {
    namespace: target,
    logFile: join(folder, 'agent.log'),
  });
  running.push(agent);
  const says = (text: string) =>
    agent.log.waitFor((line) => (line.includes(text) ? line : undefined), { timeoutMs: 30_000, what: text });
  await says('note PB-NETWORK-DOWN: no cable');
  await ip('-n', store, 'link', 'set', 'eth0', 'up');
  const dhcp = [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--interface=eth0', '--bind-interfaces'],
    ...[
      '--no-ping',
      '--leasefile-ro',
      '--log-facility=-',
      '--user=root',
      '--dhcp-range=10.77.21.50,10.77.21.60,1h',
    ],
    ...['--dhcp-option=option:router,10.77.21.1', '--dhcp-option=option:dns-server,10.77.21.2'],
  ];
  running.push(start('dnsmasq', dhcp, { namespace: store, logFile: join(folder, 'dnsmasq.log') }));
  const lease = JSON.parse((await says('lease ')).replace(/^lease /, '')) as Record<string, string>;
  expect(lease).toMatchObject({ nic: 'eth1', ipv4: expect.stringMatching(/^10\.77\.21\.\d+\/24$/) });
  expect(await ip('-n', target, 'addr', 'show', 'dev', 'eth1')).toContain(`inet ${lease.ipv4}`);
  expect(await ip('-n', target, 'route')).toMatch(/default via 10\.77\.21\.1 dev eth1/);
  expect(readFileSync(join(folder, 'resolv.conf'), 'utf8')).toBe('nameserver 10.77.21.2\n');
});
