// A boot ticket by itself: what the disks of a machine that comes back with it tell, and what it may overwrite then.
import { describe, expect, it } from 'vitest';
import type { DiskContent, DiskFacts } from '../../src/api/identity.ts';
import { isDisk, resumePolicy, ticketId, ticketState } from '../../src/boot/ticket.ts';

const BLANK: DiskContent = { blank: true, partitions: [] };
const disk = (name: string, content: DiskContent = BLANK, serial?: string): DiskFacts => ({
  ...{ name, sizeBytes: 100, logicalSectorBytes: 512, transport: 'sata', removable: false },
  ...{ readOnly: false, mounted: false, rotational: false, content },
  ...(serial === undefined ? {} : { serial }),
});
const SYSTEM: DiskContent = { blank: false, table: 'gpt', partitions: [{ name: 'sda1', sizeBytes: 9 }] };
const WHOLE: DiskContent = { blank: false, partitions: [{ name: 'sda', sizeBytes: 9, filesystem: 'ext4' }] };
const HALF: DiskContent = { blank: false, partitions: [] };
const RECEIPT: DiskContent = { ...HALF, receipt: { ticket: 't1', machine: 'm', image: 'till' } };

it('its id is what comes before the secret', () => {
  expect(ticketId('t1.secret')).toBe('t1');
});

describe('the imaging under it', () => {
  const begun = { name: 'sda', serial: 'S-1' };
  it.each<[string, Parameters<typeof ticketState>[0], DiskFacts[], 'finished' | 'open']>([
    ['has not begun', { id: 't1' }, [disk('sda')], 'open'],
    ['left its receipt', { id: 't1' }, [disk('sdb'), disk('sda', RECEIPT)], 'finished'],
    ['left the receipt of another one', { id: 't2' }, [disk('sda', RECEIPT)], 'open'],
    ['was begun, and its table is there', { id: 't2', begun }, [disk('sda', SYSTEM, 'S-1')], 'finished'],
    ['was begun, and its file system is there', { id: 't2', begun }, [disk('sda', WHOLE, 'S-1')], 'finished'],
    ['was begun, and is half written', { id: 't2', begun }, [disk('sda', HALF, 'S-1')], 'open'],
    ['was begun on a disk that is gone', { id: 't2', begun }, [disk('sda', SYSTEM, 'S-2')], 'open'],
  ])('%s', (_, ticket, disks, kind) => {
    expect(ticketState(ticket, disks).kind).toBe(kind);
  });
});

it('a disk is known by its serial, and by its name only when it has none', () => {
  expect(isDisk(disk('sdb', BLANK, 'S-1'), { name: 'sda', serial: 'S-1' })).toBe(true);
  expect(isDisk(disk('sda', BLANK, 'S-2'), { name: 'sda', serial: 'S-1' })).toBe(false);
  expect(isDisk(disk('sda', BLANK, 'S-2'), { name: 'sda' })).toBe(true);
  expect(isDisk(disk('sdb'), { name: 'sda' })).toBe(false);
});

it('going on with it, a machine may overwrite the disk that was begun, and no other', () => {
  const policy = { allowNonBlank: false };
  const resume = (mark: { name: string; serial?: string } | undefined, ...disks: DiskFacts[]) =>
    resumePolicy(policy, { id: 't1', begun: mark }, disks);
  expect(resume(undefined, disk('sda', HALF))).toBe(policy);
  expect(resume({ name: 'sdb' }, disk('sda', HALF))).toBe(policy);
  expect(resume({ name: 'sda' }, disk('sda', HALF))).toEqual({ allowNonBlank: true, match: 'sda' });
  expect(resume({ name: 'sda', serial: 'S-1' }, disk('sdb', HALF, 'S-1'))).toEqual({
    ...{ allowNonBlank: true, match: 'S-1' },
  });
});
