// What lies on a disk: made-up signatures here, real tools' file systems in signatures.real.test.ts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeDisk, recogniseFilesystem } from '../../src/imaging/signatures.ts';
import { gptImage } from '../agent/content.ts';

const MIB = 2 ** 20;
const reader = (bytes: Uint8Array) => (offset: number, length: number) =>
  bytes.subarray(offset, offset + length);
const describeBytes = (bytes: Uint8Array, name = 'sda') => describeDisk(name, bytes.length, reader(bytes));

describe('describeDisk', () => {
  it('calls blank only what is zero at both ends', () => {
    const bytes = new Uint8Array(4 * MIB);
    expect(describeBytes(bytes)).toEqual({ blank: true, partitions: [] });
    for (const at of [0, MIB - 1, 3 * MIB, 4 * MIB - 1]) {
      const touched = bytes.slice();
      touched[at] = 1;
      expect(describeBytes(touched)).toEqual({ blank: false, partitions: [] });
    }
  });

  it('names the partitions of a GPT as the kernel does', () => {
    const image = gptImage(8 * MIB);
    expect(describeBytes(image, 'nvme0n1')).toMatchObject({
      blank: false,
      table: 'gpt',
      partitions: [{ name: 'nvme0n1p1', sizeBytes: 2 * MIB }, { name: 'nvme0n1p2' }],
    });
    expect(describeBytes(image).partitions[0]?.name).toBe('sda1');
  });

  it('reads a partition table in the MBR, and takes a boot sector without one for none', () => {
    const bytes = new Uint8Array(4 * MIB);
    bytes.set([0x80, 0, 0, 0, 0x07, 0, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0], 446);
    bytes.set([0x55, 0xaa], 510);
    bytes.set(new TextEncoder().encode('NTFS    '), 2048 * 512 + 3);
    expect(describeBytes(bytes)).toEqual({
      blank: false,
      table: 'mbr',
      partitions: [{ name: 'sda1', sizeBytes: 1024 * 512, filesystem: 'ntfs' }],
    });
    const bootSector = new Uint8Array(4 * MIB).fill(0x90, 0, 510);
    bootSector.set([0x55, 0xaa], 510);
    expect(describeBytes(bootSector)).toEqual({ blank: false, partitions: [] });
  });

  it('names a file system without a partition table, with the label that people gave it', () => {
    const bytes = new Uint8Array(4 * MIB);
    bytes.set([0x53, 0xef], 1080);
    expect(describeBytes(bytes).partitions).toEqual([
      { name: 'sda', sizeBytes: 4 * MIB, filesystem: 'ext4' },
    ]);
    bytes.set(new TextEncoder().encode('root'), 1144);
    expect(describeBytes(bytes).partitions[0]).toMatchObject({ filesystem: 'ext4', label: 'root' });
    // All sixteen bytes of the field, so that no NUL ends it.
    bytes.set(new TextEncoder().encode('a-root-of-16-byt'), 1144);
    expect(describeBytes(bytes).partitions[0]).toMatchObject({ label: 'a-root-of-16-byt' });
  });

  it.each([
    ['what FAT writes when there is none', 'NO NAME    '],
    ['unprintable bytes', 'ab\x01\x02'],
    ['blanks', '           '],
  ])('%s is no label', (_, label) => {
    const start = new Uint8Array(4096);
    start.set(new TextEncoder().encode('FAT32   '), 82);
    start.set(new TextEncoder().encode(label), 71);
    expect(recogniseFilesystem(start)).toEqual({ filesystem: 'vfat' });
  });

  it('a partition that begins behind the end of the disk holds nothing known', () => {
    const bytes = new Uint8Array(4 * MIB);
    bytes.set([0x80, 0, 0, 0, 0x07, 0, 0, 0, 0, 0, 1, 0, 0, 4, 0, 0], 446);
    bytes.set([0x55, 0xaa], 510);
    expect(describeBytes(bytes)).toEqual({
      blank: false,
      table: 'mbr',
      partitions: [{ name: 'sda1', sizeBytes: 1024 * 512 }],
    });
  });

  it('takes any bytes, however hostile, without an exception', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 4096 }),
        fc.integer({ min: 0, max: 2000 }),
        (noise, at) => {
          const bytes = new Uint8Array(8192);
          bytes.set([0x55, 0xaa], 510);
          bytes.set(noise, Math.min(at, bytes.length - noise.length));
          describeBytes(bytes);
          recogniseFilesystem(noise);
        },
      ),
    );
  });
});
