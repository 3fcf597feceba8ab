// Who is in a site: peers as the others see them, and the port by which the rest of the house learns of them.
import type { Ipv4 } from '../base/addresses.ts';
import { type Digest, digestHex } from '../base/digest.ts';
import { type Random, randomInt } from '../base/random.ts';

/** Random per installation (a target: per boot): 16 lower-case hexadecimal digits. */
export type PeerId = string;

export function randomPeerId(random: Random): PeerId {
  const half = () =>
    randomInt(random, 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return half() + half();
}

/** How an image is called among peers: the first 16 hexadecimal digits of its manifest's digest. A hint, never a proof. */
export type ImageKey = string;

export function imageKey(manifest: Digest): ImageKey {
  return digestHex(manifest).slice(0, 16);
}

/** TCP for lines, UDP for beacons. */
export const DEFAULT_SITE_PORT = 8068;
/** Administratively scoped (RFC 2365), and never beyond the link: TTL 1. */
export const BEACON_GROUP = '239.255.80.66' as Ipv4;

/** Where a peer is reached: `port` is that of its lines (TCP) and beacons (UDP). */
export interface PeerRef {
  readonly id: PeerId;
  readonly address: Ipv4;
  readonly port: number;
}

/** An endpoint that runs the service, or a machine that is being imaged. */
export type PeerRole = 'peer' | 'target';

/**
 * Why a peer should not serve or cross the WAN now. `wan-down`: its own way out fails; it may still serve. `slow`: its uplink
 * is far slower than the others'; it may serve, but all of a site should not wait for it.
 */
export const UNFIT_REASONS = ['battery', 'metered', 'busy', 'paused', 'leaving', 'wan-down', 'slow'] as const;
export type UnfitReason = (typeof UNFIT_REASONS)[number];

/** What a peer holds of one image, in chunks; `held === of` means all of it. */
export interface Holding {
  readonly image: ImageKey;
  readonly held: number;
  readonly of: number;
}

/** What a peer says of itself. */
export interface Announcement {
  readonly role: PeerRole;
  /** Of its content by HTTP; 0 when it serves none (targets). */
  readonly httpPort: number;
  /** Free words of an administrator; those the house knows are in `TAGS`. */
  readonly tags: readonly string[];
  readonly holdings: readonly Holding[];
  /** What its uplink could still carry; 0 when unknown. */
  readonly freeUplinkBytesPerSecond: number;
  readonly unfit: readonly UnfitReason[];
  /** Images that it is fetching over the WAN now: the site's WAN limit is shared by so many. */
  readonly crossing: readonly ImageKey[];
}

export interface SitePeer extends PeerRef, Announcement {}

/** Tags that mean something to the house. */
export const TAGS = {
  bootHost: 'boot-host',
  /** Cross the WAN rather than others; never cross it. */
  wanPrefer: 'wan:prefer',
  wanForbid: 'wan:forbid',
} as const;

/** Port: who is there. Nothing that it says may be trusted further than to cost a little time. */
export interface Presence {
  readonly self: PeerId;
  start(): Promise<void>;
  /** Says goodbye, so that nobody waits for a silence. */
  stop(): Promise<void>;
  /** Live others of this site, without us. */
  peers(): readonly SitePeer[];
  /** Replaces what we say of ourselves; said to the others at once when it matters, else with the next beacon. */
  announce(own: Announcement): void;
  /** Somebody came, went or changed; returns how to stop listening. */
  onChange(listener: () => void): () => void;
  /** A connection to it broke, or it went quiet: gone within a second, for the whole site, unless it answers. A silence takes longer to notice. */
  suspect?(peer: PeerId): void;
  /** Told of a peer by address (configuration, check-in): beacons go there by unicast, too. */
  tellOf(where: { readonly address: Ipv4; readonly port: number }): void;
}
