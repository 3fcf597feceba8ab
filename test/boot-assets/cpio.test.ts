// The archives that kernels unpack: field by field, in an order of their own, the same bytes each time.
import { describe, expect, it } from 'vitest';
import { type CpioEntry, cpio } from '../../boot-assets/cpio.ts';
import { fromText, toText } from '../../src/base/bytes.ts';

const ENTRIES: readonly CpioEntry[] = [
  { kind: 'file', path: 'init', bytes: fromText('#!/bin/sh\n'), executable: true },
  { kind: 'folder', path: 'bin' },
  { kind: 'link', path: 'bin/sh', to: 'busybox' },
  { kind: 'character-device', path: 'console', major: 5, minor: 1 },
  { kind: 'file', path: 'bin/odd', bytes: fromText('abc'), executable: false },
];

interface Member {
  readonly path: string;
  readonly inode: number;
  readonly mode: number;
  readonly modified: number;
  readonly device: string;
  readonly data: string;
}

/** Reads an archive as newc says: thirteen numbers, a name, the data, each padded to four bytes. */
function members(archive: Uint8Array): Member[] {
  const found: Member[] = [];
  for (let at = 0; ; ) {
    expect(toText(archive.subarray(at, at + 6))).toBe('070701');
    const start = at + 6;
    const number = (i: number) =>
      Number.parseInt(toText(archive.subarray(start + i * 8, start + i * 8 + 8)), 16);
    const name = archive.subarray(at + 110, at + 110 + number(11));
    expect(name.at(-1)).toBe(0);
    const dataAt = Math.ceil((at + 110 + name.length) / 4) * 4;
    const path = toText(name.subarray(0, -1));
    if (path === 'TRAILER!!!') return found;
    const data = toText(archive.subarray(dataAt, dataAt + number(6)));
    const device = `${number(9)}:${number(10)}`;
    found.push({ path, inode: number(0), mode: number(1), modified: number(5), device, data });
    at = Math.ceil((dataAt + number(6)) / 4) * 4;
  }
}

describe('cpio', () => {
  it('writes kind, mode, data, link and device of each entry, sorted by path', () => {
    const row = ({ path, mode, data, device }: Member) => [path, mode.toString(8), data, device];
    expect(members(cpio(ENTRIES)).map(row)).toEqual([
      ['bin', '40755', '', '0:0'],
      ['bin/odd', '100644', 'abc', '0:0'],
      ['bin/sh', '120777', 'busybox', '0:0'],
      ['console', '20600', '', '5:1'],
      ['init', '100755', '#!/bin/sh\n', '0:0'],
    ]);
  });

  it('is the same whatever the order of the entries', () => {
    expect(cpio([...ENTRIES].reverse())).toEqual(cpio(ENTRIES));
  });

  it('dates every entry alike and numbers them anew', () => {
    const found = members(cpio(ENTRIES, 1_700_000_000));
    expect(new Set(found.map((one) => one.modified))).toEqual(new Set([1_700_000_000]));
    expect(found.map((one) => one.inode)).toEqual([1, 2, 3, 4, 5]);
  });

  it('ends on a boundary at which another archive may begin', () => {
    expect(cpio(ENTRIES).length % 512).toBe(0);
    expect(cpio([]).length).toBe(512);
  });
});
