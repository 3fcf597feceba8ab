// The option table and what PXE hides inside options.
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { fromHex, fromText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { MESSAGE_TYPES, OPTIONS, optionEntry, readOption, showOption } from '../../src/dhcp/options.ts';
import {
  decodeSuboptions,
  encodeSuboptions,
  parseClientInterface,
  parseIpxe,
  parseMachineUuid,
  parseUserClass,
  parseVendorClass,
} from '../../src/dhcp/pxe.ts';

const hex = (text: string) => fromHex(text.replaceAll(' ', '')) as Uint8Array;

describe('the table', () => {
  it('names each code once, with the place where it is defined', () => {
    const rows = Object.values(OPTIONS);
    expect(new Set(rows.map((row) => row.code)).size).toBe(rows.length);
    for (const row of rows) expect(row.section, row.name).toMatch(/RFC \d{4} §\d|ipxe\.org/);
  });

  it.each([
    [optionEntry(OPTIONS.subnetMask, '255.255.0.0' as Ipv4), OPTIONS.subnetMask, '255.255.0.0'],
    [optionEntry(OPTIONS.router, ['10.77.0.1' as Ipv4]), OPTIONS.router, ['10.77.0.1']],
    [optionEntry(OPTIONS.leaseTime, 0xffffffff), OPTIONS.leaseTime, 0xffffffff],
    [optionEntry(OPTIONS.maximumSize, 1472), OPTIONS.maximumSize, 1472],
    [optionEntry(OPTIONS.clientArchitecture, [7, 9]), OPTIONS.clientArchitecture, [7, 9]],
    [optionEntry(OPTIONS.bootFile, 'snponly.efi'), OPTIONS.bootFile, 'snponly.efi'],
    [optionEntry(OPTIONS.parameterRequestList, [1, 3]), OPTIONS.parameterRequestList, [1, 3]],
    [optionEntry(OPTIONS.clientIdentifier, hex('01 52')), OPTIONS.clientIdentifier, hex('01 52')],
  ] as const)('%j reads back as it was written', (entry, option, value) => {
    expect(readOption(new Map([entry]), option as typeof OPTIONS.subnetMask)).toEqual(value);
  });

  it('every message type reads back', () => {
    for (const type of Object.values(MESSAGE_TYPES)) {
      expect(readOption(new Map([optionEntry(OPTIONS.messageType, type)]), OPTIONS.messageType)).toBe(type);
    }
  });

  it('a boot file is sent with the NUL that EDK2 would write', () => {
    expect(optionEntry(OPTIONS.bootFile, 'a')[1]).toEqual(Uint8Array.of(97, 0));
  });

  it('bytes that are not of an option’s kind read as nothing, and are shown raw', () => {
    const wrong = Uint8Array.of(1, 2, 3);
    for (const option of [OPTIONS.serverIdentifier, OPTIONS.router, OPTIONS.messageType] as const) {
      expect(readOption(new Map([[option.code, wrong]]), option as typeof OPTIONS.router)).toBeUndefined();
      expect(showOption(option.code, wrong)).toBe(`${option.code} ${option.name} 01 02 03`);
    }
    expect(showOption(224, wrong)).toBe('224 01 02 03');
    expect(showOption(53, Uint8Array.of(9))).toBe('53 message type 09');
  });
});

describe('inside', () => {
  it.each([
    ['PXEClient:Arch:00007:UNDI:003016', { name: 'PXEClient', architecture: 7, undi: '3.16' }],
    ['HTTPClient:Arch:00016:UNDI:003001', { name: 'HTTPClient', architecture: 16, undi: '3.1' }],
    ['PXEClient', { name: 'PXEClient', architecture: undefined, undi: undefined }],
    ['PXEClient:Arch:0x07', { name: 'PXEClient', architecture: undefined, undi: undefined }],
    ['MSFT 5.0', undefined],
    ['', undefined],
  ])('vendor class %j', (text, expected) => expect(parseVendorClass(text)).toEqual(expected));

  it.each([
    ['iPXE, bare', fromText('iPXE'), ['iPXE']],
    ['iPXE as RFC 3004 has it', fromText('\x04iPXE'), ['iPXE']],
    ['two classes', fromText('\x04iPXE\x03lab'), ['iPXE', 'lab']],
    ['a length that does not fit', fromText('\x09lab'), ['\x09lab']],
    ['nothing', new Uint8Array(0), []],
  ])('user class: %s', (_, bytes, expected) => expect(parseUserClass(bytes)).toEqual(expected));

  it('a machine identifier reads as SMBIOS tools print it', () => {
    const uuid = hex('00 33221100 5544 7766 8899 aabbccddeeff');
    expect(parseMachineUuid(uuid)).toBe('00112233-4455-6677-8899-aabbccddeeff');
    expect(parseMachineUuid(uuid.subarray(1))).toBeUndefined();
    expect(parseMachineUuid(new Uint8Array(17))).toBeUndefined();
    expect(parseMachineUuid(hex(`00${'ff'.repeat(16)}`))).toBeUndefined();
  });

  it('the network interface version', () => {
    expect(parseClientInterface(Uint8Array.of(1, 3, 16))).toEqual({ type: 1, version: '3.16' });
    expect(parseClientInterface(Uint8Array.of(1))).toBeUndefined();
  });

  it('iPXE tells its version and features; QEMU’s ROM as captured', () => {
    const ipxe = parseIpxe(hex('b105011af41000 eb03010000 170101 220101 130101 210101'));
    expect(ipxe).toMatchObject({ version: '1.0.0', features: ['http', 'dns', 'pxe', 'elf'] });
    expect(parseIpxe(Uint8Array.of(235, 3, 1))).toBeInstanceOf(WireError);
  });

  it('suboptions read back, with pads and an End inside', () => {
    const inside = new Map([
      [6, Uint8Array.of(8)],
      [9, Uint8Array.of(1, 2)],
    ]);
    expect(encodeSuboptions(inside, 'end')).toEqual(Uint8Array.of(6, 1, 8, 9, 2, 1, 2, 255));
    expect(decodeSuboptions(encodeSuboptions(inside, 'end'))).toEqual(inside);
    expect(decodeSuboptions(encodeSuboptions(inside, 'no-end'))).toEqual(inside);
    expect(decodeSuboptions(Uint8Array.of(0, 0, 6, 1, 8, 255, 9))).toEqual(new Map([[6, Uint8Array.of(8)]]));
    expect(decodeSuboptions(Uint8Array.of(6))).toBeInstanceOf(WireError);
  });
});
