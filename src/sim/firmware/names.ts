// The firmwares that can be emulated, by the names that the command line uses.

/** `shim` is today's EDK2 with Secure Boot, whose NBP is shim whatever its name; `ipxe` is a BIOS card's own. */
export const FIRMWARE_NAMES = ['edk2', 'edk2-2016', 'bios', 'ipxe', 'shim', 'httpboot'] as const;
export type FirmwareName = (typeof FIRMWARE_NAMES)[number];
