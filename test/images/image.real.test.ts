// The Debian image on its disk: partitions, file systems, both ways to boot, and what must be in the system.
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltImage, ensureImage } from '../../images/build.ts';
import { imageRecipe } from '../../images/recipe.ts';
import { run } from '../../tools/run.ts';

const MIB = 2 ** 20;
const scratch = mkdtempSync(join(tmpdir(), 'peerboot-image-'));
const { ids } = imageRecipe({});
let image: BuiltImage;
let root: string;

beforeAll(async () => {
  image = await ensureImage({ version: '1' });
  root = join(scratch, 'root.ext4');
  await run('dd', [`if=${image.path}`, `of=${root}`, 'bs=1M', 'skip=38', 'conv=sparse', 'status=none']);
}, 600_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const inRoot = (command: string) => run('debugfs', ['-R', command, root]);

describe('the Debian image', () => {
  it('has a sound GPT: BIOS boot, EFI system, root to the very end', async () => {
    expect(image.bytes).toBe(512 * MIB);
    expect(await run('sgdisk', ['--verify', image.path])).toContain('No problems found');
    const table = await run('sfdisk', ['--json', image.path]);
    const { partitiontable } = JSON.parse(table) as {
      partitiontable: {
        id: string;
        lastlba: number;
        partitions: { start: number; size: number; uuid: string }[];
      };
    };
    expect(partitiontable.id.toLowerCase()).toBe(ids.disk);
    const parts = partitiontable.partitions;
    expect(parts.map((part) => part.uuid.toLowerCase())).toEqual([
      ids.biosPartition,
      ids.espPartition,
      ids.rootPartition,
    ]);
    expect(parts.map((part) => (part.start * 512) / MIB)).toEqual([1, 2, 38]);
    const last = parts[2];
    // Nothing to grow into: no whole file-system block is left behind it.
    expect(partitiontable.lastlba - ((last?.start ?? 0) + (last?.size ?? 0) - 1)).toBeLessThan(8);
  });

  it('has a clean root file system, with kernel, initramfs and the ready marker', async () => {
    await run('e2fsck', ['-fn', root]);
    expect((await run('blkid', ['-p', '-s', 'UUID', '-o', 'value', root])).trim()).toBe(ids.rootFileSystem);
    expect(await inRoot('cat /boot/grub/grub.cfg')).toContain(`root=UUID=${ids.rootFileSystem}`);
    for (const link of ['/vmlinuz', '/initrd.img']) {
      expect(await inRoot(`stat ${link}`), link).toMatch(/Fast link dest: "boot\/\S+-cloud-amd64"/);
    }
    expect(await inRoot('cat /etc/systemd/system/peerboot-ready.service')).toContain(
      'PEERBOOT-READY debian-12 1',
    );
  });

  it('carries no identity and no secret', async () => {
    expect(await inRoot('cat /etc/machine-id')).toBe('');
    expect(await inRoot('cat /etc/shadow')).toMatch(/^root:[*!]/m);
    expect(await inRoot('ls /etc/ssh')).not.toContain('ssh_host');
  });

  it('boots by BIOS and by UEFI as far as the disk can tell', async () => {
    const first = new DataView(new ArrayBuffer(512));
    const file = openSync(image.path, 'r');
    readSync(file, first, 0, 512, 0);
    closeSync(file);
    // GRUB's first sector points at LBA 2048, and the firmware finds its signature.
    expect(first.getBigUint64(0x5c, true)).toBe(2048n);
    expect(first.getUint16(510, true)).toBe(0xaa55);
    const programs = await run('mdir', ['-b', '-i', `${image.path}@@2M`, '::EFI/BOOT']);
    expect(programs).toContain('BOOTX64.EFI');
  });
});
