// The HTTP service as another machine of the LAN meets it: which addresses answer, administration, connections.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { run } from '../lab/process.ts';
import { until } from '../support/until.ts';
import { MAC, type TestPeer, testPeer } from './peer.ts';

const id = `pb-${randomBytes(3).toString('hex')}`;
const NET = `10.77.${64 + ((randomBytes(1)[0] as number) % 64)}`;
const SERVED = `${NET}.1` as Ipv4;
const NOT_SERVED = `${NET}.2` as Ipv4;
const FAR = `${NET}.9`;
const TOKEN = 'a secret of some length';

const ip = (...words: string[]) => run('ip', words);
const far = (command: string, ...words: string[]) => run('ip', ['netns', 'exec', id, command, ...words]);

let peer: TestPeer;
let port = 0;
const stops: (() => Promise<void>)[] = [];

async function start(
  options: Parameters<typeof testPeer>[0] = {},
): Promise<{ peer: TestPeer; port: number }> {
  const made = testPeer({ addresses: () => [SERVED], ...options });
  const started = await made.http.start();
  stops.push(() => made.http.stop());
  return { peer: made, port: started.port };
}

beforeAll(async () => {
  await ip('netns', 'add', id);
  await ip('link', 'add', id, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', id);
  for (const address of [SERVED, NOT_SERVED]) await ip('addr', 'add', `${address}/24`, 'dev', id);
  await ip('link', 'set', id, 'up');
  await ip('-n', id, 'addr', 'add', `${FAR}/24`, 'dev', 'eth0');
  await ip('-n', id, 'link', 'set', 'eth0', 'up');
  ({ peer, port } = await start());
});

afterAll(async () => {
  for (const stop of stops) await stop();
  await ip('netns', 'del', id).catch(() => '');
});

const status = (url: string, ...words: string[]) =>
  far('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-m', '5', ...words, url);

describe('from another machine', () => {
  it('scripts come with the address that it asked', async () => {
    const script = await far('curl', '-sS', `http://${SERVED}:${port}/boot/script.ipxe?mac=${MAC}`);
    expect(script).toContain(`http://${SERVED}:${port}/boot/script.ipxe?mac=`);
    expect(peer.machines.find(MAC)).toMatchObject({ address: FAR });
  });

  it('also when it names no address, as HTTP/1.0 may', async () => {
    const script = await far('curl', '-sS', '-0', '-H', 'Host:', `http://${SERVED}:${port}/boot/start.ipxe`);
    expect(script).toContain(`http://${SERVED}:${port}/boot/script.ipxe?mac=`);
  });

  it('an address that is not to be served does not answer', async () => {
    await expect(status(`http://${NOT_SERVED}:${port}/livez`)).rejects.toThrow();
    expect(await status(`http://${SERVED}:${port}/livez`)).toBe('200');
  });

  it('administration is refused, whatever it calls itself; with the token it is not', async () => {
    const url = `http://${SERVED}:${port}/admin/v1/machines`;
    expect(await status(url)).toBe('403');
    expect(await status(url, '-H', 'Host: 127.0.0.1')).toBe('403');
    expect(await status(url, '-H', 'X-Forwarded-For: 127.0.0.1')).toBe('403');
    const second = await start({ adminToken: TOKEN });
    const other = `http://${SERVED}:${second.port}/admin/v1/machines`;
    expect(await status(other, '-H', `Authorization: Bearer ${TOKEN}`)).toBe('200');
    expect(await status(other)).toBe('403');
  });

  it('it may have so many connections and no more, and others are still served', async () => {
    const limited = await start({ limits: { connectionsPerAddress: 8 } });
    // Opens 20, waits until those that are refused are closed, and tells how many were.
    const program = `
      const net = require('node:net');
      let closed = 0;
      const sockets = Array.from({ length: 20 }, () => net.connect(${limited.port}, '${SERVED}')
        .on('error', () => {}).on('close', () => { if (++closed === 12) { console.log(closed); process.exit(); } }));
      for (const socket of sockets) socket.resume();
      setTimeout(() => { console.log('only ' + closed); process.exit(); }, 5000);`;
    const hogging = far(process.execPath, '-e', program);
    expect((await hogging).trim()).toBe('12');
    const metrics = () => run('curl', ['-sS', `http://127.0.0.1:${limited.port}/metrics`]);
    expect(await metrics()).toContain('peerboot_http_connections_refused_total 12\n');
    await until(async () => (await metrics()).includes('peerboot_http_connections 1\n'), {
      timeoutMs: 5_000,
      what: 'its connections are given back',
    });
    expect(await status(`http://${SERVED}:${limited.port}/livez`)).toBe('200');
  });
});
