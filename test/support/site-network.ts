// A site of many endpoints on equal shaped links, in namespaces of its own: one switch, one shaped and counted WAN line.
import { run } from '../lab/process.ts';
import { inNamespaces } from './namespaces.ts';

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
/**
 * What Windows and Linux ship with. A machine's own choice shall not count: BBR takes the time of a burst for that of the
 * way, keeps too little in flight, and stands still for 200 ms every ten seconds.
 */
const CONGESTION_CONTROL = 'congctl cubic';
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
  return inNamespaces(async (spaces) => {
    const ip = (namespace: string, words: string) => spaces.ip(namespace, words);
    const [hub, router, cdn] = [await spaces.add('hub'), await spaces.add('gw'), await spaces.add('cdn')];
    const port = (endpoint: SiteEndpoint) => endpoint.namespace.slice(spaces.id.length + 1);
    const shape = async (endpoint: SiteEndpoint, megabits: number | undefined) => {
      await shapeOne({ namespace: endpoint.namespace, device: 'eth0' }, megabits);
      await shapeOne({ namespace: hub, device: port(endpoint) }, megabits);
    };
    const shapeWan = async (megabits: number | undefined) => {
      await shapeOne({ namespace: cdn, device: 'eth0' }, megabits);
      await shapeOne({ namespace: router, device: 'wan0' }, megabits);
    };

    await spaces.addBridge(hub);
    await spaces.plug(router, hub, { address: `${LAN}.1/24` });
    const endpoints: SiteEndpoint[] = [];
    for (let index = 0; index < options.endpoints; index++) {
      const endpoint = { namespace: await spaces.add(`e${index + 1}`), address: `${LAN}.${11 + index}` };
      endpoints.push(endpoint);
      const { namespace, address } = endpoint;
      await spaces.plug(namespace, hub, { address: `${address}/24` });
      const onLink = `${LAN}.0/24 dev eth0 proto kernel scope link src ${address}`;
      await ip(namespace, `route replace ${onLink} ${CONGESTION_CONTROL}`);
      await ip(namespace, `route add default via ${LAN}.1 ${CONGESTION_CONTROL}`);
      if (options.linkMegabits !== undefined) await shape(endpoint, options.linkMegabits);
    }
    await spaces.cable(router, 'wan0', cdn, 'eth0');
    await ip(router, `addr add ${ROUTER_WAN}/24 dev wan0`);
    await ip(router, 'link set wan0 up');
    await ip(cdn, `addr add ${HEAD}/24 dev eth0`);
    await ip(cdn, 'link set eth0 up');
    await ip(cdn, `route add ${LAN}.0/24 via ${ROUTER_WAN} ${CONGESTION_CONTROL}`);
    await run('ip', ['netns', 'exec', router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    if (options.wanMegabits !== undefined) await shapeWan(options.wanMegabits);

    return {
      id: spaces.id,
      endpoints,
      head: { namespace: cdn, address: HEAD },
      shape,
      shapeWan,
      // Looked at before any route; what is for the router itself (priority 0) still arrives.
      cutWan: () => ip(router, 'rule add priority 1 blackhole').then(() => {}),
      mendWan: () => ip(router, 'rule del priority 1').then(() => {}),
      wanBytes: async () => (await counters({ namespace: router, device: 'wan0' })).received,
      traffic: (endpoint: SiteEndpoint) => counters({ namespace: endpoint.namespace, device: 'eth0' }),
    };
  });
}
