// How each firmware words its DHCP requests: vendor class, parameter list, flags, in the bytes that the captures hold.
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST } from '../../base/addresses.ts';
import { concatBytes, fromHex, fromText } from '../../base/bytes.ts';
import type { Dialect as OfferDialect } from '../../boot/quirks.ts';
import { DHCP_SERVER_PORT } from '../../dhcp/destination.ts';
import { type MessageType, OPTIONS, optionEntry } from '../../dhcp/options.ts';
import { BOOT_REQUEST, BROADCAST_FLAG, encodePacket } from '../../dhcp/packet.ts';
import type { FirmwareHardware } from './firmware.ts';

export const BROADCAST_TO_SERVERS = { address: LIMITED_BROADCAST, port: DHCP_SERVER_PORT } as const;

export interface Dialect {
  readonly vendorClass: string;
  /** Option 93. */
  readonly architecture: number;
  /** Option 94. */
  readonly undi: readonly [number, number, number];
  readonly parameters: readonly number[];
  readonly broadcast: boolean;
  readonly maximumBytes: Partial<Record<MessageType, number>> & { readonly DISCOVER: number };
  readonly hasClientIdentifier: boolean;
  /** Option 77 as iPXE sends it, and 175. */
  readonly ipxe?: { readonly features: Uint8Array };
}

export interface RequestFields {
  readonly type: MessageType;
  readonly xid: number;
  readonly secs?: number;
  readonly ciaddr?: Ipv4;
  /** Options 50 and 54 of a REQUEST that chooses. */
  readonly requested?: Ipv4;
  readonly server?: Ipv4;
  readonly more?: readonly (readonly [number, Uint8Array])[];
}

export function dhcpRequest(dialect: Dialect, hardware: FirmwareHardware, fields: RequestFields): Uint8Array {
  const mac = fromHex(hardware.mac.replaceAll(':', '')) ?? new Uint8Array(6);
  const { maximumBytes } = dialect;
  return encodePacket({
    op: BOOT_REQUEST,
    htype: 1,
    hops: 0,
    xid: fields.xid,
    secs: fields.secs ?? 0,
    // A unicast to 4011 comes from a machine that has an address: none has the flag there.
    flags: dialect.broadcast && fields.ciaddr === undefined ? BROADCAST_FLAG : 0,
    ciaddr: fields.ciaddr ?? ANY_ADDRESS,
    yiaddr: ANY_ADDRESS,
    siaddr: ANY_ADDRESS,
    giaddr: ANY_ADDRESS,
    chaddr: mac,
    sname: new Uint8Array(0),
    file: new Uint8Array(0),
    options: new Map([
      optionEntry(OPTIONS.messageType, fields.type),
      ...(fields.requested === undefined ? [] : [optionEntry(OPTIONS.requestedAddress, fields.requested)]),
      ...(fields.server === undefined ? [] : [optionEntry(OPTIONS.serverIdentifier, fields.server)]),
      optionEntry(OPTIONS.parameterRequestList, dialect.parameters),
      optionEntry(OPTIONS.maximumSize, maximumBytes[fields.type] ?? maximumBytes.DISCOVER),
      optionEntry(OPTIONS.vendorClass, dialect.vendorClass),
      ...(dialect.hasClientIdentifier
        ? [optionEntry(OPTIONS.clientIdentifier, concatBytes([Uint8Array.of(1), mac]))]
        : []),
      optionEntry(OPTIONS.clientArchitecture, [dialect.architecture]),
      optionEntry(OPTIONS.clientInterface, Uint8Array.from(dialect.undi)),
      optionEntry(OPTIONS.clientMachine, concatBytes([Uint8Array.of(0), hardware.uuid])),
      ...(dialect.ipxe === undefined
        ? []
        : [
            optionEntry(OPTIONS.userClass, fromText('iPXE')),
            optionEntry(OPTIONS.ipxe, dialect.ipxe.features),
          ]),
      ...(fields.more ?? []),
    ]),
  });
}

const digits = (architecture: number) => String(architecture).padStart(5, '0');
const COMMON = [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60];
const VENDOR = [128, 129, 130, 131, 132, 133, 134, 135];

