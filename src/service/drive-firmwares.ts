// Which firmware starts a CD or disk image that iPXE shows it as a drive (`sanboot`).
import type { BootFirmware } from '../api/boot-entry.ts';
import { isAllZero, viewOf } from '../base/bytes.ts';
import { bootEntriesOf, CD_SECTOR, catalogueAt, DESCRIPTORS, isCd } from '../boot/el-torito.ts';
import type { ReadAt } from './fat.ts';
import { fallbackPrograms, imageFirmwares } from './image-firmwares.ts';

export interface DriveFirmwares {
  readonly firmwares: readonly BootFirmware[];
  /** What is left out although it looks bootable. */
  readonly why?: string;
}

/** `drive` gives fewer bytes than asked for at its end. */
export async function driveFirmwares(
  drive: (offset: number, length: number) => Promise<Uint8Array>,
  sizeBytes: number,
): Promise<DriveFirmwares> {
  const descriptors = await drive(DESCRIPTORS.offset, DESCRIPTORS.bytes);
  if (!isCd(descriptors)) return { firmwares: await diskFirmwares(drive, sizeBytes) };
  const at = catalogueAt(descriptors);
  const entries = at === undefined ? [] : bootEntriesOf(await drive(at, CD_SECTOR));
  const firmwares = new Set<BootFirmware>();
  // For a BIOS iPXE looks at the default entry alone, and starts none that emulates a drive.
  const [first] = entries;
  const isForBios = first?.isBootable === true && first.platform === 'bios';
  const emulates = isForBios && first.emulates;
  if (isForBios && !emulates) firmwares.add('bios');
  for (const { isBootable, platform, offset } of entries) {
    if (!isBootable || platform !== 'efi') continue;
    const read: ReadAt = async (from, length) => {
      const bytes = await drive(offset + from, length);
      return bytes.length === length ? bytes : undefined;
    };
    for (const firmware of (await fallbackPrograms(read)).firmwares) firmwares.add(firmware);
  }
  const why = 'a BIOS would have to see a floppy or hard disk in its place, which iPXE cannot show';
  return { firmwares: [...firmwares], ...(emulates ? { why } : {}) };
}

async function diskFirmwares(
  disk: (offset: number, length: number) => Promise<Uint8Array>,
  sizeBytes: number,
): Promise<readonly BootFirmware[]> {
  const { firmwares } = await imageFirmwares(disk, sizeBytes);
  if (firmwares.length > 0) return firmwares;
  // A floppy, or a stick that is one file system: boot code and its mark are all there is to see.
  const sector = await disk(0, 512);
  const boots = sector.length === 512 && viewOf(sector).getUint16(510, true) === 0xaa55;
  return boots && !isAllZero(sector.subarray(0, 446)) ? ['bios'] : [];
}
