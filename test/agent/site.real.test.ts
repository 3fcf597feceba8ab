// Machines being imaged as peers of each other, over loopback: real agents, real lines, presence and disks (files).
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SitePort } from '../../src/agent/ports.ts';
import type { Plan } from '../../src/api/agent.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { equalBytes } from '../../src/base/bytes.ts';
import { silentLog } from '../../src/base/log.ts';
import { beaconSockets } from '../../src/io/beacon-sockets.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createLineSockets } from '../../src/io/line-sockets.ts';
import { createTargetSite } from '../../src/service/target-site.ts';
import { DEFAULT_SITE_PORT } from '../../src/swarm/site.ts';
import { until } from '../support/until.ts';
import { gptImage, removeTrees, type SignedTree, signedTree } from './content.ts';
import { type LabPeer, startLabPeer } from './lab-peer.ts';
import { closeDiskThreads, startTarget, type TestTarget, type TestTargetOptions } from './target.ts';

const MIB = 2 ** 20;
const LIMIT = { timeoutMs: 30_000 };

let signed: SignedTree;
const open: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  signed = await signedTree(gptImage(24 * MIB), { slicesPerChunk: 4 });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await closeDiskThreads();
  removeTrees();
});

const image: Plan = {
  kind: 'image',
  image: { name: 'small', version: '1' },
  disk: { allowNonBlank: false },
  finish: 'stay',
};

interface Shop {
  readonly peer: LabPeer;
  readonly tree: SignedTree;
  target(machine: number, options?: TestTargetOptions): TestTarget;
  /** Chunks that came from the boot host. */
  fromOutside(): readonly string[];
}

let shops = 0;
/** A boot host whose content is the only way out, and room for machines. */
async function openShop(tree: SignedTree = signed, plan: Plan = image): Promise<Shop> {
  const shop = ++shops;
  const addressOf = (machine: number) => `127.78.${shop}.${machine}` as Ipv4;
  const peers = [1, 2, 3].map((machine) => ({ address: addressOf(machine), port: DEFAULT_SITE_PORT }));
  const swarm = { site: `shop ${randomBytes(4).toString('hex')}`, peers };
  const sources: string[] = [];
  const peer = await startLabPeer({ tree: tree.tree, plan, sources, swarm });
  sources.push(`${peer.base}/content`);
  open.push(peer);
  const chunks = new Set(Array.from(tree.image.chunks, ({ digest }) => digest.slice('sha256:'.length)));
  return {
    peer,
    tree,
    fromOutside: () => peer.sent.filter((hex) => chunks.has(hex)),
    target(machine, options) {
      const site = siteAt(addressOf(machine));
      open.push(site);
      return startTarget(peer, tree, { site, ...options });
    },
  };
}

function siteAt(address: Ipv4): SitePort {
  return createTargetSite({
    self: randomBytes(8).toString('hex'),
    openNet: beaconSockets({ interfaces: () => [{ name: 'lo', address, netmask: '255.255.255.0' as Ipv4 }] }),
    transport: createLineSockets({ address }),
    hash: digestOf,
    linkBytesPerSecond: () => 0,
    random: { next: Math.random },
    clock: systemClock,
    timers: systemTimers,
    log: silentLog,
  });
}

const isDone = (target: TestTarget) => target.screens.some((screen) => screen.step === 'done');
async function done(...targets: TestTarget[]): Promise<void> {
  await until(() => targets.every(isDone), { ...LIMIT, what: 'all are done' }).catch((cause) => {
    throw new Error(JSON.stringify(targets.map(({ screens }) => screens.at(-1))), { cause });
  });
}
const isImaged = (target: TestTarget) => equalBytes(target.disk(), signed.image.plain);
const fedBy = (target: TestTarget) => target.screens.map(({ source }) => source ?? '');
const troubles = (target: TestTarget) =>
  target.screens.flatMap(({ step, note }) => (step === 'imaging' && note !== undefined ? [note] : []));
const refetched = (peer: LabPeer) => peer.reports.filter((report) => report.refetchedChunks > 0);

