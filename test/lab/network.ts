// A store's network in namespaces of its own: a switch, a DHCP server's place, peers, and a CDN behind a WAN line.
import { inNamespaces } from '../support/namespaces.ts';
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

export function createStoreNetwork(): Promise<StoreNetwork> {
  return inNamespaces(async (spaces) => {
    const switchNamespace = await spaces.add('sw');
    await spaces.addBridge(switchNamespace);
    const place = async (part: string, address: string) => {
      const namespace = await spaces.add(part);
      await spaces.plug(namespace, switchNamespace, { port: `p-${part}`, address: `${address}/24` });
      // Checksums left to a card that is not there would be refused by the guests' firmware.
      await run('ip', ['netns', 'exec', namespace, 'ethtool', '-K', 'eth0', 'tx', 'off']);
      return namespace;
    };
    const dhcpNamespace = await place('dhcp', ADDRESSES.dhcpServer);
    await spaces.ip(dhcpNamespace, 'addr add fd77::1/64 dev eth0 nodad');
    const peerNamespace = await place('peer', ADDRESSES.peer);
    const cdnNamespace = await spaces.add('cdn');
    const layWan = async (namespace: string, address: string, cdnLink: string, cdnAddress: string) => {
      await spaces.cable(namespace, 'wan0', cdnNamespace, cdnLink);
      for (const [end, link, own] of [
        [namespace, 'wan0', address],
        [cdnNamespace, cdnLink, cdnAddress],
      ] as const) {
        await spaces.ip(end, `addr add ${own}/24 dev ${link}`);
        await spaces.ip(end, `link set ${link} up`);
      }
    };
    await layWan(peerNamespace, ADDRESSES.peerWan, 'eth0', ADDRESSES.cdn);

    let taps = 0;
    return {
      id: spaces.id,
      switchNamespace,
      dhcpNamespace,
      peerNamespace,
      cdnNamespace,
      async addSecondPeer() {
        const namespace = await place('peer2', ADDRESSES.secondPeer);
        await layWan(namespace, ADDRESSES.secondPeerWan, 'eth1', ADDRESSES.cdnSecond);
        await spaces.ip(namespace, `route add ${ADDRESSES.cdn} via ${ADDRESSES.cdnSecond}`);
        return { namespace, address: ADDRESSES.secondPeer };
      },
      async addTap() {
        const tap = `tap${taps++}`;
        await spaces.ip(switchNamespace, `tuntap add dev ${tap} mode tap`);
        await spaces.ip(switchNamespace, `link set ${tap} master br0 up`);
        return tap;
      },
    };
  });
}
