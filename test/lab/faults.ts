// Frame of the cases of faults: machines of a line as real processes on shaped links, what crossed the WAN, and how long repair took.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type LineContent, makeLineContent } from '../support/line-content.ts';
import type { LineProcessOptions } from '../support/line-process.ts';
import { type LineMember, startLineMember, wrongRows } from '../support/line-site.ts';
import { createSiteNetwork, type SiteNetwork } from '../support/site-network.ts';
import { until } from '../support/until.ts';
import { CACHE } from './lab.ts';
import { type Cdn, startCdn } from './parts.ts';

export const LINK_MEGABITS = 40;
export const ROWS = 96;
export const CHUNK_BYTES = 160_000;
export const CONTENT_BYTES = ROWS * CHUNK_BYTES;
/** Payload in a full frame: what counters of links say is so much more than what was asked for. */
const PAYLOAD_SHARE = 1448 / 1514;
/** What one machine alone needs for the content. */
export const BOUND_MS = ((CONTENT_BYTES * 8) / (LINK_MEGABITS * 1e6) / PAYLOAD_SHARE) * 1000;
const SIGHT_MS = 15_000;
const MACHINES = 4;

export interface FaultSite {
  readonly network: SiteNetwork;
  readonly content: LineContent;
  readonly cdn: Cdn;
  readonly folder: string;
  remove(): Promise<void>;
}

export async function openFaultSite(): Promise<FaultSite> {
  mkdirSync(join(CACHE, 'lab'), { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'lab', 'faults-'));
  const content = makeLineContent(folder, ROWS, CHUNK_BYTES);
  const network = await createSiteNetwork({
    endpoints: MACHINES,
    linkMegabits: LINK_MEGABITS,
    wanMegabits: LINK_MEGABITS,
  });
  const cdn = await startCdn({ cdnNamespace: network.head.namespace }, folder, content.tree, {
    address: network.head.address,
  });
  return {
    network,
    content,
    cdn,
    folder,
    async remove() {
      await cdn.stop();
      await network.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface FaultCase {
  readonly members: readonly LineMember[];
  member(index: number): LineMember;
  /** All that are given, or all, begin to fetch. */
  go(members?: readonly LineMember[]): void;
  /** Resolves when the machine has at least this part of the rows. */
  reaches(member: LineMember, part: number): Promise<void>;
  /** The one that crosses the WAN, as soon as it says so; of those that still run. */
  designated(): Promise<LineMember>;
  /** One that others fetch from, and which does not cross the WAN itself. */
  relay(): Promise<LineMember>;
  /** The same endpoint and folder, in a new process, which begins to fetch. */
  restart(member: LineMember): Promise<LineMember>;
  /** Content bytes that came down the WAN since the case began. */
  wanBytes(): Promise<number>;
}

/** Runs `play` with a process on each endpoint as `setups` says; ends them, whatever happens. */
export async function faultCase(
  site: FaultSite,
  setups: readonly (Partial<LineProcessOptions> | undefined)[],
  play: (fault: FaultCase) => Promise<void>,
): Promise<void> {
  const home = mkdtempSync(join(site.folder, 'case-'));
  const all: LineMember[] = [];
  const startOne = async (index: number, setup: Partial<LineProcessOptions>, folder: string) => {
    const at = site.network.endpoints[index];
    if (at === undefined) throw new Error(`no endpoint ${index}`);
    const member = await startLineMember(at, site.content, { folder, sources: [site.cdn.base], ...setup });
    all.push(member);
    return member;
  };
  try {
    const members = await Promise.all(
      setups.map((setup, index) => startOne(index, setup ?? {}, join(home, String(index)))),
    );
    await Promise.all(members.map((member) => member.sees(members.length - 1, SIGHT_MS)));
    const before = await site.network.wanBytes();
    const says = (member: LineMember, what: string) =>
      member.process.log.lines.some((line) => line.includes(`"what":"${what}"`));
    const alive = () => all.filter((member) => member.isAlive());
    await play({
      members,
      member(index) {
        const found = members[index];
        if (found === undefined) throw new Error(`no machine ${index}`);
        return found;
      },
      go(some = members) {
        for (const member of some) member.go();
      },
      async reaches(member, part) {
        await until(() => member.rows().length >= part * ROWS, {
          timeoutMs: 30_000,
          what: `${member.at.address} has ${part * 100} %`,
        });
      },
      designated: () =>
        until(() => alive().find((member) => says(member, 'crossing-wan') && !says(member, 'left-wan')), {
          timeoutMs: 10_000,
          what: 'somebody crosses the WAN',
        }),
      relay: () =>
        until(
          () =>
            alive().find(
              (member) =>
                says(member, 'follower-came') && says(member, 'attached') && !says(member, 'crossing-wan'),
            ),
          { timeoutMs: 10_000, what: 'somebody in the middle of the line' },
        ),
      async restart(member) {
        await member.process.exited;
        const again = await startOne(
          site.network.endpoints.indexOf(member.at),
          setups[members.indexOf(member)] ?? {},
          member.folder,
        );
        again.go();
        return again;
      },
      wanBytes: async () => ((await site.network.wanBytes()) - before) * PAYLOAD_SHARE,
    });
  } catch (error) {
    const logs = all.map((member) => {
      const lines = member.process.log.lines.filter((line) => !line.includes('"event":"row"'));
      return `${member.at.address} ${member.id}, ${member.rows().length} rows\n${lines.slice(-25).join('\n')}`;
    });
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${logs.join('\n')}`, {
      cause: error,
    });
  } finally {
    await Promise.all(all.map((member) => member.process.stop('SIGKILL')));
    rmSync(home, { recursive: true, force: true });
  }
}

/** Has it all, byte for byte, and took no row twice. */
export function isWhole(site: FaultSite, member: LineMember): boolean {
  const rows = member.rows().map(({ row }) => row);
  return new Set(rows).size === rows.length && wrongRows(member.folder, site.content).length === 0;
}

/** The longest time without a row, from this moment until it had everything. */
export function longestGapMs(member: LineMember, fromMs: number): number {
  const moments = [fromMs, ...member.rows().map(({ atMs }) => atMs)].filter((atMs) => atMs >= fromMs);
  return Math.max(0, ...moments.slice(1).map((atMs, index) => atMs - (moments[index] as number)));
}
