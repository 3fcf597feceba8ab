// Where a boot attempt begins and ends, when the machine's packets do not say so.
import type { Ipv4, Mac } from '../base/addresses.ts';
import type { Course, RoundKind } from './attempt-course.ts';

/** Silence after which an attempt is over. EDK2 sends at 0, 4, 12 and 28 s, BIOS ROMs up to 32 s apart. */
const ASKING_MS = 40_000;
/** From a whole NBP to its first packet: a signed kernel image unpacks for half a minute on slow machines. */
const STARTING_MS = 90_000;
/** Kernel and initramfs by UNDI's 0.8 MB/s, then their start. */
const LOADING_MS = 300_000;
/** The least of all. */
export const SHORTEST_PATIENCE_MS = 20_000;

/** How long this machine may be silent before its attempt is over. */
export function patienceMs(course: Course, hearsCheckIn: boolean): number {
  if (course.system !== undefined) return hearsCheckIn ? LOADING_MS : SHORTEST_PATIENCE_MS;
  if (course.told !== undefined || course.has('script')) return LOADING_MS;
  const { file } = course;
  // Our own HTTP tells of an answer when it has ended: an agent in one program is on its way for a minute.
  const coming = hearsCheckIn && file?.via === 'http' && !file.probe;
  if (file?.outcome === undefined && (file?.answered === true || coming)) return LOADING_MS;
  return file?.outcome === 'completed' ? STARTING_MS : ASKING_MS;
}

/** Vendor classes of installed systems: most Linux tells none. What runs inside an initramfs (busybox, dracut, ours) tells one. */
export const INSTALLED = /^($|MSFT|dhcpcd|android-dhcp|dhclient|systemd)/i;

/** Does this packet belong to a new attempt of a machine that has one under way? */
export function startsAnew(course: Course, kind: RoundKind, xid: number, type: string): boolean {
  const { round } = course;
  if (type !== 'DISCOVER' || round.xid === xid) return false;
  // iPXE after a ROM, or after an NBP that iPXE itself loaded, is what was loaded.
  if (kind === 'ipxe') return course.has('script') || course.system !== undefined;
  if (round.kind !== kind) return true;
  // The same ROM with a new xid begins anew once it had come further than asking.
  return round.requests > 0 || course.files.length > 0;
}

export function needsRound(
  { files, round }: Course,
  kind: RoundKind,
  xid: number,
  type: string,
  on4011: boolean,
): boolean {
  if (on4011 || round.xid === xid) return false;
  if (round.kind !== kind) return true;
  // iPXE that was loaded by iPXE; otherwise it asks again with another xid.
  return kind === 'ipxe' && type === 'DISCOVER' && files.some(({ atMs }) => atMs >= round.startedMs);
}

export interface Vantage {
  /** Our addresses at the moment. */
  readonly ours: () => readonly Ipv4[];
  /** Would we have answered this machine, and heard the offers of others? Then nobody's silence is ours to tell. */
  readonly judgesUnanswered: (mac: Mac | undefined) => boolean;
  /** Of our HTTP, for remedies. */
  readonly httpPort?: number | undefined;
}

/** Is it for this peer to judge: did the machine deal with it, or with nobody at all? */
export function isOurs(course: Course, { ours, judgesUnanswered }: Vantage): boolean {
  const own = ours();
  const mine = (server: Ipv4 | undefined) => server !== undefined && own.includes(server);
  if (course.checkedIn || course.told !== undefined || course.files.some(({ server }) => mine(server)))
    return true;
  if (course.rounds.some((round) => mine(round.asked4011At))) return true;
  const offers = course.rounds.flatMap((round) => round.offers);
  if (offers.some(({ server }) => mine(server))) return true;
  const others = offers.some(({ address }) => address === undefined);
  return (
    judgesUnanswered(course.identity.mac) &&
    !others &&
    course.rounds.every(({ relay }) => relay === undefined)
  );
}
