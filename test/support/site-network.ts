// A site of many endpoints on equal shaped links, in namespaces of its own: one switch, one shaped and counted WAN line.
import { randomBytes } from 'node:crypto';
import { run } from '../lab/process.ts';

/** One endpoint: its network namespace, and its address on the switch. */
export interface SiteEndpoint {
  readonly namespace: string;
  readonly address: string;
}

export interface SiteNetwork {
  readonly id: string;
  readonly endpoints: readonly SiteEndpoint[];
  /** The far end of the WAN line: origins and the parent office live here, told apart by their ports. */
  readonly head: SiteEndpoint;
  /** Both ways, from now on; undefined: as fast as the machine goes. */
  shape(endpoint: SiteEndpoint, megabitsPerSecond: number | undefined): Promise<void>;
  shapeWan(megabitsPerSecond: number | undefined): Promise<void>;
  /** Silence both ways, as of a cut cable far away: nobody is told that nothing arrives. */
  cutWan(): Promise<void>;
  mendWan(): Promise<void>;
  /** Bytes that came down the WAN line so far, with their headers. */
  wanBytes(): Promise<number>;
  /** Bytes that the endpoint has sent and received so far, with their headers. */
  traffic(endpoint: SiteEndpoint): Promise<{ readonly sent: number; readonly received: number }>;
  remove(): Promise<void>;
}

export interface SiteNetworkOptions {
  readonly endpoints: number;
  /** Of every endpoint's link, each way. */
  readonly linkMegabits?: number;
  readonly wanMegabits?: number;
}

/** 10.77.0.1 is the router, endpoints follow from 10.77.0.11, head office is 10.77.200.1. */
const LAN = '10.77.0';
const ROUTER_WAN = '10.77.200.2';
const HEAD = '10.77.200.1';

/** One burst is one large segment as the kernel hands it over, so that nothing must be cut smaller on the way. */
const BURST_BYTES = 64 * 1024;
/** What waits in front of a full link before packets are dropped: an ordinary switch's memory for one port. */
const QUEUE_BYTES = 512 * 1024;

interface Interface {
  readonly namespace: string;
  readonly device: string;
}

async function shapeOne({ namespace, device }: Interface, megabitsPerSecond: number | undefined) {
  if (megabitsPerSecond === undefined) {
    await run('tc', ['-n', namespace, 'qdisc', 'replace', 'dev', device, 'root', 'pfifo_fast']);
    return;
  }
  const rate = ['rate', `${megabitsPerSecond}mbit`, 'burst', `${BURST_BYTES}`, 'limit', `${QUEUE_BYTES}`];
  await run('tc', ['-n', namespace, 'qdisc', 'replace', 'dev', device, 'root', 'tbf', ...rate]);
}

interface LinkFacts {
  readonly stats64: { readonly rx: { readonly bytes: number }; readonly tx: { readonly bytes: number } };
}

async function counters({ namespace, device }: Interface) {
  const out = await run('ip', ['-n', namespace, '-j', '-s', 'link', 'show', 'dev', device]);
  const [facts] = JSON.parse(out) as [LinkFacts];
  return { sent: facts.stats64.tx.bytes, received: facts.stats64.rx.bytes };
}

/** All in namespaces below 10.77.0.0/16; `remove` takes everything away, and a failed creation leaves nothing. */
export async function createSiteNetwork(options: SiteNetworkOptions): Promise<SiteNetwork> {
  const id = `pb-${randomBytes(3).toString('hex')}`;
  const name = (part: string) => `${id}-${part}`;
  const [hub, router, cdn] = [name('hub'), name('gw'), name('cdn')];
  const endpoints = Array.from({ length: options.endpoints }, (_, index) => ({
    namespace: name(`e${index + 1}`),
    address: `${LAN}.${11 + index}`,
  }));
  const head = { namespace: cdn, address: HEAD };
  const ip = (namespace: string, words: string) => run('ip', ['-n', namespace, ...words.split(' ')]);
  const port = (endpoint: SiteEndpoint) => endpoint.namespace.slice(id.length + 1);

  const made: string[] = [];
  const remove = async () => {
    for (const namespace of made.splice(0).reverse())
      await run('ip', ['netns', 'del', namespace]).catch(() => '');
  };
  const plug = async (namespace: string, hubPort: string, address: string) => {
    await ip(namespace, `link add eth0 type veth peer name ${hubPort} netns ${hub}`);
    await ip(hub, `link set ${hubPort} master br0 up`);
    await ip(namespace, `addr add ${address}/24 brd + dev eth0`);
    await ip(namespace, 'link set eth0 up');
  };
  const shape = async (endpoint: SiteEndpoint, megabits: number | undefined) => {
    await shapeOne({ namespace: endpoint.namespace, device: 'eth0' }, megabits);
    await shapeOne({ namespace: hub, device: port(endpoint) }, megabits);
  };
  const shapeWan = async (megabits: number | undefined) => {
    await shapeOne({ namespace: cdn, device: 'eth0' }, megabits);
    await shapeOne({ namespace: router, device: 'wan0' }, megabits);
  };

  try {
    for (const namespace of [hub, router, cdn, ...endpoints.map((endpoint) => endpoint.namespace)]) {
      await run('ip', ['netns', 'add', namespace]);
      made.push(namespace);
      await ip(namespace, 'link set lo up');
    }
    // Snooping would drop multicast that nobody has asked a querier for: a plain switch sends it everywhere.
    await ip(hub, 'link add br0 type bridge forward_delay 0 mcast_snooping 0');
    await ip(hub, 'link set br0 up');
    await plug(router, 'gw', `${LAN}.1`);
    for (const endpoint of endpoints) {
      await plug(endpoint.namespace, port(endpoint), endpoint.address);
      await ip(endpoint.namespace, `route add default via ${LAN}.1`);
      if (options.linkMegabits !== undefined) await shape(endpoint, options.linkMegabits);
    }
    await ip(router, `link add wan0 type veth peer name eth0 netns ${cdn}`);
    await ip(router, `addr add ${ROUTER_WAN}/24 dev wan0`);
    await ip(router, 'link set wan0 up');
    await ip(cdn, `addr add ${HEAD}/24 dev eth0`);
    await ip(cdn, 'link set eth0 up');
    await ip(cdn, `route add ${LAN}.0/24 via ${ROUTER_WAN}`);
    await run('ip', ['netns', 'exec', router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    if (options.wanMegabits !== undefined) await shapeWan(options.wanMegabits);
  } catch (error) {
    await remove();
    throw error;
  }

  return {
    id,
    endpoints,
    head,
    shape,
    shapeWan,
    // Looked at before any route; what is for the router itself (priority 0) still arrives.
    cutWan: () => ip(router, 'rule add priority 1 blackhole').then(() => {}),
    mendWan: () => ip(router, 'rule del priority 1').then(() => {}),
    wanBytes: async () => (await counters({ namespace: router, device: 'wan0' })).received,
    traffic: (endpoint) => counters({ namespace: endpoint.namespace, device: 'eth0' }),
    remove,
  };
}
