// Puts further sections into a PE program (Microsoft's PE/COFF specification, §3–4): how a unified kernel image is made.
import { concatBytes, fromText, toText, viewOf } from '../base/bytes.ts';

export interface Section {
  /** At most eight ASCII letters. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Where things are in the headers, counted from the four bytes `PE\0\0`. */
const AT = {
  sectionCount: 6,
  symbolTable: 12,
  symbolCount: 16,
  optionalHeaderSize: 20,
  optionalHeader: 24,
  sectionAlignment: 24 + 32,
  fileAlignment: 24 + 36,
  imageSize: 24 + 56,
  headersSize: 24 + 60,
  checksum: 24 + 64,
  certificates: 24 + 112 + 4 * 8,
} as const;
const HEADER_BYTES = 40;
/** IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ */
const READ_ONLY_DATA = 0x4000_0040;
/** The systemd stub reads its sections where the firmware put them: at pages of their own. */
const PAGE = 4096;

interface Placed extends Section {
  readonly virtualSize: number;
  readonly virtualAddress: number;
  readonly characteristics: number;
}

/**
 * The program with these sections behind its own; one of a name that is there already takes that one's place, at the
 * end. All raw data is laid out anew without gaps: of a gap, signers and firmware may think differently. The result has
 * no signature. Throws when `program` is no PE32+ program or has no room for the headers.
 */
export function withSections(program: Uint8Array, added: readonly Section[]): Uint8Array {
  const old = peHeader(program);
  const headersSize = old.view.getUint32(AT.headersSize, true);
  const fileAlignment = old.view.getUint32(AT.fileAlignment, true);
  const sectionAlignment = old.view.getUint32(AT.sectionAlignment, true);
  const kept = readSections(program).filter(({ name }) => !added.some((one) => one.name === name));
  const sections: Placed[] = [...kept];
  let end = Math.max(...readSections(program).map((one) => one.virtualAddress + one.virtualSize));
  for (const one of added) {
    const virtualAddress = roundUp(end, PAGE);
    sections.push({
      ...one,
      virtualAddress,
      virtualSize: one.bytes.length,
      characteristics: READ_ONLY_DATA,
    });
    end = virtualAddress + one.bytes.length;
  }
  const table = old.at + AT.optionalHeader + old.view.getUint16(AT.optionalHeaderSize, true);
  if (table + sections.length * HEADER_BYTES > headersSize) throw new Error('no room for section headers');

  const headers = new Uint8Array(headersSize);
  headers.set(program.subarray(0, table));
  const header = peHeader(headers);
  header.view.setUint16(AT.sectionCount, sections.length, true);
  header.view.setUint32(AT.imageSize, roundUp(end, Math.max(sectionAlignment, PAGE)), true);
  // Symbols would be outside of every section; checksum and certificates are the signer's business.
  for (const at of [AT.symbolTable, AT.symbolCount, AT.checksum, AT.certificates, AT.certificates + 4]) {
    header.view.setUint32(at, 0, true);
  }
  const parts: Uint8Array[] = [headers];
  let rawAt = headersSize;
  for (const [i, one] of sections.entries()) {
    const rawSize = roundUp(one.bytes.length, fileAlignment);
    headers.set(sectionHeader(one, rawAt, rawSize), table + i * HEADER_BYTES);
    parts.push(one.bytes, new Uint8Array(rawSize - one.bytes.length));
    rawAt += rawSize;
  }
  return concatBytes(parts);
}

/** Sections of a PE32+ program with their raw bytes, cut to their size in memory, in the order of its table. */
export function readSections(program: Uint8Array): readonly Placed[] {
  const { at, view } = peHeader(program);
  const table = at + AT.optionalHeader + view.getUint16(AT.optionalHeaderSize, true);
  return Array.from({ length: view.getUint16(AT.sectionCount, true) }, (_, i) => {
    const row = viewOf(program.subarray(table + i * HEADER_BYTES, table + (i + 1) * HEADER_BYTES));
    const [virtualSize, virtualAddress, rawSize, rawAt] = [8, 12, 16, 20].map((offset) =>
      row.getUint32(offset, true),
    ) as [number, number, number, number];
    return {
      name: toText(program.subarray(table + i * HEADER_BYTES, table + i * HEADER_BYTES + 8)).replace(
        /\0+$/,
        '',
      ),
      bytes: program.subarray(rawAt, rawAt + Math.min(rawSize, virtualSize)),
      virtualSize,
      virtualAddress,
      characteristics: row.getUint32(36, true),
    };
  });
}

/** Is there an Authenticode signature in its certificate table? The head of the program is enough. Throws when it is none. */
export function isSigned(program: Uint8Array): boolean {
  return peHeader(program).view.getUint32(AT.certificates + 4, true) > 0;
}

function peHeader(program: Uint8Array): { at: number; view: DataView } {
  const at = program.length < 64 ? 0 : viewOf(program).getUint32(0x3c, true);
  const magic = program.subarray(at, at + 4);
  if (toText(program.subarray(0, 2)) !== 'MZ' || toText(magic) !== 'PE\0\0')
    throw new Error('not a PE program');
  const view = viewOf(program.subarray(at));
  if (view.getUint16(AT.optionalHeader, true) !== 0x20b) throw new Error('not a 64-bit PE program');
  return { at, view };
}

function sectionHeader(one: Placed, rawAt: number, rawSize: number): Uint8Array {
  const row = new Uint8Array(HEADER_BYTES);
  const name = fromText(one.name);
  if (name.length > 8) throw new Error(`${one.name} is too long for a section`);
  row.set(name);
  const view = viewOf(row);
  view.setUint32(8, one.virtualSize, true);
  view.setUint32(12, one.virtualAddress, true);
  view.setUint32(16, rawSize, true);
  view.setUint32(20, rawAt, true);
  view.setUint32(36, one.characteristics, true);
  return row;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
