// The TFTP server over a link that loses 5, 10 and 20 of a hundred datagrams each way, and from the address that was asked.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { run, start } from '../lab/process.ts';
import {
  createLossyLink,
  type LossyLink,
  randomFile,
  serveTftp,
  sha256OfFile,
  type TftpServing,
} from '../support/tftp-serving.ts';

/** Addresses of the server, and how many of a hundred datagrams are lost on the way to each and back. */
const LOSSES = [
  ['10.77.21.1', 0],
  ['10.77.21.2', 5],
  ['10.77.21.3', 10],
  ['10.77.21.4', 20],
] as [Ipv4, number][];
const ADDRESSES = LOSSES.map(([address]) => address);
let folder: string;
let link: LossyLink;
let server: TftpServing;
const digests = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'peerboot-tftp-loss-'));
  await mkdir(join(folder, 'assets'));
  for (const [name, size] of Object.entries({
    'undionly.kpxe': 15_000,
    'snponly.efi': 30_000,
    vmlinuz: 600_000,
  }))
    digests.set(name, await randomFile(join(folder, 'assets', name), size));
  link = await createLossyLink();
  for (const [address, percent] of LOSSES) if (percent > 0) await link.lose(address, percent);
  const limits = { perClient: 64 };
  server = await serveTftp(
    { folder: join(folder, 'assets'), addresses: ADDRESSES, port: 69, limits },
    link.server,
  );
});

afterAll(async () => {
  await server?.process.stop();
  await link?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** A transfer takes half of it where most is lost. */
const PATIENCE_SECONDS = 40;
let askedAgain = 0;

/**
 * Asks again once, as a machine does. A server sends an OACK three times to an address that has proved nothing; where a fifth of all
 * is lost, one in twenty of its clients heard one and was never heard, and most clients wait for ever then.
 */
async function fetch(words: readonly string[], file: string): Promise<string> {
  const to = join(folder, `${process.hrtime.bigint()}`);
  const ask = ['timeout', `${PATIENCE_SECONDS}`, ...words.map((word) => (word === 'TO' ? to : word))];
  const once = () => run('ip', ['netns', 'exec', link.client, ...ask]);
  await once().catch(() => {
    askedAgain += 1;
    return once();
  });
  const digest = await sha256OfFile(to);
  await rm(to);
  return digest === digests.get(file) ? 'right' : 'wrong';
}

/** Repeating an OACK whose ACK was lost makes atftp give up, so it asks without options here. */
const atftp = (address: Ipv4) => [
  ...['atftp', '--tftp-timeout', '1', '-g', '-r', 'undionly.kpxe', '-l', 'TO', address],
];
const curl = (address: Ipv4) => [
  ...['curl', '-sS', '--tftp-blksize', '1468', `tftp://${address}/snponly.efi`, '-o', 'TO'],
];
const careful = (address: Ipv4, file: string, windowsize: number) => [
  process.execPath,
  fileURLToPath(new URL('../support/tftp-fetch.ts', import.meta.url)),
  ...[address, '69', file, 'TO', '1468', String(windowsize)],
];

/** All that the clients ask of one address; each answer comes from that very address, or they would not take it. */
const ways = (address: Ipv4): [string, readonly string[]][] => [
  ['undionly.kpxe', atftp(address)],
  ['snponly.efi', curl(address)],
  ['snponly.efi', careful(address, 'snponly.efi', 1)],
  ['vmlinuz', careful(address, 'vmlinuz', 16)],
  ['vmlinuz', careful(address, 'vmlinuz', 64)],
];

describe('each transfer completes with the right bytes', () => {
  it.concurrent.each(LOSSES)('from %s, %i of a hundred lost, each way', async (address) => {
    const all = ways(address);
    const results = await Promise.all(all.map(([file, words]) => fetch(words, file)));
    expect(results).toEqual(all.map(() => 'right'));
  });
});

describe('its port', () => {
  it('is told of when the system does not let it be opened', async () => {
    const order = { folder: join(folder, 'assets'), addresses: ['10.77.21.9'], port: 69 };
    const script = new URL('../support/tftp-server.ts', import.meta.url).pathname;
    const without = ['--bounding-set', '-net_bind_service', '--inh-caps', '-net_bind_service'];
    const denied = start('setpriv', [...without, process.execPath, script, JSON.stringify(order)], {
      namespace: link.client,
    });
    await denied.exited;
    expect(denied.log.lines).toEqual(['failed PB-PORT-DENIED']);
  });
});

it('has counted every transfer to its end', async () => {
  const stats = await server.stop();
  expect(stats.outcomes, JSON.stringify(stats)).toMatchObject({ 'gave-up': 0, aborted: 0 });
  // Only those that were never heard: each asked again, by itself or because its patience ended.
  expect(stats.outcomes['timed-out']).toBeLessThanOrEqual(stats.requests - LOSSES.length * 5);
  expect(askedAgain).toBeLessThan(4);
  // One whose last acknowledgement was lost may still be waiting for it.
  expect(stats.outcomes.completed + stats.active).toBe(LOSSES.length * 5);
  expect(stats.blocksRepeated).toBeGreaterThan(0);
});
