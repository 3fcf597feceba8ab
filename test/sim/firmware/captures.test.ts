// The emulators against the captures of real firmware: every packet they send is the one that the real machine sent.
// Not compared, as it differs from run to run or the captures do not hold it: times, source ports, the order of options, TFTP
// acknowledgements, and one byte of HTTP Boot's parameter list, which EDK2 leaves as the stack had it.
import { describe, expect, it } from 'vitest';
import { Edk2Pxe } from '../../../src/sim/firmware/edk2.ts';
import type { FirmwareAction } from '../../../src/sim/firmware/firmware.ts';
import { HttpBoot } from '../../../src/sim/firmware/http-boot.ts';
import { Ipxe, type IpxeOptions } from '../../../src/sim/firmware/ipxe.ts';
import { Shim } from '../../../src/sim/firmware/shim.ts';
import { CAPTURED, capturedHeads, clientPackets, drawing, replay } from './replay.ts';

const XID_AT = 4;
const xids = (name: string, first?: number, last?: number) => [
  ...new Set(
    clientPackets(name, first, last)
      .filter(({ target }) => [67, 4011].includes(target.port))
      .map(({ payload }) => new DataView(payload.buffer, payload.byteOffset).getUint32(XID_AT)),
  ),
];

/** EDK2 draws its first TFTP port before the transaction ids. */
const edk2Draws = (name: string, last: number) => drawing([0, ...xids(name, 1, last)]);

describe('EDK2 today, PXE', () => {
  it.each([
    ['uefi-ovmf-pxe-virtio-snponly', 16, 7, 6],
    ['uefi-ovmf-pxe-virtio-opt43direct', 16, 7, 5],
    ['uefi-ovmf-dnsmasq-proxy', 22, 7, 6],
    ['arm64-aavmf-pxe-virtio', 16, 11, 5],
    ['uefi-secureboot-uki-4011', 23, 7, 6],
    ['uefi-secureboot-uki-opt43', 20, 7, 5],
    ['uefi-secureboot-pxe-shim-grub', 16, 7, 5],
  ] as const)('%s', (name, last, architecture, atLeast) => {
    const machine = new Edk2Pxe(CAPTURED, edk2Draws(name, last), 'today', architecture);
    const { expected, sent } = replay(name, machine, { last });
    expect(sent).toEqual(expected);
    expect(expected.length).toBeGreaterThanOrEqual(atLeast);
  });
});

describe('EDK2, HTTP Boot', () => {
  it.each([
    ['uefi-ovmf-httpboot-virtio', 12, 16],
    ['arm64-aavmf-httpboot-virtio', 12, 19],
    ['uefi-secureboot-uki-httpboot', 12, 16],
    ['uefi-secureboot-httpboot-shim-grub', 11, 16],
  ] as const)('%s', (name, last, architecture) => {
    const machine = new HttpBoot(CAPTURED, drawing(xids(name, 1, last)), architecture);
    const { expected, sent, http } = replay(name, machine, { last });
    const withoutGarbage = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/ 60 \d+ 67 97$/, ' 60 _ 67 97'));
    expect(sent.map(({ lines }) => withoutGarbage(lines))).toEqual(
      expected.map(({ lines }) => withoutGarbage(lines)),
    );
    expect(sent.map(({ sizeBytes }) => sizeBytes)).toEqual(expected.map(({ sizeBytes }) => sizeBytes));
    expect(expected).toHaveLength(2);
    expect(http).toEqual(capturedHeads(name).slice(0, 2));
  });
});

describe('iPXE', () => {
  const script = '#!ipxe\nkernel /vmlinuz\n';
  it.each([
    ['bios-iperom-virtio-net-pci-direct-script', '1.0.0-bios', 1, 10, 2],
    ['bios-rom-dnsmasq-proxy', '1.0.0-bios', 1, 8, 2],
    ['uefi-ovmf-pxe-virtio-snponly', '1.0.0-uefi', 17, 28, 2],
    ['uefi-ovmf-pxe-virtio-opt43direct', '2.0.0-uefi', 21, 40, 2, 'pxe'],
    ['uefi-ovmf-httpboot-virtio', '2.0.0-uefi', 18, 25, 2],
    ['bios-iperom-virtio-chain-undionly2', '1.0.0-bios', 1, 14, 3],
    ['bios-iperom-virtio-chain-undionly2', '2.0.0-bios', 15, 22, 2, 'pxe'],
  ] as const)('%s as %s', (name, kind, first, last, packets, ...[by]) => {
    const options: IpxeOptions = {
      hardware: CAPTURED,
      random: drawing([0, ...xids(name, first, last)]),
      kind,
      until: 'script',
      loadedByPxe: by === 'pxe',
    };
    const { expected, sent, http } = replay(name, new Ipxe(options), { first, last, body: script });
    expect(sent).toEqual(expected);
    expect(expected).toHaveLength(packets);
    // One capture ends before its HTTP.
    const heads = capturedHeads(name);
    if (heads.length > 0) for (const head of http) expect(heads).toContain(head);
    expect(http).toHaveLength(packets === 3 ? 0 : 1);
  });
});

describe('shim', () => {
  it('by TFTP: what it asks for, from where', () => {
    const name = 'uefi-secureboot-pxe-shim-grub';
    const firmware = new Edk2Pxe(CAPTURED, edk2Draws(name, 16), 'today');
    const ends: FirmwareAction[] = [];
    replay(name, recording(firmware, ends), { last: 16 });
    const end = ends.find((action) => action.kind === 'end');
    if (end?.kind !== 'end' || end.outcome.kind !== 'loaded') throw new Error('no shim was loaded');
    const { file: self, memory } = end.outcome;
    const shim = new Shim({ self, memory, random: drawing([]) });
    const { expected, sent } = replay(name, shim, { first: 17, last: 26 });
    expect(sent).toEqual(expected);
    expect(expected).toHaveLength(4);
  });

  it('by HTTP: its own folder, a double slash before the second stage', () => {
    const name = 'uefi-secureboot-httpboot-shim-grub';
    const self = {
      name: 'http://10.77.0.2/sb/shimx64.efi',
      via: 'http',
      server: '10.77.0.2',
      sizeBytes: 1,
      body: new Uint8Array(0),
    } as never;
    const shim = new Shim({ self, memory: undefined, random: drawing([]) });
    const { http } = replay(name, shim, {
      first: 1000,
      httpStatus: (url) => (url.includes('grub') ? 200 : 404),
    });
    expect(http).toEqual(capturedHeads(name).slice(2, 6));
  });
});

function recording(machine: Edk2Pxe, into: FirmwareAction[]) {
  return {
    step(...args: Parameters<Edk2Pxe['step']>) {
      const actions = machine.step(...args);
      into.push(...actions);
      return actions;
    },
    nextWake: () => machine.nextWake(),
  };
}
