// A whole estate of sites: each kind is simulated once and counts for all its sites; long images are run in part.
import type { Row } from '../swarm/line-ports.ts';
import type { PeerId } from '../swarm/site.ts';
import type { Parts } from './node.ts';
import { SILENT } from './observer.ts';
import type { SiteKind, Topology } from './topology.ts';
import { type MachineSpec, READY_MS, World } from './world.ts';

export interface KindResult {
  readonly kind: SiteKind;
  /** From being switched on to the last chunk. */
  readonly medianMs: number;
  readonly lastMs: number;
  /** Over the WAN line of one site. */
  readonly wanBytesPerSite: number;
  /** If each machine fetched the image from the CDN by itself. */
  readonly cdnMs: number;
  readonly cdnBytesPerSite: number;
  /** Chunks that were run, of those that the image has. */
  readonly chunksRun: number;
  readonly chunks: number;
  readonly violations: number;
}

export interface EstateResult {
  readonly kinds: readonly KindResult[];
  readonly sites: number;
  readonly endpoints: number;
  /** All that leaves the origin: children of a parent office fetch from that office. */
  readonly originBytes: number;
  readonly cdnOriginBytes: number;
  readonly lastMs: number;
}

/** Transfers of chunks that are simulated in all: what fits in well under a minute. */
const MOST_TRANSFERS = 500_000;
const LEAST_CHUNKS = 24;
const SETTLED_MS = 5000;
const BYTES_PER_MS_OF_MBIT = 125;

export function runEstate(
  topology: Topology,
  parts: Parts,
  seed: number,
  onKind: (name: string, done: number) => void = () => {},
): EstateResult {
  const known = new Map<string, KindResult>();
  const results = topology.kinds.map((kind, i) => {
    onKind(kind.name, i);
    const rate = wanMbit(kind, topology) * BYTES_PER_MS_OF_MBIT;
    const key = JSON.stringify([{ ...kind, name: '', sites: 0 }, rate]);
    const before = known.get(key);
    if (before !== undefined) return { ...before, kind };
    const result = runKind(kind, topology, rate, parts, seed);
    known.set(key, result);
    return result;
  });
  const sum = (value: (result: KindResult) => number) =>
    results.reduce((total, result) => total + value(result) * result.kind.sites, 0);
  return {
    kinds: results,
    sites: sum(() => 1),
    endpoints: sum(({ kind }) => kind.targets + kind.peers),
    originBytes: sum(({ kind, wanBytesPerSite }) => (kind.parent === undefined ? wanBytesPerSite : 0)),
    cdnOriginBytes: sum(({ cdnBytesPerSite }) => cdnBytesPerSite),
    lastMs: Math.max(...results.map(({ lastMs }) => lastMs)),
  };
}

/** What reaches one site when all begin at once: its own line, and its part of what its parent and the origin can send. */
function wanMbit(kind: SiteKind, topology: Topology): number {
  const { kinds, originMbit } = topology;
  const sitesOf = (which: (one: SiteKind) => boolean) =>
    kinds.filter(which).reduce((total, { sites }) => total + sites, 0);
  const parent = kinds.find(({ name }) => name === kind.parent);
  if (parent === undefined) {
    const askers = sitesOf((one) => one.parent === undefined && one.preseeded === 0);
    return Math.min(kind.wanMbit, originMbit === undefined ? Number.POSITIVE_INFINITY : originMbit / askers);
  }
  const children = Math.ceil(sitesOf((one) => one.parent === parent.name) / parent.sites);
  const share = (parent.uplinkMbit ?? parent.wanMbit) / children;
  // What the office does not have yet, it fetches at the pace of its own line.
  const reaches = parent.preseeded > 0 ? Number.POSITIVE_INFINITY : wanMbit(parent, topology);
  return Math.min(kind.wanMbit, share, reaches);
}

