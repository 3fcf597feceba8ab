// What happens to a beacon and what it does about it: the same for service and simulator.
import type { Mac } from '../base/addresses.ts';
import type { Random } from '../base/random.ts';
import type { Beacon, SiteHash } from './beacon-codec.ts';
import type { BeaconEndpoint } from './beacon-table.ts';
import type { Announcement, PeerId, SitePeer } from './site.ts';

export type BeaconEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'wake' }
  | {
      readonly kind: 'heard';
      readonly from: BeaconEndpoint;
      readonly site: SiteHash;
      /** It came to the group, not to us alone. */
      readonly multicast: boolean;
      readonly beacon: Beacon;
    }
  /** What we say of ourselves from now on. */
  | { readonly kind: 'announce'; readonly own: Announcement }
  | { readonly kind: 'tell'; readonly where: BeaconEndpoint }
  /** A connection to or from it broke, or it went quiet in the middle of feeding us. */
  | { readonly kind: 'suspect'; readonly peer: PeerId }
  /** We have answered this boot request. */
  | { readonly kind: 'answered'; readonly mac: Mac; readonly xid: number }
  /** Sites that we belong to from now on: interfaces came or went. */
  | { readonly kind: 'sites'; readonly sites: readonly SiteHash[] }
  | { readonly kind: 'leave' };

export type WentWhy = 'goodbye' | 'silent' | 'suspect';

/** Why something heard changes nothing. */
export type IgnoredBeacon =
  | 'own-echo'
  | 'other-site'
  | 'no-room'
  /** A goodbye from somewhere else than its peer was heard from, or from an unknown one. */
  | 'not-its-address'
  /** Heard after its goodbye. */
  | 'has-left'
  | 'asked-too-often'
  /** Our own id, but another machine: see `new-id`. */
  | 'same-id';

export type BeaconAction =
  | { readonly kind: 'multicast'; readonly beacon: Beacon }
  | { readonly kind: 'unicast'; readonly to: BeaconEndpoint; readonly beacon: Beacon }
  | { readonly kind: 'came'; readonly peer: SitePeer }
  | { readonly kind: 'changed'; readonly peer: SitePeer }
  | { readonly kind: 'went'; readonly peer: SitePeer; readonly why: WentWhy }
  /** A peer that we know has answered this boot request. */
  | { readonly kind: 'answered'; readonly by: PeerId; readonly mac: Mac; readonly xid: number }
  /** Another machine has our id (a cloned disk): this is ours from now on, keep it. */
  | { readonly kind: 'new-id'; readonly id: PeerId }
  | { readonly kind: 'ignored'; readonly why: IgnoredBeacon; readonly from: BeaconEndpoint };

export interface BeaconSetup {
  readonly self: PeerId;
  /** TCP port of our lines. */
  readonly sitePort: number;
  readonly sites: readonly SiteHash[];
  readonly own: Announcement;
  /** Never the same for two machines, or they would take one another for an echo. */
  readonly random: Random;
  /** At most so many peers in all, and at one address. */
  readonly mostPeers?: number;
  readonly mostPerAddress?: number;
}
