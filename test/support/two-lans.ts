// Two LANs in namespaces of their own: one peer on both, on each a client's place, and a DHCP server's on both.
import { inNamespaces } from './namespaces.ts';

export interface TwoLans {
  /** Its interfaces are lan1 and lan2: 10.77.11.2 and 10.77.12.2. */
  readonly peer: string;
  /** 10.77.11.9 and 10.77.12.9, each on eth0. */
  readonly clients: readonly [string, string];
  /** 10.77.11.1 on eth0, 10.77.12.1 on eth1. */
  readonly dhcpServer: string;
  remove(): Promise<void>;
}

export function createTwoLans(): Promise<TwoLans> {
  return inNamespaces(async (spaces) => {
    const hub = await spaces.add('hub');
    for (const bridge of ['br1', 'br2']) await spaces.addBridge(hub, bridge);
    const plug = (namespace: string, link: string, lan: 1 | 2, host: number) => {
      const port = `${namespace.slice(spaces.id.length + 1)}-${link}`;
      return spaces.plug(namespace, hub, {
        link,
        port,
        bridge: `br${lan}`,
        address: `10.77.1${lan}.${host}/24`,
      });
    };
    const peer = await spaces.add('peer');
    await plug(peer, 'lan1', 1, 2);
    await plug(peer, 'lan2', 2, 2);
    // The way out lies on the first LAN, so that broadcasts of the second one would go astray if routes decided.
    await spaces.ip(peer, 'route add default via 10.77.11.1');
    const dhcpServer = await spaces.add('dhcp');
    await plug(dhcpServer, 'eth0', 1, 1);
    await plug(dhcpServer, 'eth1', 2, 1);
    const client = async (lan: 1 | 2) => {
      const name = await spaces.add(`c${lan}`);
      await plug(name, 'eth0', lan, 9);
      await spaces.ip(name, 'route add 255.255.255.255 dev eth0');
      return name;
    };
    return { peer, dhcpServer, clients: [await client(1), await client(2)] as const };
  });
}
