// Writes UEFI boot entries through efivarfs, and reads what the firmware says of itself.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import {
  bootEntryDescription,
  bootEntryKind,
  bootVariable,
  encodeBootEntry,
  encodeBootOrder,
  FALLBACK_PATHS,
  firstDiskEntry,
  GLOBAL_VARIABLE,
  parseBootOrder,
  planBootEntry,
  VARIABLE_ATTRIBUTES,
} from '../imaging/boot-entry.ts';
import type { GptPartition } from '../imaging/layout.ts';

const EFI = '/sys/firmware/efi';
const VARIABLES = `${EFI}/efivars`;

export function isUefi(): boolean {
  return existsSync(EFI);
}

export function isSecureBoot(folder = VARIABLES): boolean {
  return readVariable(folder, 'SecureBoot')?.[0] === 1;
}

/**
 * Makes the fallback program of this partition the first thing that the firmware starts; all other entries stay.
 * efivarfs lets Boot#### and BootOrder be written as they are (only variables unknown to the kernel are immutable).
 */
export function setBootEntry(
  description: string,
  system: GptPartition,
  log: Log,
  folder = VARIABLES,
  architecture: string = arch(),
): void {
  const path = FALLBACK_PATHS[architecture === 'arm64' ? 'arm64' : 'x64'];
  const entries = new Map<number, string>();
  for (const file of readdirSync(folder)) {
    const match = /^Boot([0-9A-F]{4})-/.exec(file);
    const bytes = match === null ? undefined : readVariable(folder, `Boot${match[1]}`);
    if (bytes === undefined) continue;
    const known = bootEntryDescription(bytes);
    entries.set(Number.parseInt(match?.[1] ?? '', 16), typeof known === 'string' ? known : '');
  }
  const order = parseBootOrder(readVariable(folder, 'BootOrder') ?? new Uint8Array(0));
  const plan = planBootEntry(entries, order, description);
  writeVariable(folder, bootVariable(plan.number), encodeBootEntry(description, system, path));
  writeVariable(folder, 'BootOrder', encodeBootOrder(plan.order));
  log.info({ entry: bootVariable(plan.number), order: plan.order }, 'boot entry set');
}

/**
 * Lets the firmware start from a disk once, whatever stands first in its order: a machine that tries the network first
 * would otherwise come back here for ever. Without an entry for a disk nothing changes.
 */
export function bootDiskNext(log: Log, folder = VARIABLES): void {
  const order = parseBootOrder(readVariable(folder, 'BootOrder') ?? new Uint8Array(0));
  const kinds = order.map((number) => {
    const bytes = readVariable(folder, bootVariable(number));
    return [number, bytes === undefined ? 'other' : bootEntryKind(bytes)] as const;
  });
  const number = firstDiskEntry(order, new Map(kinds));
  if (number === undefined) return;
  writeVariable(folder, 'BootNext', encodeBootOrder([number]));
  log.info({ entry: bootVariable(number) }, 'the firmware shall start from a disk next');
}

/** Without the four bytes of attributes that efivarfs puts in front (Documentation/filesystems/efivarfs). */
function readVariable(folder: string, name: string): Uint8Array | undefined {
  try {
    return readFileSync(join(folder, `${name}-${GLOBAL_VARIABLE}`)).subarray(4);
  } catch {
    return undefined;
  }
}

/** The kernel wants attributes and value in one write, and takes a zero-filled rest for part of the value. */
function writeVariable(folder: string, name: string, value: Uint8Array): void {
  const bytes = new Uint8Array(4 + value.length);
  bytes[0] = VARIABLE_ATTRIBUTES;
  bytes.set(value, 4);
  writeFileSync(join(folder, `${name}-${GLOBAL_VARIABLE}`), bytes);
}
