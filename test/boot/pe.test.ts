// Sections put into a PE program: laid out without gaps, the old ones unchanged, the headers true.
import { describe, expect, it } from 'vitest';
import { unifiedKernelImage } from '../../boot-assets/uki.ts';
import { concatBytes, fromText, toText, viewOf } from '../../src/base/bytes.ts';
import { isSigned, readSections, withSections } from '../../src/boot/pe.ts';

const HEADERS = 0x400;
const TABLE = 0x40 + 24 + 240;

/** A PE32+ program of these sections, one page each from 0x1000 on, with room for `room` more headers. */
function program(sections: readonly { name: string; text: string }[]): Uint8Array {
  const headers = new Uint8Array(HEADERS);
  const view = viewOf(headers);
  headers.set(fromText('MZ'));
  view.setUint32(0x3c, 0x40, true);
  headers.set(fromText('PE\0\0'), 0x40);
  view.setUint16(0x46, sections.length, true);
  view.setUint32(0x4c, 0x1234, true); // symbols
  view.setUint16(0x54, 240, true);
  view.setUint16(0x58, 0x20b, true);
  view.setUint32(0x58 + 32, 0x200, true);
  view.setUint32(0x58 + 36, 0x200, true);
  view.setUint32(0x58 + 56, 0x1000 * (sections.length + 1), true);
  view.setUint32(0x58 + 60, HEADERS, true);
  view.setUint32(0x58 + 64, 0xdead, true); // checksum
  const raw: Uint8Array[] = [];
  for (const [i, { name, text }] of sections.entries()) {
    const at = TABLE + i * 40;
    headers.set(fromText(name), at);
    view.setUint32(at + 8, text.length, true);
    view.setUint32(at + 12, 0x1000 * (i + 1), true);
    view.setUint32(at + 16, 0x200, true);
    view.setUint32(at + 20, HEADERS + i * 0x200, true);
    view.setUint32(at + 36, 0x6000_0020, true);
    const bytes = new Uint8Array(0x200);
    bytes.set(fromText(text));
    raw.push(bytes);
  }
  return concatBytes([headers, ...raw]);
}

const stub = program([
  { name: '.text', text: 'code' },
  { name: '.sbat', text: 'sbat,1,theirs\n\0' },
]);
const shown = (bytes: Uint8Array) =>
  readSections(bytes).map((one) => [one.name, one.virtualAddress, toText(one.bytes)]);

describe('withSections', () => {
  it('puts new sections on pages of their own behind the old ones', () => {
    const made = withSections(stub, [
      { name: '.linux', bytes: fromText('k'.repeat(5000)) },
      { name: '.osrel', bytes: fromText('ID=x') },
    ]);
    expect(shown(made)).toEqual([
      ['.text', 0x1000, 'code'],
      ['.sbat', 0x2000, 'sbat,1,theirs\n\0'],
      ['.linux', 0x3000, 'k'.repeat(5000)],
      ['.osrel', 0x5000, 'ID=x'],
    ]);
    // Everything after the headers is some section's: firmware and signers hash the same bytes.
    expect(made.length).toBe(HEADERS + 0x200 * 2 + 0x1400 + 0x200);
    expect(viewOf(made).getUint32(0x58 + 56, true)).toBe(0x6000);
    for (const at of [0x4c, 0x58 + 64]) expect(viewOf(made).getUint32(at, true)).toBe(0);
  });

  it('puts one of the same name in the place of the old one', () => {
    const made = withSections(stub, [{ name: '.sbat', bytes: fromText('ours') }]);
    expect(shown(made)).toEqual([
      ['.text', 0x1000, 'code'],
      ['.sbat', 0x3000, 'ours'],
    ]);
    expect(viewOf(made).getUint16(0x46, true)).toBe(2);
  });

  it('refuses what is no program, and more sections than there is room for', () => {
    expect(() => withSections(fromText('#!/bin/sh'), [])).toThrow('not a PE program');
    const room = Math.floor((HEADERS - TABLE) / 40) - 2;
    const many = Array.from({ length: room + 1 }, (_, i) => ({ name: `.${i}`, bytes: fromText('x') }));
    expect(() => withSections(stub, many)).toThrow('no room');
    expect(readSections(withSections(stub, many.slice(1)))).toHaveLength(2 + room);
    expect(() => withSections(stub, [{ name: '.toolongname', bytes: fromText('') }])).toThrow('too long');
  });
});

it('tells a signed program by its certificate table', () => {
  const signed = stub.slice();
  expect(isSigned(signed)).toBe(false);
  viewOf(signed).setUint32(0x58 + 112 + 4 * 8 + 4, 8, true);
  expect(isSigned(signed)).toBe(true);
  expect(isSigned(withSections(signed, []))).toBe(false);
});

it('a unified kernel image has every part, the generations of both makers, and the same bytes each time', () => {
  const parts = {
    stub,
    kernel: fromText('kernel'),
    initramfs: fromText('initramfs'),
    commandLine: 'quiet',
    version: '1.2.3',
  };
  const made = unifiedKernelImage(parts);
  const text = (name: string) =>
    toText(readSections(made).find((one) => one.name === name)?.bytes ?? new Uint8Array(0));
  expect(['.linux', '.initrd', '.cmdline'].map(text)).toEqual(['kernel', 'initramfs', 'quiet']);
  expect(text('.sbat')).toMatch(/^sbat,1,theirs\npeerboot,1,Peerboot,peerboot,1\.2\.3,.*\n$/);
  expect(text('.osrel')).toContain('VERSION_ID=1.2.3\n');
  expect(unifiedKernelImage(parts)).toEqual(made);
});

it('a program of 32 bits is refused', () => {
  const program = new Uint8Array(512);
  program.set(fromText('MZ'));
  program[0x3c] = 64;
  program.set(fromText('PE'), 64);
  expect(() => isSigned(program)).toThrow('not a 64-bit PE program');
});
