// The scripts in a real iPXE, Debian's of 2019: what it sends, what it shows, and where each way ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { NamedFile } from '../../src/base/named-files.ts';
import { namedFiles, testPeer } from '../service/peer.ts';
import { until } from '../support/until.ts';

const MAC = '52:54:00:77:00:09';
const UUID = '4c4c4544-0042-3010-8052-b9c04f4e3332';
/** What QEMU's user network calls the host's loopback. */
const HOST = '10.0.2.2';
const LIMIT = { timeoutMs: 90_000 };

type Undo = (end: () => unknown) => void;

/** Whatever happens, all that the case said to undo is undone, the last first. */
const tidily = (body: (undo: Undo) => Promise<void>) => async () => {
  const ends: (() => unknown)[] = [];
  try {
    await body((end) => ends.push(end));
  } finally {
    for (const end of ends.reverse()) await end();
  }
};

interface Machine {
  /** Everything on its screen so far, without control characters. */
  screen(): string;
  type(keys: string): void;
  shows(text: string): Promise<unknown>;
}

/** A BIOS machine whose ROM is iPXE 1.0.0, sent straight to the start script; the firmware's strings are free. */
function powerOn(port: number, smbios: string, undo: Undo): Machine {
  const words = [
    ...['-machine', 'q35,graphics=off', '-accel', 'tcg', '-m', '256', '-nodefaults', '-no-reboot'],
    ...['-display', 'none', '-serial', 'stdio', '-smbios', `type=1,uuid=${UUID},${smbios}`],
    ...['-netdev', `user,id=n,ipv6=off,bootfile=http://${HOST}:${port}/boot/start.ipxe`],
    ...['-device', `virtio-net-pci,netdev=n,mac=${MAC},bootindex=1`],
  ];
  const qemu: ChildProcess = spawn('qemu-system-x86_64', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  undo(() => qemu.kill('SIGKILL'));
  let text = '';
  qemu.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const screen = () => text.replaceAll(/\x1b\[[0-9;=?]*[A-Za-z]/g, '').replaceAll(/[\x08\r]/g, '');
  return {
    screen,
    type: (keys) => qemu.stdin?.write(keys),
    shows: (wanted) =>
      until(() => screen().includes(wanted), { ...LIMIT, what: `the screen shows ${wanted}` }).catch(
        (error: Error) => {
          throw new Error(`${error.message}; it shows:\n${screen().slice(-3000)}`);
        },
      ),
  };
}

describe.concurrent('the scripts in a real iPXE', () => {
  it(
    'a machine with hostile strings asks, counts down, asks again, fails to load, and boots its own disk',
    tidily(async (undo) => {
      const files = namedFiles({ vmlinuz: Buffer.from('kernel'), 'initramfs.img': Buffer.alloc(9) });
      // The connection breaks in the middle of the agent, as when the peer's disk fails.
      const broken = {
        ...files.get('initramfs.img'),
        read: () => Promise.reject(new Error('disk')),
      } as NamedFile;
      const get = (name: string) => (name === 'initramfs.img' ? broken : files.get(name));
      const peer = testPeer({ files: { ...files, get } });
      const { port } = await peer.http.start();
      undo(() => peer.http.stop());
      const machine = powerOn(
        port,
        `serial=S\${netX/mac}&mac=1 || echo BROKEN #,product=B\u00f6x 50%41 && shell`,
        undo,
      );

      // Unknown: who it is, what to do, and a countdown that a key ends.
      await machine.shows('Booting from the own disk in 9 s');
      expect(machine.screen()).toContain(`MAC ${MAC}, QEMU`);
      expect(machine.screen()).toContain(`peerboot assign ${MAC} IMAGE`);
      expect(machine.screen()).not.toContain('\nBROKEN');
      expect(peer.machines.list()).toMatchObject([
        {
          identity: {
            uuid: UUID,
            macs: [MAC],
            manufacturer: 'QEMU',
            product: expect.stringMatching(/^B\u00f6?x 50%41/),
          },
          firmware: 'bios',
          rung: 'script',
        },
      ]);
      peer.assignments.put({
        machine: UUID,
        target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
      });
      machine.type('a');

      // Assigned: kernel and agent; what cannot be booted is told, and the peer is asked again.
      await machine.shows('debian 12.1 is assigned to it');
      peer.assignments.remove(UUID);
      await machine.shows('PB-BOOT-FILES-UNREACHABLE');

      // No more assigned: the countdown to its end, and a disk that is not there.
      await machine.shows('Booting from the own disk in 1 s');
      await machine.shows('PB-LOCAL-BOOT-FAILED');
      await machine.shows('No more network devices');
      expect(machine.screen()).not.toContain('not found');
      expect(machine.screen()).not.toMatch(/command not|Invalid|usage:/i);
    }),
  );

  it(
    'a machine whose peer has gone asks another boot host, and when that has gone, too, says so and asks until it is back',
    tidily(async (undo) => {
      const second = testPeer({ site: 'second-host' });
      const secondPort = (await second.http.start()).port;
      undo(() => second.http.stop());
      const peer = testPeer({ others: () => [`http://${HOST}:${secondPort}`] });
      const { port } = await peer.http.start();
      undo(() => peer.http.stop());
      const machine = powerOn(port, 'serial=1', undo);
      await machine.shows('Booting from the own disk in 9 s');
      await peer.http.stop();
      machine.type('a');
      await machine.shows('Peerboot second-host');
      await second.http.stop();
      machine.type('a');
      await machine.shows('PB-SCRIPT-UNREACHABLE');
      const back = testPeer({ port: secondPort, site: 'back-again' });
      await back.http.start();
      undo(() => back.http.stop());
      await machine.shows('Peerboot back-again');
    }),
  );
});
