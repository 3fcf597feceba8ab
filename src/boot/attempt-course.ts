// The course of one boot attempt so far: what the machine asked, who answered, which files it fetched, each with its time.
import { ANY_ADDRESS, type Ipv4 } from '../base/addresses.ts';
import { toText } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { type Endpoint, PXE_PORT } from '../dhcp/destination.ts';
import { OPTIONS, readOption } from '../dhcp/options.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';
import {
  decodeSuboptions,
  PXE_DISCOVERY_CONTROL,
  parseVendorClass,
  USE_OFFERED_FILE,
  type VendorClassName,
} from '../dhcp/pxe.ts';
import { type FileRole, roleOf } from './boot-file.ts';
import type { BootArchitecture, BootClient, ClientIdentity, NotBootClient } from './client.ts';
import type { ToldPlan } from './observed.ts';

/** Who asks in a round: the firmware's own ROM, or the iPXE that it loaded or is. */
export type RoundKind = BootClient['kind'] | 'unknown-architecture';

export interface Offer {
  readonly server: Ipv4;
  /** Undefined for a proxy's, which gives none. */
  readonly address: Ipv4 | undefined;
  /** Its option 60, when it is that of a boot server. */
  readonly claims: VendorClassName | undefined;
  readonly file: string | undefined;
  /** Says by option 43 to fetch the file without asking port 4011. */
  readonly direct: boolean;
}

/** One DHCP exchange and what follows from it: the ROM's, then the loaded iPXE's. */
export interface Round {
  readonly kind: RoundKind;
  readonly startedMs: MonotonicMs;
  xid: number;
  discovers: number;
  /** DISCOVERs before the first that arrived, where the machine says how many. */
  unheard: number;
  /** By server, the first of each kind; bounded. */
  readonly offers: Offer[];
  /** The relay (giaddr) that its packets came through. */
  relay: Ipv4 | undefined;
  /** Broadcast REQUESTs, and the server that they choose. */
  requests: number;
  chosen: Ipv4 | undefined;
  acked: boolean;
  refused: boolean;
  /** Requests to port 4011, and to whom. */
  asked4011: number;
  asked4011At: Ipv4 | undefined;
  answered4011: boolean;
}

export interface FetchedFile {
  readonly file: string;
  readonly role: FileRole;
  readonly via: 'tftp' | 'http';
  /** Asked for by HEAD. */
  readonly probe: boolean;
  readonly client: Endpoint;
  readonly server: Ipv4;
  readonly atMs: MonotonicMs;
  /** Times it was asked for without an answer in between. */
  requests: number;
  answered: boolean;
  sizeBytes: number | undefined;
  sentBytes: number;
  outcome: 'completed' | 'probed' | 'aborted' | 'denied' | 'timed-out' | undefined;
  why: string | undefined;
}

interface Note {
  readonly sentence: string;
  readonly round: number;
  readonly firstMs: MonotonicMs;
  lastMs: MonotonicMs;
  times: number;
}

const MOST_NOTES = 48;
const MOST_OFFERS = 8;
const MOST_FILES = 48;
const MOST_ROUNDS = 8;

export class Course {
  readonly identity: ClientIdentity;
  readonly architecture: BootArchitecture | undefined;
  readonly firmware: string;
  readonly startedMs: MonotonicMs;
  lastMs: MonotonicMs;
  address: Ipv4 | undefined;
  /** All that it has had in this attempt; bounded by whoever adds to it. */
  readonly addresses = new Set<Ipv4>();
  /** The first of them, and the one under way. */
  readonly first: Round;
  round: Round;
  readonly rounds: Round[];
  readonly files: FetchedFile[] = [];
  told: ToldPlan | undefined;
  checkedIn = false;
  /** Vendor class of what asked for an address after the boot files: an operating system, or a loaded initramfs. */
  system: string | undefined;
  readonly #notes: Note[] = [];

  /** `client`: an identity alone where nobody heard its DHCP; then its first round stays empty. */
  constructor(client: BootClient | NotBootClient | ClientIdentity, xid: number, now: MonotonicMs) {
    this.identity = 'identity' in client ? client.identity : client;
    this.architecture = 'architecture' in client ? client.architecture : undefined;
    this.firmware = 'kind' in client ? firmwareOf(client) : 'unknown';
    this.startedMs = now;
    this.lastMs = now;
    const kind = 'kind' in client && client.kind !== 'not-pxe' ? client.kind : 'unknown-architecture';
    this.first = newRound(kind, xid, now);
    this.round = this.first;
    this.rounds = [this.first];
  }

  /** The last file that matters. */
  get file(): FetchedFile | undefined {
    return this.files.findLast(({ role }) => role !== 'optional' && role !== 'agent');
  }

