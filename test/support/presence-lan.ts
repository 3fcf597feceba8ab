// Hosts on one or two LANs, each a network namespace, for tests of presence.
import { run } from '../lab/process.ts';
import { inNamespaces } from './namespaces.ts';

export interface PresenceLan {
  /** A namespace with eth1 on LAN 1 (10.77.31.x), eth2 on LAN 2 (10.77.32.x), as asked. */
  host(name: string, number: number, lans: readonly (1 | 2)[]): Promise<string>;
  /** Takes the cable out of the switch, or puts it back. */
  cable(name: string, lan: 1 | 2, state: 'up' | 'down'): Promise<void>;
  /** Its multicast reaches nobody, and nobody's reaches it. */
  dropMulticast(name: string): Promise<void>;
  remove(): Promise<void>;
}

export function addressOf(number: number, lan: 1 | 2): string {
  return `10.77.3${lan}.${number}`;
}

export function createPresenceLan(): Promise<PresenceLan> {
  return inNamespaces(async (spaces) => {
    const hub = await spaces.add('hub');
    for (const lan of [1, 2]) await spaces.addBridge(hub, `br${lan}`);
    return {
      async host(name: string, number: number, lans: readonly (1 | 2)[]) {
        const space = await spaces.add(name);
        for (const lan of lans) {
          const [link, bridge, port] = [`eth${lan}`, `br${lan}`, `${name}-${lan}`];
          await spaces.plug(space, hub, { link, bridge, port, address: `${addressOf(number, lan)}/24` });
        }
        return space;
      },
      async cable(name: string, lan: 1 | 2, state: 'up' | 'down') {
        await spaces.ip(hub, `link set ${name}-${lan} ${state}`);
      },
      async dropMulticast(name: string) {
        const rules =
          'table ip pb { chain in { type filter hook input priority 0; ip daddr 224.0.0.0/4 drop; }; chain out { type filter hook output priority 0; ip daddr 224.0.0.0/4 drop; }; }';
        await run('ip', ['netns', 'exec', `${spaces.id}-${name}`, 'nft', rules]);
      },
    };
  });
}
