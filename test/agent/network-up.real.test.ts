// The target's network comes up by real DHCP in a namespace: two cards, one cable, a server that is late; a switch port with spanning tree.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Running, run, start } from '../lab/process.ts';
import { DNSMASQ } from '../support/dnsmasq.ts';
import { until } from '../support/until.ts';

const id = `pb-${randomBytes(3).toString('hex')}`;
const [store, target, other] = [`${id}-store`, `${id}-target`, `${id}-other`];
const folder = mkdtempSync(join(tmpdir(), 'pb-network-up-'));
const running: Running[] = [];
const ip = (...words: string[]) => run('ip', words);

beforeAll(async () => {
  for (const namespace of [store, target, other]) await ip('netns', 'add', namespace);
  await ip('-n', target, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', store);
  // A card whose cable leads nowhere.
  await ip('-n', target, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'loose', 'netns', store);
  await ip('-n', store, 'addr', 'add', '10.77.21.1/24', 'dev', 'eth0');
  mkdirSync(join(folder, 'bin'));
  symlinkSync(execFileSync('which', ['busybox'], { encoding: 'utf8' }).trim(), join(folder, 'bin/udhcpc'));
});
afterAll(async () => {
  for (const one of running) await one.stop('SIGTERM');
  for (const namespace of [store, target, other]) await ip('netns', 'del', namespace);
  rmSync(folder, { recursive: true });
});

const dhcpServer = (device: string, range: string, ...more: string[]) =>
  start(
    'dnsmasq',
    [
      ...[
        ...DNSMASQ,
        `--interface=${device}`,
        '--bind-interfaces',
        '--no-ping',
        '--leasefile-ro',
        '--user=root',
      ],
      ...[`--dhcp-range=${range},1h`, ...more],
    ],
    { namespace: store, logFile: join(folder, `dnsmasq-${device}.log`) },
  );

function bringUp(namespace: string) {
  const home = join(folder, namespace);
  mkdirSync(home);
  const child = fileURLToPath(new URL('./network-up-child.ts', import.meta.url));
  const path = `${join(folder, 'bin')}:${process.env.PATH}`;
  const agent = start('env', [`PATH=${path}`, process.execPath, child, home], {
    namespace,
    logFile: join(home, 'agent.log'),
  });
  running.push(agent);
  const says = (text: string) =>
    agent.log.waitFor((line) => (line.includes(text) ? line : undefined), { timeoutMs: 30_000, what: text });
  return { says, lines: agent.log.lines, home };
}

it('says what is missing, takes the first lease, and sets address, route and name servers', async () => {
  const { says, home } = bringUp(target);
  await says('note PB-NETWORK-DOWN: no cable');
  await ip('-n', store, 'link', 'set', 'eth0', 'up');
  const options = ['--dhcp-option=option:router,10.77.21.1', '--dhcp-option=option:dns-server,10.77.21.2'];
  running.push(dhcpServer('eth0', '10.77.21.50,10.77.21.60', ...options));
  const lease = JSON.parse((await says('lease ')).replace(/^lease /, '')) as Record<string, string>;
  expect(lease).toMatchObject({ nic: 'eth1', ipv4: expect.stringMatching(/^10\.77\.21\.\d+\/24$/) });
  expect(await ip('-n', target, 'addr', 'show', 'dev', 'eth1')).toContain(`inet ${lease.ipv4}`);
  expect(await ip('-n', target, 'route')).toMatch(/default via 10\.77\.21\.1 dev eth1/);
  expect(readFileSync(join(home, 'resolv.conf'), 'utf8')).toBe('nameserver 10.77.21.2\n');
});

it('asks until a port with spanning tree forwards', async () => {
  // The shortest that spanning tree knows: 2 s of listening, 2 s of learning, both silent; switches take 15 and 15.
  await ip('-n', store, 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '1', 'forward_delay', '200');
  await ip('-n', store, 'addr', 'add', '10.77.22.1/24', 'dev', 'br0');
  await ip('-n', store, 'link', 'set', 'br0', 'up');
  await ip('-n', other, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'port', 'netns', store);
  await ip('-n', store, 'link', 'set', 'port', 'master', 'br0', 'up');
  running.push(dhcpServer('br0', '10.77.22.50,10.77.22.60'));
  const { says, lines } = bringUp(other);
  const portIs = (state: string) =>
    until(async () => (await ip('-n', store, '-d', 'link', 'show', 'port')).includes(`state ${state}`), {
      timeoutMs: 15_000,
      what: `the port is ${state}`,
    });
  await portIs('listening');
  expect(await says('lease ')).toMatch(/10\.77\.22\.\d+\/24/);
  await portIs('forwarding');
  // Silence is normal so soon: nobody is sent to look for a DHCP server.
  expect(lines.filter((line) => line.includes('no DHCP server'))).toEqual([]);
});