  get lastFile(): FetchedFile | undefined {
    return this.files.at(-1);
  }

  has(role: FileRole): boolean {
    return this.files.some((file) => file.role === role && file.outcome !== 'denied');
  }

  /** Has what the firmware loaded been heard: a second DHCP round, or a request that no firmware makes? */
  get nbpRan(): boolean {
    if (this.first.kind !== 'ipxe' && this.rounds.length > 1) return true;
    const nbp = this.files.find(({ role }) => role === 'nbp');
    return this.files.some((one) => one.role !== 'nbp' || one.file !== nbp?.file);
  }

  open(kind: RoundKind, xid: number, now: MonotonicMs): void {
    this.round = newRound(kind, xid, now);
    if (this.rounds.length >= MOST_ROUNDS) this.rounds.splice(1, 1);
    this.rounds.push(this.round);
  }

  /** DISCOVER, REQUEST or INFORM of this machine as a boot client. */
  asks(packet: DhcpPacket, target: Endpoint, now: MonotonicMs): void {
    const { round } = this;
    const type = readOption(packet.options, OPTIONS.messageType);
    if (packet.ciaddr !== ANY_ADDRESS) this.address = packet.ciaddr;
    if (target.port === PXE_PORT) {
      round.asked4011 += 1;
      round.asked4011At = target.address;
      this.note(`it asked ${target.address} at port 4011`, now);
      return;
    }
    if (packet.giaddr !== ANY_ADDRESS) round.relay = packet.giaddr;
    const through = packet.giaddr === ANY_ADDRESS ? '' : ` through the relay ${packet.giaddr}`;
    if (type === 'DISCOVER') {
      if (round.discovers === 0) this.#countUnheard(packet, now);
      round.discovers += 1;
      round.xid = packet.xid;
      this.note(`${KIND_NAMES[round.kind]} asked for an address and a boot server${through}`, now);
    } else if (type === 'REQUEST') {
      round.requests += 1;
      round.chosen = readOption(packet.options, OPTIONS.serverIdentifier) ?? round.chosen;
      const wanted = readOption(packet.options, OPTIONS.requestedAddress);
      this.address = wanted ?? this.address;
      this.note(`it took ${wanted ?? 'an address'} of ${round.chosen ?? 'a server'}${through}`, now);
    }
  }

  /** iPXE tells in `secs` (dhcp.c) how often it has sent, times four. */
  #countUnheard({ secs }: DhcpPacket, now: MonotonicMs): void {
    if (this.round.kind !== 'ipxe') return;
    this.round.unheard = Math.max((secs >> 2) - 1, 0);
    if (this.round.unheard > 0) this.note(`it had asked before, unheard (${this.round.unheard} times)`, now);
  }

  /** OFFER, ACK or NAK to this machine. */
  isAnswered(packet: DhcpPacket, source: Endpoint, now: MonotonicMs): void {
    const { round } = this;
    const type = readOption(packet.options, OPTIONS.messageType);
    const server = readOption(packet.options, OPTIONS.serverIdentifier) ?? source.address;
    if (source.port === PXE_PORT) {
      if (type === 'ACK' || type === 'OFFER') round.answered4011 = true;
      this.note(`${server} answered from port 4011${fileText(fileOf(packet))}`, now);
      return;
    }
    if (type === 'OFFER') {
      const offer = offerOf(packet, server);
      const before = round.offers.filter((one) => one.server === server && one.claims === offer.claims);
      const known = before.some(({ direct }) => direct === offer.direct);
      if (!known && round.offers.length < MOST_OFFERS) round.offers.push(offer);
      if (offer.address === undefined) {
        const what = offer.file === undefined ? 'answered' : `offered ${offer.file}`;
        // As boot hosts do when a machine asks again: boot/dialect-memory.
        const anew = !known && before.length > 0 ? ' in the other dialect' : '';
        this.note(`boot server ${server} ${what}${anew}`, now);
      } else {
        const claim = offer.claims !== undefined ? ', and claims to be its boot server (option 60)' : '';
        this.note(`DHCP server ${server} offered ${offer.address}${claim}${fileText(offer.file)}`, now);
      }
    } else if (type === 'ACK' && packet.yiaddr !== ANY_ADDRESS) {
      round.acked = true;
      this.address = packet.yiaddr;
      this.note(`${server} confirmed ${packet.yiaddr}`, now);
    } else if (type === 'NAK') {
      round.refused = true;
      this.note(`${server} refused the address`, now);
    }
  }

  requests(
    via: 'tftp' | 'http',
    client: Endpoint,
    server: Ipv4,
    file: string,
    now: MonotonicMs,
    probe = false,
  ): void {
    const last = this.files.at(-1);
    const by = via === 'tftp' ? 'TFTP' : 'HTTP';
    const role = roleOf(file, this.has('script'));
    if (role !== 'agent') this.note(`it asked ${server} for ${file.split('?', 1)[0]} by ${by}`, now);
    if (last?.file === file && last.server === server && last.via === via && !last.answered) {
      last.requests += 1;
      return;
    }
    if (this.files.length >= MOST_FILES) this.files.splice(MOST_FILES / 2, 1);
    this.files.push({
      file,
      role,
      via,
      probe,
      client,
      server,
      atMs: now,
      requests: 1,
      answered: false,
      sizeBytes: undefined,
      sentBytes: 0,
      outcome: undefined,
      why: undefined,
    });
  }

  /** The running transfer to this port of the client, else the last one to it. */
  transfer(via: 'tftp' | 'http', client: Endpoint, server: Ipv4): FetchedFile | undefined {
    const theirs = (one: FetchedFile) => one.via === via && one.server === server;
    return this.files.findLast((one) => theirs(one) && one.client.port === client.port);
  }

  ends(
    file: FetchedFile,
    outcome: NonNullable<FetchedFile['outcome']>,
    why: string | undefined,
    now: number,
  ) {
    file.outcome = outcome;
    file.why = why;
    const because = why === undefined ? '' : `: ${why}`;
    if (file.role !== 'agent') this.note(`${OUTCOMES[outcome]} ${file.file.split('?', 1)[0]}${because}`, now);
  }

  /** The same sentence again in the same round counts up. */
  note(sentence: string, now: MonotonicMs): void {
    const known = this.#notes.findLast((note) => note.sentence === sentence);
    if (known !== undefined && known.round === this.rounds.length) {
      known.times += 1;
      known.lastMs = now;
    } else if (this.#notes.length < MOST_NOTES) {
      this.#notes.push({ sentence, round: this.rounds.length, firstMs: now, lastMs: now, times: 1 });
    }
  }

  evidence(): string[] {
    return this.#notes.map(({ sentence, firstMs, lastMs, times }) => {
      const again = times === 1 ? '' : ` (${times} times, last at ${this.seconds(lastMs)})`;
      return `${this.seconds(firstMs)}: ${sentence}${again}`;
    });
  }

  seconds(now: MonotonicMs): string {
    return `${((now - this.startedMs) / 1000).toFixed(1)} s`;
  }
}

