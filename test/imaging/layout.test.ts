// GUID partition tables: reading, refusing damage, and the move of the backup, as properties over made-up tables.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, fromText, toHex, viewOf } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { crc32 } from '../../src/imaging/crc32.ts';
import { ESP_TYPE, espOf, guidBytes, parseGpt, planBackupMove } from '../../src/imaging/layout.ts';

const SECTOR = 512;

it('crc32 gives the check value of its definition', () => {
  expect(crc32(fromText('123456789'))).toBe(0xcbf43926);
});

it('writes GUIDs with their first three fields little-endian', () => {
  expect(toHex(guidBytes('00112233-4455-6677-8899-aabbccddeeff'))).toBe('33221100554477668899aabbccddeeff');
});

interface Made {
  readonly diskSectors: number;
  readonly partitions: readonly { readonly first: number; readonly last: number; readonly esp: boolean }[];
  readonly start: Uint8Array;
}

/** The first sectors of a disk with this table, made here from the specification and not by the code under test. */
function make(diskSectors: number, sizes: readonly number[]): Made {
  const start = new Uint8Array(34 * SECTOR);
  const view = viewOf(start);
  start[446 + 4] = 0xee;
  view.setUint32(446 + 8, 1, true);
  view.setUint32(446 + 12, diskSectors - 1, true);
  start[510] = 0x55;
  start[511] = 0xaa;
  let next = 2048;
  const partitions = sizes.map((size, i) => {
    const [first, last] = [next, next + size - 1];
    next += size;
    const at = 2 * SECTOR + i * 128;
    start.set(i === 0 ? ESP_TYPE : guidBytes('0fc63daf-8483-4772-8e79-3d69d8477de4'), at);
    start.fill(i + 1, at + 16, at + 32);
    view.setBigUint64(at + 32, BigInt(first), true);
    view.setBigUint64(at + 40, BigInt(last), true);
    for (const [j, character] of Array.from(`part ${i}`).entries())
      view.setUint16(at + 56 + 2 * j, character.charCodeAt(0), true);
    return { first, last, esp: i === 0 };
  });
  start.set(fromText('EFI PART'), SECTOR);
  const header = new DataView(start.buffer, SECTOR, SECTOR);
  header.setUint32(8, 0x10000, true);
  header.setUint32(12, 92, true);
  header.setBigUint64(24, 1n, true);
  header.setBigUint64(32, BigInt(diskSectors - 1), true);
  header.setBigUint64(40, 34n, true);
  header.setBigUint64(48, BigInt(diskSectors - 34), true);
  start.fill(0xd1, SECTOR + 56, SECTOR + 72);
  header.setBigUint64(72, 2n, true);
  header.setUint32(80, 128, true);
  header.setUint32(84, 128, true);
  header.setUint32(88, crc32(start.subarray(2 * SECTOR)), true);
  header.setUint32(16, crc32(start.subarray(SECTOR, SECTOR + 92)), true);
  return { diskSectors, partitions, start };
}

const tables = fc
  .array(fc.integer({ min: 1, max: 100_000 }), { minLength: 0, maxLength: 20 })
  .chain((sizes) =>
    fc
      .integer({ min: 0, max: 10_000 })
      .map((spare) => make(2048 + sizes.reduce((a, b) => a + b, 0) + spare + 34, sizes)),
  );

describe('parseGpt', () => {
  it('reads every partition of any table', () => {
    fc.assert(
      fc.property(tables, ({ start, partitions, diskSectors }) => {
        const gpt = parseGpt(start);
        if (gpt === undefined || gpt instanceof WireError) return false;
        expect(gpt.backupLba).toBe(diskSectors - 1);
        expect(gpt.partitions.map(({ firstLba, lastLba }) => ({ firstLba, lastLba }))).toEqual(
          partitions.map(({ first, last }) => ({ firstLba: first, lastLba: last })),
        );
        expect(gpt.partitions.map((partition) => partition.name)).toEqual(
          partitions.map((_, i) => `part ${i}`),
        );
        expect(espOf(gpt)?.number).toBe(partitions.length > 0 ? 1 : undefined);
        return true;
      }),
    );
  });

  it('finds any single damaged bit of header or entries', () => {
    const { start } = make(100_000, [5_000, 6_000]);
    fc.assert(
      fc.property(
        fc.integer({ min: 8 * 8, max: 92 * 8 - 1 }),
        fc.integer({ min: 0, max: 128 * 128 * 8 - 1 }),
        (a, b) => {
          for (const bit of [SECTOR * 8 + a, 2 * SECTOR * 8 + b]) {
            const damaged = start.slice();
            damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
            expect(parseGpt(damaged)).toBeInstanceOf(WireError);
          }
        },
      ),
    );
  });

  it.each([
    ['entries of 64 bytes', 84, 64, 'odd size'],
    ['entries of 130 bytes', 84, 130, 'odd size'],
    ['more entries than lie there', 80, 129, 'beyond reach'],
  ])('refuses %s, though the checksum is right', (_, at, value, message) => {
    const { start } = make(100_000, [5_000]);
    const header = new DataView(start.buffer, SECTOR, SECTOR);
    header.setUint32(at, value, true);
    header.setUint32(16, 0, true);
    header.setUint32(16, crc32(start.subarray(SECTOR, SECTOR + 92)), true);
    expect(parseGpt(start)).toBeInstanceOf(WireError);
    expect((parseGpt(start) as WireError).message).toContain(message);
  });

  it('takes any bytes, of any length, without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 0, max: 2000 }), (noise, length) => {
        const bytes = new Uint8Array(length);
        bytes.set(fromText('EFI PART').subarray(0, Math.max(0, length - SECTOR)), Math.min(SECTOR, length));
        bytes.set(noise.subarray(0, Math.max(0, length - SECTOR - 8)), Math.min(SECTOR + 8, length));
        parseGpt(bytes);
      }),
    );
    expect(parseGpt(new Uint8Array(4096))).toBeUndefined();
  });
});

