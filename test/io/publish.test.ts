// Publishing with the real parts: whole images come back, versions share, the catalogue changes last and whole.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chunkPath } from '../../src/api/routes.ts';
import { seededRandom } from '../../src/base/random.ts';
import { realStoreFs } from '../../src/io/chunk-files-durable.ts';
import { openContentTree } from '../../src/io/content-tree.ts';
import { digestOf } from '../../src/io/hash.ts';
import { bootDisk, program } from '../support/boot-disk.ts';
import { diskBytes } from '../support/image.ts';
import { catalogueOf, publishInto, reassemble } from '../support/publish.ts';

const DISK = diskBytes(24_000_000, 21);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-publish-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const tree = () => join(folder, 'tree');

/** Every file under chunks/: path → size. */
function storedFiles(root: string): Map<string, number> {
  return new Map(
    readdirSync(join(root, 'chunks'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(root.length + 1), statSync(path).size]),
  );
}

/** Next month's disk: some files changed, one grew, one moved. */
function nextVersion(disk: Uint8Array, seed = 4): Uint8Array {
  const random = seededRandom(seed);
  const next = new Uint8Array(disk.length + 512 * 64);
  next.set(disk.subarray(0, 6_000_128));
  next.set(disk.subarray(6_000_128), 6_000_128 + 512 * 64);
  for (let i = 6_000_128; i < 6_000_128 + 512 * 64; i++) next[i] = Math.floor(random.next() * 256);
  for (let i = 15_000_000; i < 15_400_000; i++) next[i] = Math.floor(random.next() * 256);
  return next;
}

describe('an image', () => {
  it('comes back byte for byte, and the catalogue names it', async () => {
    const summary = await publishInto(folder, DISK);
    expect(Buffer.compare(await reassemble(tree(), summary.manifest), DISK)).toBe(0);
    expect(await catalogueOf(folder)).toEqual([
      {
        name: 'till',
        version: '1',
        imageBytes: DISK.length,
        storedBytes: summary.storedBytes,
        manifest: summary.manifest,
      },
    ]);
    const total = [...storedFiles(tree()).values()].reduce((sum, size) => sum + size, 0);
    expect(summary.storedBytes + summary.tableBytes).toBe(total);
    expect(summary.newBytes).toBe(summary.storedBytes);
    expect(summary.zeroBytes).toBeGreaterThan(1_000_000);
  });

  it('is signed with what it boots on, as told or as it says itself, where it does', async () => {
    const withCode = DISK.slice();
    // A partition of Linux, and boot code.
    withCode.set([0x83], 446 + 4);
    withCode.set([0x55, 0xaa], 510);
    withCode[0] = 0xeb;
    const read = await publishInto(folder, withCode);
    const told = await publishInto(folder, withCode, { version: '2', firmwares: ['uefi-x64'] });
    expect([read.firmwares, told.firmwares]).toEqual([['bios'], ['uefi-x64']]);
    const names = (await catalogueOf(folder)).map(({ version, firmwares }) => [version, firmwares]);
    expect(names).toEqual([
      ['2', ['uefi-x64']],
      ['1', ['bios']],
    ]);
    // A published version never changes: neither by another word, nor by none.
    const again = (firmwares: ['bios'] | ['uefi-x64'] | undefined) =>
      publishInto(folder, withCode, { version: '2', ...(firmwares === undefined ? {} : { firmwares }) });
    await expect(again(['bios'])).rejects.toMatchObject({ code: 'PB-VERSION-EXISTS' });
    for (const same of [['uefi-x64'] as ['uefi-x64'], undefined])
      expect((await again(same)).firmwares).toEqual(['uefi-x64']);
  });

  it('is signed with whether Secure Boot starts it, unless it is told what it boots on', async () => {
    const bytes = await bootDisk({ table: 'mbr', programs: { 'BOOTX64 EFI': program(0) } });
    const publishIt = (version: string, firmwares?: ['uefi-x64']) =>
      publishInto(folder, bytes, { version, ...(firmwares === undefined ? {} : { firmwares }) });
    const unsigned = { firmwares: ['uefi-x64'], unsigned: ['uefi-x64'] };
    expect(await publishIt('1')).toMatchObject(unsigned);
    expect(await publishIt('2', ['uefi-x64'])).toMatchObject({ ...unsigned, unsigned: [] });
    expect(await publishIt('2')).toMatchObject({ ...unsigned, unsigned: [] });
    expect(await publishIt('1')).toMatchObject(unsigned);
    await expect(publishIt('1', ['uefi-x64'])).rejects.toMatchObject({ code: 'PB-VERSION-EXISTS' });
    const signed = (await catalogueOf(folder)).map(({ version, unsigned }) => [version, unsigned]);
    expect(signed).toEqual([
      ['2', undefined],
      ['1', ['uefi-x64']],
    ]);
  });

  it('gives the same tree again, whatever the number of threads', async () => {
    const one = await publishInto(folderIn('a'), DISK, { threads: 1 });
    const three = await publishInto(folderIn('b'), DISK, { threads: 3 });
    expect(three.manifest).toEqual(one.manifest);
    expect(storedFiles(join(folder, 'b', 'tree'))).toEqual(storedFiles(join(folder, 'a', 'tree')));
  });

  it('of zeros only needs no chunk', async () => {
    const summary = await publishInto(folder, new Uint8Array(1_048_576));
    expect(summary).toMatchObject({ storedBytes: 0, newChunks: 0, zeroBytes: 1_048_576 });
    expect(Buffer.compare(await reassemble(tree(), summary.manifest), new Uint8Array(1_048_576))).toBe(0);
  });

  it('that repeats itself is stored once', async () => {
    const half = diskBytes(4_194_304, 8);
    const summary = await publishInto(folder, Buffer.concat([half, half]));
    const single = await publishInto(folderIn('single'), half);
    expect(summary.storedBytes).toBeLessThan(single.storedBytes * 1.1);
    expect(Buffer.compare(await reassemble(tree(), summary.manifest), Buffer.concat([half, half]))).toBe(0);
  });

  it.each([
    ['Till', '1'],
    ['..', '1'],
    ['till', ''],
    ['till', 'a/b'],
    ['till', `${'9'.repeat(64)}`],
  ])('called %s at %s is refused before anything is written', async (name, version) => {
    await expect(publishInto(folder, DISK, { name, version })).rejects.toMatchObject({
      code: 'PB-IMAGE-NAME',
    });
    expect(readdirSync(tree())).not.toContain('chunks');
  });
});

