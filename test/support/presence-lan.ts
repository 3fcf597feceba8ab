// Hosts on one or two LANs, each a network namespace, for tests of presence.
import { randomBytes } from 'node:crypto';
import { run } from '../lab/process.ts';
import { layCable } from './veth.ts';

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

export async function createPresenceLan(): Promise<PresenceLan> {
  const id = `pb-${randomBytes(3).toString('hex')}`;
  const hub = `${id}-hub`;
  const made: string[] = [];
  const ip = (...words: string[]) => run('ip', words);
  const namespace = async (name: string) => {
    await ip('netns', 'add', name);
    made.push(name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
    return name;
  };
  const remove = async () => {
    for (const name of made.reverse()) await ip('netns', 'del', name).catch(() => '');
  };
  try {
    await namespace(hub);
    for (const lan of [1, 2]) {
      await ip('-n', hub, 'link', 'add', `br${lan}`, 'type', 'bridge', 'forward_delay', '0');
      await ip('-n', hub, 'link', 'set', `br${lan}`, 'up');
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    async host(name, number, lans) {
      const space = await namespace(`${id}-${name}`);
      for (const lan of lans) {
        const port = `${name}-${lan}`;
        await layCable(space, `eth${lan}`, hub, port);
        await ip('-n', hub, 'link', 'set', port, 'master', `br${lan}`, 'up');
        await ip('-n', space, 'addr', 'add', `${addressOf(number, lan)}/24`, 'brd', '+', 'dev', `eth${lan}`);
        await ip('-n', space, 'link', 'set', `eth${lan}`, 'up');
      }
      return space;
    },
    async cable(name, lan, state) {
      await ip('-n', hub, 'link', 'set', `${name}-${lan}`, state);
    },
    async dropMulticast(name) {
      const rules =
        'table ip pb { chain in { type filter hook input priority 0; ip daddr 224.0.0.0/4 drop; }; chain out { type filter hook output priority 0; ip daddr 224.0.0.0/4 drop; }; }';
      await ip('netns', 'exec', `${id}-${name}`, 'nft', rules);
    },
    remove,
  };
}
