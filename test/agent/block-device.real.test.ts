// The target's disk on a real block device (a loop device): exclusive, discarded, read back from below the cache.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { DataSlice } from '../../src/imaging/proof.ts';
import type { TargetDisk } from '../../src/imaging/target-disk.ts';
import { openBlockDevice } from '../../src/io/block-device.ts';
import { type DiskThreads, startDiskThreads } from '../../src/io/block-device-threads.ts';
import { digestOf } from '../../src/io/hash.ts';
import { zstd } from '../../src/io/zstd.ts';
import { testChunk } from '../support/chunks.ts';

const MIB = 2 ** 20;
const SIZE = 16 * MIB;
const folder = mkdtempSync(join(tmpdir(), 'pb-block-device-'));
const file = join(folder, 'disk.raw');
let device: string;
let threads: DiskThreads;

beforeAll(() => {
  threads = startDiskThreads(2);
  writeFileSync(file, '');
  truncateSync(file, SIZE);
  device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
});
afterAll(async () => {
  await threads.close();
  execFileSync('losetup', ['-d', device]);
  rmSync(folder, { recursive: true });
});

let disk: TargetDisk;
beforeEach(() => {
  disk = openDevice();
  return () => disk.close();
});

function openDevice(): TargetDisk {
  return openBlockDevice({
    path: device,
    sizeBytes: SIZE,
    log: silentLog,
    threads,
    // As on a target, but for the caches of all other disks.
    dropCaches: async () => {
      execFileSync('blockdev', ['--flushbufs', device]);
    },
  });
}

/** Slices of 60,001 bytes: no edge lies on a sector. */
async function chunkAt(offset: number, count: number) {
  const { bytes } = testChunk(offset + 1, 60_001 * count);
  const slices = Array.from({ length: count }, (_, i): DataSlice => {
    const [from, to] = [i * 60_001, (i + 1) * 60_001];
    const digest = digestOf(bytes.subarray(from, to));
    return { kind: 'data', offset: offset + from, length: 60_001, digest, chunk: 0, chunkOffset: from };
  });
  return { bytes, slices, stored: await zstd(bytes) };
}

/** Changes the disk below the device, as a disk does that loses what it was given. */
function turnOver(offset: number): void {
  const fd = openSync(file, 'r+');
  const bit = (readFileSync(file)[offset] as number) ^ 8;
  writeSync(fd, Uint8Array.of(bit), 0, 1, offset);
  closeSync(fd);
}

it('refuses a disk that is in use', async () => {
  await disk.close();
  execFileSync('mkfs.ext4', ['-q', '-F', device]);
  const mountPoint = join(folder, 'mounted');
  mkdirSync(mountPoint);
  execFileSync('mount', [device, mountPoint]);
  try {
    expect(openDevice).toThrow(expect.objectContaining({ code: 'PB-DISK-BUSY' }));
  } finally {
    execFileSync('umount', [mountPoint]);
  }
  disk = openDevice();
});

it('wipes both ends, and discards the rest where the disk can', async () => {
  for (const at of [0, MIB - 1, SIZE / 2, SIZE - 1]) await disk.write(at, Uint8Array.of(1));
  await disk.flush();
  await disk.wipe();
  await disk.flush();
  // A file below a loop device can discard: nothing is left of it.
  expect(readFileSync(file).every((byte) => byte === 0)).toBe(true);
});

describe('writing and proving', () => {
  it('slices that lie apart, together and in any order end where they belong', async () => {
    const { bytes, slices, stored } = await chunkAt(MIB + 77, 12);
    const moved = slices.map((slice, i) =>
      i < 4 ? slice : { ...slice, offset: 8 * MIB + 61_000 * (i % 5) },
    );
    const written = moved.slice(0, 9);
    const kept = await disk.writeChunk({
      stored,
      plainBytes: bytes.length,
      slices: written.toReversed(),
      withheld: slices.slice(11),
    });
    expect(kept).toEqual([bytes.subarray(11 * 60_001)]);
    await disk.flush();
    for (const slice of written) {
      expect(await disk.prove([slice])).toEqual({ kind: 'proved', rezeroed: false });
    }
  });

  it('sees a bit that turned over on the disk, below every cache', async () => {
    const { bytes, slices, stored } = await chunkAt(2 * MIB, 40);
    await disk.writeChunk({ stored, plainBytes: bytes.length, slices, withheld: [] });
    await disk.flush();
    expect(await disk.prove(slices)).toEqual({ kind: 'proved', rezeroed: false });
    const bad = slices[33] as DataSlice;
    turnOver(bad.offset + 60_000);
    await disk.flush();
    expect(await disk.prove(slices)).toEqual({ kind: 'differs', offset: bad.offset });
  });

  it('writes zeros over what a used disk holds, wherever in a long stretch, and says so once', async () => {
    await disk.write(9 * MIB + 12_345, Uint8Array.of(7));
    const zero = [{ kind: 'zero' as const, offset: 6 * MIB + 1, length: 7 * MIB }];
    expect(await disk.prove(zero)).toEqual({ kind: 'proved', rezeroed: true });
    await disk.flush();
    expect(await disk.prove(zero)).toEqual({ kind: 'proved', rezeroed: false });
  });

  it('writes nothing of a chunk that unpacks to more, to less or not at all, or carries another slice', async () => {
    await disk.wipe();
    const { bytes, slices, stored } = await chunkAt(2 * MIB, 3);
    const job = (change: object) =>
      disk.writeChunk({ stored: stored.slice(), plainBytes: bytes.length, slices, withheld: [], ...change });
    const wrong = [{ ...(slices[2] as DataSlice), digest: digestOf(Uint8Array.of(1)) }];
    for (const [change, code] of [
      [{ plainBytes: bytes.length - 1 }, 'PB-CHUNK-CORRUPT'],
      [{ plainBytes: bytes.length + 1 }, 'PB-CHUNK-CORRUPT'],
      [{ stored: new Uint8Array(1000) }, 'PB-CHUNK-CORRUPT'],
      [{ withheld: wrong }, 'PB-IMAGE-INCONSISTENT'],
    ] as const) {
      await expect(job(change)).rejects.toMatchObject({ code });
    }
    expect((await disk.read(2 * MIB, bytes.length)).every((byte) => byte === 0)).toBe(true);
  });

  it('a disk that ends too early is PB-DISK-WRITE', async () => {
    await expect(disk.read(SIZE - 10, 20)).rejects.toMatchObject({ code: 'PB-DISK-WRITE' });
    await expect(disk.write(SIZE - 10, new Uint8Array(20))).rejects.toMatchObject({ code: 'PB-DISK-WRITE' });
    const zero = [{ kind: 'zero' as const, offset: SIZE - 10, length: 20 }];
    await expect(disk.prove(zero)).rejects.toMatchObject({ code: 'PB-DISK-WRITE' });
  });
});
