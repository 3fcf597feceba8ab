// Who is who: packets of every kind of client, and of those that are none.
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/base/bytes.ts';
import { classifyClient, isBootClient } from '../../src/boot/client.ts';
import { QUIRKS } from '../../src/boot/quirks.ts';
import { OPTIONS } from '../../src/dhcp/options.ts';
import {
  BIOS_CLASS,
  type ClientPacket,
  clientPacket,
  HTTP_CLASS,
  IPXE_CLASS,
  UEFI_CLASS,
} from '../support/dhcp-packets.ts';

const rows: [string, ClientPacket, string][] = [
  ['BIOS ROM', { vendorClass: BIOS_CLASS, architectures: [0] }, 'bios-rom bios PXEClient'],
  ['UEFI x64', { vendorClass: UEFI_CLASS, architectures: [7] }, 'uefi-rom uefi-x64 PXEClient'],
  [
    'UEFI x64 that says EBC',
    { vendorClass: 'PXEClient:Arch:00009:UNDI:003000', architectures: [9] },
    'uefi-rom uefi-x64 PXEClient',
  ],
  [
    'UEFI ia32',
    { vendorClass: 'PXEClient:Arch:00006:UNDI:003000', architectures: [6] },
    'uefi-rom uefi-ia32 PXEClient',
  ],
  [
    'UEFI arm64',
    { vendorClass: 'PXEClient:Arch:00011:UNDI:003000', architectures: [11] },
    'uefi-rom uefi-arm64 PXEClient',
  ],
  ['option 93 absent: the digits in option 60', { vendorClass: UEFI_CLASS }, 'uefi-rom uefi-x64 PXEClient'],
  [
    'option 93 unusable: the digits',
    { vendorClass: UEFI_CLASS, more: [[93, Uint8Array.of(7)]] },
    'uefi-rom uefi-x64 PXEClient',
  ],
  [
    'several architectures: the first that is known',
    { vendorClass: UEFI_CLASS, architectures: [250, 11] },
    'uefi-rom uefi-arm64 PXEClient',
  ],
  ['HTTP Boot', { vendorClass: HTTP_CLASS, architectures: [16] }, 'http-rom uefi-x64 HTTPClient'],
  [
    'HTTP Boot that says EBC',
    { vendorClass: 'HTTPClient:Arch:00017:UNDI:003000', architectures: [17] },
    'http-rom uefi-x64 HTTPClient',
  ],
  [
    'iPXE in a BIOS',
    { vendorClass: BIOS_CLASS, architectures: [0], userClass: IPXE_CLASS },
    'ipxe bios PXEClient',
  ],
  [
    'iPXE 2.0: no digits in option 60',
    { vendorClass: 'PXEClient', architectures: [7], userClass: IPXE_CLASS },
    'ipxe uefi-x64 PXEClient',
  ],
  [
    'iPXE as RFC 3004 writes it',
    { vendorClass: 'PXEClient', architectures: [7], userClass: fromText('\x04iPXE') },
    'ipxe uefi-x64 PXEClient',
  ],
  [
    'another user class',
    { vendorClass: BIOS_CLASS, architectures: [0], userClass: fromText('\x03lab') },
    'bios-rom bios PXEClient',
  ],
  [
    'iPXE by the HTTP code',
    { vendorClass: 'HTTPClient', architectures: [16], userClass: IPXE_CLASS },
    'ipxe uefi-x64 HTTPClient',
  ],
];

describe('boot clients', () => {
  it.each(rows)('%s', (_, options, expected) => {
    const client = classifyClient(clientPacket(options));
    expect(isBootClient(client) && `${client.kind} ${client.architecture} ${client.vendorClass}`).toBe(
      expected,
    );
  });

  it('iPXE tells its version in option 175', () => {
    const packet = clientPacket({
      userClass: IPXE_CLASS,
      more: [[OPTIONS.ipxe.code, Uint8Array.of(235, 3, 1, 21, 1, 33, 1, 1)]],
    });
    expect(classifyClient(packet)).toMatchObject({ kind: 'ipxe', version: '1.21.1', features: ['pxe'] });
  });

  it('a broken option 175 does not hide that it is iPXE', () => {
    const packet = clientPacket({ userClass: IPXE_CLASS, more: [[175, Uint8Array.of(235, 9)]] });
    expect(classifyClient(packet)).toMatchObject({ kind: 'ipxe', version: undefined, features: [] });
  });
});

describe('others', () => {
  it.each([
    ['a PC that wants an address', { vendorClass: 'MSFT 5.0' }],
    ['no vendor class', { vendorClass: '' }],
  ])('%s is not PXE', (_, options) => {
    expect(classifyClient(clientPacket(options)).kind).toBe('not-pxe');
  });

  it.each([
    ['Itanium', [2]],
    ['RISC-V 64', [27]],
    ['BIOS by HTTP', [20]],
    ['nobody’s', [65535]],
    ['none', undefined],
  ])('an architecture that is %s is told, not guessed', (_, architectures) => {
    const client = classifyClient(
      clientPacket({ vendorClass: 'PXEClient', ...(architectures === undefined ? {} : { architectures }) }),
    );
    expect(client).toMatchObject({ kind: 'unknown-architecture', architectures: architectures ?? [] });
  });
});

describe('identity', () => {
  const uuidBytes = Uint8Array.of(0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 8, 9, 10, 11, 12, 13, 14, 15);
  const uuid = '00112233-4455-6677-0809-0a0b0c0d0e0f';

  it('MAC and uuid', () => {
    const packet = clientPacket({ more: [[97, Uint8Array.of(0, ...uuidBytes)]] });
    expect(classifyClient(packet).identity).toEqual({ mac: '52:54:00:77:00:01', uuid });
  });

  it('no option 97: the MAC alone', () => {
    expect(classifyClient(clientPacket()).identity).toEqual({ mac: '52:54:00:77:00:01', uuid: undefined });
  });

  it('EDK2 with the GUID for a hardware address: the uuid alone', () => {
    const packet = clientPacket({ fields: { chaddr: uuidBytes } });
    expect(classifyClient(packet).identity).toEqual({ mac: undefined, uuid });
  });
});

it('every quirk has a name of its own and says who saw it', () => {
  expect(new Set(QUIRKS.map((quirk) => quirk.name)).size).toBe(QUIRKS.length);
  for (const quirk of QUIRKS) expect(quirk.evidence).toMatch(/^[A-Z].{20,}\.$/);
});
