// The menu in a real iPXE, Debian's of 2019: it shows, its countdown boots the local disk, and what is chosen starts: a system, a disk, a shell.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cpio } from '../../boot-assets/cpio.ts';
import type { EntryFlags } from '../../src/command/publish-entry.ts';
import { systemTimers } from '../../src/io/clock.ts';
import { loadNamedFiles } from '../../src/io/named-files.ts';
import { createMenus } from '../../src/service/menus.ts';
import { describePackages, fetchPackage, unpackPackage } from '../../tools/debian.ts';
import { smallContent } from '../lab/agent-case.ts';
import { flashWords } from '../lab/firmware.ts';
import { biosLocalDisk, LOCAL_MARKER } from '../lab/local-disks.ts';
import { seededBytes, testPeer } from '../service/peer.ts';
import { entriesOf, publishEntry } from '../support/boot-entry.ts';
import { makeFolder } from '../support/folder.ts';
import { until } from '../support/until.ts';

const LIMIT = { timeoutMs: 90_000 };
const FIRST_LINE = 'PEERBOOT-ENTRY-RUNS';

let folder: string;
let assets: string;
let entries: Awaited<ReturnType<typeof entriesOf>>;
const undo: (() => unknown)[] = [];

/** A Linux of a kernel, busybox and one line of shell. */
function smallLinux(kernel: Uint8Array): Record<string, Uint8Array | string> {
  const init = `#!/bin/busybox sh
/bin/busybox mkdir /proc
/bin/busybox mount -t proc proc /proc
echo "${FIRST_LINE} $(/bin/busybox cat /proc/cmdline)"
/bin/busybox cat /more
/bin/busybox poweroff -f
`;
  const initrd = cpio([
    { kind: 'folder', path: 'bin' },
    { kind: 'file', path: 'bin/busybox', bytes: readFileSync('/usr/bin/busybox'), executable: true },
    { kind: 'file', path: 'init', bytes: Buffer.from(init), executable: true },
  ]);
  const second = cpio([
    { kind: 'file', path: 'more', bytes: Buffer.from('SECOND-INITRD\n'), executable: false },
  ]);
  return { vmlinuz: kernel, 'live/initrd.img': gzipSync(initrd, { level: 1 }), 'live/more.img': second };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'peerboot-menu-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  ({ assets } = await smallContent());
  const path = makeFolder(join(folder, 'linux'), smallLinux(readFileSync(join(assets, 'vmlinuz'))));
  const flags: EntryFlags = {
    boot: 'linux',
    kernel: 'vmlinuz',
    initrd: ['live/initrd.img', 'live/more.img'],
    cmdline: 'console=ttyS0 quiet panic=-1 fetch={files}/x -- --odd -w',
    title: 'Rescue Linux',
  };
  await publishEntry(folder, { path, name: 'rescue', flags });
  // Not a CD, but read in the same way: over HTTP, sector by sector.
  const disk = biosLocalDisk(join(folder, 'stick.img'));
  // Of a disk with less than one cylinder (8 MiB) iPXE 1.0.0 says that it has none, and cannot read it.
  truncateSync(disk, 16 * 2 ** 20);
  await publishEntry(folder, { path: disk, name: 'stick', flags: { boot: 'iso', tool: true } });
  for (const one of await describePackages(['memtest86+'], () => {}))
    await unpackPackage(await fetchPackage(one, () => {}), folder);
  await publishEntry(folder, {
    path: join(folder, 'boot/memtest86+x64.efi'),
    name: 'memtest',
    flags: { boot: 'memtest', cmdline: 'console=ttyS0,115200' },
  });
  entries = await entriesOf(folder);
});
afterAll(async () => {
  for (const end of undo.splice(0).reverse()) await end();
});

interface Given {
  /** Absent: a BIOS. */
  readonly firmware?: 'uefi';
  readonly hasDisk?: boolean;
  /** A machine that waits for approval, and a menu with a shell and no boot entry. */
  readonly shell?: boolean;
}

