// Boot catalogues of CDs, by hand: what is in them, and that reading ends on any bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootEntriesOf, catalogueAt, DESCRIPTORS, isCd } from '../../src/boot/el-torito.ts';
import { type Cd, catalogue, cdWith, SECTOR } from '../support/cd.ts';

const descriptorsOf = (cd: Cd) =>
  cdWith(cd).subarray(DESCRIPTORS.offset, DESCRIPTORS.offset + DESCRIPTORS.bytes);
const BIOS = { platform: 0 };
const EFI = { platform: 0xef };

describe('the volume descriptors', () => {
  it('say where the catalogue is, if there is one', () => {
    const bootable = descriptorsOf({ entries: [BIOS] });
    expect([isCd(bootable), catalogueAt(bootable)]).toEqual([true, 20 * SECTOR]);
    const plain = descriptorsOf({});
    expect([isCd(plain), catalogueAt(plain)]).toEqual([true, undefined]);
    const nothing = new Uint8Array(DESCRIPTORS.bytes);
    expect([isCd(nothing), catalogueAt(nothing)]).toEqual([false, undefined]);
    expect(catalogueAt(bootable.subarray(0, SECTOR))).toBeUndefined();
  });

  it('may have a boot record of another system before it', () => {
    const other = descriptorsOf({ entries: [BIOS] }).slice();
    other.copyWithin(2 * SECTOR, SECTOR, 2 * SECTOR);
    other.fill(0x58, SECTOR + 7, SECTOR + 39);
    expect(catalogueAt(other)).toBe(20 * SECTOR);
  });
});

describe('the catalogue', () => {
  it('has the default entry first, then those of its sections, past extensions', () => {
    const entries = [BIOS, { ...EFI, extensions: 2 }, { platform: 1, media: 4 }];
    expect(bootEntriesOf(catalogue(entries))).toEqual([
      { isBootable: true, platform: 'bios', emulates: false, offset: 32 * SECTOR },
      { isBootable: true, platform: 'efi', emulates: false, offset: (32 + 2048) * SECTOR },
      { isBootable: true, platform: 'other', emulates: true, offset: (32 + 4096) * SECTOR },
    ]);
  });

  it('says which of them do not boot', () => {
    expect(bootEntriesOf(catalogue([{ ...BIOS, bootable: false }, EFI]))).toMatchObject([
      { isBootable: false, platform: 'bios' },
      { isBootable: true, platform: 'efi' },
    ]);
  });

  it('is none with a broken validation entry, or cut off', () => {
    const good = catalogue([BIOS]);
    for (const at of [0, 5, 30]) {
      const broken = good.slice();
      broken[at] = (broken[at] as number) ^ 2;
      expect(bootEntriesOf(broken)).toEqual([]);
    }
    expect(bootEntriesOf(good.subarray(0, 32))).toEqual([]);
    expect(bootEntriesOf(new Uint8Array(0))).toEqual([]);
    // A word too many in one place and too few in another: the sum is right, the key is not.
    const noKey = good.slice();
    noKey.set([0x54, 0xaa], 30);
    noKey[28] = ((noKey[28] as number) + 1) & 0xff;
    expect(bootEntriesOf(noKey)).toEqual([]);
  });

  it('ends, whatever stands in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: SECTOR }), (bytes) => {
        const records = catalogue([BIOS]);
        records.set(bytes.subarray(0, SECTOR - 64), 64);
        expect(bootEntriesOf(records).length).toBeLessThanOrEqual(SECTOR / 32);
        expect(bootEntriesOf(bytes).length).toBeLessThanOrEqual(SECTOR / 32);
      }),
    );
  });
});
