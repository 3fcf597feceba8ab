// The Debian image on its disk: partitions, file systems, both ways to boot, and what must be in the system.
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltImage, ensureImage } from '../../images/build.ts';
import { imageRecipe } from '../../images/recipe.ts';
import { type ImageFirmwares, imageFirmwares } from '../../src/service/image-firmwares.ts';
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

/** As a publisher reads it. */
async function firmwaresOf({ path, bytes }: BuiltImage): Promise<ImageFirmwares> {
  const file = openSync(path, 'r');
  const read = async (offset: number, length: number) => {
    const into = new Uint8Array(length);
    readSync(file, into, 0, length, offset);
    return into;
  };
  return imageFirmwares(read, bytes).finally(() => closeSync(file));
}

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
    const programs = await run('mdir', ['-b', '-/', '-i', `${image.path}@@2M`, '::EFI']);
    expect(programs.match(/(?<=::)\S+[^/\s]$/gm)?.sort()).toEqual([
      '/EFI/BOOT/BOOTX64.EFI',
      '/EFI/BOOT/grubx64.efi',
      '/EFI/BOOT/mmx64.efi',
      '/EFI/debian/grub.cfg',
    ]);
    expect(await firmwaresOf(image)).toEqual({ firmwares: ['bios', 'uefi-x64'], unsigned: [] });
  });

  it('is believed by firmware with Secure Boot: shim by Microsoft, GRUB and kernel by Debian', async () => {
    const signers = async (path: string) => {
      const told = await run('sbverify', ['--list', path]);
      return Array.from(told.matchAll(/issuer: +(.*)/g), ([, issuer]) => issuer).join('\n');
    };
    const esp = async (name: string) => {
      await run('mcopy', ['-n', '-i', `${image.path}@@2M`, `::EFI/BOOT/${name}`, join(scratch, name)]);
      return join(scratch, name);
    };
    const kernel = join(scratch, 'vmlinuz');
    const [, name] = /Fast link dest: "(\S+)"/.exec(await inRoot('stat /vmlinuz')) ?? [];
    await inRoot(`dump /${name} ${kernel}`);
    expect(await signers(await esp('BOOTX64.EFI'))).toMatch(/Microsoft Corporation UEFI CA 20\d\d/);
    expect(await signers(await esp('grubx64.efi'))).toContain('Debian Secure Boot CA');
    expect(await signers(kernel)).toContain('Debian Secure Boot CA');
  });
});

describe('the image for arm64', () => {
  it('boots by UEFI into a kernel and an initramfs that are there, built without a program of arm64', async () => {
    const built = await ensureImage({ architecture: 'arm64' });
    const { path } = built;
    const arm = imageRecipe({ architecture: 'arm64' });
    expect(await run('sgdisk', ['--verify', path])).toContain('No problems found');
    const programs = await run('mdir', ['-b', '-i', `${path}@@2M`, '::EFI/BOOT']);
    expect(programs).toContain('BOOTAA64.EFI');
    expect(await firmwaresOf(built)).toEqual({ firmwares: ['uefi-arm64'], unsigned: [] });
    const menu = await run('mtype', ['-i', `${path}@@2M`, '::EFI/debian/grub.cfg']);
    expect(menu).toContain(`search.fs_uuid ${arm.ids.rootFileSystem} root`);
    const root = join(scratch, 'arm.ext4');
    await run('dd', [`if=${path}`, `of=${root}`, 'bs=1M', 'skip=38', 'conv=sparse', 'status=none']);
    await run('e2fsck', ['-fn', root]);
    const started = await run('debugfs', ['-R', 'cat /boot/grub/grub.cfg', root]);
    const [kernel, initramfs] = ['linux', 'initrd'].map((word) => {
      const [, file] = new RegExp(`^ +${word} (\\S+)`, 'm').exec(started) ?? [];
      return `${file}`;
    });
    const archive = join(scratch, 'initrd');
    await run('debugfs', ['-R', `dump ${initramfs} ${archive}`, root]);
    const listed = await run('cpio', ['-t'], { input: readFileSync(archive) });
    expect(listed.split('\n')).toEqual(expect.arrayContaining(['init', 'modules/virtio_blk.ko']));
    expect(await run('debugfs', ['-R', `stat ${kernel}`, root])).toContain('Type: regular');
  });
});
