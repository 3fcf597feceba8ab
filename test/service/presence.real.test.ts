// Presence over real sockets in namespaces: found, missed, told of, and not misled.
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { decodeBeacon, encodeBeacon, siteHash } from '../../src/swarm/beacon-codec.ts';
import type { SitePeer } from '../../src/swarm/site.ts';
import { type Running, start } from '../lab/process.ts';
import type { DhcpClientJob } from '../support/dhcp-client.ts';
import type { PresenceJob } from '../support/presence-child.ts';
import { addressOf, createPresenceLan, type PresenceLan } from '../support/presence-lan.ts';
import { until } from '../support/until.ts';

const CHILD = fileURLToPath(new URL('../support/presence-child.ts', import.meta.url));
const SENDER = fileURLToPath(new URL('../support/dhcp-client.ts', import.meta.url));

interface Said {
  readonly started?: number;
  readonly at: number;
  readonly peers?: readonly SitePeer[];
  readonly stats?: { readonly malformed: number; readonly ignored: Readonly<Record<string, number>> };
  readonly msg?: string;
}

let lan: PresenceLan;
const hosts: Record<string, string> = {};
let running: Running[] = [];

beforeAll(async () => {
  lan = await createPresenceLan();
  hosts.a = await lan.host('a', 1, [1, 2]);
  hosts.b = await lan.host('b', 2, [1, 2]);
  hosts.c = await lan.host('c', 3, [1]);
}, 30_000);

afterEach(async () => {
  await Promise.all(running.map((one) => one.stop('SIGKILL')));
  running = [];
});

afterAll(() => lan.remove());

const idOf = (name: string) => toHex(new TextEncoder().encode(name.padEnd(8, '.')));

async function present(name: string, host: string, job: Partial<PresenceJob> = {}): Promise<Running> {
  const one = start(process.execPath, [CHILD, JSON.stringify({ id: idOf(name), ...job })], {
    namespace: hosts[host] as string,
  });
  running.push(one);
  await said(one, 'it is present', ({ started }) => started !== undefined);
  return one;
}

/** The first thing said, from line `from` on, for which it holds. */
function said(one: Running, what: string, holds: (said: Said) => boolean, from = 0): Promise<Said> {
  return one.log.waitFor(
    (line) => {
      const words = line.startsWith('{') ? (JSON.parse(line) as Said) : undefined;
      return words !== undefined && holds(words) ? words : undefined;
    },
    { timeoutMs: 15_000, what, from },
  );
}

const names = (peers: readonly SitePeer[] | undefined) => peers?.map(({ id }) => id) ?? [];

async function sees(one: Running, ...others: string[]): Promise<Said> {
  const ids = others.map(idOf).sort().join();
  return said(one, `it sees ${others}`, ({ peers }) => peers !== undefined && names(peers).join() === ids);
}

async function misses(one: Running, other: string): Promise<Said> {
  const from = one.log.lines.length;
  return said(
    one,
    `it misses ${other}`,
    ({ peers }) => peers !== undefined && !names(peers).includes(idOf(other)),
    from,
  );
}

