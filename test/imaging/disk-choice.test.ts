// The one disk that may be overwritten: a table of machines and what the agent decides on each.
import { describe, expect, it } from 'vitest';
import type { DiskPolicy } from '../../src/api/agent.ts';
import type { DiskFacts } from '../../src/api/identity.ts';
import { ERROR_TABLE } from '../../src/base/error-table.ts';
import { bytesText, chooseDisk, contentText } from '../../src/imaging/disk-choice.ts';

const GIB = 2 ** 30;
const IMAGE = 8 * GIB;

function disk(name: string, change: Partial<DiskFacts> = {}): DiskFacts {
  return {
    name,
    sizeBytes: 64 * GIB,
    logicalSectorBytes: 512,
    transport: 'sata',
    removable: false,
    readOnly: false,
    mounted: false,
    rotational: false,
    content: { blank: true, partitions: [] },
    ...change,
  };
}

const windows = {
  blank: false,
  table: 'gpt' as const,
  partitions: [
    { name: 'sda1', sizeBytes: GIB, filesystem: 'vfat' },
    { name: 'sda2', sizeBytes: 60 * GIB, filesystem: 'ntfs', label: 'Windows' },
  ],
};
const used = (name: string, change: Partial<DiskFacts> = {}) => disk(name, { content: windows, ...change });
const usb = disk('sdb', { transport: 'usb', removable: true });

interface Row {
  readonly machine: string;
  readonly disks: readonly DiskFacts[];
  readonly policy?: Partial<DiskPolicy>;
  /** Name of the disk, or code of the refusal. */
  readonly decides: string;
  readonly says?: RegExp;
}

const rows: readonly Row[] = [
  { machine: 'one blank disk', disks: [disk('sda')], decides: 'sda' },
  { machine: 'just as large as the image', disks: [disk('sda', { sizeBytes: IMAGE })], decides: 'sda' },
  {
    machine: 'one byte too small',
    disks: [disk('sda', { sizeBytes: IMAGE - 1 })],
    decides: 'PB-DISK-TOO-SMALL',
    says: /sda has 8\.0 GiB, the image needs 8 GiB/,
  },
  { machine: 'no disk at all', disks: [], decides: 'PB-DISK-NONE' },
  { machine: 'an empty card reader', disks: [disk('sdb', { sizeBytes: 0 })], decides: 'PB-DISK-NONE' },
  {
    machine: 'a disk and an empty card reader',
    disks: [disk('sda'), disk('sdb', { sizeBytes: 0 })],
    decides: 'sda',
  },
  { machine: 'only a USB stick', disks: [usb], decides: 'PB-DISK-REMOVABLE', says: /sdb is on USB/ },
  {
    machine: 'a USB disk that says it is not removable',
    disks: [disk('sdb', { transport: 'usb' })],
    decides: 'PB-DISK-REMOVABLE',
  },
  {
    machine: 'only a disk in a removable bay',
    disks: [disk('sdb', { removable: true })],
    decides: 'PB-DISK-REMOVABLE',
    says: /sdb is removable/,
  },
  {
    machine: 'only an SD card',
    disks: [disk('mmcblk0', { transport: 'mmc' })],
    decides: 'PB-DISK-REMOVABLE',
  },
  {
    machine: 'a kiosk with eMMC soldered in and a card left in its reader',
    disks: [disk('mmcblk0', { transport: 'emmc' }), disk('mmcblk1', { transport: 'mmc' })],
    decides: 'mmcblk0',
  },
  { machine: 'a disk and a USB stick', disks: [disk('sda'), usb], decides: 'sda' },
  {
    machine: 'a USB stick asked for by name',
    disks: [disk('sda'), usb],
    policy: { match: 'sdb', allowNonBlank: true },
    decides: 'PB-DISK-REMOVABLE',
  },
  {
    machine: 'two blank disks',
    disks: [disk('sda'), disk('sdb')],
    decides: 'PB-DISK-AMBIGUOUS',
    says: /sda .*, sdb /,
  },
  {
    machine: 'two disks, one named',
    disks: [disk('sda'), disk('sdb')],
    policy: { match: 'sdb' },
    decides: 'sdb',
  },
  {
    machine: 'two disks, one named by its path',
    disks: [disk('sda'), disk('sdb')],
    policy: { match: '/dev/sdb' },
    decides: 'sdb',
  },
  {
    machine: 'two disks, one named by its serial',
    disks: [disk('sda', { serial: 'S1' }), disk('sdb', { serial: 'S2' })],
    policy: { match: 's2 ' },
    decides: 'sdb',
  },
  {
    machine: 'two disks of one model, the model named',
    disks: [disk('sda', { model: 'EVO' }), disk('sdb', { model: 'EVO' })],
    policy: { match: 'EVO' },
    decides: 'PB-DISK-AMBIGUOUS',
  },
  {
    machine: 'none of that name',
    disks: [disk('sda')],
    policy: { match: 'nvme0n1' },
    decides: 'PB-DISK-NO-MATCH',
  },
  {
    machine: 'Windows on it',
    disks: [used('sda')],
    decides: 'PB-DISK-NOT-BLANK',
    says: /a gpt table with sda1 vfat, sda2 ntfs "Windows"/,
  },
  {
    machine: 'Windows on it, and permission',
    disks: [used('sda')],
    policy: { allowNonBlank: true },
    decides: 'sda',
  },
  { machine: 'one blank disk beside one in use', disks: [used('sda'), disk('sdb')], decides: 'sdb' },
  {
    machine: 'one blank disk beside one in use, and permission for both',
    disks: [used('sda'), disk('sdb')],
    policy: { allowNonBlank: true },
    decides: 'PB-DISK-AMBIGUOUS',
  },
  {
    machine: 'named, but not blank: a name is no permission',
    disks: [used('sda'), disk('sdb')],
    policy: { match: 'sda' },
    decides: 'PB-DISK-NOT-BLANK',
  },
  {
    machine: 'mounted, even with permission',
    disks: [used('sda', { mounted: true })],
    policy: { allowNonBlank: true },
    decides: 'PB-DISK-BUSY',
  },
  { machine: 'write-protected', disks: [disk('sda', { readOnly: true })], decides: 'PB-DISK-READ-ONLY' },
  {
    machine: 'sectors of 4096 bytes',
    disks: [disk('nvme0n1', { logicalSectorBytes: 4096 })],
    decides: 'PB-DISK-SECTOR-SIZE',
  },
  {
    machine: 'several obstacles: the easiest to mend is told first, all are named',
    disks: [disk('sda', { sizeBytes: GIB }), used('sdb'), disk('sdc', { transport: 'usb' })],
    decides: 'PB-DISK-NOT-BLANK',
    says: /sda has.*sdb holds.*sdc is on USB/,
  },
];

