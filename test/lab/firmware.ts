// The firmware of a target: QEMU's words for SeaBIOS, OVMF with and without Secure Boot, and AAVMF, with each card.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withMachineOwnerKey, withTrustedKey } from './uefi-variables.ts';

export const FIRMWARES = ['bios', 'uefi', 'secureboot', 'httpboot', 'arm64'] as const;
/** `secureboot`: OVMF with Microsoft's keys, enforcing. `httpboot`: OVMF without PXE. */
export type Firmware = (typeof FIRMWARES)[number];

export const NICS = ['virtio', 'e1000', 'rtl8139', 'vmxnet3'] as const;
export type Nic = (typeof NICS)[number];

export interface FirmwareOptions {
  readonly firmware: Firmware;
  readonly nic?: Nic;
  /** UEFI HTTP Boot alone: PXE is switched off. */
  readonly http?: boolean;
  /** Certificates that an administrator has enrolled, PEM. */
  readonly enrolled?: { readonly db?: string; readonly machineOwner?: string };
}

const DEVICES: Readonly<Record<Nic, string>> = {
  virtio: 'virtio-net-pci',
  e1000: 'e1000',
  rtl8139: 'rtl8139',
  vmxnet3: 'vmxnet3',
};

const IMAGES = {
  uefi: ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  httpboot: ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  secureboot: ['/usr/share/OVMF/OVMF_CODE_4M.ms.fd', '/usr/share/OVMF/OVMF_VARS_4M.ms.fd'],
  arm64: ['/usr/share/AAVMF/AAVMF_CODE.fd', '/usr/share/AAVMF/AAVMF_VARS.fd'],
} as const;

export function qemuOf(firmware: Firmware): string {
  return firmware === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64';
}

/** Machine, processor and screen. */
export function machineWords(firmware: Firmware): string[] {
  switch (firmware) {
    case 'arm64':
      // `virt` has no VGA; this is a screen that the firmware and the kernel both know.
      return ['-machine', 'virt', '-cpu', 'cortex-a57', '-device', 'ramfb'];
    case 'secureboot':
      return [
        ...['-machine', 'q35,smm=on', '-global', 'driver=cfi.pflash01,property=secure,value=on'],
        ...['-vga', 'std'],
      ];
    default:
      return ['-machine', 'q35', '-vga', 'std'];
  }
}

/**
 * Without a ROM file OVMF uses its own PXE, for which it has a driver of virtio alone; other cards bring iPXE as their
 * ROM's driver. The BIOS needs QEMU's ROM, which is iPXE.
 */
export function cardWords(
  { firmware, nic = 'virtio' }: FirmwareOptions,
  mac: string,
  bootIndex: number,
): string[] {
  const rom = firmware !== 'bios' && nic === 'virtio' ? ',romfile=' : '';
  return ['-device', `${DEVICES[nic]},netdev=net,mac=${mac},bootindex=${bootIndex}${rom}`];
}

/** Flash and settings; variables are the machine's own copy at `variables`. */
export function flashWords(options: FirmwareOptions, folder: string, name: string): string[] {
  const { firmware, enrolled } = options;
  if (firmware === 'bios') return [];
  const [code, template] = IMAGES[firmware];
  let variables: Uint8Array = readFileSync(template);
  if (enrolled?.db !== undefined) variables = withTrustedKey(variables, enrolled.db);
  if (enrolled?.machineOwner !== undefined) variables = withMachineOwnerKey(variables, enrolled.machineOwner);
  const own = join(folder, `${name}-vars.fd`);
  writeFileSync(own, variables);
  const off = (setting: string) => ['-fw_cfg', `name=opt/org.tianocore/${setting},string=no`];
  return [
    ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${code}`],
    ...['-drive', `if=pflash,format=raw,unit=1,file=${own}`],
    // A store has no boot server on IPv6; without this a machine told to boot its disk first waits a minute for one.
    ...off('IPv6PXESupport'),
    ...(options.http === true || firmware === 'httpboot' ? off('IPv4PXESupport') : []),
  ];
}
