// Who asks: classifies a DHCP packet as one kind of boot client, or says by a typed reason why it is none.
import { formatMac, type Mac } from '../base/addresses.ts';
import { WireError } from '../base/errors.ts';
import { OPTIONS, readOption } from '../dhcp/options.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';
import {
  formatUuid,
  parseIpxe,
  parseMachineUuid,
  parseUserClass,
  parseVendorClass,
  type VendorClassName,
} from '../dhcp/pxe.ts';
import { quirksOf } from './quirks.ts';

/** Processor and firmware that an NBP must be made for. */
export type BootArchitecture = 'bios' | 'uefi-ia32' | 'uefi-x64' | 'uefi-arm32' | 'uefi-arm64';

/** How the client fetches its first file. */
export type BootTransport = 'tftp' | 'http';

/** Which machine this is, as far as its packet tells. At least one of the two is there in any real client. */
export interface ClientIdentity {
  readonly mac: Mac | undefined;
  readonly uuid: string | undefined;
}

export type BootClient = {
  readonly identity: ClientIdentity;
  readonly architecture: BootArchitecture;
  /** What to send back in option 60. */
  readonly vendorClass: VendorClassName;
} & (
  | { readonly kind: 'bios-rom' }
  | { readonly kind: 'uefi-rom' }
  /** UEFI HTTP Boot. */
  | { readonly kind: 'http-rom' }
  | {
      readonly kind: 'ipxe';
      /** `1.0.0`; undefined when it does not say. */
      readonly version: string | undefined;
      readonly features: readonly string[];
    }
);

export type NotBootClient =
  /** No option 60 of a boot client: an ordinary machine that wants an address. */
  | { readonly kind: 'not-pxe'; readonly identity: ClientIdentity }
  | {
      readonly kind: 'unknown-architecture';
      readonly identity: ClientIdentity;
      /** Every code that the packet names (RFC 4578 §2.1 and IANA's registry). */
      readonly architectures: readonly number[];
    };

interface KnownArchitecture {
  readonly architecture: BootArchitecture;
  readonly transport: BootTransport;
}

/** Codes of option 93: RFC 4578 §2.1 with its erratum (7 is x64), then IANA's registry of processor types. */
const ARCHITECTURES: ReadonlyMap<number, KnownArchitecture> = new Map([
  [0, { architecture: 'bios', transport: 'tftp' }],
  [6, { architecture: 'uefi-ia32', transport: 'tftp' }],
  [7, { architecture: 'uefi-x64', transport: 'tftp' }],
  [10, { architecture: 'uefi-arm32', transport: 'tftp' }],
  [11, { architecture: 'uefi-arm64', transport: 'tftp' }],
  [15, { architecture: 'uefi-ia32', transport: 'http' }],
  [16, { architecture: 'uefi-x64', transport: 'http' }],
  [18, { architecture: 'uefi-arm32', transport: 'http' }],
  [19, { architecture: 'uefi-arm64', transport: 'http' }],
]);

/** Classifies a request (BOOT_REQUEST) by what it says of itself; never by its MAC. */
export function classifyClient(packet: DhcpPacket): BootClient | NotBootClient {
  const identity = identityOf(packet);
  const vendorClass = parseVendorClass(readOption(packet.options, OPTIONS.vendorClass) ?? '');
  if (vendorClass === undefined) return { kind: 'not-pxe', identity };

  const named = [
    ...(readOption(packet.options, OPTIONS.clientArchitecture) ?? []),
    ...(vendorClass.architecture === undefined ? [] : [vendorClass.architecture]),
  ];
  const codes = named.map((code) => quirksOf(packet, code).architecture ?? code);
  const ipxe = ipxeOf(packet);
  const known = codes.map((code) => ARCHITECTURES.get(code)).find((entry) => entry !== undefined);
  if (known === undefined) return { kind: 'unknown-architecture', identity, architectures: named };

  const common = { identity, architecture: known.architecture, vendorClass: vendorClass.name };
  // iPXE always says PXEClient, even when it will fetch by HTTP; its user class is what tells it from a ROM.
  if (ipxe !== undefined) return { kind: 'ipxe', ...common, ...ipxe };
  if (vendorClass.name === 'HTTPClient' || known.transport === 'http') return { kind: 'http-rom', ...common };
  return { kind: known.architecture === 'bios' ? 'bios-rom' : 'uefi-rom', ...common };
}

export function isBootClient(client: BootClient | NotBootClient): client is BootClient {
  return client.kind !== 'not-pxe' && client.kind !== 'unknown-architecture';
}

function ipxeOf(
  packet: DhcpPacket,
): { version: string | undefined; features: readonly string[] } | undefined {
  const userClass = readOption(packet.options, OPTIONS.userClass);
  if (userClass === undefined || !parseUserClass(userClass).includes('iPXE')) return undefined;
  const encapsulated = parseIpxe(packet.options.get(OPTIONS.ipxe.code) ?? new Uint8Array(0));
  if (encapsulated instanceof WireError) return { version: undefined, features: [] };
  return { version: encapsulated.version, features: encapsulated.features };
}

/** Ethernet's MAC from chaddr; where EDK2 put the system's GUID there (hlen 16), the uuid instead. */
export function identityOf(packet: DhcpPacket): ClientIdentity {
  const fromOption = parseMachineUuid(packet.options.get(OPTIONS.clientMachine.code) ?? new Uint8Array(0));
  return {
    mac: packet.chaddr.length === 6 ? formatMac(packet.chaddr) : undefined,
    uuid: fromOption ?? formatUuid(packet.chaddr),
  };
}
