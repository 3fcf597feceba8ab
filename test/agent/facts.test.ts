// What the agent reads off the kernel about a machine: SMBIOS, network cards, disks, on made-up trees of /sys.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { smbiosText } from '../../src/base/smbios-text.ts';
import { ESP_TYPE, guidBytes } from '../../src/imaging/layout.ts';
import { isSecureBoot, setBootEntry } from '../../src/io/boot-entry.ts';
import { readDisks } from '../../src/io/disks.ts';
import { readNics } from '../../src/io/nics.ts';
import { kernelCommandLine } from '../../src/io/proc.ts';
import { readSmbios } from '../../src/io/smbios.ts';

const folder = mkdtempSync(join(tmpdir(), 'pb-facts-'));
afterAll(() => rmSync(folder, { recursive: true }));
let trees = 0;

/** Files below a new folder; a value that begins with `->` is a link. */
function tree(files: Readonly<Record<string, string | Uint8Array>>): string {
  const home = join(folder, String(trees++));
  mkdirSync(home);
  for (const [path, content] of Object.entries(files)) {
    const file = join(home, path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof content === 'string' && content.startsWith('->')) {
      mkdirSync(join(dirname(file), content.slice(2)), { recursive: true });
      symlinkSync(content.slice(2), file);
    } else writeFileSync(file, content);
  }
  return home;
}

describe('SMBIOS', () => {
  it.each([
    ['  C0FFEE42 \n', 'C0FFEE42'],
    ['To be filled by O.E.M.', undefined],
    ['To Be Filled By O.E.M.\n', undefined],
    ['Default string', undefined],
    ['System Serial Number', undefined],
    ['Not Specified', undefined],
    ['None', undefined],
    ['00000000', undefined],
    ['........', undefined],
    ['N/A', undefined],
    ['', undefined],
    ['0', undefined],
    ['ACME\u0000\u0007 Till ü', 'ACME Till'],
  ])('%j says %j', (raw, expected) => {
    expect(smbiosText(raw)).toBe(expected);
  });

  it('prefers the system over its board, and takes the board where the system says nothing', () => {
    const home = tree({
      product_uuid: '4C4C4544-0042-3510-8052-B4C04F464831\n',
      product_serial: 'Default string\n',
      board_serial: '/B5R/\n',
      sys_vendor: 'Contoso\n',
      product_name: 'POS 300\n',
      chassis_asset_tag: 'None\n',
    });
    expect(readSmbios(home)).toEqual({
      uuid: '4c4c4544-0042-3510-8052-b4c04f464831',
      serial: '/B5R/',
      boardSerial: '/B5R/',
      manufacturer: 'Contoso',
      product: 'POS 300',
    });
    expect(readSmbios(join(folder, 'nowhere'))).toEqual({});
  });
});

it('lists wired cards only: no loopback, bridge or wireless', () => {
  const card = (name: string, mac: string, more: Record<string, string> = {}) =>
    Object.fromEntries(
      Object.entries({
        address: `${mac}\n`,
        type: '1\n',
        carrier: '1\n',
        speed: '1000\n',
        'device/x': '',
        ...more,
      }).map(([file, content]) => [`${name}/${file}`, content]),
    );
  const home = tree({
    'lo/address': '00:00:00:00:00:00',
    'lo/type': '772',
    'br0/address': '52:54:00:00:00:09',
    'br0/type': '1',
    ...card('nic1', '52:54:00:00:00:02', { carrier: '0\n', speed: '-1\n' }),
    ...card('nic0', '52:54:00:00:00:01', { 'device/driver': '->../../drivers/r8169' }),
    ...card('wlan0', '52:54:00:00:00:03', { 'wireless/x': '' }),
  });
  expect(readNics(home)).toEqual([
    { name: 'nic0', mac: '52:54:00:00:00:01', carrier: true, driver: 'r8169', speedMbps: 1000 },
    { name: 'nic1', mac: '52:54:00:00:00:02', carrier: false },
  ]);
});