describe('chooseDisk', () => {
  it.each(rows)('$machine → $decides', ({ disks, policy, decides, says }) => {
    const decision = chooseDisk(disks, IMAGE, { allowNonBlank: false, ...policy });
    if (decision.kind === 'disk') expect(decision.disk.name).toBe(decides);
    else {
      expect(decision.code).toBe(decides);
      expect(decision.remedy).toBe(ERROR_TABLE[decision.code].remedy);
      if (says !== undefined) expect(decision.what).toMatch(says);
    }
  });

  it('never chooses a disk that lacks permission, room or is removable, whatever the order', () => {
    const kinds = [disk('a'), used('b'), usb, disk('c', { sizeBytes: GIB }), disk('d', { mounted: true })];
    for (let mask = 0; mask < 2 ** kinds.length; mask++) {
      const disks = kinds.filter((_, i) => mask & (1 << i));
      for (const order of [disks, disks.toReversed()]) {
        const decision = chooseDisk(order, IMAGE, { allowNonBlank: false });
        expect(decision.kind === 'disk').toBe(disks.some((one) => one.name === 'a'));
      }
    }
  });
});

it('tells what lies on a disk, and sizes, in words', () => {
  expect(contentText(disk('sda', { content: { blank: false, partitions: [] } }))).toBe('unknown data');
  const empty = { blank: false, table: 'mbr', partitions: [] } as const;
  expect(contentText(disk('sda', { content: { ...empty, partitions: [] } }))).toBe('a mbr table');
  const whole = {
    blank: false,
    partitions: [{ name: 'sda', sizeBytes: 1, filesystem: 'ext4', label: 'data' }],
  };
  expect(contentText(disk('sda', { content: whole }))).toBe('sda ext4 "data"');
  expect([0, 512, 1024, 1.5 * GIB, 2 ** 40].map(bytesText)).toEqual([
    '0 bytes',
    '512 bytes',
    '1 KiB',
    '1.5 GiB',
    '1 TiB',
  ]);
});