describe('a second version', () => {
  it('stores only chunks of new slices, and both come back', async () => {
    const first = await publishInto(folder, DISK);
    const next = nextVersion(DISK);
    const before = storedFiles(tree());
    const second = await publishInto(folder, next, { version: '2', maxWaste: 1 });
    const added = [...storedFiles(tree())].filter(([path]) => !before.has(path));
    expect(added.reduce((sum, [, size]) => sum + size, 0)).toBe(second.newBytes + second.tableBytes);
    expect(second.newBytes).toBeLessThan(first.storedBytes * 0.15);
    expect(second.newBytes + second.sharedBytes).toBe(second.storedBytes);
    expect(second.wastedBytes).toBeGreaterThan(0);
    expect(Buffer.compare(await reassemble(tree(), second.manifest), next)).toBe(0);
    expect(Buffer.compare(await reassemble(tree(), first.manifest), DISK)).toBe(0);
    expect((await catalogueOf(folder)).map(({ version }) => version)).toEqual(['2', '1']);
  });

  it('packs slices of badly used chunks anew, so that the waste stays under its bound', async () => {
    await publishInto(folder, DISK);
    // A quarter of the old disk, in scattered pieces: most of every old chunk is of no use.
    const pieces = Array.from({ length: 24 }, (_, i) => DISK.subarray(i * 999_936, i * 999_936 + 249_856));
    const sparse = Buffer.concat(pieces);
    const lavish = await publishInto(folder, sparse, { version: '2', maxWaste: 1 });
    expect(lavish.wastedBytes / lavish.storedBytes).toBeGreaterThan(0.3);
    const frugal = await publishInto(folder, sparse, { name: 'kiosk', version: '2', maxWaste: 0.1 });
    expect(frugal.wastedBytes / frugal.storedBytes).toBeLessThanOrEqual(0.1);
    expect(frugal.repackedBytes).toBeGreaterThan(0);
    expect(frugal.storedBytes).toBeLessThan(lavish.storedBytes);
    expect(Buffer.compare(await reassemble(tree(), frugal.manifest), sparse)).toBe(0);
    const none = await publishInto(folder, sparse, { name: 'office', version: '1', maxWaste: 0 });
    expect(none.wastedBytes).toBe(0);
    expect(Buffer.compare(await reassemble(tree(), none.manifest), sparse)).toBe(0);
  });

  it('under another name shares too', async () => {
    await publishInto(folder, DISK);
    const kiosk = await publishInto(folder, DISK, { name: 'kiosk', version: '7' });
    expect(kiosk.newBytes).toBe(0);
    expect(kiosk.changed).toBe(true);
    expect(await catalogueOf(folder)).toHaveLength(2);
  });
});

