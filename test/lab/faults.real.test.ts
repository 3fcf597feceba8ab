// Whatever single thing dies, stalls, lies or fills up in a site, everybody finishes, and nobody starts over: with real processes.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { idsInOrder } from '../support/line-content.ts';
import type { LineMember } from '../support/line-site.ts';
import {
  BOUND_MS,
  CHUNK_BYTES,
  CONTENT_BYTES,
  type FaultSite,
  faultCase,
  isWhole,
  LINK_MEGABITS,
  longestGapMs,
  openFaultSite,
  ROWS,
} from './faults.ts';
import { startCdn } from './parts.ts';

/** Processes on two cores that others use, too. */
const DONE_MS = 45_000;
const REPAIR_MS = 2_000;
/** The issue says 30 s, which the longer run takes: `PEERBOOT_WAN_CUT_SECONDS=30`. */
const CUT_MS = Number(process.env.PEERBOOT_WAN_CUT_SECONDS ?? 4) * 1000;
/**
 * What was on its way over the WAN to one that died, what it had not passed on yet, and what others held without having
 * announced it: they do so once a second, and a second is 30 of these small chunks.
 */
const LOST_BYTES = 14 * CHUNK_BYTES;

let site: FaultSite;
beforeAll(async () => {
  site = await openFaultSite();
});
afterAll(() => site.remove());

const done = (members: readonly LineMember[], extraMs = 0) =>
  Promise.all(members.map((member) => member.done(DONE_MS + extraMs)));
const without = (members: readonly LineMember[], one: LineMember) =>
  members.filter((member) => member !== one);
const FOUR = [{}, {}, {}, {}];

/** Each goes on within 2 s; says how long the longest wait of each was. */
function expectRepaired(members: readonly LineMember[], sinceMs: number): void {
  const gaps = members.map((member) => longestGapMs(member, sinceMs));
  console.info(`repaired within ${gaps.join(', ')} ms`);
  for (const gap of gaps) expect(gap).toBeLessThan(REPAIR_MS);
}

