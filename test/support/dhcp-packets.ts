// Makes DHCP packets for tests: what a client of a kind sends, changed as the test says.
import { ANY_ADDRESS, type Ipv4 } from '../../src/base/addresses.ts';
import { fromText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { type MessageType, OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { BOOT_REQUEST, type DhcpPacket, decodePacket } from '../../src/dhcp/packet.ts';

export interface ClientPacket {
  readonly type?: MessageType;
  /** Last byte of the MAC and of the xid. */
  readonly number?: number;
  readonly vendorClass?: string;
  readonly architectures?: readonly number[];
  readonly userClass?: Uint8Array;
  readonly more?: readonly (readonly [number, Uint8Array])[];
  readonly fields?: Partial<DhcpPacket>;
}

export const BIOS_CLASS = 'PXEClient:Arch:00000:UNDI:002001';
export const UEFI_CLASS = 'PXEClient:Arch:00007:UNDI:003000';
export const HTTP_CLASS = 'HTTPClient:Arch:00016:UNDI:003000';

export function clientPacket(options: ClientPacket = {}): DhcpPacket {
  const number = options.number ?? 1;
  const vendorClass = options.vendorClass ?? BIOS_CLASS;
  return {
    op: BOOT_REQUEST,
    htype: 1,
    hops: 0,
    xid: 0x50580000 + number,
    secs: 0,
    flags: 0x8000,
    ciaddr: ANY_ADDRESS,
    yiaddr: ANY_ADDRESS,
    siaddr: ANY_ADDRESS,
    giaddr: ANY_ADDRESS,
    chaddr: Uint8Array.of(0x52, 0x54, 0, 0x77, number >>> 8, number),
    sname: new Uint8Array(0),
    file: new Uint8Array(0),
    ...options.fields,
    options: new Map<number, Uint8Array>([
      optionEntry(OPTIONS.messageType, options.type ?? 'DISCOVER'),
      ...(vendorClass === '' ? [] : [optionEntry(OPTIONS.vendorClass, vendorClass)]),
      ...(options.architectures === undefined
        ? []
        : [optionEntry(OPTIONS.clientArchitecture, options.architectures)]),
      ...(options.userClass === undefined ? [] : [[OPTIONS.userClass.code, options.userClass] as const]),
      ...(options.more ?? []),
    ]),
  };
}

export const IPXE_CLASS = fromText('iPXE');

export function serverIdentifier(address: string): readonly [number, Uint8Array] {
  return optionEntry(OPTIONS.serverIdentifier, address as Ipv4);
}

export function mustDecode(bytes: Uint8Array): DhcpPacket {
  const packet = decodePacket(bytes);
  if (packet instanceof WireError) throw packet;
  return packet;
}
