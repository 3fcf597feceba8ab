// How a finished attempt is judged: the first row that applies gives the verdict, so the order is part of the meaning.
import { DEFAULT_HTTP_PORT } from '../api/routes.ts';
import type { Ipv4 } from '../base/addresses.ts';
import type { VendorClassName } from '../dhcp/pxe.ts';
import type { Course, FetchedFile, Offer, Round, RoundKind } from './attempt-course.ts';
import { isOutOfSight } from './observed.ts';
import type { Verdict } from './verdict.ts';

export interface Ending {
  /**
   * `silence`: nothing more came for longer than its firmware waits. `again`: the machine began anew. `cut`: nobody looks any more (the
   * capture ends). `evicted`: too many machines at once. `done`: nothing more is to come.
   */
  readonly by: 'silence' | 'again' | 'cut' | 'evicted' | 'done';
  /** Since the last that was seen of it. */
  readonly quietMs: number;
  /** Would a check-in of the agent have been heard? Not in a capture. */
  readonly hearsCheckIn: boolean;
  /** Addresses of the peer that judges, which sees only what is asked of itself; undefined: everything is seen. */
  readonly ours: readonly Ipv4[] | undefined;
  /** Of the site's boot hosts, for remedies; the usual one when absent. */
  readonly httpPort?: number | undefined;
}

export interface Row {
  readonly verdict: Verdict;
  readonly when: (course: Course, ending: Ending) => boolean;
  /** One sentence: what is wrong and who can mend it. */
  readonly remedy: (course: Course, ending: Ending) => string;
}

/** Silence at the end of a capture that is longer than any gap of a boot that goes well, but for loading and starting programs. */
const GAP_MS = 6_000;
/** From a whole NBP to its first packet: a minute passes before firmware tries its next way of booting. */
const START_MS = 40_000;

/** May the lack of something count against it, or may it just not have come yet? */
function over({ by, quietMs }: Ending, afterMs = GAP_MS): boolean {
  return by !== 'evicted' && (by !== 'cut' || quietMs >= afterMs);
}

/** Offers without an address that this firmware can use: HTTP Boot wants another option 60 than PXE. */
const proxies = ({ kind, offers }: Round): readonly Offer[] =>
  offers.filter(
    ({ address, claims }) => address === undefined && (claims ?? CLASS_OF[kind]) === CLASS_OF[kind],
  );
/** Whoever says what to boot: proxies, and a server that gives addresses, too. */
const bootServers = (round: Round): readonly Offer[] => [
  ...proxies(round),
  ...givers(round).filter(({ claims }) => claims === CLASS_OF[round.kind]),
];
const givers = ({ offers }: Round): readonly Offer[] => offers.filter(({ address }) => address !== undefined);
const filesOf = ({ files }: Course, { startedMs }: Round): readonly FetchedFile[] =>
  files.filter(({ atMs }) => atMs >= startedMs);
const isUefi = ({ architecture }: Course): boolean => architecture?.startsWith('uefi') === true;
const tookAddress = ({ requests, acked }: Round): boolean => requests > 0 || acked;

const CLASS_OF: Readonly<Record<RoundKind, VendorClassName>> = {
  'bios-rom': 'PXEClient',
  'uefi-rom': 'PXEClient',
  'http-rom': 'HTTPClient',
  ipxe: 'PXEClient',
  'unknown-architecture': 'PXEClient',
};

/** A server that gives addresses and says that it is the boot server. */
function claimant({ round }: Course): Offer | undefined {
  return givers(round).find(({ claims }) => claims === CLASS_OF[round.kind]);
}

/** Did the machine follow the claimant, although a boot server beside it may have offered too? */
function followedClaimant(course: Course, { ours }: Ending): boolean {
  const { round } = course;
  const rival = claimant(course);
  if (rival === undefined || !tookAddress(round)) return false;
  if (ours?.includes(rival.server) === true) return false;
  const files = filesOf(course, round);
  if (files.some(({ server, answered }) => answered && server !== rival.server)) return false;
  const asksRival = round.asked4011At === rival.server;
  // iPXE weighs offers by their priority and by what they carry: there only its next step tells.
  if (round.kind === 'ipxe') return asksRival || files.some(({ server }) => server === rival.server);
  return round.asked4011At === undefined || asksRival || !round.answered4011;
}

