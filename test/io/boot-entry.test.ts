// UEFI's variables as efivarfs shows them: what is written, what is left alone, and what a firmware without any of it gets.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { encodeBootEntry, encodeBootOrder, GLOBAL_VARIABLE } from '../../src/imaging/boot-entry.ts';
import { ESP_TYPE, guidBytes } from '../../src/imaging/layout.ts';
import { bootDiskNext, isSecureBoot, setBootEntry } from '../../src/io/boot-entry.ts';
import { type Logbook, logbook } from '../support/logbook.ts';

const ESP = {
  ...{ number: 1, type: ESP_TYPE, guid: guidBytes('ad5a2a2e-5e4b-4a6c-9c57-6ef0b4b7d0a1') },
  ...{ firstLba: 2048, lastLba: 206_847, name: 'EFI' },
};
const FALLBACK_PATH = `\\EFI\\BOOT\\BOOT${process.arch === 'arm64' ? 'AA64' : 'X64'}.EFI`;
const DISK = encodeBootEntry('UEFI disk', ESP, FALLBACK_PATH);
/** PXE: a card by its MAC. */
const NETWORK = fromHex(`010000002900${'6e000000'}030b2500${'00'.repeat(33)}7fff0400`) as Uint8Array;

let folder: string;
let log: Logbook;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pb-efivars-'));
  log = logbook();
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = (name: string) => join(folder, `${name}-${GLOBAL_VARIABLE}`);
const put = (name: string, value: Uint8Array) =>
  writeFileSync(path(name), Uint8Array.of(7, 0, 0, 0, ...value));
const get = (name: string) => new Uint8Array(readFileSync(path(name)));
const withAttributes = (value: Uint8Array) => Uint8Array.of(7, 0, 0, 0, ...value);

describe('from a disk next', () => {
  it('the first disk of the order is started once, and nothing else is changed', () => {
    put('BootOrder', encodeBootOrder([1, 9, 3, 2]));
    put('Boot0001', NETWORK);
    put('Boot0002', DISK);
    put('Boot0003', DISK);
    const before = readdirSync(folder);
    bootDiskNext(log, folder);
    expect(get('BootNext')).toEqual(withAttributes(encodeBootOrder([3])));
    expect(readdirSync(folder).toSorted()).toEqual([...before, `BootNext-${GLOBAL_VARIABLE}`].toSorted());
    expect(get('BootOrder')).toEqual(withAttributes(encodeBootOrder([1, 9, 3, 2])));
    expect(log.lines).toMatchObject([{ level: 'info', fields: { entry: 'Boot0003' } }]);
  });

  it.each([
    ['no order', () => {}],
    ['an order of networks', () => put('BootOrder', encodeBootOrder([1]))],
    ['an order of entries that are not there', () => put('BootOrder', encodeBootOrder([7, 8]))],
  ])('%s: it is left to the firmware', (_, also) => {
    put('Boot0001', NETWORK);
    also();
    const before = readdirSync(folder);
    bootDiskNext(log, folder);
    expect(readdirSync(folder)).toEqual(before);
    expect(log.lines).toEqual([]);
  });

  it('a firmware that takes no variable is told of', () => {
    put('BootOrder', encodeBootOrder([2]));
    put('Boot0002', DISK);
    mkdirSync(path('BootNext'));
    expect(() => bootDiskNext(log, folder)).toThrow('EISDIR');
    expect(log.lines).toEqual([]);
  });
});

describe('an entry of the new system', () => {
  it('comes first, under the lowest free number; the others stay, and what is no entry is passed over', () => {
    put('BootOrder', encodeBootOrder([1, 0]));
    put('Boot0000', DISK);
    put('Boot0001', NETWORK);
    put('Boot0003', Uint8Array.of(1, 0, 0));
    put('BootCurrent', encodeBootOrder([1]));
    writeFileSync(join(folder, 'Boot0002-00000000-0000-0000-0000-000000000000'), 'of another vendor');
    setBootEntry('Peerboot till', ESP, log, folder);
    expect(get('Boot0002')).toEqual(withAttributes(encodeBootEntry('Peerboot till', ESP, FALLBACK_PATH)));
    expect(get('BootOrder')).toEqual(withAttributes(encodeBootOrder([2, 1, 0])));
    expect([get('Boot0000'), get('Boot0001')]).toEqual([DISK, NETWORK].map(withAttributes));
  });

  it('is the only one where there was none', () => {
    setBootEntry('till', ESP, log, folder);
    expect(get('BootOrder')).toEqual(withAttributes(encodeBootOrder([0])));
  });
});

it.each([
  [Uint8Array.of(1), true],
  [Uint8Array.of(0), false],
  [undefined, false],
])('SecureBoot %s', (value, expected) => {
  if (value !== undefined) put('SecureBoot', value);
  expect(isSecureBoot(folder)).toBe(expected);
});
