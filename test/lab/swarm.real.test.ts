// Several idle machines with slow uplinks hold an image, a fast one wants it: chosen by what was measured, with real processes.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LineContent, makeLineContent } from '../support/line-content.ts';
import type { LineProcessOptions } from '../support/line-process.ts';
import { type LineMember, startLineMember, wrongRows } from '../support/line-site.ts';
import { createSiteNetwork, type SiteNetwork } from '../support/site-network.ts';
import { until } from '../support/until.ts';
import { CACHE } from './lab.ts';
import { type Cdn, startCdn } from './parts.ts';

const ROWS = 40;
const CHUNK_BYTES = 160_000;
const CONTENT_BYTES = ROWS * CHUNK_BYTES;
const HOLDER_MEGABITS = 20;
const FAST_MEGABITS = 100;
const HOLDERS = 3;
/** Chunks that each of the two survivors had asked of the one that was killed: they may be asked of the WAN again. */
const UNDER_WAY = 2 * 8;
/** Processes on two cores that others use, too. */
const DONE_MS = 30_000;
const SIGHT_MS = 15_000;

let folder: string;
let content: LineContent;
let network: SiteNetwork;
let cdn: Cdn;
const all: LineMember[] = [];
beforeAll(async () => {
  mkdirSync(join(CACHE, 'lab'), { recursive: true });
  folder = mkdtempSync(join(CACHE, 'lab', 'swarm-'));
  content = makeLineContent(folder, ROWS, CHUNK_BYTES);
  network = await createSiteNetwork({ endpoints: HOLDERS + 1, linkMegabits: FAST_MEGABITS, wanMegabits: 40 });
  cdn = await startCdn({ cdnNamespace: network.head.namespace }, folder, content.tree, {
    address: network.head.address,
  });
});
afterAll(async () => {
  await end(all);
  await cdn?.stop();
  await network?.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function begin(
  index: number,
  options: Partial<LineProcessOptions>,
  others: number,
): Promise<LineMember> {
  const at = network.endpoints[index];
  if (at === undefined) throw new Error(`no endpoint ${index}`);
  const own = mkdtempSync(join(folder, 'machine-'));
  const member = await startLineMember(at, content, { folder: own, sources: [], ...options });
  all.push(member);
  await member.sees(others, SIGHT_MS);
  return member;
}

const end = (members: readonly LineMember[]) =>
  Promise.all(members.map((member) => member.process.stop('SIGKILL')));

/** The machine's log on a failure, without its rows. */
const told = (member: LineMember) =>
  member.process.log.lines.filter((line) => !line.includes('"event":"row"')).join('\n');
const says = (member: LineMember, ...words: readonly string[]) =>
  member.process.log.lines.some((line) => words.every((word) => line.includes(word)));
const isWhole = (member: LineMember) => {
  const rows = member.rows().map(({ row }) => row);
  return new Set(rows).size === rows.length && wrongRows(member.folder, content).length === 0;
};

async function fetchMs(member: LineMember): Promise<number> {
  const fromMs = Date.now();
  member.go();
  return (await member.done(DONE_MS)) - fromMs;
}

describe('three holders with slow uplinks and one fast machine', () => {
  let lineMs: number;
  let holders: LineMember[];
  beforeAll(async () => {
    for (const endpoint of network.endpoints.slice(0, HOLDERS))
      await network.shape(endpoint, HOLDER_MEGABITS);
    const indices = Array.from({ length: HOLDERS }, (_, index) => index);
    holders = await Promise.all(
      indices.map((index) => begin(index, { holdsFile: content.file }, HOLDERS - 1)),
    );
  });

  it('take the line while their speeds are unknown', async () => {
    const fast = await begin(HOLDERS, {}, HOLDERS);
    lineMs = await fetchMs(fast);
    expect(says(fast, '"strategy":"line"', 'speeds are unknown'), told(fast)).toBe(true);
    expect(isWhole(fast)).toBe(true);
    await end([fast]);
  });

  it('take the swarm once they are known, and are far ahead of the line even when one of them is killed', async () => {
    const fast = await begin(HOLDERS, {}, HOLDERS);
    const before = await network.traffic(fast.at);
    const fromMs = Date.now();
    fast.go();
    await until(() => fast.rows().length >= 0.4 * ROWS, { timeoutMs: DONE_MS, what: 'it has 40 %' });
    holders[0]?.signal('SIGKILL');
    const swarmMs = (await fast.done(DONE_MS)) - fromMs;
    expect(says(fast, '"strategy":"swarm"', 'no single uplink fills the link'), told(fast)).toBe(true);
    expect(isWhole(fast)).toBe(true);
    // Three uplinks, then two, in the place of one.
    expect(swarmMs / lineMs, `${swarmMs} ms against ${lineMs} ms\n${told(fast)}`).toBeLessThan(0.7);
    const { received } = await network.traffic(fast.at);
    // Headers, beacons, and what was on its way from the one that died; nothing that had come came again.
    expect(received - before.received).toBeLessThan(1.1 * CONTENT_BYTES + 2 * CHUNK_BYTES);
    await end([fast, ...holders]);
  });
});

describe('a site told to be a swarm', () => {
  it('takes one copy over the WAN, also when the one that crosses it is killed', async () => {
    const three = network.endpoints.slice(0, 3);
    for (const endpoint of three) await network.shape(endpoint, FAST_MEGABITS);
    const before = await network.wanBytes();
    const options: Partial<LineProcessOptions> = { strategy: 'swarm', sources: [cdn.base] };
    const members = await Promise.all(three.map((_, index) => begin(index, options, three.length - 1)));
    for (const member of members) member.go();
    const first = await until(() => members.find((member) => says(member, '"what":"crossing-wan"')), {
      timeoutMs: DONE_MS,
      what: 'somebody crosses the WAN',
    });
    await until(() => first.rows().length >= 0.4 * ROWS, { timeoutMs: DONE_MS, what: 'it has 40 %' });
    first.signal('SIGKILL');
    const rest = members.filter((member) => member !== first);
    await first.process.exited;
    const left = new Set(rest.flatMap((member) => member.rows().map(({ row }) => row)));
    const lost = first.rows().filter(({ row }) => !left.has(row)).length;
    await Promise.all(rest.map((member) => member.done(DONE_MS)));
    for (const member of rest) expect(isWhole(member), told(member)).toBe(true);
    // What only the killed one had goes over the WAN again, and what was under way to it.
    const wanBytes = (await network.wanBytes()) - before;
    console.info(`${(wanBytes / CONTENT_BYTES).toFixed(2)} × over the WAN, ${lost} chunks were lost`);
    expect(wanBytes / CONTENT_BYTES).toBeLessThan(1.06 + ((lost + UNDER_WAY) * CHUNK_BYTES) / CONTENT_BYTES);
    await end(members);
  });
});