function unanswered(course: Course, ending: Ending): boolean {
  const { lastFile, round } = course;
  if (round.asked4011 > 0 && !round.answered4011 && filesOf(course, round).length === 0) {
    return round.asked4011 > 1 || over(ending);
  }
  return lastFile !== undefined && !lastFile.answered && (lastFile.requests > 2 || over(ending));
}

/** It had an address and knew its file, and nothing came to fetch it. */
function neverFetched(course: Course, ending: Ending): boolean {
  const { round } = course;
  if (!over(ending) || filesOf(course, round).length > 0) return false;
  const known = bootServers(round);
  if (known.length === 0) return false;
  if (!tookAddress(round)) return givers(round).length > 0 && round.discovers > 1;
  return round.kind !== 'uefi-rom' || round.answered4011 || known.some(({ direct }) => direct);
}

/** Only unicast reached us: files or port 4011 were asked for, and no DISCOVER or REQUEST before. */
function onlyUnicast({ rounds, files }: Course): boolean {
  return (
    rounds.every(({ discovers, requests }) => discovers + requests === 0) &&
    (files.length > 0 || rounds.some(({ asked4011 }) => asked4011 > 0))
  );
}

/** Its requests came by a relay, and nothing that a boot host says came of it. */
function behindDeafRelay(course: Course, ending: Ending): boolean {
  const { round } = course;
  if (round.relay === undefined || !over(ending) || filesOf(course, round).length > 0) return false;
  if (round.asked4011 > 0) return false;
  const answered = givers(round).length > 0 && round.discovers > 1;
  return proxies(round).length > 0 ? tookAddress(round) : tookAddress(round) || answered;
}

function hasNoAddress(course: Course, ending: Ending): boolean {
  const { round } = course;
  if (round.acked || filesOf(course, round).length > 0) return false;
  if (round.asked4011 > 0) return false;
  if (round.refused) return over(ending);
  if (round.requests > 0) return round.requests > 1 && givers(round).length > 0;
  return round.discovers > 0 && givers(round).length === 0 && (round.discovers > 1 || over(ending));
}

/** Another boot server offered beside us, and the machine asked nothing of us: it may well boot from there. */
function wentElsewhere({ files, round }: Course, { ours }: Ending): boolean {
  if (ours === undefined || files.length > 0 || round.asked4011 > 0) return false;
  return proxies(round).some(({ server }) => !ours.includes(server));
}

/** Kernel and initramfs, or both as one program, were asked for; with `answered`, and came. */
function loadsAgent({ files }: Course, answered: boolean): boolean {
  const payload = files.filter((file) => file.role === 'payload' && (file.answered || !answered));
  return payload.length > 1 || payload.some(({ file }) => /\.efi$/i.test(file));
}

/** A capture shows the loaded system's own request for an address, or ends while the last file comes in as it should. */
function ranOnTheWire(course: Course, { by, hearsCheckIn }: Ending): boolean {
  // At a peer, too: the agent may have checked in at another one of the site.
  if (course.system !== undefined) return true;
  if (hearsCheckIn) return false;
  return by === 'cut' && loadsAgent(course, false) && !brokeOff(course);
}

/** Nobody asks anything of us from there. */
function openedShell(course: Course): boolean {
  return course.told === 'shell' && loadsAgent(course, true) && !brokeOff(course);
}

function brokeOff({ file }: Course): boolean {
  if (file === undefined) return false;
  return (
    file.outcome === 'aborted' ||
    file.outcome === 'denied' ||
    (file.outcome === 'timed-out' && file.sentBytes > 0)
  );
}

