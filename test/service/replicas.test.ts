// A peer's own copies: what is pinned, filled, put off, let go and given up, with a real store in memory and a line that brings all.
import { afterEach, describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { type Digest, digestHex } from '../../src/base/digest.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Wanted } from '../../src/chunk/ports.ts';
import { systemTimers } from '../../src/io/clock.ts';
import { createReplicas, type PinningStore } from '../../src/service/replicas.ts';
import { lineImageOf } from '../../src/swarm/line-image.ts';
import type { JoinOptions, Line } from '../../src/swarm/node-ports.ts';
import type { ContentWish } from '../../src/swarm/replica-wishes.ts';
import { imageKey, type Presence, type SitePeer } from '../../src/swarm/site.ts';
import { idlePeer } from '../support/idle-peer.ts';
import { diskBytes, testImage } from '../support/image.ts';
import { until } from '../support/until.ts';
import { handClock } from './peer.ts';

const SELF = 'aaaaaaaaaaaaaaaa';
const OTHER = 'bbbbbbbbbbbbbbbb';

const image = await testImage(diskBytes(600_000), {
  sliceBytes: 4096,
  slicesPerChunk: 8,
  name: 'till',
  version: '3',
});
const { digest } = image.descriptor;
const CHUNKS = image.chunks.rows;
/** Manifest, two tables, chunks. */
const ALL = CHUNKS + 3;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of undo.splice(0)) await end();
});

/** Counts what was ever added, as the chunk store does. */
class Held extends Map<Digest, Uint8Array> {
  puts = 0;
  override set(digest: Digest, bytes: Uint8Array): this {
    if (!this.has(digest)) this.puts++;
    return super.set(digest, bytes);
  }
}