/** EDK2's PXE: 7 is x64, 11 arm64. Its REQUEST to a DHCP server has 1472's place filled with 0xff00. */
export function edk2Pxe(architecture: 7 | 11): Dialect {
  return {
    vendorClass: `PXEClient:Arch:${digits(architecture)}:UNDI:003000`,
    architecture,
    undi: [1, 3, 0],
    parameters: [...COMMON, 66, 67, 97, ...VENDOR],
    broadcast: true,
    maximumBytes: { DISCOVER: 1472, REQUEST: 0xff00 },
    hasClientIdentifier: false,
  };
}

/** A vendor whose firmware refuses an offer that others take has its own build of all the rest, too: it is worded otherwise. */
export function vendorsOwn(dialect: Dialect, takesOnly: OfferDialect | undefined): Dialect {
  return takesOnly === undefined ? dialect : { ...dialect, undi: [1, 3, 16] };
}

/** EDK2's HTTP Boot: 16 is x64, 19 arm64. */
export function edk2Http(architecture: 16 | 19): Dialect {
  return {
    ...edk2Pxe(architecture === 16 ? 7 : 11),
    vendorClass: `HTTPClient:Arch:${digits(architecture)}:UNDI:003000`,
    architecture,
    parameters: [...COMMON, 235, 67, 97],
    maximumBytes: { DISCOVER: 1472 },
  };
}

/** PXE 2.1 table 2-1, as Intel's ROMs ask; there is no capture of one among ours. */
export const BIOS_ROM: Dialect = {
  vendorClass: 'PXEClient:Arch:00000:UNDI:002001',
  architecture: 0,
  undi: [1, 2, 1],
  parameters: [...COMMON, 66, 67, ...VENDOR],
  broadcast: true,
  maximumBytes: { DISCOVER: 1260 },
  hasClientIdentifier: false,
};

export type IpxeKind = '1.0.0-bios' | '1.0.0-uefi' | '2.0.0-bios' | '2.0.0-uefi' | '2.0.0-arm64';

const PARAMETERS_1 = [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, ...VENDOR, 175, 203];
const PARAMETERS_2 = [1, 3, 6, 7, 12, 15, 17, 26, 42, 43, 60, 66, 67, 119, 121, ...VENDOR, 175, 203];

/**
 * Option 175 as captured, but for `b1`, the card on its bus, which is that of virtio. Version 2 asks for broadcasts, and
 * `loadedByPxe` says no more than `PXEClient`: it repeats the class of the answer that the ROM had and left behind.
 */
export function ipxeDialect(kind: IpxeKind, loadedByPxe = false): Dialect {
  const isBios = kind.endsWith('bios');
  const isNew = kind.startsWith('2');
  const architecture = isBios ? 0 : kind.endsWith('arm64') ? 11 : 7;
  return {
    vendorClass:
      isNew && loadedByPxe
        ? 'PXEClient'
        : `PXEClient:Arch:${digits(architecture)}:UNDI:${isBios ? '002001' : '003010'}`,
    architecture,
    undi: isBios ? [1, 2, 1] : [1, 3, 10],
    parameters: isNew ? PARAMETERS_2 : PARAMETERS_1,
    broadcast: isNew,
    maximumBytes: { DISCOVER: 1472 },
    hasClientIdentifier: true,
    ipxe: { features: fromHex(FEATURES[kind]) ?? new Uint8Array(0) },
  };
}

const BUS = 'b105011af41000';
const FEATURES: Readonly<Record<IpxeKind, string>> = {
  '1.0.0-bios': `${BUS}eb03010000170101220101130101110101270101190101290101100102210101150101180101120101`,
  '1.0.0-uefi': `${BUS}eb03010000170101240101130101110101270101290101150101120101`,
  '2.0.0-bios': `${BUS}eb03020000170101270101220101130101110101190101100102210101150101180101120101`,
  '2.0.0-uefi': `${BUS}eb03020000170101270101240101130101140101110101150101260101120101`,
  '2.0.0-arm64': `${BUS}eb03020000170101270101240101130101140101110101150101260101120101`,
};
