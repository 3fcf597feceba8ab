// Emulated machines on a real network against the real peer: each firmware gets its script, a flood keeps nobody out, refusals are clear.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Running, run, start } from '../lab/process.ts';
import {
  type ClientLan,
  createClientLan,
  makeAssets,
  PEERBOOT,
  startBarePeer,
} from '../support/client-lan.ts';
import { until } from '../support/until.ts';

let lan: ClientLan;
let folder: string;
let peer: Running;
const running: Running[] = [];

beforeAll(async () => {
  lan = await createClientLan();
  folder = mkdtempSync(join(tmpdir(), 'peerboot-simulate-'));
  const assets = makeAssets(folder, {
    'undionly.kpxe': 70_000,
    'snponly.efi': 240_000,
    'grubx64.efi': 300_000,
    vmlinuz: 100_000,
    'initramfs.img': 200_000,
  });
  running.push(await lan.startDhcpServer());
  peer = await startBarePeer(lan, folder, assets);
  running.push(peer);
});
afterAll(async () => {
  for (const one of running.reverse()) await one.stop();
  await lan.remove();
  rmSync(folder, { recursive: true, force: true });
});

const words = (...more: string[]) => [PEERBOOT, 'simulate-client', ...more];

async function simulate(...more: string[]) {
  const process_ = start(process.execPath, words(...more, '--json'), { namespace: lan.clients });
  const status = await process_.exited;
  const line = process_.log.lines.find((text) => text.startsWith('{')) ?? '{}';
  return { status, report: JSON.parse(line) as Record<string, never> };
}

describe('simulate-client', () => {
  it('16 machines of every firmware at once have their scripts; their addresses are given back', async () => {
    const firmwares = ['ipxe', 'edk2', 'edk2-2016', 'bios', 'httpboot', 'shim'];
    const runs = await Promise.all(
      firmwares.map((firmware, index) =>
        simulate(
          ...['--firmware', firmware, '--count', firmware === 'edk2' ? '11' : '1'],
          ...['--interface', 'eth0', '--mac-prefix', `52:54:7${index}`],
        ),
      ),
    );
    for (const [index, { status, report }] of runs.entries()) {
      expect(report.failures, firmwares[index]).toEqual({});
      expect(status).toBe(0);
    }
    const addresses = await run('ip', ['-n', lan.clients, '-4', '-o', 'addr', 'show', 'dev', 'eth0']);
    expect(addresses.trim().split('\n')).toHaveLength(1);
  });

  it('refuses an interface that is not there, and a user who may not', async () => {
    const missing = await simulate('--interface', 'eth9');
    expect(missing).toMatchObject({ status: 1, report: { error: { code: 'PB-INTERFACE-UNKNOWN' } } });
    const user = ['--reuid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
    const denied = start('setpriv', [...user, process.execPath, ...words('--json')], {
      namespace: lan.clients,
    });
    expect(await denied.exited).toBe(1);
    expect(denied.log.lines.join()).toContain('PB-PORT-DENIED');
  });
});

describe('a flood of 5,000 DISCOVERs a second from random MACs', () => {
  it('keeps no machine out, and memory within bounds', async () => {
    const residentBytes = () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${peer.pid}/status`, 'utf8'))?.[1]) * 1024;
    const before = residentBytes();
    const script = fileURLToPath(new URL('../support/discover-flood.ts', import.meta.url));
    const flood = start(process.execPath, [script, '5000', '3000'], { namespace: lan.clients });
    await flood.log.waitFor((line) => (line === 'flooding' ? true : undefined), {
      timeoutMs: 10_000,
      what: 'the flood begins',
    });
    const { report, status } = await simulate(
      ...['--firmware', 'edk2', '--count', '4', '--interface', 'eth0', '--mac-prefix', '52:54:99'],
    );
    expect(report.failures).toEqual({});
    expect(status).toBe(0);
    await flood.exited;
    const sent = Number(/(\d+) sent/.exec(flood.log.lines.join())?.[1]);
    expect(sent).toBeGreaterThan(10_000);
    // Bounded: some thousand newcomers, attempts and turns, not one for each of the packets.
    await until(() => residentBytes() - before < 250e6, { timeoutMs: 10_000, what: 'memory within bounds' });
  });
});