function neverStarted(course: Course, ending: Ending): boolean {
  const { file, lastFile } = course;
  if (!isUefi(course) || file?.role !== 'nbp' || file !== lastFile || course.rounds.length > 1) return false;
  if (course.first.kind === 'ipxe') return false;
  const whole =
    file.outcome === 'completed' || (file.outcome === undefined && file.answered && ending.by === 'again');
  return whole && over(ending, START_MS);
}

export const VERDICT_TABLE: readonly Row[] = [
  {
    verdict: 'booted',
    when: (course) => course.checkedIn || isOutOfSight(course.told) || openedShell(course),
    remedy: () => 'Nothing is wrong.',
  },
  {
    verdict: 'other-dhcp-claims-option-60',
    when: (course, ending) =>
      followedClaimant(course, ending) && !ranOnTheWire(course, ending) && over(ending),
    remedy: (course) =>
      `The DHCP server ${claimant(course)?.server} says itself that it is the boot server, and firmware prefers it: whoever runs it removes option 60 (and 66, 67 and the boot file).`,
  },
  { verdict: 'booted', when: ranOnTheWire, remedy: () => 'Nothing is wrong.' },
  {
    verdict: 'size-probe-only',
    when: ({ file, lastFile }) => file !== undefined && file === lastFile && file.outcome === 'probed',
    remedy: () => 'Normal: firmware asks for the size first, and for the file next.',
  },
  {
    verdict: 'relay-missing',
    when: onlyUnicast,
    remedy: () =>
      "The machine's DHCP broadcasts do not arrive here: whoever runs the router of its network adds the boot host's address to the DHCP relay (ip helper-address), or a peer in that network is made a boot host.",
  },
  {
    verdict: 'relay-missing',
    when: behindDeafRelay,
    remedy: ({ round }) =>
      proxies(round).length === 0
        ? `The relay ${round.relay} takes the machine's requests to the DHCP server and to no boot host: whoever runs that router adds the boot host's address to the relay (ip helper-address), or a peer in that network is made a boot host.`
        : `The relay ${round.relay} passes the machine's requests here but not the answers back: whoever runs that router lets it relay offers of a second server (ip helper-address), or a peer in that network is made a boot host.`,
  },
  {
    verdict: 'unknown',
    when: (course, ending) => wentElsewhere(course, ending) && tookAddress(course.round),
    remedy: ({ round }, { ours }) => {
      const others = proxies(round).filter(({ server }) => ours?.includes(server) !== true);
      return `The machine followed another boot server (${others.map(({ server }) => server).join(', ')}): if that is none of ours, whoever runs it stops it.`;
    },
  },
  {
    verdict: 'no-address',
    when: hasNoAddress,
    remedy: ({ round }) =>
      round.refused || round.requests > 0
        ? `The DHCP server${round.chosen === undefined ? '' : ` ${round.chosen}`} did not confirm the address it offered: whoever runs it looks whether its range is used up or the machine is barred.`
        : round.unheard > 0
          ? 'Its first questions did not get through, and nobody offered an address to the later ones: whoever runs the switch makes this an edge port (portfast), for one with spanning tree is silent for 30 s after the link is up; and looks at the DHCP server.'
          : 'No DHCP server offered an address: whoever runs the network checks that the DHCP server runs, has free addresses, and is reached from this port of the switch.',
  },
  {
    verdict: 'nbp-aborted',
    when: (course) => brokeOff(course),
    remedy: ({ file }) =>
      file?.outcome === 'denied'
        ? `${file.server} does not have ${file.file}: build the boot assets there (\`npm run boot-assets\`), or correct the name in whatever hands it out.`
        : `The transfer of ${file?.file} broke off: the technician checks cable and switch port (packet loss, an MTU below 1500) and, if it breaks off always at once, that this firmware takes this kind of file.`,
  },
  {
    verdict: 'never-asked-4011',
    when: (course, ending) => {
      const { round } = course;
      if (round.kind !== 'uefi-rom' || !over(ending) || !tookAddress(round)) return false;
      const known = bootServers(round);
      return (
        known.length > 0 &&
        !known.some(({ direct }) => direct) &&
        round.asked4011 === 0 &&
        filesOf(course, round).length === 0
      );
    },
    remedy: () =>
      'The machine has an address and heard of the boot server, but its question to port 4011 never arrived: whoever runs the boot host lets UDP 4011 in through its firewall; if it is open, the DHCP server sends boot options of its own (60, 66, 67) which its owner removes.',
  },
  {
    verdict: 'firewall',
    when: unanswered,
    remedy: remedyOfUnanswered,
  },
  {
    verdict: 'firewall',
    when: (course, ending) =>
      neverFetched(course, ending) || (course.file?.outcome === 'timed-out' && course.file.sentBytes === 0),
    remedy: (_, { httpPort = DEFAULT_HTTP_PORT }) =>
      `The machine was told what to boot, and then nothing of it arrived: whoever runs the boot host or the switch opens UDP 67, 68, 69 and 4011 and TCP ${httpPort} between them, in both directions (host firewall, DHCP snooping).`,
  },
  {
    verdict: 'secure-boot-refused',
    when: neverStarted,
    remedy: ({ file }) =>
      `The firmware loaded ${file?.file} whole and did not start it, as it does when Secure Boot does not trust its signature: the technician enrols the organisation's key or turns Secure Boot off, or head office gives this machine a signed chain.`,
  },
  { verdict: 'unknown', when: () => true, remedy: remedyOfUnknown },
];

