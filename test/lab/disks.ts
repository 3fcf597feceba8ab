// Disks and images for the cases that are about the agent: small, made here, with known bytes.
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import { CACHE } from './lab.ts';
import { run } from './process.ts';

const MIB = 2 ** 20;

/** A sparse empty file of this size. */
export function blankDisk(path: string, bytes: number): string {
  const file = openSync(path, 'w');
  ftruncateSync(file, bytes);
  closeSync(file);
  return path;
}

/** A 96 MiB image: GPT, 48 MiB of incompressible bytes, the rest zeros. It does not boot; it is fast to write and prove. */
export async function smallImage(): Promise<string> {
  const path = join(CACHE, 'lab-images', 'small-2.raw');
  if (existsSync(path)) return path;
  mkdirSync(join(CACHE, 'lab-images'), { recursive: true });
  const draft = blankDisk(`${path}.${process.pid}`, 96 * MIB);
  await run('sgdisk', ['--new=1:2048:+80M', '--typecode=1:8300', '--disk-guid=R', draft]);
  const file = openSync(draft, 'r+');
  const random = seededRandom(77);
  for (let mib = 1; mib <= 48; mib++) {
    const block = new Uint32Array(MIB / 4).map(() => randomInt(random, 2 ** 32));
    writeSync(file, new Uint8Array(block.buffer), 0, MIB, mib * MIB);
  }
  closeSync(file);
  renameSync(draft, path);
  return path;
}

/** What the boot sector below says on the serial line. */
export const LOCAL_MARKER = 'BOOTED-FROM-LOCAL-DISK';

/** A disk whose boot sector prints `LOCAL_MARKER` on the first serial port and halts: a whole BIOS boot in a moment. */
export function localBootDisk(path: string): string {
  blankDisk(path, 4 * MIB);
  const program = [
    [0x31, 0xc0, 0x8e, 0xd8, 0xfc], // xor ax,ax; mov ds,ax; cld
    [0xbe, 0x1c, 0x7c], //             mov si, message
    [0xac, 0x84, 0xc0, 0x74, 0x0d], // next: lodsb; test al,al; jz end
    [0x88, 0xc4, 0xba, 0xfd, 0x03], // mov ah,al; mov dx, line status
    [0xec, 0xa8, 0x20, 0x74, 0xfb], // wait: in al,dx; test al,0x20; jz wait
    [0xb2, 0xf8, 0x88, 0xe0, 0xee], // mov dl,0xf8; mov al,ah; out dx,al
  ].flat();
  const loop = [0xeb, (0x08 - (program.length + 2)) & 0xff]; // jmp next
  const end = [0xf4, 0xeb, 0xfd]; //                             end: hlt; jmp end
  const message = Buffer.from(`\r\n${LOCAL_MARKER}\r\n\0`);
  const sector = Buffer.alloc(512);
  const code = [...program, ...loop, ...end];
  sector.set(code, 0);
  // The two jumps and the message's address depend on the lengths above.
  sector[12] = program.length + loop.length - 13;
  sector.writeUInt16LE(0x7c00 + code.length, 6);
  sector.set(message, code.length);
  sector.set([0x55, 0xaa], 510);
  const file = openSync(path, 'r+');
  writeSync(file, sector, 0, 512, 0);
  closeSync(file);
  return path;
}

/** A disk that somebody uses: GPT and a file system with a label. */
export async function usedDisk(path: string, bytes: number): Promise<string> {
  blankDisk(path, bytes);
  await run('sgdisk', ['--new=1:2048:0', '--typecode=1:8300', '--change-name=1:till-data', path]);
  const part = `${path}.part`;
  blankDisk(part, 16 * MIB);
  await run('mkfs.ext4', ['-q', '-L', 'TILL', part]);
  await run('dd', [`if=${part}`, `of=${path}`, 'bs=1M', 'seek=1', 'conv=notrunc,sparse', 'status=none']);
  return path;
}
