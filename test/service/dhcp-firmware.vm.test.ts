// Real firmware against our DHCP and TFTP: each way from power-on to the script.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Lab, withLab } from '../lab/lab.ts';
import { start } from '../lab/process.ts';
import type { TargetOptions } from '../lab/target.ts';

const NBPS = ['undionly.kpxe', 'snponly.efi'];
const LIMIT_MS = 240_000;

type Wanted = Pick<TargetOptions, 'name' | 'firmware' | 'more'>;

/** Powers a machine on and tells, in order, what it was answered, what it fetched, and that it came for the script. */
const bootToScript = (target: Wanted, ...flags: string[]) => withLab((lab) => bootIn(lab, target, flags));

async function bootIn(lab: Lab, target: Wanted, flags: readonly string[]): Promise<readonly string[]> {
  const folder = join(lab.folder, 'nbps');
  mkdirSync(folder);
  for (const name of NBPS) copyFileSync(join('/usr/lib/ipxe', name), join(folder, name));
  const program = fileURLToPath(new URL('../support/boot-responder.ts', import.meta.url));
  const peer = start(process.execPath, [program, folder, ...flags], {
    namespace: lab.network.peerNamespace,
    logFile: join(lab.folder, 'peer.log'),
  });
  const told: string[] = [];
  try {
    await peer.log.waitFor((line) => line.includes('"ready"') || undefined, {
      timeoutMs: 20_000,
      what: 'peer',
    });
    peer.log.listen((line) => {
      const said = line?.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
      const event = said.event as { kind: string; name?: string; address?: string } | undefined;
      const http = said.http as string | undefined;
      if (said.msg === 'answered boot request') told.push(`${said.port} ${said.client}: ${said.file}`);
      if (event?.kind === 'file') told.push(`tftp ${event.name}`);
      if (http !== undefined) told.push(http);
    });
    const machine = await lab.powerOn({ ...target, mac: '52:54:00:77:00:01', diskBytes: 1 << 20 });
    try {
      await peer.log.waitFor(
        (line) => (line.includes('/boot/start.ipxe"') && line.includes('"http"')) || undefined,
        {
          timeoutMs: LIMIT_MS,
          what: `${target.name} asks for the script`,
        },
      );
    } finally {
      await machine.stop();
    }
  } finally {
    await peer.stop();
  }
  // Firmware asks again when an answer is late on a busy host: the same line twice says the same.
  return told.filter((line, i) => line !== told[i - 1]);
}

const SCRIPT = 'http://10.77.0.2:8067/boot/start.ipxe';

describe.concurrent('from power-on to the script', () => {
  it('a BIOS whose ROM is iPXE gets the script at once', async () => {
    expect(await bootToScript({ name: 'rom', firmware: 'bios' })).toEqual([
      `67 ipxe: ${SCRIPT}`,
      'GET /boot/start.ipxe',
    ]);
  });

  it('the same ROM, chained: undionly first, whose iPXE has the same version and yet gets the script', async () => {
    expect(await bootToScript({ name: 'chain', firmware: 'bios' }, '--chain')).toEqual([
      '67 ipxe: undionly.kpxe',
      'tftp undionly.kpxe',
      `67 ipxe: ${SCRIPT}`,
      'GET /boot/start.ipxe',
    ]);
  });

  it('UEFI goes on to 4011, loads snponly by TFTP, and its iPXE gets the script', async () => {
    expect(await bootToScript({ name: 'uefi', firmware: 'uefi' })).toEqual([
      '67 uefi-rom: snponly.efi',
      '4011 uefi-rom: snponly.efi',
      'tftp snponly.efi',
      `67 ipxe: ${SCRIPT}`,
      'GET /boot/start.ipxe',
    ]);
  });

  it('UEFI HTTP Boot gets snponly by HTTP, and its iPXE the script', async () => {
    // The lab's machines have PXE over IPv6 switched off already.
    const noPxe = ['-fw_cfg', 'name=opt/org.tianocore/IPv4PXESupport,string=no'];
    expect(await bootToScript({ name: 'http', firmware: 'uefi', more: noPxe })).toEqual([
      '67 http-rom: http://10.77.0.2:8067/boot/files/snponly.efi',
      'HEAD /boot/files/snponly.efi',
      'GET /boot/files/snponly.efi',
      `67 ipxe: ${SCRIPT}`,
      'GET /boot/start.ipxe',
    ]);
  });
});
