// Disks that say at once that they were booted: one for BIOS, one for UEFI, each with a program of a few bytes made here.
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { blankDisk } from './disks.ts';
import { run } from './process.ts';

const MIB = 2 ** 20;

/** What both programs say on the first serial port before they halt. */
export const LOCAL_MARKER = 'BOOTED-FROM-LOCAL-DISK';

const MESSAGE = Buffer.from(`\r\n${LOCAL_MARKER}\r\n\0`);

/** Prints the string at SI to the serial port and halts; the same machine code but for how `mov dx` is encoded. */
function printer(moveDx: readonly number[]): number[] {
  const print = [
    [0x88, 0xc4], //                   mov ah, al
    [...moveDx, 0xfd, 0x03], //        mov dx, line status
    [0xec, 0xa8, 0x20, 0x74, 0xfb], // wait: in al, dx; test al, 0x20; jz wait
    [0xb2, 0xf8, 0x88, 0xe0, 0xee], // mov dl, 0xf8; mov al, ah; out dx, al
  ].flat();
  const whole = 5 + print.length + 2;
  return [
    ...[0xac, 0x84, 0xc0, 0x74, print.length + 2], // next: lodsb; test al, al; jz end
    ...print,
    ...[0xeb, -whole & 0xff], //                      jmp next
    ...[0xf4, 0xeb, 0xfd], //                         end: hlt; jmp end
  ];
}

/** A boot sector, loaded at 0x7c00 in real mode. */
export function biosLocalDisk(path: string): string {
  const loop = printer([0xba]);
  const start = [0x31, 0xc0, 0x8e, 0xd8, 0xfc]; // xor ax, ax; mov ds, ax; cld
  const messageAt = 0x7c00 + start.length + 3 + loop.length;
  const code = [...start, 0xbe, messageAt & 0xff, messageAt >> 8, ...loop];
  const sector = Buffer.alloc(512);
  sector.set([...code, ...MESSAGE], 0);
  sector.set([0x55, 0xaa], 510);
  blankDisk(path, 4 * MIB);
  const file = openSync(path, 'r+');
  writeSync(file, sector, 0, sector.length, 0);
  closeSync(file);
  return path;
}

/** A UEFI application (PE32+, one section, position-independent) that does the same by port I/O. */
function uefiProgram(): Buffer {
  const loop = printer([0x66, 0xba]);
  const code = Buffer.from([0x48, 0x8d, 0x35, 1 + loop.length, 0, 0, 0, 0xfc, ...loop, ...MESSAGE]); // lea rsi, message; cld
  const file = Buffer.alloc(0x400);
  file.write('MZ', 0, 'latin1');
  file.writeUInt32LE(0x40, 0x3c);
  file.write('PE\0\0', 0x40, 'latin1');
  file.writeUInt16LE(0x8664, 0x44); // x64
  file.writeUInt16LE(1, 0x46); // sections
  file.writeUInt16LE(0xf0, 0x54); // size of the optional header
  file.writeUInt16LE(0x0022, 0x56); // executable, large addresses
  const optional = 0x58;
  file.writeUInt16LE(0x20b, optional);
  file.writeUInt32LE(0x200, optional + 4); // code bytes
  file.writeUInt32LE(0x1000, optional + 16); // entry
  file.writeUInt32LE(0x1000, optional + 20); // code
  file.writeUInt32LE(0x1000, optional + 32); // section alignment
  file.writeUInt32LE(0x200, optional + 36); // file alignment
  file.writeUInt32LE(0x2000, optional + 56); // image bytes
  file.writeUInt32LE(0x200, optional + 60); // header bytes
  file.writeUInt16LE(10, optional + 68); // EFI application
  file.writeUInt32LE(16, optional + 108); // data directories, all empty
  const section = optional + 0xf0;
  file.write('.text', section, 'latin1');
  file.writeUInt32LE(0x200, section + 8);
  file.writeUInt32LE(0x1000, section + 12);
  file.writeUInt32LE(0x200, section + 16);
  file.writeUInt32LE(0x200, section + 20);
  file.writeUInt32LE(0x60000020, section + 36); // code, readable, executable
  code.copy(file, 0x200);
  return file;
}

/** A disk with nothing but a FAT file system and the program at the removable-media path. */
export async function uefiLocalDisk(path: string): Promise<string> {
  const program = `${path}.efi`;
  writeFileSync(program, uefiProgram());
  blankDisk(path, 4 * MIB);
  await run('mkfs.vfat', ['-F', '12', path]);
  await run('mmd', ['-i', path, '::EFI', '::EFI/BOOT']);
  await run('mcopy', ['-i', path, program, '::EFI/BOOT/BOOTX64.EFI']);
  rmSync(program);
  return path;
}