describe('machines of one shop', () => {
  it('feed each other while all are being imaged', async () => {
    const { peer, target, fromOutside } = await openShop();
    const machines = [target(1), target(2), target(3)];
    await done(...machines);
    expect(machines.map(isImaged)).toEqual([true, true, true]);
    // One copy, though they began together; a chunk is asked for twice only when the one that crosses changes.
    expect(fromOutside().length).toBeLessThan(1.1 * signed.image.chunks.rows);
    expect(machines.filter((one) => fedBy(one).some((source) => /^line: 127\.78/.test(source)))).toHaveLength(
      2,
    );
    expect(machines.some(({ screens }) => screens.some(({ feeding }) => feeding?.peers === 1))).toBe(true);
    const served = peer.reports.map((report) => report.servedBytes ?? 0);
    expect(Math.max(...served)).toBeGreaterThan(0);
    expect(refetched(peer)).toEqual([]);
  });

  it('feed a late one from their disk, in the published form, when memory has let go of it', async () => {
    const { target, fromOutside } = await openShop();
    const first = target(1, { memoryBytes: 0 });
    await done(first);
    const second = target(2);
    await done(second);
    expect(isImaged(second)).toBe(true);
    // One copy, and what the second asked for before it was in the line.
    expect(fromOutside().length).toBeLessThan(1.5 * signed.image.chunks.rows);
    expect(fedBy(second).some((source) => /^line:/.test(source))).toBe(true);
  });

  it('prove slice by slice what comes in another form, and pass that on', async () => {
    const other = { slicesPerChunk: 4, level: 5, waste: true };
    const shop = await openShop(await signedTree(signed.image.plain, other));
    const first = shop.target(1, { memoryBytes: 0 });
    await done(first);
    const late = [shop.target(2), shop.target(3)];
    await done(...late);
    expect(late.map(isImaged)).toEqual([true, true]);
    // All but what lies in memory came from the first one's disk.
    expect(shop.fromOutside().length).toBeLessThan(1.5 * shop.tree.image.chunks.rows);
    expect(refetched(shop.peer)).toEqual([]);
  });

  it('go on when the one that feeds them restarts', async () => {
    const { peer, target, fromOutside } = await openShop(signed, { ...image, finish: 'reboot' });
    let writtenByFirst = 0;
    const fed = Promise.withResolvers<void>();
    // It must not have finished before the second has found it.
    const first = target(1, {
      disturb: (disk) => ({
        ...disk,
        async writeChunk(job) {
          if (++writtenByFirst > 40) await fed.promise;
          return disk.writeChunk(job);
        },
      }),
    });
    await until(() => writtenByFirst > 40, { ...LIMIT, what: 'the first is under way' });
    peer.plan = image;
    let written = 0;
    const gone = Promise.withResolvers<void>();
    void first.over.then(() => gone.resolve());
    const second = target(2, {
      disturb: (disk) => ({
        ...disk,
        async writeChunk(job) {
          if (++written === 20) await gone.promise;
          return disk.writeChunk(job);
        },
      }),
    });
    await until(() => fedBy(second).some((source) => /^line:/.test(source)), {
      ...LIMIT,
      what: 'the first feeds the second',
    });
    fed.resolve();
    await done(first, second);
    expect(first.left).toEqual(['reboot']);
    expect(isImaged(second)).toBe(true);
    expect(troubles(second)).toEqual([]);
    // What the first had given it before it left did not cross the WAN again.
    expect(fromOutside().length).toBeLessThan(2 * signed.image.chunks.rows - 20);
    expect(refetched(peer)).toEqual([]);
  });

  it('refuse a chunk that was repacked wrongly, blame who sent it, and end right all the same', async () => {
    const other = { slicesPerChunk: 4, level: 5 };
    const shop = await openShop(await signedTree(signed.image.plain, other));
    let lies = 0;
    const liar = shop.target(1, {
      memoryBytes: 0,
      disturb: (disk) => ({
        ...disk,
        async rebuild() {
          lies += 1;
          return { exact: false, bytes: new Uint8Array(1000) };
        },
      }),
    });
    await done(liar);
    const second = shop.target(2);
    await done(second);
    expect(isImaged(second)).toBe(true);
    expect(lies).toBeGreaterThanOrEqual(2);
    // Two wrong chunks are enough to ask it for no more.
    expect(lies).toBeLessThan(20);
    expect(refetched(shop.peer)).toEqual([]);
  });
});