function newRound(kind: RoundKind, xid: number, now: MonotonicMs): Round {
  return {
    kind,
    startedMs: now,
    xid,
    discovers: 0,
    unheard: 0,
    offers: [],
    relay: undefined,
    requests: 0,
    chosen: undefined,
    acked: false,
    refused: false,
    asked4011: 0,
    asked4011At: undefined,
    answered4011: false,
  };
}

const KIND_NAMES: Readonly<Record<RoundKind, string>> = {
  'bios-rom': 'a BIOS ROM',
  'uefi-rom': 'UEFI (PXE)',
  'http-rom': 'UEFI (HTTP Boot)',
  ipxe: 'iPXE',
  'unknown-architecture': 'a PXE client of unknown architecture',
};

const OUTCOMES: Readonly<Record<NonNullable<FetchedFile['outcome']>, string>> = {
  completed: 'it has all of',
  probed: 'it wanted only the size of',
  aborted: 'it broke off',
  denied: 'the server refused',
  'timed-out': 'it stopped acknowledging',
};

function firmwareOf(client: BootClient | NotBootClient): string {
  switch (client.kind) {
    case 'bios-rom':
    case 'uefi-rom':
      return client.architecture;
    case 'http-rom':
      return `${client.architecture}-http`;
    case 'ipxe':
      return `${client.architecture}-ipxe`;
    default:
      return 'unknown';
  }
}

function fileOf(packet: DhcpPacket): string | undefined {
  const named = packet.file.length > 0 ? toText(packet.file) : readOption(packet.options, OPTIONS.bootFile);
  return named || undefined;
}

function fileText(file: string | undefined): string {
  return file === undefined ? '' : `, with the file ${file}`;
}

function offerOf(packet: DhcpPacket, server: Ipv4): Offer {
  const inside = decodeSuboptions(packet.options.get(OPTIONS.vendorOptions.code) ?? new Uint8Array(0));
  const control = inside instanceof WireError ? 0 : (inside.get(PXE_DISCOVERY_CONTROL)?.[0] ?? 0);
  return {
    server,
    address: packet.yiaddr === ANY_ADDRESS ? undefined : packet.yiaddr,
    claims: parseVendorClass(readOption(packet.options, OPTIONS.vendorClass) ?? '')?.name,
    file: fileOf(packet),
    direct: (control & USE_OFFERED_FILE) !== 0,
  };
}
