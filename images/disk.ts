// Makes a disk image file out of a folder: GPT, BIOS boot partition, EFI system partition, ext4 root; no loop device.
import { closeSync, openSync, readSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../tools/run.ts';
import { makeBiosGrub, placeBiosGrub } from './grub.ts';
import { type LoaderFile, signedLoaders } from './loaders.ts';
import type { ImageRecipe } from './recipe.ts';

const MIB = 1024 * 1024;
const SECTOR_BYTES = 512;
/** In MiB from the start of the disk. FAT32 needs some 33 MiB. */
const BIOS = { start: 1, size: 1 };
const ESP = { start: 2, size: 36 };
const ROOT = { start: 38 };
/** Behind the root file system: so there is nothing to grow into on a disk of just this size. */
const BACKUP_GPT_SECTORS = 33;

/** `work` is a folder for intermediate files. */
export async function buildDisk(
  system: string,
  image: string,
  recipe: ImageRecipe,
  work: string,
  progress: (line: string) => void,
): Promise<void> {
  const { ids, epoch, architecture, diskMib } = recipe;
  const env = { SOURCE_DATE_EPOCH: String(epoch), E2FSPROGS_FAKE_TIME: String(epoch) };
  progress('root file system');
  const root = join(work, 'root.ext4');
  const ext4 = ['-q', '-F', '-L', 'root', '-U', ids.rootFileSystem, '-E', `hash_seed=${ids.hashSeed}`];
  // GRUB 2.06 cannot read the two features that newer mkfs switch on. A small journal is one less thing to send.
  const features = ['-O', '^metadata_csum_seed,^orphan_file', '-J', 'size=4', '-m', '1', '-b', '4096'];
  const blocks = Math.floor(((diskMib - ROOT.start) * MIB - BACKUP_GPT_SECTORS * SECTOR_BYTES) / 4096);
  await run('mkfs.ext4', [...ext4, ...features, '-d', system, root, String(blocks)], { env });

  // Only a PC has a BIOS. The partition stays, so that the others are numbered alike.
  const isPc = architecture === 'amd64';
  progress(isPc ? 'GRUB for BIOS and UEFI' : 'GRUB for UEFI');
  const biosGrub = isPc ? await makeBiosGrub(work, ids.rootFileSystem, progress) : undefined;
  const loaders = await signedLoaders(work, architecture, ids.rootFileSystem, progress);
  const esp = join(work, 'esp.fat');
  writeFileSync(esp, '');
  truncateSync(esp, ESP.size * MIB);
  await run('mkfs.vfat', ['-F', '32', '-s', '1', '-n', 'ESP', '-i', ids.espFileSystem, '--invariant', esp], {
    env,
  });
  await run('mmd', ['-i', esp, ...foldersOf(loaders).map((path) => `::${path}`)], { env });
  for (const { path, from } of loaders) await run('mcopy', ['-i', esp, from, `::${path}`], { env });

  progress('partitions');
  writeFileSync(image, '');
  truncateSync(image, diskMib * MIB);
  const partition = (
    number: number,
    at: { start: number; size?: number },
    type: string,
    id: string,
    name: string,
  ) => [
    `--new=${number}:${at.start}M:${at.size === undefined ? '0' : `+${at.size}M`}`,
    `--typecode=${number}:${type}`,
    `--partition-guid=${number}:${id}`,
    `--change-name=${number}:${name}`,
  ];
  await run('sgdisk', [
    `--disk-guid=${ids.disk}`,
    ...partition(1, BIOS, 'ef02', ids.biosPartition, 'bios'),
    ...partition(2, ESP, 'ef00', ids.espPartition, 'esp'),
    ...partition(3, ROOT, '8304', ids.rootPartition, 'root'),
    image,
  ]);

  const file = openSync(image, 'r+');
  try {
    if (biosGrub !== undefined) {
      const before = new Uint8Array(SECTOR_BYTES);
      readSync(file, before, 0, SECTOR_BYTES, 0);
      const placed = placeBiosGrub(before, biosGrub, (BIOS.start * MIB) / SECTOR_BYTES);
      writeSync(file, placed.firstSector, 0, SECTOR_BYTES, 0);
      writeSync(file, placed.core, 0, placed.core.length, BIOS.start * MIB);
    }
    copyInto(file, esp, ESP.start * MIB);
    copyInto(file, root, ROOT.start * MIB);
  } finally {
    closeSync(file);
  }
  for (const path of [root, esp]) rmSync(path);
}

/** Every folder that these lie in, outer ones first. */
function foldersOf(files: readonly LoaderFile[]): readonly string[] {
  const folders = new Set<string>();
  const add = (path: string) => {
    if (path === '.' || folders.has(path)) return;
    add(dirname(path));
    folders.add(path);
  };
  for (const { path } of files) add(dirname(path));
  return [...folders];
}

/** Leaves holes where the source is zero, so that the image takes little room on the disk. */
function copyInto(file: number, source: string, at: number): void {
  const from = openSync(source, 'r');
  try {
    const buffer = Buffer.alloc(MIB);
    for (let position = 0; ; ) {
      const length = readSync(from, buffer, 0, MIB, position);
      if (length === 0) return;
      const part = buffer.subarray(0, length);
      if (part.some((byte) => byte !== 0)) writeSync(file, part, 0, length, at + position);
      position += length;
    }
  } finally {
    closeSync(from);
  }
}
