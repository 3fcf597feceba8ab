// Network namespaces of one test, all under one random name: made, cabled, and taken away together.
import { randomBytes } from 'node:crypto';
import { run } from '../lab/process.ts';

export interface Plug {
  /** Its interface; eth0 unless said otherwise. */
  readonly link?: string;
  /** The switch's end; as the namespace is called unless said otherwise. */
  readonly port?: string;
  /** br0 unless said otherwise. */
  readonly bridge?: string;
  /** With the length of its prefix: `10.77.0.2/24`. */
  readonly address: string;
}

export class Namespaces {
  readonly id = `pb-${randomBytes(3).toString('hex')}`;
  readonly #made: string[] = [];

  /** A new one, called `<id>-<part>`. */
  async add(part: string): Promise<string> {
    const name = `${this.id}-${part}`;
    await run('ip', ['netns', 'add', name]);
    this.#made.push(name);
    await this.ip(name, 'link set lo up');
    return name;
  }

  /** `ip <words>` inside. */
  ip(namespace: string, words: string): Promise<string> {
    return run('ip', ['-n', namespace, ...words.split(' ')]);
  }

  /** A switch that forwards from its first packet on; without snooping, which drops multicast that nobody asked a querier for. */
  async addBridge(hub: string, bridge = 'br0'): Promise<void> {
    await this.ip(hub, `link add ${bridge} type bridge forward_delay 0 mcast_snooping 0`);
    await this.ip(hub, `link set ${bridge} up`);
  }

  /** A cable from `link` of one to `farLink` of the other, both ends down. */
  async cable(namespace: string, link: string, far: string, farLink: string): Promise<void> {
    await this.ip(namespace, `link add ${link} type veth peer name ${farLink} netns ${far}`);
  }

  /** A cable to a bridge, up at both ends. */
  async plug(namespace: string, hub: string, options: Plug): Promise<void> {
    const { link = 'eth0', port = namespace.slice(this.id.length + 1), bridge = 'br0', address } = options;
    await this.cable(namespace, link, hub, port);
    await this.ip(hub, `link set ${port} master ${bridge} up`);
    await this.ip(namespace, `addr add ${address} brd + dev ${link}`);
    await this.ip(namespace, `link set ${link} up`);
  }

  /** With all that is in them. */
  async remove(): Promise<void> {
    for (const name of this.#made.splice(0).reverse())
      await run('ip', ['netns', 'del', name]).catch(() => '');
  }
}

/** What `build` makes, and how to take it away; a build that fails leaves nothing. */
export async function inNamespaces<T>(
  build: (spaces: Namespaces) => Promise<T>,
): Promise<T & { remove(): Promise<void> }> {
  const spaces = new Namespaces();
  try {
    return { ...(await build(spaces)), remove: () => spaces.remove() };
  } catch (error) {
    await spaces.remove();
    throw error;
  }
}
