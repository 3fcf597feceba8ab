// UEFI boot entries: the bytes of Boot#### and BootOrder (UEFI 2.10, 3.1.3) and of a device path to a file on a disk.
import { concatBytes, viewOf } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import type { GptPartition } from './layout.ts';

/** EFI_GLOBAL_VARIABLE: the vendor of Boot####, BootOrder and SecureBoot. */
export const GLOBAL_VARIABLE = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
/** Non-volatile, for boot services and at runtime. */
export const VARIABLE_ATTRIBUTES = 0x7;
/**
 * The path that every UEFI firmware tries on a disk without entries (UEFI 2.10, 3.5.1.1): images bring their first program
 * there. By processor, as Node calls them.
 */
export const FALLBACK_PATHS = {
  x64: '\\EFI\\BOOT\\BOOTX64.EFI',
  arm64: '\\EFI\\BOOT\\BOOTAA64.EFI',
} as const;

const LOAD_OPTION_ACTIVE = 1;

/** EFI_LOAD_OPTION that starts `path` from this partition, found by its GUID wherever the disk is plugged in. */
export function encodeBootEntry(description: string, partition: GptPartition, path: string): Uint8Array {
  const devicePath = concatBytes([
    hardDriveNode(partition),
    filePathNode(path),
    node(0x7f, 0xff, new Uint8Array(0)),
  ]);
  const head = new Uint8Array(6);
  viewOf(head).setUint32(0, LOAD_OPTION_ACTIVE, true);
  viewOf(head).setUint16(4, devicePath.length, true);
  return concatBytes([head, utf16(description), devicePath]);
}

/** The description of an EFI_LOAD_OPTION; WireError when it has no end. */
export function bootEntryDescription(bytes: Uint8Array): string | WireError {
  const view = viewOf(bytes);
  let text = '';
  for (let at = 6; at + 1 < bytes.length; at += 2) {
    const unit = view.getUint16(at, true);
    if (unit === 0) return text;
    text += String.fromCharCode(unit);
  }
  return new WireError('boot entry without an end of its description', bytes.length);
}

/** HD(): media device path 4, subtype 1, a GPT partition by signature (UEFI 2.10, 10.3.5.1). */
function hardDriveNode(partition: GptPartition): Uint8Array {
  const body = new Uint8Array(38);
  const view = viewOf(body);
  view.setUint32(0, partition.number, true);
  view.setBigUint64(4, BigInt(partition.firstLba), true);
  view.setBigUint64(12, BigInt(partition.lastLba + 1 - partition.firstLba), true);
  body.set(partition.guid, 20);
  body[36] = 2; // partition table: GPT
  body[37] = 2; // signature: GUID
  return node(4, 1, body);
}

/** File(): media device path 4, subtype 4. */
function filePathNode(path: string): Uint8Array {
  return node(4, 4, utf16(path));
}

function node(type: number, subtype: number, body: Uint8Array): Uint8Array {
  const length = 4 + body.length;
  return concatBytes([Uint8Array.of(type, subtype, length & 0xff, length >> 8), body]);
}

/** With a NUL at the end. */
function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length + 1) * 2);
  for (let i = 0; i < text.length; i++) viewOf(bytes).setUint16(i * 2, text.charCodeAt(i), true);
  return bytes;
}

export function parseBootOrder(bytes: Uint8Array): readonly number[] {
  const view = viewOf(bytes);
  return Array.from({ length: Math.floor(bytes.length / 2) }, (_, i) => view.getUint16(i * 2, true));
}

export function encodeBootOrder(order: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(order.length * 2);
  for (const [i, number] of order.entries()) viewOf(bytes).setUint16(i * 2, number, true);
  return bytes;
}

/** `Boot0003`, four upper-case hexadecimal digits. */
export function bootVariable(number: number): string {
  return `Boot${number.toString(16).toUpperCase().padStart(4, '0')}`;
}

export interface BootEntryPlan {
  /** Number of the entry to write. */
  readonly number: number;
  readonly order: readonly number[];
}

/**
 * Where our entry goes: over the one of the same description if there is one (a machine imaged again does not
 * collect entries), else to the lowest free number; first in the order, all others kept.
 */
export function planBootEntry(
  entries: ReadonlyMap<number, string>,
  order: readonly number[],
  description: string,
): BootEntryPlan {
  const ours = [...entries].find(([, known]) => known === description)?.[0];
  let number = ours ?? 0;
  while (ours === undefined && entries.has(number)) number += 1;
  return { number, order: [number, ...order.filter((other) => other !== number)] };
}

/** What a boot entry starts, as far as its device path tells. `other`: firmware's own programs, or not understood. */
export type BootEntryKind = 'disk' | 'network' | 'other';

/** Messaging device paths of network boots (UEFI 2.10, 10.3.4): MAC, IPv4, IPv6, URI. */
const NETWORK_NODES = [11, 12, 13, 24];
const [HARDWARE, ACPI, MESSAGING, MEDIA, END] = [1, 2, 3, 4, 0x7f];

/** Looks at the device path of an EFI_LOAD_OPTION; one that is not active counts as `other`. */
export function bootEntryKind(bytes: Uint8Array): BootEntryKind {
  const description = bootEntryDescription(bytes);
  if (typeof description !== 'string' || ((bytes[0] as number) & LOAD_OPTION_ACTIVE) === 0) return 'other';
  const view = viewOf(bytes);
  let kind: BootEntryKind = 'other';
  for (let at = 6 + (description.length + 1) * 2; at + 4 <= bytes.length; ) {
    const [type, subtype, length] = [bytes[at], bytes[at + 1] as number, view.getUint16(at + 2, true)];
    if (type === END || length < 4) break;
    if (type === MESSAGING && NETWORK_NODES.includes(subtype)) return 'network';
    // Firmware volumes (subtypes 6 and 7) hold the setup and the shell; a bare PCI device is how OVMF names a disk.
    if (type === MEDIA) return subtype === 1 || subtype === 4 ? 'disk' : 'other';
    if (type === HARDWARE || type === ACPI || type === MESSAGING) kind = 'disk';
    at += length;
  }
  return kind;
}

/** The first entry of the order that starts from a disk; undefined when there is none. */
export function firstDiskEntry(
  order: readonly number[],
  entries: ReadonlyMap<number, BootEntryKind>,
): number | undefined {
  return order.find((number) => entries.get(number) === 'disk');
}
