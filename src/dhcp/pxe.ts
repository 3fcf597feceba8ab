// What PXE and iPXE put inside DHCP options: option 43, 60, 77, 93, 94, 97, 175 (PXE 2.1 §2.2, RFC 4578, RFC 3004).
import { concatBytes, isAllZero, toHex, toText } from '../base/bytes.ts';
import { assert, WireError } from '../base/errors.ts';

/** Encapsulated options: code → value. A code that appears twice keeps its last value. */
export type SuboptionMap = ReadonlyMap<number, Uint8Array>;

/** Reads code-length-value triples as in options 43 and 175; pads are skipped, an End option ends them. */
export function decodeSuboptions(bytes: Uint8Array): SuboptionMap | WireError {
  const found = new Map<number, Uint8Array>();
  let at = 0;
  while (at < bytes.length) {
    const code = bytes[at] as number;
    if (code === 255) break;
    if (code === 0) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) {
      return new WireError(`suboption ${code} runs past the end`, at);
    }
    found.set(code, bytes.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return found;
}

/** Suboptions in ascending order; PXE wants the End option behind them, iPXE's option 175 does without. */
export function encodeSuboptions(suboptions: SuboptionMap, end: 'end' | 'no-end'): Uint8Array {
  const parts = [...suboptions]
    .sort(([a], [b]) => a - b)
    .map(([code, value]) => {
      assert(code > 0 && code < 255 && value.length <= 255, `suboption ${code} cannot be encoded`);
      return concatBytes([Uint8Array.of(code, value.length), value]);
    });
  return concatBytes(end === 'end' ? [...parts, Uint8Array.of(255)] : parts);
}

/** Suboptions of option 43 (PXE 2.1 table 2-1). */
export const PXE_DISCOVERY_CONTROL = 6;
/** Bit 3 of the discovery control: ask no boot server, fetch the file named in this very offer. */
export const USE_OFFERED_FILE = 0x08;

export type VendorClassName = 'PXEClient' | 'HTTPClient';

export interface VendorClass {
  readonly name: VendorClassName;
  /** The five digits after `Arch:`; iPXE 2.0 sends none. */
  readonly architecture: number | undefined;
  /** As text, `3.0`, from the six digits after `UNDI:`. */
  readonly undi: string | undefined;
}

/** Option 60 of a boot client: `PXEClient:Arch:xxxxx:UNDI:yyyzzz`; undefined for any other program's class. */
export function parseVendorClass(value: string): VendorClass | undefined {
  const match = /^(PXEClient|HTTPClient)(?::Arch:(\d{5}))?(?::UNDI:(\d{3})(\d{3}))?/.exec(value);
  if (match === null) return undefined;
  const [, name, architecture, major, minor] = match;
  return {
    name: name as VendorClassName,
    architecture: architecture === undefined ? undefined : Number(architecture),
    undi: major === undefined ? undefined : `${Number(major)}.${Number(minor)}`,
  };
}

/** Option 94: `{type: 1 = UNDI, major, minor}`, or undefined when it is not three bytes. */
export function parseClientInterface(
  bytes: Uint8Array,
): { readonly type: number; readonly version: string } | undefined {
  if (bytes.length !== 3) return undefined;
  return { type: bytes[0] as number, version: `${bytes[1]}.${bytes[2]}` };
}

/**
 * Option 97 as the text that SMBIOS tools print (RFC 4578 §2.3: type 0 and 16 bytes). The first three fields are
 * little-endian, as SMBIOS 2.6 keeps them. Undefined when malformed, or a placeholder of all zeros or all ones.
 */
export function parseMachineUuid(bytes: Uint8Array): string | undefined {
  return bytes.length === 17 && bytes[0] === 0 ? formatUuid(bytes.subarray(1)) : undefined;
}

/** As `parseMachineUuid`, for the 16 bytes alone. */
export function formatUuid(bytes: Uint8Array): string | undefined {
  if (bytes.length !== 16 || isAllZero(bytes) || bytes.every((byte) => byte === 0xff)) return undefined;
  const hex = toHex(bytes);
  const swapped = (from: number, to: number) => {
    let text = '';
    for (let at = to; at > from; at--) text += hex.slice((at - 1) * 2, at * 2);
    return text;
  };
  return `${swapped(0, 4)}-${swapped(4, 6)}-${swapped(6, 8)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Option 77: the user classes. RFC 3004 §4 prefixes each with its length, but iPXE sends the bare text `iPXE`; bytes
 * that do not fit the lengths exactly are taken as one bare text.
 */
export function parseUserClass(bytes: Uint8Array): readonly string[] {
  const classes: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes[at] as number;
    if (length === 0 || at + 1 + length > bytes.length) return [toText(bytes)];
    classes.push(toText(bytes.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return classes;
}

export interface IpxeOptions {
  /** Suboption 235, e.g. `1.0.0`; Debian's build of 2019 and QEMU's ROM both say that. */
  readonly version: string | undefined;
  /** Names of the features told by presence, in ascending order of code. */
  readonly features: readonly string[];
  readonly suboptions: SuboptionMap;
}

/** Suboption 1 of option 175: a signed byte by which iPXE ranks competing offers. */
export const IPXE_PRIORITY = 1;
const IPXE_VERSION = 235;

const IPXE_FEATURES: ReadonlyMap<number, string> = new Map([
  [16, 'pxe-ext'],
  [17, 'iscsi'],
  [18, 'aoe'],
  [19, 'http'],
  [20, 'https'],
  [21, 'tftp'],
  [22, 'ftp'],
  [23, 'dns'],
  [24, 'bzimage'],
  [25, 'multiboot'],
  [26, 'slam'],
  [27, 'srp'],
  [32, 'nbi'],
  [33, 'pxe'],
  [34, 'elf'],
  [35, 'comboot'],
  [36, 'efi'],
  [37, 'fcoe'],
  [38, 'vlan'],
  [39, 'menu'],
  [40, 'sdi'],
  [41, 'nfs'],
]);

/** Option 175; a WireError when its inside is broken. */
export function parseIpxe(bytes: Uint8Array): IpxeOptions | WireError {
  const suboptions = decodeSuboptions(bytes);
  if (suboptions instanceof WireError) return suboptions;
  const version = suboptions.get(IPXE_VERSION);
  return {
    version: version?.length === 3 ? version.join('.') : undefined,
    features: [...IPXE_FEATURES].flatMap(([code, name]) => (suboptions.has(code) ? [name] : [])),
    suboptions,
  };
}
