// Keeps this peer's part of the site's copies: fills and pins what it shall hold, lets spare copies go, never the last one by itself.
import type { ReplicaView } from '../api/site.ts';
import type { Digest } from '../base/digest.ts';
import { isPeerbootError, PeerbootError, WireError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import { parseManifest } from '../chunk/manifest.ts';
import type { ChunkStore } from '../chunk/ports.ts';
import type { JoinOptions, Line, LineImage, Purpose } from '../swarm/node-ports.ts';
import type { ContentWish } from '../swarm/replica-wishes.ts';
import {
  decide,
  type Keeper,
  keeperOf,
  type ReplicaDecision,
  Roster,
  replicaTags,
} from '../swarm/replicas.ts';
import { type ImageKey, imageKey, type Presence } from '../swarm/site.ts';
import { fill } from './replica-fill.ts';

/** A chunk store whose chunks can be kept from eviction. */
export interface PinningStore extends ChunkStore {
  pin(digest: Digest, reason: string): void;
  unpin(digest: Digest, reason: string): void;
  /** `puts`: chunks ever added in this run; `chunks`: those held. */
  stats(): { readonly quotaBytes: number; readonly puts: number; readonly chunks: number };
}

export interface ReplicasOptions {
  /** '' without a label: as for elections. */
  readonly site: string;
  readonly presence: Presence;
  /** Tags that an administrator gave this peer. */
  readonly tags: () => readonly string[];
  /** So long a peer that has gone silent still counts. */
  readonly graceMs?: number;
  /** One for each image and package of the catalogue, anew each time it is asked. */
  readonly wishes: () => readonly ContentWish[];
  readonly isPaused: (title: string) => boolean;
  readonly store: PinningStore;
  /** Stored bytes by digest, fetched and kept when they are not held (`ContentService.get`). */
  readonly get: (wanted: { readonly digest: Digest; readonly size?: number }) => Promise<Uint8Array>;
  /** When all that was fetched so far is durable, or known not to be kept (`ContentService.settled`). */
  readonly settled: () => Promise<void>;
  /** `LineImages.open` and `SiteNode`. */
  readonly open: (manifest: Digest, purpose: Purpose) => Promise<JoinOptions | undefined>;
  readonly join: (options: JoinOptions) => Line;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export interface Replicas {
  start(): void;
  stop(): Promise<void>;
  /** Looks at once, e.g. because a wish was made. */
  look(): void;
  views(): readonly ReplicaView[];
  /** What this peer says of itself beside its administrator's tags. */
  tags(): readonly string[];
  /** What is being filled, and what for; undefined when nothing is. */
  filling(): { readonly manifest: Digest; readonly purpose: 'replica' | 'preseed' } | undefined;
  /** See `SiteForHttp.evict`. */
  evict(manifest: Digest, lastCopy: boolean): Promise<{ readonly freedBytes: number }>;
}

const LOOK_MS = 2_000;
/** Beacons need a moment: before it, every peer would think itself alone and fetch everything. */
const SETTLE_MS = 4_000;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 60_000;

/** One image of the catalogue that is held in part, or shall be. */
interface Copy {
  readonly wish: ContentWish;
  readonly decision: ReplicaDecision;
  readonly line: Line | undefined;
  readonly held: number;
  readonly rows: number;
}

export function createReplicas(options: ReplicasOptions): Replicas {
  const { presence, store, clock, timers, log, site } = options;
  const roster = new Roster();
  const lines = new Map<Digest, Line>();
  const pinned = new Map<Digest, readonly Digest[]>();
  /** Given up by an administrator: not taken for a last copy again. */
  const givenUp = new Set<Digest>();
  const failures = new Map<Digest, { times: number; againMs: MonotonicMs; what: string }>();
  const counted = new WeakMap<LineImage, { held: number; puts: number; removals: number }>();
  let copies: readonly Copy[] = [];
  let current: { wish: ContentWish; ended: AbortController; done: Promise<void> } | undefined;
  let startedMs = 0;
  let cancel: (() => void) | undefined;
  let looking = false;
  let stopped = false;

  const isWhole = (image: LineImage) => heldOf(image) === image.rows;

  /** Counted anew only after chunks came or went: a 30 GB image has eight thousand, and all are looked at every 2 s. */
  function heldOf(image: LineImage): number {
    const { puts, chunks } = store.stats();
    const removals = puts - chunks;
    const known = counted.get(image);
    const isWholeStill = known?.held === image.rows && known.removals === removals;
    if (known !== undefined && (isWholeStill || (known.puts === puts && known.removals === removals)))
      return known.held;
    let held = 0;
    for (let row = 0; row < image.rows; row++) if (store.has(image.digest(row))) held++;
    counted.set(image, { held, puts, removals });
    return held;
  }

  async function lineOf(wish: ContentWish): Promise<Line | undefined> {
    const { digest } = wish.content.manifest;
    const known = lines.get(digest);
    if (known !== undefined) return known;
    const join = await options.open(digest, purposeOf(wish));
    if (join === undefined || stopped) return undefined;
    const line = options.join(join);
    lines.set(digest, line);
    return line;
  }

  function self(wishes: readonly ContentWish[]): Keeper {
    const whole = new Set<ImageKey>();
    for (const { content, image } of wishes) {
      const line = lines.get(content.manifest.digest);
      if (line !== undefined && isWhole(line.image)) whole.add(image);
    }
    return {
      id: presence.self,
      tags: options.tags(),
      fit: true,
      roomBytes: room(),
      whole,
      filling: current?.wish.image,
    };
  }

  /** What is neither pinned nor set aside for what is being filled. */
  function room(): number {
    let taken = 0;
    for (const [manifest] of pinned) {
      taken += copies.find(({ wish }) => wish.content.manifest.digest === manifest)?.wish.storedBytes ?? 0;
    }
    if (current !== undefined && !pinned.has(current.wish.content.manifest.digest)) {
      taken += current.wish.storedBytes;
    }
    return Math.max(0, store.stats().quotaBytes - taken);
  }

  async function lookOnce(): Promise<void> {
    const now = clock.nowMs();
    const wishes = options.wishes();
    // What is held is served and announced: also after a restart, also what nobody wishes for.
    for (const wish of wishes) {
      if (store.has(wish.content.manifest.digest)) await lineOf(wish);
    }
    const peers = [...roster.update(presence.peers().map(keeperOf), now, options.graceMs), self(wishes)];
    const next: Copy[] = [];
    for (const wish of wishes) {
      const { digest } = wish.content.manifest;
      let decision = decide(site, wish, presence.self, peers);
      if (decision.role !== 'keep' && givenUp.has(digest)) decision = { ...decision, role: 'spare' };
      if (decision.role === 'keep') givenUp.delete(digest);
      const line = lines.get(digest);
      const held = line === undefined ? 0 : heldOf(line.image);
      next.push({ wish, decision, line, held, rows: line?.image.rows ?? 0 });
    }
    copies = next;
    for (const copy of next) await pinAsDecided(copy);
    for (const digest of pinned.keys()) {
      if (!next.some(({ wish }) => wish.content.manifest.digest === digest)) unpin(digest);
    }
    fillNext(now);
  }

  async function pinAsDecided({ wish, decision, line }: Copy): Promise<void> {
    const { digest } = wish.content.manifest;
    const must = decision.role === 'keep' || decision.role === 'last-copy';
    if (!must) return unpin(digest);
    if (pinned.has(digest) || line === undefined) return;
    const manifest = parseManifest(await options.get(wish.content.manifest));
    if (manifest instanceof WireError) return;
    const { image } = line;
    const all = [digest, manifest.sliceTable.digest, manifest.chunkTable.digest];
    for (let row = 0; row < image.rows; row++) all.push(image.digest(row));
    for (const one of all) store.pin(one, reasonOf(digest));
    pinned.set(digest, all);
  }

  function unpin(manifest: Digest): void {
    for (const one of pinned.get(manifest) ?? []) store.unpin(one, reasonOf(manifest));
    pinned.delete(manifest);
  }

  /** One at a time: the first that was asked for; what is paused, or failed a moment ago, waits. */
  function fillNext(now: MonotonicMs): void {
    const due = copies.filter(
      ({ wish, decision, held, rows, line }) =>
        decision.role === 'keep' &&
        (line === undefined || held < rows || !tablesHeld(wish)) &&
        !options.isPaused(titleOf(wish)) &&
        (failures.get(wish.content.manifest.digest)?.againMs ?? 0) <= now,
    );
    if (current !== undefined) {
      const { wish } = current;
      const still = due.some((copy) => copy.wish.image === wish.image);
      if (!still) current.ended.abort(new Error('is not to be kept here now'));
      return;
    }
    const settled = now - startedMs >= SETTLE_MS;
    const first = due.find(({ wish }) => settled || wish.why === 'preseed');
    if (first === undefined || stopped) return;
    const ended = new AbortController();
    const done = fillOne(first.wish, ended.signal).finally(() => {
      current = undefined;
      look();
    });
    current = { wish: first.wish, ended, done };
  }

  async function fillOne(wish: ContentWish, signal: AbortSignal): Promise<void> {
    const { digest } = wish.content.manifest;
    const title = titleOf(wish);
    try {
      log.info({ image: title, why: wish.why }, 'replica begun');
      // Both tables and the manifest belong to a copy: without them nobody could be imaged from it.
      const manifest = parseManifest(await options.get(wish.content.manifest));
      if (manifest instanceof WireError) throw new PeerbootError('PB-IMAGE-INCONSISTENT', manifest.message);
      for (const table of [manifest.sliceTable, manifest.chunkTable]) await options.get(table);
      const line = await lineOf(wish);
      if (line === undefined) throw new PeerbootError('PB-SOURCE-FAILED', `${title} cannot be had now`);
      await pinAsDecided({
        wish,
        decision: { image: wish.image, role: 'keep', copies: 0 },
        line,
        held: 0,
        rows: 0,
      });
      await fill({ line, store, signal, onProgress: () => {} });
      await options.settled();
      const lost = line.image.rows - heldOf(line.image);
      if (lost > 0 || !tablesHeld(wish)) {
        throw new PeerbootError(
          'PB-STORE-FULL',
          `${lost} chunks of ${title} were fetched but could not be kept`,
        );
      }
      failures.delete(digest);
      log.info({ image: title, chunks: line.image.rows }, 'replica complete');
    } catch (error) {
      if (signal.aborted) {
        log.info({ image: title, what: String(signal.reason) }, 'replica put off');
        return;
      }
      const times = (failures.get(digest)?.times ?? 0) + 1;
      const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (times - 1));
      const what = isPeerbootError(error) ? `${error.code} ${error.message}` : String(error);
      failures.set(digest, { times, againMs: clock.nowMs() + waitMs, what });
      log.warn({ image: title, what, waitMs }, 'replica not complete');
    }
  }

  function tablesHeld(wish: ContentWish): boolean {
    return (pinned.get(wish.content.manifest.digest) ?? []).slice(0, 3).every((digest) => store.has(digest));
  }

  function look(): void {
    cancel?.();
    if (stopped) return;
    cancel = timers.after(looking ? LOOK_MS : 0, run);
  }

  function run(): void {
    if (looking || stopped) return;
    looking = true;
    lookOnce()
      .catch((error: unknown) => log.warn({ err: error }, 'replicas could not be looked at'))
      .finally(() => {
        looking = false;
        if (!stopped) cancel = timers.after(LOOK_MS, run);
      });
  }

  async function evict(manifest: Digest, lastCopy: boolean): Promise<{ freedBytes: number }> {
    const line = lines.get(manifest);
    if (line === undefined) return { freedBytes: 0 };
    const { image } = line;
    const elsewhere = presence.peers().some((peer) => keeperOf(peer).whole.has(imageKey(manifest)));
    if (!lastCopy && !elsewhere && isWhole(image)) {
      throw new PeerbootError('PB-LAST-COPY', `no other peer of the site holds all of ${image.title}`);
    }
    givenUp.add(manifest);
    unpin(manifest);
    const shared = new Set([...pinned.values()].flat());
    let freedBytes = 0;
    for (let row = 0; row < image.rows; row++) {
      const digest = image.digest(row);
      if (shared.has(digest) || !store.has(digest)) continue;
      line.gone(row);
      await store.delete(digest);
      freedBytes += image.storedBytes(row);
    }
    log.info({ image: image.title, freedBytes }, 'image given up');
    look();
    return { freedBytes };
  }

  const unlisten = () => stopListening?.();
  let stopListening: (() => void) | undefined;

  return {
    start() {
      startedMs = clock.nowMs();
      stopListening = presence.onChange(look);
      look();
    },
    async stop() {
      stopped = true;
      unlisten();
      cancel?.();
      current?.ended.abort(new Error('the peer stops'));
      await current?.done;
    },
    look,
    tags: () => replicaTags(room(), current?.wish.image),
    filling: () =>
      current === undefined
        ? undefined
        : { manifest: current.wish.content.manifest.digest, purpose: purposeOf(current.wish) },
    views: () =>
      copies
        .filter(({ wish, held }) => wish.count > 0 || held > 0)
        .map(({ wish, decision, line }) => {
          const failure = failures.get(wish.content.manifest.digest);
          return {
            key: wish.image,
            title: titleOf(wish),
            rows: line?.image.rows ?? 0,
            held: line === undefined ? 0 : heldOf(line.image),
            storedBytes: wish.storedBytes,
            wanted: wish.count,
            copies: decision.copies,
            role: decision.role,
            ...(failure === undefined ? {} : { problem: failure.what.slice(0, 250) }),
          };
        }),
    evict,
  };
}

const reasonOf = (manifest: Digest) => `replica ${manifest}`;

function purposeOf({ why }: ContentWish): 'replica' | 'preseed' {
  return why === 'preseed' ? 'preseed' : 'replica';
}

function titleOf({ content }: ContentWish): string {
  return `${content.name} ${content.version}`;
}
