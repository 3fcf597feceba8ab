// FAT file systems by hand: what is listed, and that reading ends on any bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fatFiles, type ReadAt } from '../../src/service/fat.ts';
import { fatVolume } from '../support/fat-volume.ts';

const NOTHING = new Uint8Array(0);
const FOLDER = ['EFI', 'BOOT'];
const BITS = [12, 16, 32] as const;

const namesIn = async (read: ReadAt, folder: readonly string[]) =>
  (await fatFiles(read, folder))?.map(({ name }) => name);

describe.each(BITS)('FAT%i', (bits) => {
  it('lists the files of a folder, not its folders, labels and deleted ones, over clusters out of order', async () => {
    const { read } = fatVolume({
      bits,
      programs: ['BOOTX64 EFI', 'FBX64   EFI', 'NAMEONLY   '],
      clutter: true,
    });
    expect(await namesIn(read, FOLDER)).toEqual(['BOOTX64.EFI', 'FBX64.EFI', 'NAMEONLY']);
    expect(await namesIn(read, ['EFI'])).toEqual(['BOOT']);
    expect(await namesIn(read, [])).toEqual([]);
  });

  it('reads the head of a file, over clusters out of order and no further than the file goes', async () => {
    const long = Uint8Array.from({ length: 6_000 }, (_, i) => i % 251);
    const programs = { 'BOOTX64 EFI': long, 'SHORT   EFI': Uint8Array.of(1, 2, 3), 'EMPTY   EFI': NOTHING };
    const files = await fatFiles(fatVolume({ bits, programs }).read, FOLDER);
    expect(files?.map(({ sizeBytes }) => sizeBytes)).toEqual([6_000, 3, 0]);
    const [head, short, empty] = await Promise.all(files?.map((file) => file.head()) ?? []);
    expect(head?.length).toBeGreaterThanOrEqual(4_096);
    expect(head).toEqual(long.subarray(0, head?.length));
    expect([short, empty]).toEqual([Uint8Array.of(1, 2, 3), NOTHING]);
  });

  it('knows a folder that is not there', async () => {
    const { read } = fatVolume({ bits, programs: [] });
    expect(await namesIn(read, ['EFI', 'DEBIAN'])).toBeUndefined();
    expect(await namesIn(read, FOLDER)).toEqual([]);
  });

  it('ends on any bytes', async () => {
    const volume = fatVolume({ bits, programs: ['BOOTX64 EFI'], clutter: true });
    await fc.assert(
      fc.asyncProperty(
        // The boot sector's fields, the tables' beginning, the folders.
        fc.array(fc.tuple(fc.nat(60_000), fc.nat(255)), { minLength: 1, maxLength: 40 }),
        fc.array(fc.tuple(fc.integer({ min: 11, max: 48 }), fc.nat(255)), { maxLength: 2 }),
        async (bytes, fields) => {
          let reads = 0;
          const changed = new Map([...bytes, ...fields]);
          const files = await fatFiles(async (offset, length) => {
            reads++;
            const got = await volume.read(offset, length);
            return got?.map((byte, i) => changed.get(offset + i) ?? byte);
          }, FOLDER);
          for (const file of files ?? []) expect((await file.head()).length).toBeLessThanOrEqual(4_096);
          expect(reads).toBeLessThan(1_000);
        },
      ),
      { numRuns: 300 },
    );
  });
});

it('ends with a chain that goes in circles, or out of the file system', async () => {
  const volume = fatVolume({ bits: 16, programs: ['BOOTX64 EFI'], clutter: true });
  // Cluster 5 begins the folder: its place in the table, which begins behind the boot sector.
  volume.write(512 + 2 * 5, Uint8Array.of(5, 0));
  expect(await namesIn(volume.read, FOLDER)).toEqual([]);
  volume.write(512 + 2 * 5, Uint8Array.of(0xf0, 0xff));
  expect(await namesIn(volume.read, FOLDER)).toEqual([]);
});

it('takes what can be read when the disk ends early', async () => {
  const volume = fatVolume({ bits: 12, programs: ['BOOTX64 EFI'] });
  const until = (end: number) => async (offset: number, length: number) =>
    offset + length > end ? undefined : volume.read(offset, length);
  expect(await namesIn(until(0), FOLDER)).toBeUndefined();
  expect(await namesIn(until(512), FOLDER)).toBeUndefined();
  // The root can be read, and what lies behind cannot.
  const root = 512 * (1 + 2 * 12);
  expect(await namesIn(until(root + 32 * 512), ['EFI'])).toEqual([]);
  const noTable = async (offset: number, length: number) =>
    length === 2 ? undefined : volume.read(offset, length);
  expect(await namesIn(noTable, FOLDER)).toEqual(['BOOTX64.EFI']);
});

it('is no FAT file system with fields that make no sense', async () => {
  for (const [offset, value] of [
    [11, 0],
    [13, 0],
    [13, 3],
    [14, 0],
    [16, 0],
    [22, 0],
    [19, 0],
  ] as const) {
    const volume = fatVolume({ bits: 12, programs: ['BOOTX64 EFI'] });
    volume.write(offset, Uint8Array.of(value, 0));
    expect([offset, await namesIn(volume.read, FOLDER)]).toEqual([offset, undefined]);
  }
});