describe('the same version', () => {
  it('with the same content changes nothing', async () => {
    const first = await publishInto(folder, DISK);
    const before = storedFiles(tree());
    const again = await publishInto(folder, DISK);
    expect(again).toMatchObject({ changed: false, newBytes: 0, manifest: first.manifest });
    expect(storedFiles(tree())).toEqual(before);
  });

  it('with other content is refused, and nothing changes', async () => {
    const first = await publishInto(folder, DISK);
    const catalogue = readFileSync(join(tree(), 'catalogue', 'timestamp.json'));
    const other = { code: 'PB-VERSION-EXISTS' };
    await expect(publishInto(folder, nextVersion(DISK))).rejects.toMatchObject(other);
    expect(readFileSync(join(tree(), 'catalogue', 'timestamp.json'))).toEqual(catalogue);
    expect(Buffer.compare(await reassemble(tree(), first.manifest), DISK)).toBe(0);
  });

  it('with the same slices in another order is refused too: no new slice gives it away', async () => {
    // Zeros always end a slice, so both orders have the very same ones.
    const [left, right] = [diskBytes(1_048_576, 41).fill(7, 0, 512), diskBytes(524_288, 42).fill(7, 0, 512)];
    const zeros = new Uint8Array(65_536);
    await publishInto(folder, Buffer.concat([left, zeros, right, zeros]));
    await expect(publishInto(folder, Buffer.concat([right, zeros, left, zeros]))).rejects.toMatchObject({
      code: 'PB-VERSION-EXISTS',
    });
  });

  it('mends a tree that lost chunks', async () => {
    const first = await publishInto(folder, DISK);
    const lost = [...storedFiles(tree())].sort((a, b) => b[1] - a[1]).slice(0, 2);
    for (const [path] of lost) rmSync(join(tree(), path));
    const again = await publishInto(folder, DISK);
    expect(again.newBytes).toBeGreaterThan(0);
    expect(Buffer.compare(await reassemble(tree(), again.manifest), DISK)).toBe(0);
    expect(again.manifest).toEqual(first.manifest);
  });
});

describe('what goes wrong', () => {
  it('a damaged table of an earlier version stops the publication', async () => {
    const first = await publishInto(folder, DISK);
    writeFileSync(join(tree(), chunkPath(first.manifest.digest)), 'x'.repeat(first.manifest.size));
    await expect(publishInto(folder, DISK, { version: '2' })).rejects.toMatchObject({
      code: 'PB-TREE-DAMAGED',
    });
  });

  it('a sync that fails leaves no catalogue, and the next run goes on from what was durable', async () => {
    let syncs = 0;
    const fs = {
      ...realStoreFs,
      sync: async (file: Parameters<typeof realStoreFs.sync>[0]) => {
        if (++syncs === 4) throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
        await realStoreFs.sync(file);
      },
    };
    await expect(publishInto(folder, DISK, { fs, threads: 1 })).rejects.toMatchObject({
      code: 'PB-TREE-FAILED',
      message: expect.stringContaining('EIO'),
    });
    expect(readdirSync(tree())).not.toContain('catalogue');
    const durable = [...storedFiles(tree()).values()].reduce((sum, size) => sum + size, 0);
    const clean = await publishInto(folderIn('clean'), DISK);
    const again = await publishInto(folder, DISK);
    expect(durable).toBeGreaterThan(0);
    expect(again.resumedBytes).toBe(durable);
    expect(again.manifest).toEqual(clean.manifest);
    expect(Buffer.compare(await reassemble(tree(), again.manifest), DISK)).toBe(0);
  });

  it('two publications into one tree: the second waits its turn', async () => {
    const held = openContentTree(tree());
    await expect(publishInto(folder, DISK)).rejects.toMatchObject({ code: 'PB-TREE-BUSY' });
    held.close();
    await publishInto(folder, DISK);
  });

  it('a chunk that was corrupted after an interrupted run is packed again', async () => {
    const clean = await publishInto(folder, DISK);
    const chunk = [...storedFiles(tree())].sort((a, b) => b[1] - a[1])[0] as [string, number];
    const key = digestOf(new Uint8Array(1));
    const descriptor = { digest: `sha256:${chunk[0].split('/').at(-1)}` as const, size: chunk[1] };
    const open = openContentTree(tree());
    open.remember(key, descriptor);
    open.close();
    const reopened = openContentTree(tree());
    expect(await reopened.recall(key)).toEqual(descriptor);
    const bytes = readFileSync(join(tree(), chunk[0]));
    bytes[100] = (bytes[100] as number) ^ 1;
    writeFileSync(join(tree(), chunk[0]), bytes);
    expect(await reopened.recall(key)).toBeUndefined();
    reopened.close();
    expect(clean.storedBytes).toBeGreaterThan(0);
  });
});

/** A folder of its own below the test's. */
function folderIn(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}
