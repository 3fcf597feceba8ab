// The firmware matrix: every row of it, what it must reach, and what is known to stop the others.
import type { BootCase } from './boot-case.ts';
import { FIRMWARES, type Firmware, NICS, type Nic } from './firmware.ts';

/** What stops a row, in the words of docs/hardware.md. */
function stopped(firmware: Firmware, nic: Nic): string | undefined {
  if (nic === 'virtio' || firmware === 'bios') return undefined;
  if (firmware === 'arm64') return 'AAVMF has a driver of virtio alone, and the card’s ROM is for x86';
  // OVMF has no driver of its own for these: iPXE in the card's ROM takes the place of its PXE and HTTP Boot. It runs under
  // Secure Boot, too, for OVMF believes the ROMs of its cards; but the firmware starts no kernel for it that nobody signed.
  return undefined;
}

const rows: BootCase[] = FIRMWARES.filter((firmware) => firmware !== 'httpboot').flatMap((firmware) =>
  NICS.flatMap((nic) =>
    (['tftp', 'http'] as const)
      // SeaBIOS has no HTTP Boot; a card whose ROM is iPXE boots its own way whatever OVMF would do.
      .filter((transport) => transport === 'tftp' || (firmware !== 'bios' && nic === 'virtio'))
      .map((transport): BootCase => {
        const why = stopped(firmware, nic);
        return {
          name: `${firmware}-${transport}-${nic}`,
          ...{ firmware, transport, nic },
          ends: nic === 'virtio' ? 'disk' : 'agent',
          chain: firmware === 'secureboot' ? 'uki' : 'auto',
          ...(firmware === 'secureboot' ? { enrolled: 'db' as const } : {}),
          ...(why === undefined ? {} : { stopped: why }),
        };
      }),
  ),
);

const virtio = { nic: 'virtio', ends: 'disk' } as const;

/** Ways that are not the firmware's first choice. */
const further: BootCase[] = [
  { name: 'uefi-http-uki', firmware: 'uefi', transport: 'http', chain: 'uki', ...virtio },
  { name: 'uefi-tftp-uki', firmware: 'uefi', transport: 'tftp', chain: 'uki', ...virtio },
  {
    name: 'secureboot-http-shim',
    firmware: 'secureboot',
    transport: 'http',
    chain: 'shim',
    enrolled: 'mok',
    ...virtio,
  },
  {
    name: 'secureboot-auto',
    firmware: 'secureboot',
    transport: 'tftp',
    chain: 'auto',
    enrolled: 'db',
    ...virtio,
  },
  {
    name: 'secureboot-tftp-ipxe',
    ...{ firmware: 'secureboot', transport: 'tftp', chain: 'signed-ipxe', enrolled: 'db' },
    ...virtio,
  },
  {
    name: 'secureboot-tftp-grub',
    ...{ firmware: 'secureboot', transport: 'tftp', chain: 'grub', addresses: 'peer' },
    ...virtio,
  },
  {
    name: 'secureboot-refused',
    ...{ firmware: 'secureboot', transport: 'tftp', nic: 'virtio', ends: 'refused', chain: 'uki' },
  },
];

export const BOOT_CASES: readonly BootCase[] = [...rows, ...further];