function world(options: { others?: boolean; broken?: boolean; quotaBytes?: number } = {}) {
  const held = new Held();
  const pins = new Map<string, Set<string>>();
  const store = {
    has: (one: Digest) => held.has(one),
    delete: async (one: Digest) => void held.delete(one),
    pin: (one: Digest, reason: string) => void pins.set(one, (pins.get(one) ?? new Set()).add(reason)),
    unpin(one: Digest, reason: string) {
      pins.get(one)?.delete(reason);
      if (pins.get(one)?.size === 0) pins.delete(one);
    },
    stats: () => ({ quotaBytes: options.quotaBytes ?? 1e9, puts: held.puts, chunks: held.size }),
  } as unknown as PinningStore;
  const stored = async ({ digest: wanted }: Wanted): Promise<Uint8Array> => {
    const hex = digestHex(wanted);
    const bytes = image.stored.get(`chunks/${hex.slice(0, 2)}/${hex}`);
    if (bytes === undefined || fault.broken) throw new PeerbootError('PB-SOURCE-FAILED', 'nobody answers');
    held.set(wanted, bytes);
    return bytes;
  };
  const fault = { broken: options.broken === true };
  const gone: number[] = [];
  const line = {
    image: lineImageOf(digest, 'till 3', image.chunks),
    fetch: stored,
    gone: (row: number) => void gone.push(row),
  } as unknown as Line;
  const listeners = new Set<() => void>();
  const whole: SitePeer = {
    ...idlePeer(OTHER, { address: '10.77.0.3' as Ipv4, tags: ['boot-host'] }),
    holdings: [{ image: imageKey(digest), held: CHUNKS, of: CHUNKS }],
  };
  const site = { peers: options.others === true ? [whole] : [], count: 1, paused: false, catalogued: true };
  const clock = handClock();
  const replicas = createReplicas({
    ...{ site: 'shop', tags: () => [], store, clock, timers: systemTimers, log: silentLog, graceMs: 1 },
    presence: {
      self: SELF,
      peers: () => site.peers,
      onChange(listener: () => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    } as unknown as Presence,
    wishes: (): ContentWish[] =>
      site.catalogued
        ? [
            {
              content: {
                name: 'till',
                version: '3',
                storedBytes: image.manifest.storedBytes,
                manifest: image.descriptor,
              },
              ...{ image: imageKey(digest), storedBytes: image.manifest.storedBytes },
              ...{ count: site.count, why: 'preseed' as const },
            },
          ]
        : [],
    isPaused: () => site.paused,
    get: stored,
    settled: async () => {},
    open: async () => ({}) as JoinOptions,
    join: () => line,
  });
  undo.push(() => replicas.stop());
  const look = (what: string, check: () => boolean) => {
    replicas.look();
    return until(check, { timeoutMs: 5_000, what });
  };
  const role = () => replicas.views()[0]?.role;
  return { replicas, held, pins, site, fault, gone, clock, look, role };
}

describe('a copy', () => {
  it('is filled with its tables, pinned, and said', async () => {
    const { replicas, held, pins } = world();
    replicas.start();
    await until(
      () => held.size === ALL && replicas.filling() === undefined && replicas.views()[0]?.copies === 1,
      {
        timeoutMs: 5_000,
        what: 'complete',
      },
    );
    expect(pins.size).toBe(ALL);
    expect(replicas.views()).toMatchObject([
      { title: 'till 3', held: CHUNKS, rows: CHUNKS, copies: 1, wanted: 1 },
    ]);
  });

  it('is not begun without room, nor while paused, and goes on later', async () => {
    const small = world({ quotaBytes: image.manifest.storedBytes - 1 });
    small.replicas.start();
    await small.look('decided', () => small.role() === 'none');
    expect(small.held.size).toBe(0);

    const paused = world();
    paused.site.paused = true;
    paused.replicas.start();
    await paused.look('decided', () => paused.role() === 'keep');
    expect(paused.held.size).toBe(0);
    paused.site.paused = false;
    await paused.look('complete', () => paused.held.size === ALL);
  });

  it('that cannot be fetched says why, and is tried again after a while', async () => {
    const { replicas, held, fault, clock, look } = world({ broken: true });
    replicas.start();
    await look('failed', () => replicas.views()[0]?.problem !== undefined);
    expect(replicas.views()[0]?.problem).toContain('PB-SOURCE-FAILED');
    fault.broken = false;
    clock.advance(6_000);
    await look('complete', () => held.size === ALL);
    await look('no problem any more', () => replicas.views()[0]?.problem === undefined);
  });
});

describe('what may go', () => {
  const complete = async (options: Parameters<typeof world>[0] = {}) => {
    const made = world(options);
    made.replicas.start();
    await made.look('complete', () => made.held.size === ALL && made.pins.size === ALL);
    return made;
  };

  it('the last copy stays pinned when nobody wishes for it, and goes with its catalogue', async () => {
    const { site, pins, look, role } = await complete();
    site.count = 0;
    await look('last copy', () => role() === 'last-copy');
    expect(pins.size).toBe(ALL);
    site.catalogued = false;
    await look('unpinned', () => pins.size === 0);
  });

  it('is spare as soon as a peer before us has it', async () => {
    const { site, pins, look, role } = await complete();
    site.peers = world({ others: true }).site.peers;
    await look('spare', () => role() === 'spare');
    expect(pins.size).toBe(0);
  });

  it('is given up only when told to, and then not taken for the last copy again', async () => {
    const { replicas, site, held, gone, pins, look, role } = await complete();
    site.count = 0;
    await look('last copy', () => role() === 'last-copy');
    await expect(replicas.evict(digest, false)).rejects.toMatchObject({ code: 'PB-LAST-COPY' });
    expect(held.size).toBe(ALL);
    expect(await replicas.evict(digest, true)).toEqual({ freedBytes: image.manifest.storedBytes });
    expect([held.size, gone.length, pins.size]).toEqual([3, CHUNKS, 0]);
    await look('gone from the view', () => replicas.views().length === 0);
  });

  it('needs no telling while another peer has it whole', async () => {
    const { replicas, site, look, role } = await complete();
    site.peers = world({ others: true }).site.peers;
    await look('spare', () => role() === 'spare');
    expect((await replicas.evict(digest, false)).freedBytes).toBe(image.manifest.storedBytes);
  });
});
