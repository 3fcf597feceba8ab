// A target: one QEMU machine under plain emulation, its serial lines as events, its screen as a picture.

import { closeSync, existsSync, ftruncateSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { until } from '../support/until.ts';
import { cardWords, type FirmwareOptions, flashWords, machineWords, qemuOf } from './firmware.ts';
import type { StoreNetwork } from './network.ts';
import { type Running, start } from './process.ts';

export type { Firmware } from './firmware.ts';

export interface TargetOptions extends FirmwareOptions {
  readonly name: string;
  readonly mac: string;
  /** A raw file; made empty and sparse with `diskBytes` when it does not exist. */
  readonly disk: string;
  readonly diskBytes: number;
  readonly memoryMb?: number;
  /** Network before disk, for a machine that is told to boot its disk by the peer. */
  readonly networkFirst?: boolean;
  /** Further words for QEMU. */
  readonly more?: readonly string[];
  /** Loaded by QEMU itself, past firmware and iPXE: for cases that are about the agent. */
  readonly direct?: { readonly kernel: string; readonly initramfs: string; readonly commandLine: string };
}

export interface Target {
  readonly name: string;
  readonly mac: string;
  readonly firmware: FirmwareOptions['firmware'];
  readonly poweredOnAt: number;
  readonly serial: Running['log'];
  readonly pid: number;
  /** Writes the screen as a PNG. */
  screenshot(path: string): Promise<void>;
  stop(): Promise<void>;
}

/** What a technician would read on the screen, as far as firmware and system write it on the serial line: its last words. */
export function shownText(lines: readonly string[]): string {
  const plain = lines.map((line) =>
    stripVTControlCharacters(line)
      .replaceAll(/[^ -~]/g, '')
      .replaceAll(/ +/g, ' ')
      .trim(),
  );
  const words = plain.filter((line) => line !== '' && !line.startsWith('qemu-system'));
  return words.slice(-3).join(' / ').slice(-300);
}

/** One QMP command on a connection of its own; QEMU greets first, then wants `qmp_capabilities`. */
function qmp(socketPath: string, command: string, args: Record<string, unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const send = (execute: string, words: Record<string, unknown> = {}) =>
      socket.write(`${JSON.stringify({ execute, arguments: words })}\n`);
    let answers = 0;
    socket.setTimeout(10_000, () => socket.destroy(new Error(`QMP ${command} did not answer`)));
    socket.on('error', reject);
    const lines = createInterface({ input: socket });
    lines.on('error', reject);
    lines.on('line', (line) => {
      const message = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc: string } };
      if (message.QMP !== undefined) send('qmp_capabilities');
      else if (message.error !== undefined)
        socket.destroy(new Error(`QMP ${command}: ${message.error.desc}`));
      else if (message.return !== undefined && ++answers === 1) send(command, args);
      else if (message.return !== undefined) {
        socket.end();
        resolve();
      }
    });
  });
}

/** Resolves once QEMU answers; rejects with its own words when it refuses its arguments. */
async function isRunning(machine: Running, socketPath: string): Promise<void> {
  const refused = machine.exited.then((status) => {
    throw new Error(`QEMU ended with ${status}: ${machine.log.lines.join(' ')}`);
  });
  const answers = until(
    () =>
      qmp(socketPath, 'query-status', {}).then(
        () => true,
        () => false,
      ),
    {
      timeoutMs: 30_000,
      what: 'QEMU answers',
    },
  );
  // Its end much later, when the case is over, is nobody's failure.
  refused.catch(() => {});
  await Promise.race([refused, answers]);
}

/** Powers a machine on. `/dev/kvm` hangs guests on some hosts, so it is always plain emulation. */
export async function powerOn(
  network: StoreNetwork,
  folder: string,
  options: TargetOptions,
): Promise<Target> {
  if (!existsSync(options.disk)) {
    const file = openSync(options.disk, 'w');
    ftruncateSync(file, options.diskBytes);
    closeSync(file);
  }
  const tap = await network.addTap();
  const socketPath = join(folder, `${options.name}.qmp`);
  const [diskIndex, networkIndex] = options.networkFirst === true ? [2, 1] : [1, 2];
  const direct =
    options.direct === undefined
      ? []
      : [
          '-kernel',
          options.direct.kernel,
          '-initrd',
          options.direct.initramfs,
          '-append',
          options.direct.commandLine,
        ];
  const poweredOnAt = performance.now();
  const machine = start(
    qemuOf(options.firmware),
    [
      '-name',
      options.name,
      ...machineWords(options.firmware),
      '-accel',
      'tcg,thread=multi,tb-size=256',
      '-m',
      String(options.memoryMb ?? 512),
      '-nodefaults',
      '-display',
      'none',
      '-serial',
      'stdio',
      '-qmp',
      `unix:${socketPath},server=on,wait=off`,
      '-object',
      'rng-random,filename=/dev/urandom,id=rng',
      '-device',
      'virtio-rng-pci,rng=rng',
      '-smbios',
      `type=1,manufacturer=Peerboot,product=Lab till,serial=${options.name.toUpperCase()}`,
      '-netdev',
      `tap,id=net,ifname=${tap},script=no,downscript=no`,
      ...cardWords(options, options.mac, networkIndex),
      '-drive',
      `if=none,id=disk,format=raw,cache=unsafe,discard=unmap,file=${options.disk}`,
      '-device',
      `virtio-blk-pci,drive=disk,serial=LAB-DISK,bootindex=${diskIndex}`,
      ...flashWords(options, folder, options.name),
      ...direct,
      ...(options.more ?? []),
    ],
    { namespace: network.switchNamespace, logFile: join(folder, `${options.name}-serial.log`) },
  );
  await isRunning(machine, socketPath);
  return {
    name: options.name,
    mac: options.mac,
    firmware: options.firmware,
    poweredOnAt,
    serial: machine.log,
    pid: machine.pid,
    screenshot: (path) => qmp(socketPath, 'screendump', { filename: path, format: 'png' }),
    stop: () => machine.stop('SIGTERM'),
  };
}
