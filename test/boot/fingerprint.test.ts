// What makes two firmwares the same, what makes them differ, and which rules hold for whom.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { fingerprintOf } from '../../src/boot/fingerprint.ts';
import { dialectRule, QUIRKS } from '../../src/boot/quirks.ts';
import { OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { type ClientPacket, clientPacket, HTTP_CLASS, UEFI_CLASS } from '../support/dhcp-packets.ts';

const LIST = optionEntry(OPTIONS.parameterRequestList, [1, 3, 43, 60]);
const SIZE = optionEntry(OPTIONS.maximumSize, 1472);
const NIC = optionEntry(OPTIONS.clientInterface, Uint8Array.of(1, 3, 16));
const uefi: ClientPacket = { vendorClass: UEFI_CLASS, architectures: [7], more: [LIST, SIZE, NIC] };
const print = (options: ClientPacket) => fingerprintOf(clientPacket(options), 'uefi-x64');

describe('a fingerprint', () => {
  it('is short and the same for ever: it is kept on disks and told between versions', () => {
    expect(print(uefi)).toBe('uefi-x64-undi3.0-402824b9');
  });

  it.each<[string, ClientPacket]>([
    ['another MAC and transaction', { ...uefi, number: 77 }],
    ['seconds, flags, a relay', { ...uefi, fields: { secs: 9, flags: 0, giaddr: '10.77.9.1' as Ipv4 } }],
    [
      'an address that it had, the relay’s option, a host name',
      {
        ...uefi,
        more: [
          [50, Uint8Array.of(10, 77, 0, 9)],
          LIST,
          SIZE,
          [82, Uint8Array.of(1, 1, 1)],
          NIC,
          [12, Uint8Array.of(65)],
        ],
      },
    ],
  ])('is not changed by %s', (_, options) => {
    expect(print(options)).toBe(print(uefi));
  });

  it.each<[string, ClientPacket]>([
    [
      'the order of what it asks for',
      { ...uefi, more: [optionEntry(OPTIONS.parameterRequestList, [3, 1, 43, 60]), SIZE, NIC] },
    ],
    ['the size that it takes', { ...uefi, more: [LIST, optionEntry(OPTIONS.maximumSize, 1260), NIC] }],
    [
      'its network interface',
      { ...uefi, more: [LIST, SIZE, optionEntry(OPTIONS.clientInterface, Uint8Array.of(1, 3, 0))] },
    ],
    ['an option more', { ...uefi, more: [LIST, SIZE, NIC, [97, new Uint8Array(17)]] }],
    ['an option less', { ...uefi, more: [LIST, SIZE] }],
    ['the order of its options', { ...uefi, more: [SIZE, LIST, NIC] }],
    ['its class', { ...uefi, vendorClass: HTTP_CLASS }],
    ['its architecture', { ...uefi, architectures: [9] }],
  ])('is changed by %s', (_, options) => {
    expect(print(options)).not.toBe(print(uefi));
  });

  it('names the UNDI version of option 94 where option 60 has none, and none where there is none', () => {
    const bare = { ...uefi, vendorClass: 'PXEClient' };
    expect(print(bare)).toMatch(/^uefi-x64-undi3\.16-[0-9a-f]{8}$/);
    expect(print({ ...bare, vendorClass: '', more: [] })).toMatch(/^uefi-x64-[0-9a-f]{8}$/);
  });

  it('of whatever is sent is at most 48 plain letters', () => {
    const anything = fc.record({
      vendorClass: fc.oneof(
        fc.constant(UEFI_CLASS),
        fc.string({ maxLength: 200 }).map((text) => `PXEClient${text}`),
      ),
      more: fc.array(
        fc.tuple(fc.integer({ min: 1, max: 254 }), fc.uint8Array({ maxLength: 255, size: 'max' })),
      ),
    });
    fc.assert(
      fc.property(anything, (options) => {
        expect(print(options)).toMatch(/^[a-z0-9.-]{1,48}$/);
      }),
    );
  });
});

describe('the rules', () => {
  it.each([
    ['bios-rom', [0], 'offered-file', 1],
    ['uefi-rom', [7], 'binl', 0],
    ['uefi-rom', [9], 'binl', 0],
    ['uefi-rom', [11], 'binl', 0],
  ] as const)('%s of architecture %j begins with %3$s', (kind, architectures, dialect, patience) => {
    expect(dialectRule(clientPacket({ architectures, vendorClass: 'PXEClient' }), kind)).toEqual({
      dialect,
      patience,
    });
  });

  it('say nothing of HTTP Boot, which has one dialect', () => {
    const packet = clientPacket({ vendorClass: HTTP_CLASS, architectures: [16] });
    const matching = QUIRKS.filter((quirk) => quirk.matches(packet, 16));
    expect(matching).toEqual([]);
    expect(dialectRule(packet, 'uefi-rom')).toEqual({ dialect: 'binl', patience: 0 });
  });

  it('each say why', () => {
    for (const { name, evidence } of QUIRKS) {
      expect(name).toMatch(/^[a-z0-9-]+$/);
      expect(evidence).toMatch(/^[A-Z].{30,}\.$/);
    }
  });
});
