// A whole site in virtual time: its machines, its WAN line, what befalls them, and who watches.
import type { Ipv4 } from '../base/addresses.ts';
import { type Random, randomInt, seededRandom } from '../base/random.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { Row } from '../swarm/line-ports.ts';
import { DEFAULT_SITE_PORT, type PeerId, type PeerRole } from '../swarm/site.ts';
import { Checks } from './checks.ts';
import { makeImage, type SimImage } from './image.ts';
import { type CardRates, Host, Network } from './network.ts';
import { type Parts, SimNode } from './node.ts';
import { type Observer, SILENT, together } from './observer.ts';
import type { BytesPerMs } from './pipes.ts';
import { BeaconSegment, Oracle } from './presence.ts';
import { EventQueue } from './queue.ts';
import { Repairs } from './repair.ts';
import { Spending } from './spending.ts';
import { READ_MS, Wan } from './wan.ts';

export interface MachineSpec {
  readonly name: string;
  readonly role: PeerRole;
  readonly card: CardRates;
  readonly startMs: MonotonicMs;
  /** Wants the image for itself. */
  readonly consumes: boolean;
  /** Has the image from the start. */
  readonly stocked?: boolean;
  readonly tags?: readonly string[];
}

export interface WorldSpec {
  readonly seed: number;
  readonly image: {
    readonly chunks: number;
    readonly chunkBytes: number;
    readonly variation: number;
  };
  readonly lan: { readonly delayMs: number; readonly loss: number };
  /** `limit`: what the site may take of it, bytes per second. */
  readonly wan: { readonly rate: BytesPerMs; readonly delayMs: number; readonly limit?: number };
  readonly diskBytesPerMs: number;
  readonly presence: 'beacon' | 'oracle';
  readonly machines: readonly MachineSpec[];
}

/** An agent needs about so long from the network's being up to its first chunk. */
export const READY_MS = 1000;
/** So long nothing may move while somebody waits for a chunk that can be had. */
const PATIENCE_MS = 20_000;
/** After so long a site should know what it holds: several beats of the beacon. */
const KNOWN_MS = 4000;
/** Events at one and the same moment: more is an endless conversation. */
const MOST_AT_ONCE = 200_000;

export class World {
  readonly queue = new EventQueue();
  readonly network: Network;
  readonly wan: Wan;
  readonly image: SimImage;
  readonly nodes: readonly SimNode[];
  readonly checks: Checks;
  readonly repairs: Repairs;
  readonly spending: Spending;
  readonly random: Random;
  /** Machines that have to finish. */
  readonly awaited = new Set<SimNode>();
  /** Until then something is broken from outside: standing still is no fault. */
  excusedUntilMs: MonotonicMs = 0;
  readonly #byId = new Map<PeerId, SimNode>();
  readonly #observer: Observer;
  readonly #finished: ((node: SimNode) => void)[] = [];

