// What the head of a program tells of the firmware that can start it.
import { describe, expect, it } from 'vitest';
import { decidingFile, entryFirmwares, firmwaresOf } from '../../src/boot/entry-program.ts';
import { STARTS } from './entry-starts.ts';

describe('what a file can be started by', () => {
  const program = (machine: number) => {
    const bytes = new Uint8Array(1024);
    bytes.set(Buffer.from('MZ'));
    bytes[0x3c] = 0x80;
    bytes.set([0x50, 0x45, 0, 0, machine & 0xff, machine >> 8], 0x80);
    return bytes;
  };
  const kernel = (bytes: Uint8Array) => {
    bytes.set(Buffer.from('HdrS'), 0x202);
    return bytes;
  };
  it.each([
    ['a Linux kernel with its UEFI stub', kernel(program(0x8664)), ['bios', 'uefi-x64']],
    ['an old Linux kernel', kernel(new Uint8Array(1024)), ['bios']],
    ['a UEFI program', program(0x8664), ['uefi-x64']],
    ['one of arm64', program(0xaa64), ['uefi-arm64']],
    ['one of ia32', program(0x14c), []],
    ['a program of DOS', program(0x8664).fill(0, 0x80, 0x84), []],
    ['a program that is cut off', program(0x8664).subarray(0, 0x82), []],
    ['text', Buffer.from('#!/bin/sh'), []],
  ] as const)('%s', (_, bytes, firmwares) => expect(firmwaresOf(bytes)).toEqual(firmwares));

  it('depends on the way it is started, too', () => {
    const both = kernel(program(0x8664));
    expect(entryFirmwares(STARTS.efi, both)).toEqual(['uefi-x64']);
    expect(entryFirmwares(STARTS.linux, both)).toEqual(['bios', 'uefi-x64']);
    const { linux, plain, efi, wimboot } = STARTS;
    expect([linux, plain, efi, wimboot].map(decidingFile)).toEqual([
      'live/vmlinuz',
      'memtest64.bin',
      'tool.efi',
      'wimboot',
    ]);
  });
});
