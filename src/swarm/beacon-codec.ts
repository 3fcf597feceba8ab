// The datagrams by which peers of a site know each other: a heartbeat of 24 bytes, and announcements of at most 1,200.
//
//   0  'P' 'B'            magic
//   2  version            1; another one is somebody else's language
//   3  kind | flags       low and high half
//   4  site               hash of the site's key: see siteHash
//   8  id                 of the sender
//  16  instance           random at each start of the sender: tells a restart, and two machines with one cloned id
//  20  revision           counts the sender's announcements: who knows another one asks
//  22  free uplink        in 100 kB/s, rounded up; 0: unknown
//
// That is a heartbeat, a probe, an ask, a goodbye. A suspicion goes on:
//
//  24  subject            id of the one that does not answer the sender any more
//
// The word of a boot host that it has answered a machine goes on:
//
//  24  MAC, xid           of the machine and of its DHCP transaction
//
// An announcement goes on:
//
//  24  role, unfit (a bit a reason), HTTP port, site port
//  30  tags: how many, then each with its length before it
//      images that it fetches over the WAN: how many, then 8 bytes each
//      holdings: how many, then image (8), held (4), of (4)
//
// All numbers big-endian.
import { formatMac, type Mac } from '../base/addresses.ts';
import { fromText, toHex, toText, viewOf } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import { mix } from './mix.ts';
import { type Announcement, type Holding, type ImageKey, type PeerId, UNFIT_REASONS } from './site.ts';

/** Below the 1,280 bytes that every link carries whole (RFC 8200 §5), headers included. */
export const MOST_BEACON_BYTES = 1200;
export const MOST_TAGS = 16;
export const MOST_TAG_BYTES = 63;
export const MOST_CROSSING = 16;

const MAGIC = 0x5042;
const VERSION = 1;
const STAMP_BYTES = 24;
const UPLINK_UNIT = 100_000;
const IMAGE_BYTES = 8;
const HOLDING_BYTES = 16;
const DIRECT = 0x10;
const WANTS = 0x20;
const SUSPICION_BYTES = STAMP_BYTES + 8;
const ANSWERED_BYTES = STAMP_BYTES + 10;
const KINDS = {
  1: 'beat',
  2: 'probe',
  3: 'ask',
  4: 'goodbye',
  5: 'announcement',
  6: 'suspicion',
  7: 'answered',
} as const;
const ROLES = ['peer', 'target'] as const;

/** Which site a datagram is meant for. 32 bits keep neighbours apart; they are no secret and prove nothing. */
export type SiteHash = number;

/** Of the site's label, or of the subnet of the interface that it leaves by, e.g. `10.77.0.0/24`. */
export function siteHash(key: string): SiteHash {
  return mix(`site ${key}`).high;
}

/** What every datagram says of its sender. */
export interface BeaconStamp {
  readonly id: PeerId;
  readonly instance: number;
  readonly revision: number;
  /** Travels in whole 100 kB/s. */
  readonly freeUplinkBytesPerSecond: number;
  /** Multicast does not bring you to me, as far as I know: send me your beats by unicast. */
  readonly direct: boolean;
}

/** What an announcement says beyond the stamp. */
export type BeaconFacts = Omit<Announcement, 'freeUplinkBytesPerSecond'>;

export type Beacon = BeaconStamp &
  (
    | { readonly kind: 'beat' }
    /** Are you there? Answered by a beat. */
    | { readonly kind: 'probe' }
    /** Answered by an announcement. */
    | { readonly kind: 'ask' }
    | { readonly kind: 'goodbye' }
    /** It does not answer me: ask it yourselves. */
    | { readonly kind: 'suspicion'; readonly subject: PeerId }
    /** I have answered this boot request: nobody behind me need to. */
    | { readonly kind: 'answered'; readonly mac: Mac; readonly xid: number }
    | {
        readonly kind: 'announcement';
        /** I have just come: announce yourself to me. */
        readonly wants: boolean;
        /** Of its lines (TCP). Beacons go to the port that the datagram came from. */
        readonly sitePort: number;
        readonly facts: BeaconFacts;
      }
  );

export interface SiteBeacon {
  readonly site: SiteHash;
  readonly beacon: Beacon;
}

/** The uplink as others will read it. Little is rounded up, so that it is not taken for unknown. */
export function announcedUplink(bytesPerSecond: number): number {
  return Math.min(Math.ceil(bytesPerSecond / UPLINK_UNIT), 0xffff) * UPLINK_UNIT;
}

/**
 * What fits into one datagram: tags that can be said, then the holdings that matter most. Images in the making come
 * first, since there the others' choice depends on it, then whole ones; among equals the given order counts.
 */