describe('planBackupMove', () => {
  it('makes primary and backup agree on a larger disk, and touches nothing else', () => {
    fc.assert(
      fc.property(tables, fc.integer({ min: 1, max: 1_000_000 }), (made, more) => {
        const diskSectors = made.diskSectors + more;
        const patches = planBackupMove(made.start, diskSectors * SECTOR);
        if (patches instanceof WireError) return false;
        const after = made.start.slice();
        const beyond = patches.filter((patch) => patch.offset >= after.length);
        for (const patch of patches) if (patch.offset < after.length) after.set(patch.bytes, patch.offset);
        const primary = parseGpt(after);
        if (primary === undefined || primary instanceof WireError) return false;
        expect(primary.backupLba).toBe(diskSectors - 1);
        expect(primary.lastUsableLba).toBe(diskSectors - 34);
        // The backup: entries, then a header in the very last sector that points back.
        const [tail] = beyond;
        expect(beyond.length).toBe(1);
        expect((tail?.offset ?? 0) + (tail?.bytes.length ?? 0)).toBe(diskSectors * SECTOR);
        const entries = tail?.bytes.subarray(0, 32 * SECTOR) ?? new Uint8Array(0);
        expect(equalBytes(entries, primary.entries)).toBe(true);
        const backup = tail?.bytes.slice(32 * SECTOR) ?? new Uint8Array(0);
        const view = viewOf(backup);
        expect([24, 32, 72].map((at) => Number(view.getBigUint64(at, true)))).toEqual([
          diskSectors - 1,
          1,
          diskSectors - 33,
        ]);
        const stated = view.getUint32(16, true);
        view.setUint32(16, 0, true);
        expect(crc32(backup.subarray(0, 92))).toBe(stated);
        // The protective MBR covers the disk; nothing but MBR entry and header fields changed.
        expect(viewOf(after).getUint32(446 + 12, true)).toBe(diskSectors - 1);
        expect(equalBytes(after.subarray(2 * SECTOR), made.start.subarray(2 * SECTOR))).toBe(true);
        return true;
      }),
    );
  });

  it('has nothing to do on a disk of the same size, or without a table', () => {
    const { start, diskSectors } = make(50_000, [1_000]);
    expect(planBackupMove(start, diskSectors * SECTOR)).toEqual([]);
    expect(planBackupMove(new Uint8Array(34 * SECTOR), 10 ** 9)).toEqual([]);
  });

  it('leaves the protective entry of a hybrid MBR alone, and counts no further than 32 bits', () => {
    const hybrid = make(50_000, [1_000]).start;
    viewOf(hybrid).setUint32(446 + 12, 2047, true);
    const patches = planBackupMove(hybrid, 60_000 * SECTOR);
    const mbr = patches instanceof WireError ? undefined : patches.find((patch) => patch.offset === 0);
    expect(viewOf(mbr?.bytes ?? new Uint8Array(512)).getUint32(446 + 12, true)).toBe(2047);
    const huge = planBackupMove(make(50_000, [1_000]).start, 2 ** 33 * SECTOR);
    const mbrOfHuge = huge instanceof WireError ? undefined : huge.find((patch) => patch.offset === 0);
    expect(viewOf(mbrOfHuge?.bytes ?? new Uint8Array(512)).getUint32(446 + 12, true)).toBe(0xffffffff);
  });

  it('refuses a disk that ends before the last partition does', () => {
    expect(planBackupMove(make(50_000, [40_000]).start, 42_000 * SECTOR)).toBeInstanceOf(WireError);
  });
});
