// The site as one peer sees it: its own lines and facts, and those that the others tell it by HTTP.
import { type LineView, PeerFacts, type ReplicaView, type SitePeerView, type SiteView } from '../api/site.ts';
import type { Ipv4 } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import { priorityOf } from '../swarm/control.ts';
import { totalsBy } from '../swarm/ledger.ts';
import type { Line, LineImage } from '../swarm/node-ports.ts';
import { imageKey, type Presence, type SitePeer, type UnfitReason } from '../swarm/site.ts';
import type { ControlService } from './control.ts';
import type { WanLedger } from './ledger.ts';
import type { WanGate } from './wan-gate.ts';

/** Port: the JSON that another peer answers for its facts; undefined when it does not answer in time. */
export type AskPeer = (peer: { readonly address: Ipv4; readonly httpPort: number }) => Promise<unknown>;

export interface SiteViewOptions {
  readonly presence: Presence;
  readonly lines: () => readonly Line[];
  readonly control: ControlService;
  readonly gate: WanGate;
  readonly lanLimit: () => number | null;
  readonly ledger: WanLedger;
  readonly replicas: () => readonly ReplicaView[];
  readonly ask: AskPeer;
  readonly self: {
    readonly name: string;
    readonly site: string;
    readonly address: () => string;
    readonly httpPort: () => number;
    readonly tags: () => readonly string[];
    readonly unfit: () => readonly UnfitReason[];
    /** As it is announced. */
    readonly freeUplinkBytesPerSecond: () => number;
  };
  readonly log: Log;
}

export interface SiteViews {
  facts(): PeerFacts;
  /** Asks every peer that has HTTP; one that is silent is shown without its facts. */
  view(): Promise<SiteView>;
}

export function createSiteViews(options: SiteViewOptions): SiteViews {
  const { presence, control, gate, ledger, log, self } = options;
  const sizes = new WeakMap<LineImage, number>();

  function storedBytes(image: LineImage): number {
    const known = sizes.get(image);
    if (known !== undefined) return known;
    let bytes = 0;
    for (let row = 0; row < image.rows; row++) bytes += image.storedBytes(row);
    sizes.set(image, bytes);
    return bytes;
  }

  function lineView({ image, state }: Line): LineView {
    const { strategy, feeder, depth, held, rate, followers, holds, paused } = state();
    const addresses = new Map(presence.peers().map(({ id, address }) => [id, address]));
    return {
      key: imageKey(image.manifest),
      title: image.title,
      rows: image.rows,
      storedBytes: storedBytes(image),
      held,
      ...(feeder === undefined ? {} : { feeder }),
      strategy,
      depth,
      rate: Math.round(rate),
      followers: followers.map((one) => {
        const address = addresses.get(one.id);
        return { ...one, rate: Math.round(one.rate), ...(address === undefined ? {} : { address }) };
      }),
      holds,
      paused,
      priority: priorityOf(control.told().control, image.title),
    };
  }

  function facts(): PeerFacts {
    return {
      id: presence.self,
      name: self.name,
      site: self.site,
      paused: control.told().control.paused,
      wanLimit: gate.limit(),
      lanLimit: options.lanLimit(),
      lines: options.lines().map(lineView),
      replicas: [...options.replicas()],
      wan: totalsBy(ledger.rows(), 'title').map(({ title, bytes }) => ({ title, bytes })),
    };
  }

  async function peerView(peer: SitePeer): Promise<SitePeerView> {
    const { id, address, httpPort, role, tags, unfit, freeUplinkBytesPerSecond, holdings } = peer;
    const answer = httpPort === 0 ? undefined : await options.ask({ address, httpPort });
    const parsed = answer === undefined ? undefined : PeerFacts.safeParse(answer);
    if (parsed?.success === false) log.info({ peer: id, what: parsed.error.message }, 'peer tells nonsense');
    // Whoever answers at that address may be another by now: its facts are not this peer's.
    const known = parsed?.data?.id === id ? parsed.data : undefined;
    return {
      ...{ id, address, httpPort, role, freeUplinkBytesPerSecond },
      tags: [...tags],
      unfit: [...unfit],
      holdings: [...holdings],
      ...(known === undefined ? {} : { facts: known }),
    };
  }

  function own(): SitePeerView {
    const known = facts();
    return {
      id: presence.self,
      address: self.address(),
      httpPort: self.httpPort(),
      role: 'peer',
      tags: [...self.tags()],
      unfit: [...self.unfit()],
      freeUplinkBytesPerSecond: self.freeUplinkBytesPerSecond(),
      holdings: known.lines.map(({ key, held, rows }) => ({ image: key, held, of: rows })),
      facts: known,
    };
  }

  return {
    facts,
    async view() {
      const others = await Promise.all(presence.peers().map(peerView));
      const { control: told, wishes } = control.told();
      return {
        site: self.site,
        self: presence.self,
        control: {
          ...told,
          pausedImages: [...told.pausedImages],
          priorities: { ...told.priorities },
          tagged: [...told.tagged],
          untagged: [...told.untagged],
        },
        wishes: wishes.map((wish) => ({ ...wish })),
        peers: [own(), ...others.sort((a, b) => (a.id < b.id ? -1 : 1))],
      };
    },
  };
}
