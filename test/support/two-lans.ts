// Two LANs in namespaces of their own: one peer on both, on each a client's place, and a DHCP server's on both.
import { randomBytes } from 'node:crypto';
import { run } from '../lab/process.ts';
import { layCable } from './veth.ts';

export interface TwoLans {
  /** Its interfaces are lan1 and lan2: 10.77.11.2 and 10.77.12.2. */
  readonly peer: string;
  /** 10.77.11.9 and 10.77.12.9, each on eth0. */
  readonly clients: readonly [string, string];
  /** 10.77.11.1 on eth0, 10.77.12.1 on eth1. */
  readonly dhcpServer: string;
  remove(): Promise<void>;
}

export async function createTwoLans(): Promise<TwoLans> {
  const id = `pb-${randomBytes(3).toString('hex')}`;
  const names = {
    hub: `${id}-hub`,
    peer: `${id}-peer`,
    one: `${id}-c1`,
    two: `${id}-c2`,
    server: `${id}-dhcp`,
  };
  const ip = (...words: string[]) => run('ip', words);
  const made: string[] = [];
  const remove = async () => {
    for (const name of made.reverse()) await ip('netns', 'del', name).catch(() => '');
  };

  const plug = async (namespace: string, link: string, bridge: string, address: string) => {
    const port = `${namespace.slice(id.length + 1)}-${link}`;
    await layCable(namespace, link, names.hub, port);
    await ip('-n', names.hub, 'link', 'set', port, 'master', bridge, 'up');
    await ip('-n', namespace, 'addr', 'add', `${address}/24`, 'brd', '+', 'dev', link);
    await ip('-n', namespace, 'link', 'set', link, 'up');
  };

  try {
    for (const name of Object.values(names)) {
      await ip('netns', 'add', name);
      made.push(name);
      await ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    for (const bridge of ['br1', 'br2']) {
      await ip('-n', names.hub, 'link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0');
      await ip('-n', names.hub, 'link', 'set', bridge, 'up');
    }
    await plug(names.peer, 'lan1', 'br1', '10.77.11.2');
    await plug(names.peer, 'lan2', 'br2', '10.77.12.2');
    // The way out lies on the first LAN, so that broadcasts of the second one would go astray if routes decided.
    await ip('-n', names.peer, 'route', 'add', 'default', 'via', '10.77.11.1');
    await plug(names.server, 'eth0', 'br1', '10.77.11.1');
    await plug(names.server, 'eth1', 'br2', '10.77.12.1');
    await plug(names.one, 'eth0', 'br1', '10.77.11.9');
    await plug(names.two, 'eth0', 'br2', '10.77.12.9');
    for (const client of [names.one, names.two]) {
      await ip('-n', client, 'route', 'add', '255.255.255.255', 'dev', 'eth0');
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { peer: names.peer, clients: [names.one, names.two], dhcpServer: names.server, remove };
}
