// A store's network in namespaces of its own: a switch, a DHCP server's place, peers, and a CDN behind a WAN line.
import { randomBytes } from 'node:crypto';
import { layCable } from '../support/veth.ts';
import { run } from './process.ts';

/** Everything is inside 10.77.0.0/16, in namespaces: the machine's own network is never touched. */
export const ADDRESSES = {
  dhcpServer: '10.77.0.1',
  peer: '10.77.0.2',
  dhcpRange: ['10.77.0.100', '10.77.0.199'],
  cdn: '10.77.200.1',
  peerWan: '10.77.200.2',
  secondPeer: '10.77.0.3',
  cdnSecond: '10.77.201.1',
  secondPeerWan: '10.77.201.2',
} as const;

/** Where a peer runs: its namespace, with `eth0` to the store's switch. */
export interface PeerPlace {
  readonly namespace: string;
  readonly address: string;
}

export interface StoreNetwork {
  readonly id: string;
  readonly switchNamespace: string;
  readonly dhcpNamespace: string;
  readonly peerNamespace: string;
  readonly cdnNamespace: string;
  /** Room for a second peer, with a WAN line of its own to the same CDN. */
  addSecondPeer(): Promise<PeerPlace>;
  /** A new tap on the store's switch, for a virtual machine run in `switchNamespace`. */
  addTap(): Promise<string>;
  remove(): Promise<void>;
}

export async function createStoreNetwork(): Promise<StoreNetwork> {
  const id = `pb-${randomBytes(3).toString('hex')}`;
  const name = (part: string) => `${id}-${part}`;
  const [switchNamespace, dhcpNamespace, peerNamespace, cdnNamespace] = ['sw', 'dhcp', 'peer', 'cdn'].map(
    name,
  ) as [string, string, string, string];
  const made: string[] = [];
  const inside = (namespace: string, ...words: string[]) => run('ip', ['-n', namespace, ...words]);

  const addNamespace = async (namespace: string) => {
    await run('ip', ['netns', 'add', namespace]);
    made.push(namespace);
    await inside(namespace, 'link', 'set', 'lo', 'up');
  };
  const plug = async (namespace: string, port: string, address: string) => {
    await layCable(namespace, 'eth0', switchNamespace, port);
    await inside(switchNamespace, 'link', 'set', port, 'master', 'br0', 'up');
    await inside(namespace, 'addr', 'add', `${address}/24`, 'brd', '+', 'dev', 'eth0');
    await inside(namespace, 'link', 'set', 'eth0', 'up');
    // Checksums left to a card that is not there would be refused by the guests' firmware.
    await run('ip', ['netns', 'exec', namespace, 'ethtool', '-K', 'eth0', 'tx', 'off']);
  };
  const remove = async () => {
    for (const namespace of made.reverse()) await run('ip', ['netns', 'del', namespace]).catch(() => '');
  };

  try {
    for (const namespace of [switchNamespace, dhcpNamespace, peerNamespace, cdnNamespace])
      await addNamespace(namespace);
    await inside(switchNamespace, 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
    await inside(switchNamespace, 'link', 'set', 'br0', 'up');
    await plug(dhcpNamespace, 'p-dhcp', ADDRESSES.dhcpServer);
    await inside(dhcpNamespace, 'addr', 'add', 'fd77::1/64', 'dev', 'eth0', 'nodad');
    await plug(peerNamespace, 'p-peer', ADDRESSES.peer);
    await inside(
      peerNamespace,
      'link',
      'add',
      'wan0',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      cdnNamespace,
    );
    await inside(peerNamespace, 'addr', 'add', `${ADDRESSES.peerWan}/24`, 'dev', 'wan0');
    await inside(peerNamespace, 'link', 'set', 'wan0', 'up');
    await inside(cdnNamespace, 'addr', 'add', `${ADDRESSES.cdn}/24`, 'dev', 'eth0');
    await inside(cdnNamespace, 'link', 'set', 'eth0', 'up');
  } catch (error) {
    await remove();
    throw error;
  }

  let taps = 0;
  return {
    id,
    switchNamespace,
    dhcpNamespace,
    peerNamespace,
    cdnNamespace,
    async addSecondPeer() {
      const namespace = name('peer2');
      await addNamespace(namespace);
      await plug(namespace, 'p-peer2', ADDRESSES.secondPeer);
      await layCable(namespace, 'wan0', cdnNamespace, 'eth1');
      await inside(cdnNamespace, 'addr', 'add', `${ADDRESSES.cdnSecond}/24`, 'dev', 'eth1');
      await inside(cdnNamespace, 'link', 'set', 'eth1', 'up');
      await inside(namespace, 'addr', 'add', `${ADDRESSES.secondPeerWan}/24`, 'dev', 'wan0');
      await inside(namespace, 'link', 'set', 'wan0', 'up');
      await inside(namespace, 'route', 'add', ADDRESSES.cdn, 'via', ADDRESSES.cdnSecond);
      return { namespace, address: ADDRESSES.secondPeer };
    },
    async addTap() {
      const tap = `tap${taps++}`;
      await inside(switchNamespace, 'tuntap', 'add', 'dev', tap, 'mode', 'tap');
      await inside(switchNamespace, 'link', 'set', tap, 'master', 'br0', 'up');
      return tap;
    },
    remove,
  };
}
