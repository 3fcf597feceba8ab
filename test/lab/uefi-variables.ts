// Puts certificates into a copy of OVMF's or AAVMF's variables, as an administrator would in the firmware's setup.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { concatBytes, fromHex, viewOf } from '../../src/base/bytes.ts';

/** GUIDs as they lie in memory: the first three fields little-endian. */
function guid(text: string): Uint8Array {
  const [a = '', b = '', c = '', d = '', e = ''] = text.split('-');
  const swapped = [a, b, c].map((part) => (part.match(/../g) ?? []).reverse().join(''));
  return fromHex([...swapped, d, e].join('')) ?? new Uint8Array(16);
}

const STORE = guid('aaf32c78-947b-439a-a180-2e144ec37792');
const X509 = guid('a5c059a1-94e4-4aa7-87b5-ab155c2bf072');
const DATABASE = guid('d719b2cb-3d3a-4596-a3bc-dad00e67656f');
const SHIM_LOCK = guid('605dab50-e046-4300-abb6-3dd810dd8b23');
/** Who put the certificate there: anybody. */
const OWNER = guid('7065657f-626f-6f74-2d6c-6162000000ff');

const STORE_HEADER_BYTES = 28;
const HEADER_BYTES = 60;
const [ADDED, DELETED] = [0x3f, 0x3c];
/** NON_VOLATILE, BOOTSERVICE_ACCESS, RUNTIME_ACCESS, TIME_BASED_AUTHENTICATED_WRITE_ACCESS */
const [NV, BS, RT, TIME] = [1, 2, 4, 0x20];

interface Variable {
  readonly at: number;
  readonly end: number;
  readonly state: number;
  readonly name: string;
  readonly data: Uint8Array;
}

/** The variables with this certificate in the firmware's db, beside those that are there. */
export function withTrustedKey(variables: Uint8Array, certificate: string): Uint8Array {
  const before = valid(variables, 'db')?.data ?? new Uint8Array(0);
  const data = concatBytes([before, signatureList(certificate)]);
  return write(variables, { name: 'db', vendor: DATABASE, attributes: NV | BS | RT | TIME, data });
}

/** The variables with this certificate as shim's machine-owner key: what MokManager writes when somebody enrols it. */
export function withMachineOwnerKey(variables: Uint8Array, certificate: string): Uint8Array {
  const data = signatureList(certificate);
  return write(variables, { name: 'MokList', vendor: SHIM_LOCK, attributes: NV | BS, data });
}

/** EFI_SIGNATURE_LIST of one X.509 certificate (UEFI 2.10, 32.4.1). */
function signatureList(path: string): Uint8Array {
  const { raw } = new X509Certificate(readFileSync(path));
  const head = new Uint8Array(12);
  viewOf(head).setUint32(0, 28 + 16 + raw.length, true);
  viewOf(head).setUint32(8, 16 + raw.length, true);
  return concatBytes([X509, head, OWNER, raw]);
}

interface NewVariable {
  readonly name: string;
  readonly vendor: Uint8Array;
  readonly attributes: number;
  readonly data: Uint8Array;
}

/** AUTHENTICATED_VARIABLE_HEADER behind the last one (EDK2, VariableFormat.h); an older one of the name is deleted. */
function write(variables: Uint8Array, { name, vendor, attributes, data }: NewVariable): Uint8Array {
  const result = variables.slice();
  const old = valid(result, name);
  if (old !== undefined) result[old.at + 2] = DELETED;
  const wide = new Uint8Array((name.length + 1) * 2);
  for (let i = 0; i < name.length; i++) viewOf(wide).setUint16(i * 2, name.charCodeAt(i), true);
  const header = new Uint8Array(HEADER_BYTES);
  const view = viewOf(header);
  view.setUint16(0, 0x55aa, true);
  header[2] = ADDED;
  view.setUint32(4, attributes, true);
  // EFI_TIME of a time-based variable: 1 January 2026.
  if ((attributes & TIME) !== 0) header.set([0xea, 0x07, 1, 1], 16);
  view.setUint32(36, wide.length, true);
  view.setUint32(40, data.length, true);
  header.set(vendor, 44);
  const at = list(result).at(-1)?.end ?? storeStart(result) + STORE_HEADER_BYTES;
  const bytes = concatBytes([header, wide, data]);
  if (result.subarray(at, at + bytes.length).some((byte) => byte !== 0xff))
    throw new Error('no room in the store');
  result.set(bytes, at);
  return result;
}

function valid(variables: Uint8Array, name: string): Variable | undefined {
  return list(variables).find((one) => one.name === name && one.state === ADDED);
}

function list(variables: Uint8Array): readonly Variable[] {
  const view = viewOf(variables);
  const found: Variable[] = [];
  for (let at = storeStart(variables) + STORE_HEADER_BYTES; view.getUint16(at, true) === 0x55aa; ) {
    const [nameSize, dataSize] = [view.getUint32(at + 36, true), view.getUint32(at + 40, true)];
    const dataAt = at + HEADER_BYTES + nameSize;
    const units = Array.from({ length: nameSize / 2 - 1 }, (_, i) =>
      view.getUint16(at + HEADER_BYTES + i * 2, true),
    );
    const end = Math.ceil((dataAt + dataSize) / 4) * 4;
    const data = variables.subarray(dataAt, dataAt + dataSize);
    found.push({ at, end, state: variables[at + 2] ?? 0, name: String.fromCharCode(...units), data });
    at = end;
  }
  return found;
}

function storeStart(variables: Uint8Array): number {
  const at = Buffer.from(variables.buffer, variables.byteOffset, 4096).indexOf(STORE);
  if (at < 0) throw new Error('no authenticated variable store');
  return at;
}
