// A store's network in namespaces of its own: peer, DHCP server and machines on one LAN; a second LAN behind a router; a VLAN.
import { randomBytes } from 'node:crypto';
import { run } from '../lab/process.ts';

export interface StoreNetwork {
  /** `lan` 10.77.11.2, and `lan.30` 10.77.30.2 in the place of a VLAN's sub-interface. */
  readonly peer: string;
  /** `eth0` 10.77.11.1. */
  readonly server: string;
  /** `eth0` 10.77.11.8 and 10.77.11.9: where emulated machines are plugged in. */
  readonly clients: readonly [string, string];
  /** `near` 10.77.11.254, `far` 10.77.12.254: forwards, and may relay. */
  readonly router: string;
  /** `eth0` 10.77.12.9, behind the router. */
  readonly farClient: string;
  /** `eth0` 10.77.30.1: the DHCP server of the VLAN, and 10.77.30.9, its machines' place. */
  readonly vlanServer: string;
  readonly vlanClient: string;
  /** Of every link on the first LAN. */
  setMtu(bytes: number): Promise<void>;
  remove(): Promise<void>;
}

export async function createStoreNetwork(): Promise<StoreNetwork> {
  const id = `pb-${randomBytes(3).toString('hex')}`;
  const name = (part: string) => `${id}-${part}`;
  const hub = name('hub');
  const names = {
    peer: name('peer'),
    server: name('dhcp'),
    one: name('c1'),
    other: name('c3'),
    router: name('gw'),
    farClient: name('c2'),
    vlanServer: name('vd'),
    vlanClient: name('vc'),
  };
  const made: string[] = [];
  const remove = async () => {
    for (const namespace of made.splice(0).reverse())
      await run('ip', ['netns', 'del', namespace]).catch(() => '');
  };
  const ip = (namespace: string, words: string) => run('ip', ['-n', namespace, ...words.split(' ')]);
  const links: (readonly [namespace: string, link: string])[] = [];

  const plug = async (namespace: string, link: string, to: string, address: string) => {
    const port = `${namespace.slice(id.length + 1)}-${link}`;
    await ip(namespace, `link add ${link} type veth peer name ${port} netns ${hub}`);
    await ip(hub, `link set ${port} master ${to} up`);
    await ip(namespace, `addr add ${address}/24 brd + dev ${link}`);
    await ip(namespace, `link set ${link} up`);
    if (to === 'br1') links.push([namespace, link], [hub, port]);
  };

  try {
    for (const namespace of [hub, ...Object.values(names)]) {
      await run('ip', ['netns', 'add', namespace]);
      made.push(namespace);
      await ip(namespace, 'link set lo up');
    }
    for (const one of ['br1', 'br2', 'br3']) {
      await ip(hub, `link add ${one} type bridge forward_delay 0`);
      await ip(hub, `link set ${one} up`);
    }
    await plug(names.peer, 'lan', 'br1', '10.77.11.2');
    await plug(names.server, 'eth0', 'br1', '10.77.11.1');
    await plug(names.one, 'eth0', 'br1', '10.77.11.8');
    await plug(names.other, 'eth0', 'br1', '10.77.11.9');
    await plug(names.router, 'near', 'br1', '10.77.11.254');
    await plug(names.router, 'far', 'br2', '10.77.12.254');
    await plug(names.farClient, 'eth0', 'br2', '10.77.12.9');
    // A sub-interface is an interface with an address of its own; kernels without 802.1Q cannot tag, so the tag is left out.
    await plug(names.peer, 'lan.30', 'br3', '10.77.30.2');
    await plug(names.vlanServer, 'eth0', 'br3', '10.77.30.1');
    await plug(names.vlanClient, 'eth0', 'br3', '10.77.30.9');
    for (const namespace of [names.peer, names.server, names.one, names.other])
      await ip(namespace, 'route add default via 10.77.11.254');
    await ip(names.farClient, 'route add default via 10.77.12.254');
    await ip(names.vlanClient, 'route add default via 10.77.30.2');
    await run('ip', ['netns', 'exec', names.router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    ...names,
    clients: [names.one, names.other],
    async setMtu(bytes) {
      for (const [namespace, link] of links) await ip(namespace, `link set ${link} mtu ${bytes}`);
    },
    remove,
  };
}