describe('disks', () => {
  const home = tree({
    'dev/sda': new Uint8Array(4 * 2 ** 20),
    'dev/nvme0n1': new Uint8Array(4 * 2 ** 20).fill(7),
    'devices/pci0/ata1/host0/sda/size': '8192\n',
    'devices/pci0/ata1/host0/sda/removable': '0\n',
    'devices/pci0/ata1/host0/sda/ro': '0\n',
    'devices/pci0/ata1/host0/sda/queue/logical_block_size': '512\n',
    'devices/pci0/ata1/host0/sda/queue/rotational': '1\n',
    'devices/pci0/ata1/host0/sda/device/vendor': 'ATA     \n',
    'devices/pci0/ata1/host0/sda/device/model': 'KINGSTON SA400  \n',
    'devices/pci0/ata1/host0/sda/device/vpd_pg80': '\u0000\u0080\u0000\u000850026B77',
    'devices/pci0/nvme/nvme0/nvme0n1/size': '8192\n',
    'devices/pci0/nvme/nvme0/nvme0n1/queue/logical_block_size': '4096\n',
    'devices/pci0/nvme/nvme0/nvme0n1/nvme0n1p1/holders/dm-0': '',
    'devices/pci0/usb1/1-1/host3/sdb/size': '0\n',
    'devices/pci0/usb1/1-1/host3/sdb/removable': '1\n',
    'devices/virtual/loop0/size': '8192\n',
    mounts: '/dev/root / ext4 rw 0 0\n',
  });
  const block = join(home, 'block');
  mkdirSync(block);
  for (const [name, path] of [
    ['sda', 'pci0/ata1/host0/sda'],
    ['nvme0n1', 'pci0/nvme/nvme0/nvme0n1'],
    ['sdb', 'pci0/usb1/1-1/host3/sdb'],
    ['loop0', 'virtual/loop0'],
  ] as const) {
    symlinkSync(join(home, 'devices', path), join(block, name));
  }
  const read = () => readDisks({ block, dev: join(home, 'dev'), mounts: join(home, 'mounts') });

  it('tells size, model, serial, transport, use and content of each; loop devices are none', () => {
    expect(read().map((disk) => disk.name)).toEqual(['nvme0n1', 'sda', 'sdb']);
    expect(read()).toMatchObject([
      {
        transport: 'nvme',
        logicalSectorBytes: 4096,
        mounted: true,
        content: { blank: false, partitions: [] },
      },
      {
        transport: 'sata',
        sizeBytes: 4 * 2 ** 20,
        model: 'KINGSTON SA400',
        serial: '50026B77',
        rotational: true,
        mounted: false,
        content: { blank: true },
      },
      { transport: 'usb', removable: true, sizeBytes: 0 },
    ]);
  });

  it('sees that a disk is mounted, and never calls blank what it cannot read', () => {
    writeFileSync(join(home, 'mounts'), `${join(home, 'dev')}/sda / ext4 rw 0 0\n`);
    expect(read()[1]?.mounted).toBe(true);
    rmSync(join(home, 'dev/sda'));
    expect(read()[1]?.content.blank).toBe(false);
  });
});

it('puts its boot entry first and keeps the others', () => {
  const vendor = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
  const entry = (text: string) =>
    Uint8Array.from([
      7,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      ...Array.from(text).flatMap((c) => [c.charCodeAt(0), 0]),
      0,
      0,
    ]);
  const home = tree({
    [`Boot0000-${vendor}`]: entry('UiApp'),
    [`Boot0001-${vendor}`]: entry('PXEv4'),
    [`BootOrder-${vendor}`]: Uint8Array.of(7, 0, 0, 0, 1, 0, 0, 0),
    [`SecureBoot-${vendor}`]: Uint8Array.of(6, 0, 0, 0, 1),
  });
  const esp = {
    number: 1,
    type: ESP_TYPE,
    guid: guidBytes('ad5a2a2e-5e4b-4a6c-9c57-6ef0b4b7d0a1'),
    firstLba: 34,
    lastLba: 99,
    name: '',
  };
  for (let again = 0; again < 2; again++) {
    setBootEntry('Peerboot till', esp, silentLog, home);
    expect([...readFileSync(join(home, `BootOrder-${vendor}`))]).toEqual([7, 0, 0, 0, 2, 0, 1, 0, 0, 0]);
  }
  expect(readFileSync(join(home, `Boot0002-${vendor}`)).subarray(0, 8)).toEqual(
    Buffer.from([7, 0, 0, 0, 1, 0, 0, 0]),
  );
  const written = () => readFileSync(join(home, `Boot0002-${vendor}`)).toString('utf16le');
  for (const [architecture, program] of [
    ['x64', 'BOOTX64.EFI'],
    ['arm64', 'BOOTAA64.EFI'],
  ] as const) {
    setBootEntry('Peerboot till', esp, silentLog, home, architecture);
    expect(written()).toContain(`\\EFI\\BOOT\\${program}\0`);
  }
  expect(isSecureBoot(home)).toBe(true);
  expect(isSecureBoot(folder)).toBe(false);
});

it('reads the kernel command line', () => {
  const home = tree({
    cmdline: 'quiet peerboot.peer=http://10.77.0.2:8067 console=tty0 console=ttyS0,115200\n',
  });
  const words = kernelCommandLine(join(home, 'cmdline'));
  expect(words.get('peerboot.peer')).toBe('http://10.77.0.2:8067');
  expect(words.get('quiet')).toBe('');
  expect(words.get('console')).toBe('ttyS0,115200');
});