export function boundFacts(facts: BeaconFacts): BeaconFacts {
  const tags = facts.tags.filter((tag) => isTag(fromText(tag), tag)).slice(0, MOST_TAGS);
  const crossing = facts.crossing.slice(0, MOST_CROSSING);
  const used = STAMP_BYTES + 6 + 3 + tagBytes(tags) + crossing.length * IMAGE_BYTES;
  const room = Math.min(Math.floor((MOST_BEACON_BYTES - used) / HOLDING_BYTES), 0xff);
  const holdings = facts.holdings
    .filter(({ held }) => held > 0)
    .sort((a, b) => Number(a.held >= a.of) - Number(b.held >= b.of))
    .slice(0, room);
  return { ...facts, tags, crossing, holdings };
}

function tagBytes(tags: readonly string[]): number {
  return tags.reduce((total, tag) => total + 1 + fromText(tag).length, 0);
}

/** Printable (neither control nor format characters), and not so long that the rest would not fit. */
function isTag(bytes: Uint8Array, text: string): boolean {
  return bytes.length > 0 && bytes.length <= MOST_TAG_BYTES && !/[\p{C}\ufffd]/u.test(text);
}

const MOST_BYTES: Partial<Record<Beacon['kind'], number>> = {
  announcement: MOST_BEACON_BYTES,
  suspicion: SUSPICION_BYTES,
  answered: ANSWERED_BYTES,
};

/** An announcement's facts must have been bounded by `boundFacts`. */
export function encodeBeacon({ site, beacon }: SiteBeacon): Uint8Array {
  const bytes = new Uint8Array(MOST_BYTES[beacon.kind] ?? STAMP_BYTES);
  const view = viewOf(bytes);
  view.setUint16(0, MAGIC);
  view.setUint8(2, VERSION);
  const wants = beacon.kind === 'announcement' && beacon.wants;
  view.setUint8(3, kindNumber(beacon.kind) | (beacon.direct ? DIRECT : 0) | (wants ? WANTS : 0));
  view.setUint32(4, site);
  putHex(bytes, 8, beacon.id);
  view.setUint32(16, beacon.instance);
  view.setUint16(20, beacon.revision);
  view.setUint16(22, announcedUplink(beacon.freeUplinkBytesPerSecond) / UPLINK_UNIT);
  if (beacon.kind === 'suspicion') putHex(bytes, STAMP_BYTES, beacon.subject);
  if (beacon.kind === 'answered') {
    putHex(bytes, STAMP_BYTES, beacon.mac.replaceAll(':', ''));
    view.setUint32(STAMP_BYTES + 6, beacon.xid);
  }
  if (beacon.kind !== 'announcement') return bytes;
  return bytes.subarray(0, putFacts(bytes, view, beacon.sitePort, beacon.facts));
}

function putFacts(bytes: Uint8Array, view: DataView, sitePort: number, facts: BeaconFacts): number {
  view.setUint8(24, ROLES.indexOf(facts.role));
  view.setUint8(
    25,
    UNFIT_REASONS.reduce((bits, reason, i) => bits | (facts.unfit.includes(reason) ? 1 << i : 0), 0),
  );
  view.setUint16(26, facts.httpPort);
  view.setUint16(28, sitePort);
  let at = 30;
  view.setUint8(at++, facts.tags.length);
  for (const tag of facts.tags) {
    const text = fromText(tag);
    view.setUint8(at++, text.length);
    bytes.set(text, at);
    at += text.length;
  }
  view.setUint8(at++, facts.crossing.length);
  for (const image of facts.crossing) at = putHex(bytes, at, image);
  view.setUint8(at++, facts.holdings.length);
  for (const { image, held, of } of facts.holdings) {
    at = putHex(bytes, at, image);
    view.setUint32(at, held);
    view.setUint32(at + 4, of);
    at += 8;
  }
  return at;
}