  constructor(spec: WorldSpec, parts: Parts, observers: readonly Observer[] = []) {
    const { seed } = spec;
    this.random = seededRandom(seed * 7919 + 17);
    this.image = makeImage({ ...spec.image, seed });
    this.network = new Network({ queue: this.queue, ...spec.lan, seed: seed * 31 + 1 });
    this.wan = new Wan(this.network, spec.wan.rate, spec.wan.delayMs);
    this.checks = new Checks(
      this.image,
      () => this.queue.nowMs,
      (id) => this.nameOf(id),
      (id, row, crosser) => this.#siteHas(id, row, crosser),
    );
    const presence = spec.presence === 'beacon' ? new BeaconSegment() : new Oracle();
    this.repairs = new Repairs(
      () => this.queue.nowMs,
      () => this.nodes,
      (what) => this.checks.violate('repair', what),
    );
    this.spending = new Spending(
      spec.wan.limit ?? null,
      spec.wan.rate * READ_MS,
      () => this.queue.nowMs,
      (what) => this.checks.violate('budget', what),
    );
    const observer = together([
      this.checks,
      { ...SILENT, kept: (node) => this.repairs.kept(node) },
      ...observers,
    ]);
    this.#observer = observer;
    this.nodes = spec.machines.map((machine, i) => {
      const id = peerId(this.random);
      const node = new SimNode({
        network: this.network,
        host: this.network.add(new Host(machine.name, machine.card)),
        self: { id, address: `10.77.${i >> 8}.${i & 255}` as Ipv4, port: DEFAULT_SITE_PORT },
        role: machine.role,
        tags: machine.tags ?? [],
        image: this.image,
        wan: this.wan,
        wanLimit: spec.wan.limit ?? null,
        observer,
        presence: presence.create,
        parts,
        random: seededRandom(seed * 100_003 + i),
        find: (ref) => this.#byId.get(ref.id),
        consumes: machine.consumes,
        readyMs: READY_MS,
        diskBytesPerMs: spec.diskBytesPerMs,
        durable: machine.role === 'peer',
        onRead: ({ id, name }, bytes) => this.spending.read(id, name, bytes),
        onFinished: (finished) => {
          this.repairs.finished(finished.id);
          this.awaited.delete(finished);
          for (const listener of this.#finished) listener(finished);
        },
      });
      this.#byId.set(id, node);
      if (machine.stocked === true) node.stock();
      if (machine.consumes) this.awaited.add(node);
      this.queue.at(machine.startMs, () => this.start(node));
      return node;
    });
  }

  /** Somebody reachable has offered the chunk for long enough that the site may know, or is fetching it. */
  #siteHas(id: PeerId, row: Row, crosser: PeerId | undefined): boolean {
    const own = this.#byId.get(id)?.host;
    return this.nodes.some(
      (node) =>
        node.host !== own &&
        node.host.part === own?.part &&
        (node.offers(row, KNOWN_MS) || (node.id === crosser && node.driver()?.crosses(row) === true)),
    );
  }

  nameOf(id: PeerId): string {
    return this.#byId.get(id)?.name ?? id;
  }

  node(id: PeerId): SimNode | undefined {
    return this.#byId.get(id);
  }

  onFinished(listener: (node: SimNode) => void): void {
    this.#finished.push(listener);
  }

  start(node: SimNode): void {
    if (node.running) return;
    this.repairs.trouble();
    this.repairs.restarted(node.id);
    node.start();
    this.checks.restarted(node.id, (row) => node.holds(row));
    this.checks.moved();
  }

  lose(node: SimNode, row: Row): void {
    node.lose(row);
    this.checks.lost(node.id, row);
  }

  /** Something befalls the site: for the trace. */
  tell(what: string): void {
    this.#observer.befell(what);
  }

  /** What happens now is nobody's fault for so long. */
  excuse(forMs: number): void {
    this.excusedUntilMs = Math.max(this.excusedUntilMs, this.queue.nowMs + forMs);
    this.spending.excuse(forMs);
  }

  /** Until all awaited machines have finished, nothing moves any more, or the limit. */
  run(limitMs: MonotonicMs, onTick?: (world: World) => void): void {
    const { queue, checks } = this;
    let at = -1;
    let atOnce = 0;
    let nextTick = 0;
    while (this.awaited.size > 0) {
      if (!queue.next()) break;
      const now = queue.nowMs;
      if (now === at) {
        if (++atOnce > MOST_AT_ONCE) {
          checks.violate('endless', `${atOnce} events at ${Math.round(now)} ms`);
          return;
        }
        continue;
      }
      at = now;
      atOnce = 0;
      if (now < nextTick) continue;
      nextTick = now + 250;
      onTick?.(this);
      if (now > limitMs) break;
      if (now - Math.max(checks.progressMs, this.excusedUntilMs) > PATIENCE_MS) {
        checks.violate('standstill', `nothing has moved for ${PATIENCE_MS / 1000} s`);
        break;
      }
    }
    this.repairs.end();
    for (const node of this.awaited)
      checks.violate('unfinished', `${node.name} has ${node.held} of ${this.image.rows} chunks`);
  }
}

function peerId(random: Random): PeerId {
  const half = () =>
    randomInt(random, 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return half() + half();
}
