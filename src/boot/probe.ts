// What the doctor asks in place of a machine, how the answers read, and what they mean: pure, for `doctor --probe`.
import { ANY_ADDRESS, type Ipv4, type Mac } from '../base/addresses.ts';
import { fromHex, fromText, toText } from '../base/bytes.ts';
import { ERROR_TABLE, type ErrorCode } from '../base/error-table.ts';
import { WireError } from '../base/errors.ts';
import { type MessageType, OPTIONS, optionEntry, readOption } from '../dhcp/options.ts';
import { BOOT_REQUEST, BROADCAST_FLAG, type DhcpPacket } from '../dhcp/packet.ts';
import {
  decodeSuboptions,
  PXE_DISCOVERY_CONTROL,
  parseUserClass,
  parseVendorClass,
  USE_OFFERED_FILE,
  type VendorClassName,
} from '../dhcp/pxe.ts';

/** Firmware that is played, with its architecture's code (RFC 4578). */
export const PROBED_FIRMWARE = [
  { firmware: 'bios', says: 'PXEClient', architecture: 0 },
  { firmware: 'uefi-x64', says: 'PXEClient', architecture: 7 },
  { firmware: 'uefi-x64-http', says: 'HTTPClient', architecture: 16 },
] as const satisfies readonly {
  readonly firmware: string;
  readonly says: VendorClassName;
  readonly architecture: number;
}[];
export type ProbedFirmware = (typeof PROBED_FIRMWARE)[number];

/** Boot hosts of ours know by it that no machine is booting. */
const DOCTOR_USER_CLASS = 'peerboot-doctor';

/** For option 77, as RFC 3004 writes it. */
export const DOCTORS_USER_CLASS = Uint8Array.of(DOCTOR_USER_CLASS.length, ...fromText(DOCTOR_USER_CLASS));

/** Is this a question of a doctor's? It is answered as any, but nothing is remembered of it. */
export function isDoctorsQuestion(packet: DhcpPacket): boolean {
  const userClass = readOption(packet.options, OPTIONS.userClass);
  return userClass !== undefined && parseUserClass(userClass).includes(DOCTOR_USER_CLASS);
}

export interface Probe {
  readonly firmware: ProbedFirmware;
  readonly mac: Mac;
  readonly xid: number;
}

export function probeDiscover(probe: Probe): DhcpPacket {
  return request(probe, 'DISCOVER', ANY_ADDRESS);
}

/** For port 4011, as UEFI asks it from `address`. It names no lease, and no DHCP server hears it. */
export function probe4011(probe: Probe, address: Ipv4): DhcpPacket {
  return request(probe, 'REQUEST', address);
}

function request({ firmware, mac, xid }: Probe, type: MessageType, ciaddr: Ipv4): DhcpPacket {
  const { architecture, says } = firmware;
  const undi = architecture === 0 ? '002001' : '003000';
  return {
    op: BOOT_REQUEST,
    htype: 1,
    hops: 0,
    xid,
    secs: 0,
    flags: BROADCAST_FLAG,
    ciaddr,
    yiaddr: ANY_ADDRESS,
    siaddr: ANY_ADDRESS,
    giaddr: ANY_ADDRESS,
    chaddr: fromHex(mac.replaceAll(':', '')) as Uint8Array,
    sname: new Uint8Array(0),
    file: new Uint8Array(0),
    options: new Map([
      optionEntry(OPTIONS.messageType, type),
      optionEntry(OPTIONS.parameterRequestList, [1, 3, 13, 43, 54, 60, 66, 67, 97]),
      optionEntry(OPTIONS.maximumSize, 1472),
      optionEntry(OPTIONS.vendorClass, `${says}:Arch:${String(architecture).padStart(5, '0')}:UNDI:${undi}`),
      optionEntry(OPTIONS.userClass, DOCTORS_USER_CLASS),
      optionEntry(OPTIONS.clientArchitecture, [architecture]),
      optionEntry(OPTIONS.clientInterface, Uint8Array.of(1, 3, 0)),
    ]),
  };
}

/** One server's answer to one firmware. */
export interface ProbeAnswer {
  readonly server: Ipv4;
  /** The address that it would give; undefined for a proxyDHCP. */
  readonly offers: Ipv4 | undefined;
  /** Its option 60, when it is that of a boot server. */
  readonly claims: VendorClassName | undefined;
  readonly nextServer: Ipv4 | undefined;
  readonly file: string | undefined;
  /** The file of this very offer is to be fetched, without port 4011. */
  readonly direct: boolean;
  /** What port 4011 said; undefined when it was not asked. */
  readonly port4011?: { readonly file: string | undefined; readonly nextServer: Ipv4 | undefined } | 'silent';
  /** How the file was reached; undefined when there is none to reach. */
  readonly reach?: { readonly sizeBytes?: number; readonly failed?: string };
}

export interface ProbeResult {
  readonly firmware: ProbedFirmware['firmware'];
  readonly answers: readonly ProbeAnswer[];
  /** Whose file this firmware would boot. */
  readonly boots: Ipv4 | undefined;
}

