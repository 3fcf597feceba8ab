// FAT file systems made by hand for tests, with as few written sectors as they need: what lies nowhere is zero.
import { fromText, viewOf } from '../../src/base/bytes.ts';
import type { ReadAt } from '../../src/service/fat.ts';

const SECTOR = 512;
const ENTRY = 32;
const FOLDER = 0x10;

export interface FatVolume {
  readonly bytes: number;
  readonly read: ReadAt;
  write(offset: number, bytes: Uint8Array): void;
}

export interface FatOptions {
  readonly bits: 12 | 16 | 32;
  /** In `EFI/BOOT`, as `BOOTX64 EFI`; with what is in them. */
  readonly programs: readonly string[] | Readonly<Record<string, Uint8Array>>;
  /** Deleted, long and label entries before them: more than one cluster of them. */
  readonly clutter?: boolean;
}

/** As many clusters of one sector as the kind needs at least; two tables. */
const CLUSTERS = { 12: 4_000, 16: 5_000, 32: 66_000 } as const;
const END = 0x0fff_ffff;
const EMPTY = new Uint8Array(0);

/** `EFI` and `EFI/BOOT`, and in the latter the programs. */
export function fatVolume({ bits, programs, clutter = false }: FatOptions): FatVolume {
  const sectors = new Map<number, Uint8Array>();
  const sector = (number: number): Uint8Array => {
    const known = sectors.get(number) ?? new Uint8Array(SECTOR);
    sectors.set(number, known);
    return known;
  };
  const clusters = CLUSTERS[bits];
  const reserved = bits === 32 ? 32 : 1;
  const tableSectors = Math.ceil(((clusters + 2) * bits) / 8 / SECTOR);
  const rootSectors = bits === 32 ? 0 : 32;
  const root = reserved + 2 * tableSectors;
  const data = root + rootSectors;
  const total = data + clusters;

  const boot = viewOf(sector(0));
  boot.setUint16(11, SECTOR, true);
  boot.setUint8(13, 1);
  boot.setUint16(14, reserved, true);
  boot.setUint8(16, 2);
  boot.setUint16(17, rootSectors * (SECTOR / ENTRY), true);
  if (bits === 32) {
    boot.setUint32(32, total, true);
    boot.setUint32(36, tableSectors, true);
    boot.setUint32(44, 2, true);
  } else {
    boot.setUint16(19, total, true);
    boot.setUint16(22, tableSectors, true);
  }

  const setNext = (cluster: number, value: number): void => {
    const first = Math.floor((cluster * bits) / 8);
    const bytes = bits === 32 ? 4 : 2;
    let old = 0;
    for (let i = bytes - 1; i >= 0; i--) old = old * 256 + (at(first + i)[0] as number);
    let put = value;
    if (bits === 16) put = value & 0xffff;
    if (bits === 12)
      put = cluster % 2 === 0 ? (old & 0xf000) | (value & 0xfff) : (old & 0xf) | ((value & 0xfff) << 4);
    for (let i = 0; i < bytes; i++) at(first + i)[0] = (put >>> (8 * i)) & 0xff;
  };
  const at = (byte: number): Uint8Array => {
    const place = reserved * SECTOR + byte;
    return sector(Math.floor(place / SECTOR)).subarray(place % SECTOR);
  };
  const link = (chain: readonly number[]): void => {
    chain.forEach((cluster, i) => {
      if (cluster !== 0) setNext(cluster, chain[i + 1] ?? END);
    });
  };
  /** The folder's sectors in order; 0 stands for the fixed root of FAT12 and FAT16. */
  const writeFolder = (chain: readonly number[], entries: readonly Uint8Array[]): void => {
    entries.forEach((entry, i) => {
      const cluster = chain[Math.floor((i * ENTRY) / SECTOR)] as number;
      const where = cluster === 0 ? root : data + cluster - 2;
      sector(where).set(entry, (i * ENTRY) % SECTOR);
    });
    link(chain);
  };
  const writeChain = (chain: readonly number[], bytes: Uint8Array): void => {
    chain.forEach((cluster, i) => {
      sector(data + cluster - 2).set(bytes.subarray(i * SECTOR, (i + 1) * SECTOR));
    });
    link(chain);
  };

  writeFolder([bits === 32 ? 2 : 0], [fatEntry('PEERBOOT   ', 0x08, 0), fatEntry('EFI        ', FOLDER, 3)]);
  writeFolder([3], [fatEntry('BOOT       ', FOLDER, 5), fatEntry('BOOT       ', 0, 9)]);
  const junk = clutter ? Array.from({ length: 21 }, (_, i) => CLUTTER[i % 3] as Uint8Array) : [];
  // With a gap, as folders that grew have; FAT12 reads odd and even numbers in two ways.
  let free = 20;
  const files = Array.isArray(programs)
    ? programs.map((name) => [name, EMPTY] as const)
    : Object.entries(programs);
  const entries = files.map(([name, bytes]) => {
    const chain = Array.from({ length: Math.ceil(bytes.length / SECTOR) }, (_, i) => free + 2 * i).reverse();
    free += 2 * chain.length;
    writeChain(chain, bytes);
    return fatEntry(name, 0x20, chain[0] ?? 0, bytes.length);
  });
  writeFolder(clutter ? [5, 8] : [5], [...junk, ...entries]);

  return {
    bytes: total * SECTOR,
    async read(offset, length) {
      if (offset < 0 || offset + length > total * SECTOR) return undefined;
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) {
        const place = offset + i;
        bytes[i] = sectors.get(Math.floor(place / SECTOR))?.[place % SECTOR] ?? 0;
      }
      return bytes;
    },
    write(offset, bytes) {
      bytes.forEach((byte, i) => {
        sector(Math.floor((offset + i) / SECTOR))[(offset + i) % SECTOR] = byte;
      });
    },
  };
}

function fatEntry(name: string, attributes: number, cluster: number, sizeBytes = 0): Uint8Array {
  const entry = new Uint8Array(ENTRY);
  entry.set(fromText(name));
  entry[11] = attributes;
  viewOf(entry).setUint16(20, cluster >>> 16, true);
  viewOf(entry).setUint16(26, cluster & 0xffff, true);
  viewOf(entry).setUint32(28, sizeBytes, true);
  return entry;
}

const deleted = fatEntry('GONE    EFI', 0x20, 7);
deleted[0] = 0xe5;
const CLUTTER = [deleted, fatEntry('Ab.e.f.i.lo', 0x0f, 0), fatEntry('LABEL      ', 0x08, 0)];