function remedyOfUnanswered(
  { lastFile, nbpRan, round }: Course,
  { ours, httpPort = DEFAULT_HTTP_PORT }: Ending,
): string {
  const file = lastFile?.answered === false ? lastFile : undefined;
  const server = file?.server ?? round.asked4011At;
  const via = file?.via.toUpperCase() ?? 'port 4011';
  const namer = givers(round).find(
    (offer) => offer.file !== undefined && (offer.file === file?.file || offer.server === server),
  );
  if (namer !== undefined) {
    return `The DHCP server ${namer.server} names a boot file of its own, ${namer.file}, which leads the machine to ${server}, where nothing answers: whoever runs that DHCP server removes its options 66 and 67 and the boot file.`;
  }
  if (nbpRan && server === round.chosen) {
    return `What was loaded looks for its files at the DHCP server ${server}, which has none, as signed GRUB does: head office gives this machine another chain (iPXE, or a signed kernel image), or whoever runs that DHCP server lets it name the boot host as next-server.`;
  }
  // A peer on two networks offers on both, by an address each.
  const host = (address: Ipv4 | undefined) =>
    address !== undefined && ours?.includes(address) === true ? 'ours' : address;
  const others = proxies(round).filter((offer) => host(offer.server) !== host(server));
  if (others.length > 0) {
    return `Several boot servers offered, and the machine followed ${server}, which does not answer (${via}): whoever runs that one stops it or starts all of its services.`;
  }
  return `What the machine asks of ${server} (${via}) gets no answer: whoever runs that host starts the service there or opens UDP 67, 69, 4011 and TCP ${httpPort} in the firewalls between.`;
}

function remedyOfUnknown(course: Course, ending: Ending): string {
  const { round, told } = course;
  if (ending.by === 'evicted') return 'More machines asked at once than are watched: boot it again.';
  if (told === 'wait') return 'The machine waits for an administrator to approve it or to assign an image.';
  if (ending.by === 'cut' && !over(ending)) {
    return 'Nothing had gone wrong when the capture ended: capture until the machine has booted or given up.';
  }
  if (round.kind === 'unknown-architecture') {
    return 'This kind of machine is not known here: report it with a capture of its boot.';
  }
  if (bootServers(round).length === 0 && course.files.length === 0) {
    return 'No boot server answered: head office tags a peer of this network as boot host, and whoever runs that peer starts it.';
  }
  if (loadsAgent(course, true)) {
    return "Kernel and agent were loaded and never reported: the technician reads the machine's own screen (too little memory, or no driver for its network card).";
  }
  return "Boot it again and read the machine's own screen; if it stays so, report it with a capture of its boot.";
}
