// UEFI boot entries: bytes laid out by hand from the specification, and where ours goes among others.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import {
  bootEntryDescription,
  bootEntryKind,
  bootVariable,
  encodeBootEntry,
  encodeBootOrder,
  firstDiskEntry,
  parseBootOrder,
  planBootEntry,
} from '../../src/imaging/boot-entry.ts';
import { ESP_TYPE, guidBytes } from '../../src/imaging/layout.ts';

const esp = {
  number: 1,
  type: ESP_TYPE,
  guid: guidBytes('ad5a2a2e-5e4b-4a6c-9c57-6ef0b4b7d0a1'),
  firstLba: 2048,
  lastLba: 206_847,
  name: 'EFI',
};

it('encodes HD(1,GPT,…,0x800,0x32000)/File(\\EFI\\BOOT\\BOOTX64.EFI) byte for byte', () => {
  const bytes = encodeBootEntry('till', esp, '\\EFI\\BOOT\\BOOTX64.EFI');
  expect(toHex(bytes)).toBe(
    [
      '01000000', // active
      '5e00', // the device path has 94 bytes
      '740069006c006c000000', // "till"
      '04012a00', // hard drive, 42 bytes
      '01000000', // partition 1
      '0008000000000000', // first sector 0x800
      '0020030000000000', // 0x32000 sectors
      '2e2a5aad4b5e6c4a9c576ef0b4b7d0a1', // its GUID
      '0202', // GPT, by signature
      '04043000', // file path, 48 bytes
      '5c004500460049005c0042004f004f0054005c0042004f004f0054005800360034002e004500460049000000',
      '7fff0400', // end
    ].join(''),
  );
  expect(bootEntryDescription(bytes)).toBe('till');
});

it('a description without an end is a WireError', () => {
  expect(bootEntryDescription(encodeBootEntry('till', esp, 'x').subarray(0, 10))).toBeInstanceOf(WireError);
});

describe('planBootEntry', () => {
  const entries = new Map([
    [0, 'UiApp'],
    [1, 'UEFI PXEv4'],
    [3, 'debian'],
  ]);
  it('takes the lowest free number and the first place, and keeps all others in their order', () => {
    expect(planBootEntry(entries, [1, 0, 3], 'Peerboot till')).toEqual({ number: 2, order: [2, 1, 0, 3] });
  });
  it('takes the place of its own former entry', () => {
    expect(planBootEntry(new Map([...entries, [7, 'Peerboot till']]), [1, 7, 0], 'Peerboot till')).toEqual({
      number: 7,
      order: [7, 1, 0],
    });
  });
  it('never loses or doubles an entry of the order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 65_535 })), (order) => {
        const plan = planBootEntry(
          new Map(order.map((number) => [number, `entry ${number}`])),
          order,
          'ours',
        );
        expect(plan.order.slice(1)).toEqual(order);
        expect(order).not.toContain(plan.number);
      }),
    );
  });
});

describe('what an entry starts', () => {
  /** An active entry called `x` with these device path nodes: type, subtype, and four bytes of whatever. */
  const entry = (active: number, ...nodes: readonly (readonly [type: number, subtype: number])[]) =>
    Uint8Array.of(
      ...[active, 0, 0, 0, nodes.length * 8 + 4, 0],
      ...[0x78, 0, 0, 0],
      ...nodes.flatMap(([type, subtype]) => [type, subtype, 8, 0, 1, 2, 3, 4]),
      ...[0x7f, 0xff, 4, 0],
    );
  it.each<[string, Uint8Array, string]>([
    ['a hard drive', entry(1, [2, 1], [1, 1], [4, 1]), 'disk'],
    ['a file on a disk', entry(1, [4, 4]), 'disk'],
    ['a bare PCI device', entry(1, [2, 1], [1, 1]), 'disk'],
    ['a SATA disk', entry(1, [3, 18]), 'disk'],
    ['a NIC', entry(1, [2, 1], [1, 1], [3, 11]), 'network'],
    ['HTTP Boot', entry(1, [3, 11], [3, 12], [3, 24]), 'network'],
    ['a program in a firmware volume', entry(1, [4, 7], [4, 6]), 'other'],
    ['a BIOS device (BBS)', entry(1, [5, 1]), 'other'],
    ['nothing', entry(1), 'other'],
    ['an entry that is not active', entry(0, [4, 1]), 'other'],
    ['a description without an end', Uint8Array.of(1, 0, 0, 0, 0, 0, 0x78, 0), 'other'],
    ['a node of no length', Uint8Array.of(1, 0, 0, 0, 4, 0, 0, 0, 4, 1, 0, 0), 'other'],
  ])('%s', (_, bytes, kind) => {
    expect(bootEntryKind(bytes)).toBe(kind);
  });
});

it('BootOrder makes the round trip, and variables have four upper-case digits', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 65_535 })), (order) => {
      expect(parseBootOrder(encodeBootOrder(order))).toEqual(order);
    }),
  );
  expect([0, 10, 65_535].map(bootVariable)).toEqual(['Boot0000', 'Boot000A', 'BootFFFF']);
});

describe('what an entry starts', () => {
  const entry = (nodes: string, attributes = '01000000') =>
    fromHex(`${attributes}${(nodes.length / 2).toString(16).padStart(2, '0')}00${'6e000000'}${nodes}`) ??
    new Uint8Array(0);
  const acpi = '02010c00d041030a00000000';
  const pci = '0101060000020000'.slice(0, 12);
  const end = '7fff0400';
  const cases: [string, Uint8Array, string][] = [
    ['our own', encodeBootEntry('till', esp, '\\EFI\\BOOT\\BOOTX64.EFI'), 'disk'],
    ['a bare PCI device, as OVMF names a virtio disk', entry(acpi + pci + end), 'disk'],
    ['PXE: a card by its MAC', entry(`${acpi}${pci}030b2500${'00'.repeat(33)}${end}`), 'network'],
    ['HTTP Boot: a URI', entry(`${acpi}03180400${end}`), 'network'],
    ['the setup in a firmware volume', entry(`0407140000${'00'.repeat(15)}${end}`), 'other'],
    ['one that is switched off', entry(acpi + pci + end, '00000000'), 'other'],
    ['nonsense', Uint8Array.of(1, 0, 0), 'other'],
  ];
  it.each(cases)('%s', (_, bytes, kind) => expect(bootEntryKind(bytes)).toBe(kind));

  it('the first disk in the order comes next', () => {
    const kinds = new Map([
      [0, 'other'],
      [1, 'network'],
      [2, 'disk'],
      [3, 'disk'],
    ] as const);
    expect(firstDiskEntry([0, 1, 3, 2], kinds)).toBe(3);
    expect(firstDiskEntry([0, 1], kinds)).toBeUndefined();
  });
});
