// What a machine tries by itself when one way of booting has failed, before somebody must press the key again.
import type { FirmwareName } from './names.ts';

/**
 * Boot options from the network in the order in which they are tried, the disk being blank; then the firmware stops and waits for a key.
 * - OVMF, as EDK2's platforms: PXE by IPv4, then HTTP Boot; at the end "No bootable option or device was found".
 * - EDK2 of 2016 had HTTP Boot, but few vendors showed it.
 * - A BIOS card's ROM gives back to the BIOS (INT 18h), which goes on with the next device. SeaBIOS begins anew after a minute; the
 *   BIOSes in machines that are sold wait for a key.
 */
export const BOOT_ORDER: Readonly<Record<FirmwareName, readonly FirmwareName[]>> = {
  edk2: ['edk2', 'httpboot'],
  'edk2-2016': ['edk2-2016'],
  bios: ['bios'],
  ipxe: ['ipxe'],
  shim: ['shim'],
  httpboot: ['httpboot'],
};