async function powerOn({ firmware, hasDisk = false, shell = false }: Given = {}) {
  const peer = testPeer();
  const menus = createMenus({
    on: true,
    rules: shell ? [{ shell, entries: [] }] : [],
    images: () => (shell ? [] : peer.images),
    bootEntries: () => entries.all,
    files: entries.entries,
    assignments: peer.assignments,
    enforcesSecureBoot: () => false,
    random: seededBytes(),
    clock: peer.clock,
    timers: systemTimers,
    log: peer.log,
  });
  const files = await loadNamedFiles(assets, peer.log);
  undo.push(() => files.close());
  const unknown = shell ? 'wait' : 'local';
  const served = testPeer({ entries: entries.entries, menus, files, unknown, registry: { unknown } });
  const { port } = await served.http.start();
  undo.push(() => served.http.stop());
  const disk = biosLocalDisk(join(folder, `disk-${port}.img`));
  const monitor = join(folder, `monitor-${port}`);
  const words = [
    ...[
      '-machine',
      'q35,graphics=off',
      '-accel',
      'tcg,thread=multi',
      '-m',
      '384',
      '-nodefaults',
      '-no-reboot',
    ],
    ...[
      '-display',
      'none',
      '-monitor',
      `unix:${monitor},server,nowait`,
      '-serial',
      'stdio',
      '-smbios',
      'type=1,manufacturer=Acme,product=Till,serial=SN-1',
    ],
    ...['-netdev', `user,id=n,ipv6=off,bootfile=http://10.0.2.2:${port}/boot/start.ipxe`],
    // A card for which OVMF has no driver: its ROM is iPXE, as a BIOS' is.
    '-device',
    `${firmware === 'uefi' ? 'e1000' : 'virtio-net-pci'},netdev=n,mac=52:54:00:77:00:0a,bootindex=1`,
    // Programs of UEFI look for a screen.
    ...(firmware === undefined ? [] : ['-vga', 'std', ...flashWords({ firmware }, folder, `menu-${port}`)]),
    ...(hasDisk
      ? ['-drive', `file=${disk},format=raw,if=none,id=d`, '-device', 'virtio-blk-pci,drive=d,bootindex=2']
      : []),
  ];
  const qemu: ChildProcess = spawn('qemu-system-x86_64', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  undo.push(() => qemu.kill('SIGKILL'));
  let text = '';
  qemu.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const screen = () => text.replaceAll(/\x1b\[[0-9;=?]*[A-Za-z]/g, '').replaceAll(/[\x08\r]/g, '');
  const shows = (wanted: string) =>
    until(() => screen().includes(wanted), { ...LIMIT, what: `the screen shows ${wanted}` }).catch(
      (error: Error) => {
        throw new Error(`${error.message}; it shows:\n${screen().slice(-3000)}`);
      },
    );
  /** On the keyboard: an arrow on the serial line is several bytes, which a busy host tears apart. */
  const press = (...keys: string[]) => {
    const socket = connect(monitor);
    undo.push(() => socket.destroy());
    socket.write(keys.map((key) => `sendkey ${key}\n`).join(''));
  };
  return { served, screen, shows, press, type: (keys: string) => qemu.stdin?.write(keys) };
}

describe.concurrent('the menu', () => {
  it('shows who the machine is and what there is, and boots the local disk when nobody presses a key', async () => {
    const { screen, shows } = await powerOn({ hasDisk: true });
    await shows('Boot from the own disk');
    await shows('Rescue Linux');
    await shows('serial SN-1');
    await shows('(7)');
    await shows(LOCAL_MARKER);
    expect(screen()).not.toMatch(/command not found|Invalid|usage:/i);
  });

  it('starts a Linux that was chosen, with both initrds and its parameters', async () => {
    const { screen, served, shows, press } = await powerOn();
    await shows('serial SN-1');
    press('down', 'ret');
    await shows('SECOND-INITRD');
    const port = /http:\/\/10\.0\.2\.2:\d+/.exec(screen())?.[0];
    expect(screen()).toContain(`fetch=${port}/boot/entries/rescue/1/x -- --odd -w`);
    expect(served.machines.list()).toHaveLength(1);
  });

  it('starts a disk that is read from the peer, sector by sector', async () => {
    const { screen, shows, press } = await powerOn();
    await shows('serial SN-1');
    press('down', 'down', 'down', 'ret');
    await shows(LOCAL_MARKER);
    expect(screen()).toContain('Starting stick');
  });

  it("starts Debian's memory test on UEFI, too, where what is for a BIOS alone is not shown", async () => {
    const { screen, shows, press } = await powerOn({ firmware: 'uefi' });
    await shows('serial SN-1');
    expect(screen()).toContain('Rescue Linux');
    expect(screen()).not.toContain('stick');
    press('down', 'down', 'ret');
    await shows('Starting Memory test');
    await shows('Memtest86+');
    await shows('Testing');
  });

  it('opens a shell, from where the machine is looked at and restarted', async () => {
    const { screen, served, shows, press, type } = await powerOn({ shell: true });
    await shows('Shell: look around');
    press('down', 'down', 'ret');
    await shows('Type "shell"');
    type('+  1.250 kg\nreboot -f\nshell\n');
    await shows('peerboot# ');
    type('echo $((6 * 7)) $(cat /sys/class/dmi/id/product_serial)\n');
    await shows('42 SN-1');
    expect(screen()).not.toMatch(/job control|not found|peerboot: wait/);
    // Nothing of the agent runs until it is started there.
    expect(served.machines.list()).toMatchObject([{ rung: 'script' }]);
    type('node /peerboot/agent.mjs\n');
    await until(() => served.machines.list()[0]?.rung === 'agent', { ...LIMIT, what: 'the agent checks in' });
    await shows('peerboot: wait');
    type('\x03');
    type('exit\n');
    await shows('Restarting');
  });
});
