// Which peers keep which images for their site: copies enough, few moves when somebody comes or goes, never the last one dropped.
import type { MonotonicMs } from '../base/time.ts';
import { rankByWeight } from './election.ts';
import { type ImageKey, type PeerId, type SitePeer, TAGS } from './site.ts';

export const DEFAULT_REPLICAS = 2;
/** So long a peer that has gone silent still counts as there: a restart shall move nothing. */
export const GRACE_MS = 30_000;

/** A peer as far as keeping is concerned, ourselves among them. */
export interface Keeper {
  readonly id: PeerId;
  readonly tags: readonly string[];
  /** May keep: an endpoint that stays (no target, not leaving). */
  readonly fit: boolean;
  /** Bytes that it could still take for keeping. */
  readonly roomBytes: number;
  /** Images of which it holds every chunk. */
  readonly whole: ReadonlySet<ImageKey>;
}

export interface ReplicaWish {
  readonly image: ImageKey;
  readonly storedBytes: number;
  /** Copies in the site. */
  readonly count: number;
}

/**
 * Who shall keep the image, best first, at most `count`: peers that hold it whole before those that would have to
 * fetch it, boot hosts before others, then highest random weight. So nothing moves while enough holders live, and one that leaves
 * moves only what it kept. A peer may keep it when it is fit and holds it or has room for it.
 */
export function keepersOf(site: string, wish: ReplicaWish, peers: readonly Keeper[]): readonly PeerId[] {
  const able = peers.filter(
    (peer) => peer.fit && (peer.whole.has(wish.image) || peer.roomBytes >= wish.storedBytes),
  );
  const ranked = rankByWeight(site, wish.image, able);
  const tier = (peer: Keeper) => (peer.whole.has(wish.image) ? 0 : 2) + (isBootHost(peer) ? 0 : 1);
  return [0, 1, 2, 3]
    .flatMap((wanted) => ranked.filter((peer) => tier(peer) === wanted))
    .slice(0, wish.count)
    .map(({ id }) => id);
}

export type ReplicaRole = 'keep' | 'last-copy' | 'spare' | 'none';

export interface ReplicaDecision {
  readonly image: ImageKey;
  /**
   * `keep`: fetch what is missing and hold it; `last-copy`: hold what is there, for nobody else has it whole;
   * `spare`: it may go when room is needed; `none`: not ours to keep, and not whole.
   */
  readonly role: ReplicaRole;
  /** Copies that the site has, as far as we see. */
  readonly copies: number;
}

/**
 * What we do about one image. A copy is spare only when as many others as wished for (and one at the very least), all ranked before us,
 * hold it whole: whatever each peer sees of the others, those ranked first never take theirs for spare.
 */
export function decide(
  site: string,
  wish: ReplicaWish,
  self: PeerId,
  peers: readonly Keeper[],
): ReplicaDecision {
  const { image } = wish;
  const holders = peers.filter((peer) => peer.whole.has(image));
  const copies = holders.length;
  if (keepersOf(site, wish, peers).includes(self)) return { image, role: 'keep', copies };
  if (!holders.some(({ id }) => id === self)) return { image, role: 'none', copies };
  const others = holders.filter(({ id, fit }) => id !== self && fit);
  const before = keepersOf(site, { ...wish, count: Math.max(1, wish.count) }, [
    ...others,
    ...peers.filter(({ id }) => id === self),
  ]);
  return { image, role: before.includes(self) ? 'last-copy' : 'spare', copies };
}

/** Peers by what they announce; a target comes and goes with its imaging and keeps nothing. */
export function keeperOf({ id, tags, role, unfit, holdings }: SitePeer): Keeper {
  return {
    id,
    tags,
    fit: role === 'peer' && !unfit.includes('leaving'),
    roomBytes: roomOf(tags),
    whole: new Set(holdings.filter(({ held, of }) => of > 0 && held === of).map(({ image }) => image)),
  };
}

/** Room is announced as a tag, in powers of two, so that it changes rarely: `room:8` for 8 to 16 GiB. */
const ROOM_TAG = 'room:';
const GIB = 2 ** 30;
/** In 1/64 GiB (16 MiB), so that also small shares count. */
const STEP = GIB / 64;

export function roomTag(roomBytes: number): string {
  const steps = Math.floor(Math.max(0, roomBytes) / STEP);
  return `${ROOM_TAG}${steps === 0 ? 0 : 2 ** Math.floor(Math.log2(steps)) / 64}`;
}

/** Without the tag nothing is known: then it counts as able, for asking it in vain costs little. */
export function roomOf(tags: readonly string[]): number {
  const tag = tags.find((one) => one.startsWith(ROOM_TAG));
  const gib = Number(tag?.slice(ROOM_TAG.length));
  return tag === undefined || !Number.isFinite(gib) ? Number.POSITIVE_INFINITY : gib * GIB;
}

/** Remembers who was there a while ago, so that a restart of a peer does not move its images. */
export class Roster {
  readonly #seen = new Map<PeerId, { readonly keeper: Keeper; readonly atMs: MonotonicMs }>();

  /** Those who live, and those who fell silent less than the grace ago; one that said goodbye is gone at once. */
  update(live: readonly Keeper[], now: MonotonicMs, graceMs = GRACE_MS): readonly Keeper[] {
    for (const keeper of live) this.#seen.set(keeper.id, { keeper, atMs: now });
    for (const [id, { atMs }] of this.#seen) if (now - atMs > graceMs) this.#seen.delete(id);
    return Array.from(this.#seen.values(), ({ keeper }) => keeper);
  }

  /** When the first of the silent ones is given up, so that the site can be looked at anew then. */
  nextWake(now: MonotonicMs, graceMs = GRACE_MS): MonotonicMs | undefined {
    const silent = Array.from(this.#seen.values(), ({ atMs }) => atMs).filter((atMs) => atMs < now);
    return silent.length === 0 ? undefined : Math.min(...silent) + graceMs + 1;
  }
}

function isBootHost({ tags }: Keeper): boolean {
  return tags.includes(TAGS.bootHost);
}