describe('a site of real processes', () => {
  it('goes on when its designated peer is killed', () =>
    faultCase(site, FOUR, async ({ members, go, designated, reaches, wanBytes }) => {
      go();
      const first = await designated();
      await reaches(first, 0.4);
      const killedMs = Date.now();
      first.signal('SIGKILL');
      const rest = without(members, first);
      await done(rest);
      for (const member of rest) expect(isWhole(site, member)).toBe(true);
      expectRepaired(rest, killedMs);
      expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + LOST_BYTES);
    }));

  it('survives that every peer is killed in turn, and each goes on where it was', () =>
    faultCase(site, FOUR, async ({ members, go, reaches, restart, wanBytes }) => {
      go();
      const last: LineMember[] = [];
      for (const [turn, member] of members.entries()) {
        await reaches(member, 0.15 * (turn + 1));
        member.signal('SIGKILL');
        last.push(await restart(member));
      }
      await done(last);
      for (const [turn, member] of last.entries()) {
        expect(isWhole(site, member)).toBe(true);
        // What the first process had kept was not fetched again by the second.
        const before = new Set(members[turn]?.rows().map(({ row }) => row));
        expect(member.rows().filter(({ row }) => before.has(row))).toEqual([]);
      }
      expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + 4 * LOST_BYTES);
    }));

  it('goes round a feeder that stands still', () =>
    faultCase(site, FOUR, async ({ members, go, relay, reaches, wanBytes }) => {
      go();
      const feeder = await relay();
      await reaches(feeder, 0.3);
      const stoppedMs = Date.now();
      feeder.signal('SIGSTOP');
      const rest = without(members, feeder);
      await done(rest);
      for (const member of rest) expect(isWhole(site, member)).toBe(true);
      expectRepaired(rest, stoppedMs);
      feeder.signal('SIGCONT');
      await done([feeder]);
      expect(isWhole(site, feeder)).toBe(true);
      expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + LOST_BYTES);
    }));

  it('believes nobody who serves wrong bytes', () =>
    faultCase(
      site,
      [{ holdsFile: site.content.file, lies: true }, {}, {}, {}],
      async ({ members, member, go, wanBytes }) => {
        const honest = without(members, member(0));
        go(honest);
        await done(honest);
        for (const one of honest) expect(isWhole(site, one)).toBe(true);
        const banned = honest.filter((one) =>
          one.process.log.lines.some((line) => line.includes('"what":"feeder-banned"')),
        );
        expect(banned.length).toBeGreaterThan(0);
        expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + LOST_BYTES);
      },
    ));

  it('is not held up by a machine at a tenth of the speed', () =>
    faultCase(site, FOUR, async ({ members, go, relay, reaches }) => {
      go();
      const slow = await relay();
      await reaches(slow, 0.1);
      await site.network.shape(slow.at, LINK_MEGABITS / 10);
      const slowedMs = Date.now();
      try {
        const rest = without(members, slow);
        await done(rest);
        for (const member of rest) expect(isWhole(site, member)).toBe(true);
        expect(Date.now() - slowedMs).toBeLessThan(BOUND_MS * 2);
        expect(slow.rows().length).toBeLessThan(ROWS);
      } finally {
        await site.network.shape(slow.at, LINK_MEGABITS);
      }
    }));

  it(
    'waits while the WAN is cut, and goes on at the byte',
    () =>
      faultCase(site, FOUR, async ({ members, go, designated, reaches, wanBytes }) => {
        go();
        await reaches(await designated(), 0.4);
        await site.network.cutWan();
        await new Promise((resolve) => setTimeout(resolve, CUT_MS));
        await site.network.mendWan();
        await done(members, CUT_MS);
        for (const member of members) expect(isWhole(site, member)).toBe(true);
        expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + LOST_BYTES);
      }),
    90_000 + 2 * CUT_MS,
  );

  it('needs no WAN when the content is in the site', async () => {
    await site.network.cutWan();
    try {
      await faultCase(
        site,
        [{ holdsFile: site.content.file }, {}, {}, {}],
        async ({ members, member, go, wanBytes }) => {
          const fetching = without(members, member(0));
          const beganMs = Date.now();
          go(fetching);
          await done(fetching);
          for (const one of fetching) expect(isWhole(site, one)).toBe(true);
          expect(Date.now() - beganMs).toBeLessThan(BOUND_MS * 2);
          expect(await wanBytes()).toBeLessThan(64 * 1024);
        },
      );
    } finally {
      await site.network.mendWan();
    }
  });

  it('turns to the CDN when the parent office dies', async () => {
    const parent = await startCdn(
      { cdnNamespace: site.network.head.namespace },
      site.folder,
      site.content.tree,
      { address: site.network.head.address, port: 8081 },
    );
    const sources = [parent.base, site.cdn.base];
    const before = site.cdn.bytesServed();
    try {
      await faultCase(
        site,
        [{ sources }, { sources }, { sources }],
        async ({ members, go, designated, reaches, wanBytes }) => {
          go();
          await reaches(await designated(), 0.4);
          expect(site.cdn.bytesServed()).toBe(before);
          const diedMs = Date.now();
          await parent.stop();
          await done(members);
          for (const member of members) {
            expect(isWhole(site, member)).toBe(true);
            expect(longestGapMs(member, diedMs)).toBeLessThan(REPAIR_MS);
          }
          expect(site.cdn.bytesServed() - before).toBeLessThan(CONTENT_BYTES * 0.65);
          expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + LOST_BYTES);
        },
      );
    } finally {
      await parent.stop();
    }
  });

  it.each([
    ['the one that crosses the WAN', 0],
    ['the one that would next', 1],
    ['the last that would', 3],
  ])('goes on past a machine whose disk is full: %s', async (_, place) => {
    const small = join(site.folder, 'small');
    mkdirSync(small, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${20 * CHUNK_BYTES}`, 'tmpfs', small]);
    const setups = idsInOrder(site.content.list, FOUR.length).map((id, index) =>
      index === place ? { id, folder: small } : { id },
    );
    try {
      await faultCase(site, setups, async ({ members, member, go, wanBytes }) => {
        go();
        const rest = without(members, member(place));
        await done(rest);
        for (const one of rest) expect(isWhole(site, one)).toBe(true);
        const full = member(place)
          .events()
          .filter(({ event }) => event === 'not-kept');
        expect(full.length).toBeGreaterThan(0);
        expect(member(place).isAlive()).toBe(true);
        // What it could not keep it has in memory for those that go round their feeder to it.
        expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + CHUNK_BYTES);
      });
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('takes in a machine that comes at half time, and nobody else waits for it', () =>
    faultCase(site, FOUR, async ({ members, member, go, reaches, wanBytes }) => {
      const early = without(members, member(3));
      const beganMs = Date.now();
      go(early);
      await reaches(member(0), 0.5);
      const joinedMs = Date.now();
      go([member(3)]);
      const ends = await done(early);
      expect(Math.max(...ends) - beganMs).toBeLessThan(BOUND_MS * 1.5);
      const [lateMs = 0] = await done([member(3)]);
      expect(lateMs - joinedMs).toBeLessThan(BOUND_MS * 1.5);
      for (const one of members) expect(isWhole(site, one)).toBe(true);
      expect(await wanBytes()).toBeLessThan(CONTENT_BYTES * 1.02 + CHUNK_BYTES);
    }));
});