describe('presence', () => {
  it('finds within 2 s, on two interfaces, two processes of one host; misses the killed and the cut within 3 s', async () => {
    const a = await present('a', 'a');
    const c = await present('c', 'c');
    await Promise.all([sees(a, 'c'), sees(c, 'a')]);
    const b = await present('b', 'b');
    const { started = 0 } = await said(b, 'b is present', (words) => words.started !== undefined);
    const found = await Promise.all([sees(a, 'b', 'c'), sees(b, 'a', 'c'), sees(c, 'a', 'b')]);
    for (const { at, peers } of found) {
      expect(at - started).toBeLessThan(2_000);
      for (const peer of peers ?? []) expect(peer).toMatchObject({ port: 8068, httpPort: 8067 });
    }
    const two = await present('two', 'a');
    await Promise.all([sees(two, 'a', 'b', 'c'), sees(c, 'a', 'b', 'two')]);

    const killed = Promise.all([misses(a, 'b'), misses(c, 'b'), misses(two, 'b')]);
    const killedAt = Date.now();
    await b.stop('SIGKILL');
    for (const { at } of await killed) expect(at - killedAt).toBeLessThan(3_000);

    const cut = Promise.all([misses(a, 'c'), misses(c, 'a')]);
    const cutAt = Date.now();
    await lan.cable('c', 1, 'down');
    for (const { at } of await cut) expect(at - cutAt).toBeLessThan(3_000);
    const lines = a.log.lines.length;
    await lan.cable('c', 1, 'up');
    await said(a, 'c is back', ({ peers }) => names(peers).includes(idOf('c')), lines);

    const left = misses(a, 'two');
    const leftAt = Date.now();
    await two.stop();
    expect((await left).at - leftAt).toBeLessThan(1_000);
  }, 40_000);

  it('finds one that it was told of where multicast is dropped, and misses it when it dies', async () => {
    hosts.d = await lan.host('d', 4, [1]);
    hosts.e = await lan.host('e', 5, [1]);
    await Promise.all([lan.dropMulticast('d'), lan.dropMulticast('e')]);
    const d = await present('d', 'd');
    const e = await present('e', 'e', { told: [addressOf(4, 1)] });
    await Promise.all([sees(d, 'e'), sees(e, 'd')]);
    const missed = misses(d, 'e');
    const at = Date.now();
    await e.stop('SIGKILL');
    expect((await missed).at - at).toBeLessThan(3_000);
  }, 30_000);

  it('ignores another site, mutants and forgeries', async () => {
    const a = await present('a', 'a');
    await present('c', 'c', { label: 'another shop' });
    const b = await present('b', 'b');
    await Promise.all([sees(a, 'b'), sees(b, 'a')]);
    const random = seededRandom(1);
    const stamp = { id: idOf('b'), instance: 1, revision: 1, freeUplinkBytesPerSecond: 0, direct: false };
    const goodbye = encodeBeacon({
      site: siteHash('subnet 10.77.31.0/24'),
      beacon: { ...stamp, kind: 'goodbye' },
    });
    // Fewer than fit into its socket, should it be kept from reading meanwhile.
    const mutants = Array.from({ length: 240 }, (_, i) => {
      const bytes = goodbye.slice(0, i % 3 === 0 ? randomInt(random, 25) : 24);
      // Kind and site stay: else it might be a word that counts, or most would be taken for another site's.
      for (let n = i % 4; n > 0; n--)
        if (bytes.length > 8) bytes[8 + randomInt(random, bytes.length - 8)] = randomInt(random, 256);
      return bytes;
    });
    const malformed = mutants.filter((bytes) => decodeBeacon(bytes) instanceof WireError).length;
    expect(malformed).toBeGreaterThan(60);
    const job: DhcpClientJob = {
      listen: [{ address: addressOf(3, 1), port: 4000 }],
      send: mutants.map((bytes) => ({ hex: toHex(bytes), address: addressOf(1, 1), port: 8068 })),
      replies: 0,
      quietMs: 10,
    };
    const before = a.log.lines.length;
    const startedAt = performance.now();
    const sender = start(process.execPath, [SENDER, JSON.stringify(job)], {
      namespace: hosts.c as string,
    });
    running.push(sender);
    await sender.exited;
    // They may still wait in its socket.
    const counted = await until(
      async () => {
        const from = a.log.lines.length;
        process.kill(a.pid, 'SIGUSR2');
        const { stats } = await said(a, 'it counts', (words) => words.stats !== undefined, from);
        const { 'not-its-address': forged = 0, 'other-site': others = 0 } = stats?.ignored ?? {};
        const all = (stats?.malformed ?? 0) + forged;
        return all >= mutants.length && others > 0 ? { malformed: stats?.malformed, forged } : undefined;
      },
      { timeoutMs: 10_000, what: 'all mutants and another site counted' },
    );
    expect(counted).toEqual({ malformed, forged: mutants.length - malformed });
    const lines = a.log.lines.slice(before);
    for (const line of lines.filter((one) => one.includes('"peers"')))
      expect([[], [idOf('b')]]).toContainEqual(names((JSON.parse(line) as Said).peers));
    expect(lines.filter((line) => line.includes('"why":"goodbye"'))).toEqual([]);
    // A log that floods is no log: ten lines a second of each kind.
    const seconds = Math.ceil((performance.now() - startedAt) / 1_000) + 1;
    expect(lines.filter((line) => line.includes('beacon ignored')).length).toBeLessThanOrEqual(30 * seconds);
  }, 30_000);
});
