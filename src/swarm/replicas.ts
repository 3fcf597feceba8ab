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
  /** Bytes that it could still take for keeping, beside what it has set aside for what it is filling. */
  readonly roomBytes: number;
  /** Images of which it holds every chunk. */
  readonly whole: ReadonlySet<ImageKey>;
  /** The image that it is fetching in order to keep it. */
  readonly filling: ImageKey | undefined;
}

export interface ReplicaWish {
  readonly image: ImageKey;
  readonly storedBytes: number;
  /** Copies in the site. */
  readonly count: number;
  /** Only peers with this tag keep it. */
  readonly tag?: string | undefined;
}

/**
 * Who shall keep the image, best first, at most `count`: boot hosts before others, then those that hold it whole, then
 * those that are filling it, then by highest random weight. So a peer that leaves moves only what it kept, and one that
 * comes takes nothing over unless it is a boot host. Able is who is fit and holds it, fills it or has room for it.
 */
export function keepersOf(site: string, wish: ReplicaWish, peers: readonly Keeper[]): readonly PeerId[] {
  const { image, storedBytes, tag, count } = wish;
  const able = peers.filter(
    (peer) =>
      peer.fit &&
      (tag === undefined || peer.tags.includes(tag)) &&
      (peer.whole.has(image) || peer.filling === image || peer.roomBytes >= storedBytes),
  );
  const ranked = rankByWeight(site, image, able);
  const tier = (peer: Keeper) =>
    (isBootHost(peer) ? 0 : 3) + (peer.whole.has(image) ? 0 : peer.filling === image ? 1 : 2);
  return [0, 1, 2, 3, 4, 5]
    .flatMap((wanted) => ranked.filter((peer) => tier(peer) === wanted))
    .slice(0, count)
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
  // Ourselves as fit, whatever we are: another's copy that stays must be there before ours goes. All of them hold it, so
  // their order is the same wherever it is looked at.
  const fit = holders.filter((peer) => peer.fit || peer.id === self).map((peer) => ({ ...peer, fit: true }));
  const first = keepersOf(site, { ...wish, tag: undefined, count: Math.max(1, wish.count) }, fit);
  return { image, role: first.includes(self) ? 'last-copy' : 'spare', copies };
}

/** Peers by what they announce; a target comes and goes with its imaging and keeps nothing. */
export function keeperOf({ id, tags, role, unfit, holdings }: SitePeer): Keeper {
  return {
    id,
    tags,
    fit: role === 'peer' && !unfit.includes('leaving'),
    roomBytes: roomOf(tags),
    whole: new Set(holdings.filter(({ held, of }) => of > 0 && held === of).map(({ image }) => image)),
    filling: tags.find((tag) => tag.startsWith(FILLS_TAG))?.slice(FILLS_TAG.length),
  };
}

/** Room is announced as a tag, in powers of two, so that it changes rarely: `room:8` for 8 to 16 GiB. */
const ROOM_TAG = 'room:';
const FILLS_TAG = 'fills:';
const GIB = 2 ** 30;
/** In 1/64 GiB (16 MiB), so that also small shares count. */
const STEP = GIB / 64;

/** What a peer announces beside the tags that an administrator gave it. */
export function replicaTags(roomBytes: number, filling: ImageKey | undefined): readonly string[] {
  const steps = Math.floor(Math.max(0, roomBytes) / STEP);
  const room = `${ROOM_TAG}${steps === 0 ? 0 : 2 ** Math.floor(Math.log2(steps)) / 64}`;
  return filling === undefined ? [room] : [room, `${FILLS_TAG}${filling}`];
}

/** Words that peers give themselves; the rest are an administrator's. */
export function isOwnTag(tag: string): boolean {
  return tag.startsWith(ROOM_TAG) || tag.startsWith(FILLS_TAG);
}

/** Without the tag nothing is known: then it counts as able, for asking it in vain costs little. */
function roomOf(tags: readonly string[]): number {
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
}

function isBootHost({ tags }: Keeper): boolean {
  return tags.includes(TAGS.bootHost);
}
