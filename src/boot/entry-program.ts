// What the first bytes of a boot file tell: which firmwares can start it.
import type { BootFirmware, EntryStart } from '../api/boot-entry.ts';
import { toText, viewOf } from '../base/bytes.ts';

/** So much of a file is looked at: Linux's header lies at 0x1f1, a PE header seldom beyond 4 KiB. */
export const HEAD_BYTES = 8192;

/** Microsoft's PE/COFF specification §3.3.1. */
const MACHINES: ReadonlyMap<number, BootFirmware> = new Map([
  [0x8664, 'uefi-x64'],
  [0xaa64, 'uefi-arm64'],
]);

/** Firmwares that a file with this head can be started by; empty when nothing is known of it. */
export function firmwaresOf(head: Uint8Array): BootFirmware[] {
  const firmwares: BootFirmware[] = [];
  // Linux, x86 boot protocol §2: the magic of bzImages, which wimboot and memtest86+ have, too.
  if (toText(head.subarray(0x202, 0x206)) === 'HdrS') firmwares.push('bios');
  if (head.length < 64 || toText(head.subarray(0, 2)) !== 'MZ') return firmwares;
  const at = viewOf(head).getUint32(0x3c, true);
  if (at + 6 > head.length || toText(head.subarray(at, at + 4)) !== 'PE\0\0') return firmwares;
  const efi = MACHINES.get(viewOf(head).getUint16(at + 4, true));
  return efi === undefined ? firmwares : [...firmwares, efi];
}

/** Starts by a program; a CD or disk has programs of several firmwares inside. */
export type ProgramStart = Exclude<EntryStart, { way: 'iso' }>;

/** The file that decides which firmwares an entry fits. */
export function decidingFile(start: ProgramStart): string {
  switch (start.way) {
    case 'linux':
      return start.kernel;
    case 'efi':
      return start.program;
    case 'wimboot':
      return start.wimboot;
  }
}

/** Which firmwares an entry fits; `head` is of its deciding file. A UEFI program is nothing to a BIOS, whatever it looks like. */
export function entryFirmwares(start: ProgramStart, head: Uint8Array): BootFirmware[] {
  return firmwaresOf(head).filter((firmware) => start.way !== 'efi' || firmware !== 'bios');
}