function runKind(kind: SiteKind, topology: Topology, rate: number, parts: Parts, seed: number): KindResult {
  const bytes = topology.image.storedGB * 1e9;
  const chunkBytes = topology.image.chunkMB * 1e6;
  const chunks = Math.max(1, Math.round(bytes / chunkBytes));
  const budget = MOST_TRANSFERS / topology.kinds.length / (kind.targets + 1);
  const chunksRun = Math.min(chunks, Math.max(LEAST_CHUNKS, Math.floor(budget)));
  const half = Math.floor(chunksRun / 2);
  const halfAt = new Map<PeerId, number>();
  const heldRows = new Map<PeerId, number>();
  let world: World | undefined;
  const kept = (node: PeerId, _row: Row) => {
    const held = (heldRows.get(node) ?? 0) + 1;
    heldRows.set(node, held);
    if (held === half) halfAt.set(node, world?.queue.nowMs ?? 0);
  };
  world = new World(
    {
      seed,
      image: { chunks: chunksRun, chunkBytes, variation: 0.02 },
      lan: { delayMs: 0.2, loss: 0 },
      wan: { rate, delayMs: kind.wanDelayMs },
      diskBytesPerMs: kind.diskMBps === undefined ? Number.POSITIVE_INFINITY : kind.diskMBps * 1000,
      presence: 'oracle',
      machines: machinesOf(kind),
    },
    parts,
    [{ ...SILENT, kept }],
  );
  const narrowest = Math.min(rate, kind.lanMbit * BYTES_PER_MS_OF_MBIT) / (kind.slow > 0 ? 10 : 1);
  world.run(SETTLED_MS + READY_MS + (20 * kind.targets * chunksRun * chunkBytes) / narrowest + 600_000);
  const finishes = world.nodes
    .filter(({ role }) => role === 'target')
    .map((node) => {
      const end = node.finishedMs ?? Number.NaN;
      // The rest of a long image goes on at the pace of the second half of what was run.
      const pace = half === 0 ? 0 : (end - (halfAt.get(node.id) ?? end)) / (chunksRun - half);
      return end - (node.startedMs ?? 0) + (chunks - chunksRun) * pace;
    })
    .sort((a, b) => a - b);
  const cdnBytesPerSite = kind.targets * bytes;
  return {
    kind,
    medianMs: finishes[(finishes.length - 1) >> 1] as number,
    lastMs: finishes.at(-1) as number,
    wanBytesPerSite: (world.checks.wanTotal / world.image.bytes) * bytes,
    cdnMs:
      cdnBytesPerSite / Math.min(cdnRate(kind, topology), kind.targets * kind.lanMbit * BYTES_PER_MS_OF_MBIT),
    cdnBytesPerSite,
    chunksRun,
    chunks,
    violations: world.checks.violations.length,
  };
}

/** Everybody from the CDN: the origin is shared by machines, so by sites in proportion to theirs. */
function cdnRate(kind: SiteKind, { kinds, originMbit }: Topology): number {
  const machines = kinds.reduce((total, { sites, targets }) => total + sites * targets, 0);
  const share = originMbit === undefined ? kind.wanMbit : (originMbit * kind.targets) / machines;
  return Math.min(kind.wanMbit, share) * BYTES_PER_MS_OF_MBIT;
}

function machinesOf(kind: SiteKind): MachineSpec[] {
  const rate = kind.lanMbit * BYTES_PER_MS_OF_MBIT;
  const card = (share = 1) => ({ up: rate * share, down: rate * share, halfDuplex: kind.halfDuplex });
  const peers = Array.from({ length: kind.peers }, (_, i): MachineSpec => {
    const stocked = i < kind.preseeded;
    return { name: `p${i + 1}`, role: 'peer', card: card(), startMs: i, consumes: false, stocked };
  });
  const targets = Array.from({ length: kind.targets }, (_, i): MachineSpec => {
    const startMs = SETTLED_MS + i * 10;
    return {
      name: `t${i + 1}`,
      role: 'target',
      card: card(i < kind.slow ? 0.1 : 1),
      startMs,
      consumes: true,
    };
  });
  return [...peers, ...targets];
}
