// From flags and files to the description of a boot entry, and what is refused with which words.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeEntry, type EntryFlags } from '../../src/command/publish-entry.ts';
import { makeFolder } from '../support/folder.ts';

const KERNEL = new Uint8Array(1024);
KERNEL.set(Buffer.from('HdrS'), 0x202);
const PROGRAM = new Uint8Array(1024);
PROGRAM.set(Buffer.from('MZ'));
PROGRAM[0x3c] = 0x80;
PROGRAM.set(Buffer.from('PE\0\0\x64\x86', 'latin1'), 0x80);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-describe-'));
  makeFolder(folder, {
    'a/vmlinuz': KERNEL,
    'a/initrd.img': 'i',
    'a/x.efi': PROGRAM,
    'a/text': 'text',
    'memtest.bin': KERNEL,
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const describing = (flags: EntryFlags, path = 'a') => describeEntry(join(folder, path), 'name', flags);

describe('an entry', () => {
  it('of Linux is for what its kernel is for, and knows where its files lie', async () => {
    const flags = { boot: 'linux', kernel: 'vmlinuz', initrd: ['initrd.img'], cmdline: 'quiet' } as const;
    expect(await describing({ ...flags, initrd: [...flags.initrd] })).toEqual({
      title: 'name',
      firmwares: ['bios'],
      tool: false,
      start: { way: 'linux', kernel: 'vmlinuz', initrds: ['initrd.img'], cmdline: 'quiet' },
      files: [
        // Filled up with zeros: the next initrd must begin at a multiple of four.
        { path: 'initrd.img', offset: 1024, size: 4 },
        { path: 'text', offset: 2048, size: 4 },
        { path: 'vmlinuz', offset: 3072, size: 1024 },
        { path: 'x.efi', offset: 4608, size: 1024 },
      ],
    });
  });

  it('of a memory test is a tool, from a kernel or a UEFI program, and may be one file', async () => {
    expect(await describing({ boot: 'memtest' }, 'memtest.bin')).toMatchObject({
      title: 'Memory test',
      tool: true,
      start: { way: 'linux', kernel: 'memtest.bin' },
      files: [{ path: 'memtest.bin', offset: 512, size: 1024 }],
    });
    expect(await describing({ boot: 'memtest', program: 'x.efi' })).toMatchObject({
      firmwares: ['uefi-x64'],
      start: { way: 'efi', program: 'x.efi' },
    });
  });

  it('is for what somebody says it is for', async () => {
    const flags = {
      boot: 'linux',
      kernel: 'text',
      title: 'T',
      tool: true,
      firmware: ['uefi-arm64'],
    } as const;
    expect(await describing({ ...flags, firmware: [...flags.firmware] })).toMatchObject({
      title: 'T',
      tool: true,
      firmwares: ['uefi-arm64'],
    });
    expect(await describing({ boot: 'efi', program: 'x.efi' })).toMatchObject({ firmwares: ['uefi-x64'] });
  });
});

it.each([
  ['no way to start', {}, /--boot linux, efi, iso, wimboot, memtest/],
  ['no kernel', { boot: 'linux' }, /needs --kernel/],
  ['no boot.wim', { boot: 'wimboot', wimboot: 'vmlinuz', bcd: 'text', sdi: 'text' }, /needs --wim$/],
  ['a file that is not there', { boot: 'linux', kernel: 'lost' }, /lost cannot be read/],
  [
    'an initrd that is not there',
    { boot: 'linux', kernel: 'vmlinuz', initrd: ['lost'] },
    /not among its files/,
  ],
  ['text in the place of a CD', { boot: 'iso', iso: 'text' }, /text: nothing in it boots.*--firmware/],
  ['text in the place of a program', { boot: 'efi', program: 'text' }, /say with --firmware/],
  ['a kernel in the place of a UEFI program', { boot: 'efi', program: 'vmlinuz' }, /say with --firmware/],
  [
    'a title that no screen shows',
    { boot: 'linux', kernel: 'vmlinuz', title: 'Speicherprüfung' },
    /cannot show/,
  ],
  ['parameters that iPXE would read', { boot: 'linux', kernel: 'vmlinuz', cmdline: 'a || shell' }, /cmdline/],
] as const)('%s is refused', async (_, flags, words) => {
  const message = expect.stringMatching(words);
  await expect(describing(flags as EntryFlags)).rejects.toMatchObject({
    code: 'PB-BOOT-ENTRY-INVALID',
    message,
  });
});

it('too many files are refused, and names that would have to be escaped', async () => {
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`many/f${n}`, 'x']));
  makeFolder(folder, { ...many, 'odd/with space': 'x', 'odd/vmlinuz': KERNEL });
  await expect(describing({ boot: 'linux', kernel: 'f1' }, 'many')).rejects.toThrow(/65 files/);
  await expect(describing({ boot: 'linux', kernel: 'vmlinuz' }, 'odd')).rejects.toThrow(/files\.\d\.path/);
});