export function answerOf(packet: DhcpPacket, source: Ipv4): ProbeAnswer {
  const inside = decodeSuboptions(packet.options.get(OPTIONS.vendorOptions.code) ?? new Uint8Array(0));
  const control = inside instanceof WireError ? 0 : (inside.get(PXE_DISCOVERY_CONTROL)?.[0] ?? 0);
  return {
    server: readOption(packet.options, OPTIONS.serverIdentifier) ?? source,
    offers: packet.yiaddr === ANY_ADDRESS ? undefined : packet.yiaddr,
    claims: parseVendorClass(readOption(packet.options, OPTIONS.vendorClass) ?? '')?.name,
    ...bootOf(packet),
    direct: (control & USE_OFFERED_FILE) !== 0,
  };
}

/** Boot file and where it lies, of an offer or of an answer from port 4011. */
export function bootOf(packet: DhcpPacket): Pick<ProbeAnswer, 'file' | 'nextServer'> {
  const named = packet.file.length > 0 ? toText(packet.file) : readOption(packet.options, OPTIONS.bootFile);
  return {
    file: named === '' ? undefined : named,
    nextServer: packet.siaddr === ANY_ADDRESS ? undefined : packet.siaddr,
  };
}

/** Does UEFI go to this server's port 4011? To every proxy that does not forbid it, and to a claimant that names no file. */
export function asks4011(
  { firmware }: ProbedFirmware,
  { claims, direct, offers, file }: ProbeAnswer,
): boolean {
  if (firmware !== 'uefi-x64' || claims !== 'PXEClient' || direct) return false;
  return offers === undefined || file === undefined;
}

/** What is to be fetched in the end: port 4011 has the last word. */
export function fileOf(answer: ProbeAnswer): Pick<ProbeAnswer, 'file' | 'nextServer'> | undefined {
  const boot = typeof answer.port4011 === 'object' ? answer.port4011 : answer;
  return boot.file === undefined ? undefined : boot;
}

/** As firmware chooses: a server that gives addresses and claims to boot outranks all proxies, the first of which counts. */
export function chosen(answers: readonly ProbeAnswer[], firmware: ProbedFirmware): ProbeAnswer | undefined {
  const usable = answers.filter(({ claims }) => claims === firmware.says);
  return (
    usable.find(({ offers }) => offers !== undefined) ??
    usable.find((one) => fileOf(one) !== undefined) ??
    usable[0]
  );
}

export interface ProbeFinding {
  readonly status: 'ok' | 'warn' | 'fail';
  readonly what: string;
  readonly code?: ErrorCode;
  readonly remedy?: string;
}

/** What is wrong with the answers, worst first; one `ok` when nothing is. */
export function probeFindings(results: readonly ProbeResult[]): readonly ProbeFinding[] {
  const found: ProbeFinding[] = [];
  const add = (status: 'warn' | 'fail', code: ErrorCode, what: string) => {
    if (!found.some((one) => one.what === what))
      found.push({ status, code, what, remedy: ERROR_TABLE[code].remedy });
  };
  const all = results.flatMap(({ answers }) => answers);
  if (all.every(({ offers }) => offers === undefined)) {
    add('fail', 'PB-DHCP-SILENT', 'nobody offered an address');
  }
  for (const { server } of all.filter(({ offers, claims }) => offers !== undefined && claims !== undefined)) {
    add('fail', 'PB-DHCP-COMPETES', `${server} gives addresses and claims to be the boot server (option 60)`);
  }
  for (const { server, file } of all.filter((one) => one.offers !== undefined && one.claims === undefined)) {
    if (file !== undefined)
      add('warn', 'PB-DHCP-COMPETES', `${server} names a boot file of its own: ${file}`);
  }
  for (const { firmware, answers } of results) {
    const boots = answers.filter(({ claims }) => claims !== undefined);
    if (boots.length === 0) add('fail', 'PB-BOOT-SERVER-NONE', `no boot server answers ${firmware}`);
    for (const one of boots) {
      if (one.port4011 === 'silent') {
        add(
          'fail',
          'PB-BOOT-SERVER-SILENT',
          `${one.server} offers to boot ${firmware} and does not answer at port 4011`,
        );
      } else if (fileOf(one) === undefined && one.offers === undefined) {
        add('fail', 'PB-BOOT-SERVER-SILENT', `${one.server} offers to boot ${firmware} and names no file`);
      } else if (one.reach?.failed !== undefined) {
        add('fail', 'PB-BOOT-FILE-UNREACHABLE', `${fileOf(one)?.file} of ${one.server}: ${one.reach.failed}`);
      }
    }
  }
  const servers = new Set(all.flatMap(({ server, claims }) => (claims === undefined ? [] : [server])));
  if (servers.size > 1) {
    add('warn', 'PB-BOOT-SERVERS-SEVERAL', `${[...servers].join(', ')} all offer to boot machines`);
  }
  found.sort((a, b) => Number(a.status === 'warn') - Number(b.status === 'warn'));
  return found.length > 0 ? found : [{ status: 'ok', what: 'every kind of machine would boot from here' }];
}