function putHex(bytes: Uint8Array, at: number, hex: string): number {
  const count = hex.length / 2;
  for (let i = 0; i < count; i++) bytes[at + i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  return at + count;
}

function kindNumber(kind: Beacon['kind']): number {
  switch (kind) {
    case 'beat':
      return 1;
    case 'probe':
      return 2;
    case 'ask':
      return 3;
    case 'goodbye':
      return 4;
    case 'announcement':
      return 5;
    case 'suspicion':
      return 6;
    case 'answered':
      return 7;
  }
}

/** Nothing is copied but what is kept, and nothing larger than the datagram is ever made room for. */
export function decodeBeacon(bytes: Uint8Array): SiteBeacon | WireError {
  if (bytes.length < STAMP_BYTES) return new WireError('shorter than a heartbeat', bytes.length);
  const view = viewOf(bytes);
  if (view.getUint16(0) !== MAGIC) return new WireError('not a beacon', 0);
  if (bytes[2] !== VERSION) return new WireError(`version ${bytes[2]}, we speak ${VERSION}`, 2);
  const word = view.getUint8(3);
  const kind = KINDS[(word & 0x0f) as keyof typeof KINDS];
  if (kind === undefined) return new WireError(`kind ${word & 0x0f} is none`, 3);
  const allowed = kind === 'announcement' ? DIRECT | WANTS : DIRECT;
  if ((word & 0xf0 & ~allowed) !== 0) return new WireError(`flags ${word & 0xf0} mean nothing here`, 3);
  const stamp: BeaconStamp = {
    id: toHex(bytes.subarray(8, 16)),
    instance: view.getUint32(16),
    revision: view.getUint16(20),
    freeUplinkBytesPerSecond: view.getUint16(22) * UPLINK_UNIT,
    direct: (word & DIRECT) !== 0,
  };
  const site = view.getUint32(4);
  if (kind === 'suspicion') {
    if (bytes.length !== SUSPICION_BYTES)
      return new WireError('a suspicion names one peer', Math.min(bytes.length, SUSPICION_BYTES));
    return { site, beacon: { ...stamp, kind, subject: toHex(bytes.subarray(STAMP_BYTES)) } };
  }
  if (kind === 'answered') {
    if (bytes.length !== ANSWERED_BYTES)
      return new WireError('an answer has a MAC and an xid', Math.min(bytes.length, ANSWERED_BYTES));
    const mac = formatMac(bytes.subarray(STAMP_BYTES, STAMP_BYTES + 6));
    return { site, beacon: { ...stamp, kind, mac, xid: view.getUint32(STAMP_BYTES + 6) } };
  }
  if (kind !== 'announcement') {
    if (bytes.length !== STAMP_BYTES) return new WireError('bytes behind the end', STAMP_BYTES);
    return { site, beacon: { ...stamp, kind } };
  }
  if (bytes.length > MOST_BEACON_BYTES) return new WireError('too long', MOST_BEACON_BYTES);
  const rest = takeFacts(bytes, view);
  if (rest instanceof WireError) return rest;
  return { site, beacon: { ...stamp, kind, wants: (word & WANTS) !== 0, ...rest } };
}

function takeFacts(
  bytes: Uint8Array,
  view: DataView,
): { readonly sitePort: number; readonly facts: BeaconFacts } | WireError {
  if (bytes.length < 33) return new WireError('announcement cut off', bytes.length);
  const role = ROLES[view.getUint8(24)];
  if (role === undefined) return new WireError(`role ${bytes[24]} is none`, 24);
  const bits = view.getUint8(25);
  if (bits >> UNFIT_REASONS.length !== 0) return new WireError('unknown reason to be unfit', 25);
  const sitePort = view.getUint16(28);
  if (sitePort === 0) return new WireError('no port for lines', 28);
  let at = 30;
  const tags: string[] = [];
  const tagCount = view.getUint8(at++);
  if (tagCount > MOST_TAGS) return new WireError(`${tagCount} tags`, at - 1);
  for (let i = 0; i < tagCount; i++) {
    const length = bytes[at] ?? 0;
    const raw = bytes.subarray(at + 1, at + 1 + length);
    const tag = toText(raw);
    if (raw.length !== length || !isTag(raw, tag)) return new WireError('not a tag', at);
    tags.push(tag);
    at += 1 + length;
  }
  const crossingCount = bytes[at++];
  if (crossingCount === undefined || crossingCount > MOST_CROSSING)
    return new WireError('no list of images being fetched', at - 1);
  if (bytes.length < at + crossingCount * IMAGE_BYTES + 1) return new WireError('announcement cut off', at);
  const crossing: ImageKey[] = [];
  for (let i = 0; i < crossingCount; i++, at += IMAGE_BYTES)
    crossing.push(toHex(bytes.subarray(at, at + IMAGE_BYTES)));
  const holdingCount = view.getUint8(at++);
  if (bytes.length !== at + holdingCount * HOLDING_BYTES)
    return new WireError('holdings do not fill the rest', at);
  const holdings: Holding[] = [];
  for (let i = 0; i < holdingCount; i++, at += HOLDING_BYTES) {
    const held = view.getUint32(at + 8);
    const of = view.getUint32(at + 12);
    if (held > of) return new WireError('holds more than there is', at);
    holdings.push({ image: toHex(bytes.subarray(at, at + IMAGE_BYTES)), held, of });
  }
  const unfit = UNFIT_REASONS.filter((_, i) => (bits & (1 << i)) !== 0);
  return { sitePort, facts: { role, httpPort: view.getUint16(26), tags, holdings, unfit, crossing } };
}
