// Starts the process of tftp-server.ts, and rooms for it: two namespaces with a link that may lose datagrams.
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { TftpStats } from '../../src/service/tftp-service.ts';
import type { TftpLimits } from '../../src/tftp/admission.ts';
import { type Running, run, start } from '../lab/process.ts';
import { inNamespaces } from './namespaces.ts';

export interface TftpServerOrder {
  readonly folder: string;
  readonly addresses: readonly Ipv4[];
  /** 0: any. */
  readonly port: number;
  readonly limits?: Partial<TftpLimits>;
}

export interface TftpServing {
  readonly port: number;
  readonly process: Running;
  /** Ends it, and tells what it counted. */
  stop(): Promise<TftpStats>;
}

/** `before`: a command that starts the server, e.g. `nice -n 5`. */
export async function serveTftp(
  order: TftpServerOrder,
  namespace?: string,
  before: readonly string[] = [],
): Promise<TftpServing> {
  const script = fileURLToPath(new URL('tftp-server.ts', import.meta.url));
  const [command = '', ...words] = [...before, process.execPath, script, JSON.stringify(order)];
  const server = start(command, words, namespace === undefined ? {} : { namespace });
  const line = (word: string) =>
    server.log.waitFor((text) => (text.startsWith(`${word} `) ? text.slice(word.length + 1) : undefined), {
      timeoutMs: 20_000,
      what: `the TFTP server says ${word}`,
    });
  return {
    port: Number(await line('ready')),
    process: server,
    async stop() {
      const stats = line('stats');
      await server.stop();
      return JSON.parse(await stats) as TftpStats;
    },
  };
}

/** Names: 10.77.21.1 to .4 are the server's, .9 the client's. */
export interface LossyLink {
  readonly server: string;
  readonly client: string;
  /** To and from this address of the server, of a hundred datagrams. */
  lose(address: Ipv4, percent: number): Promise<void>;
  remove(): Promise<void>;
}

export function createLossyLink(): Promise<LossyLink> {
  return inNamespaces(async (spaces) => {
    const [server, client] = [await spaces.add('tftp'), await spaces.add('pxe')];
    await spaces.cable(server, 'eth0', client, 'eth0');
    for (const last of [1, 2, 3, 4]) await spaces.ip(server, `addr add 10.77.21.${last}/24 dev eth0`);
    await spaces.ip(client, 'addr add 10.77.21.9/24 dev eth0');
    const nft = (name: string, ...words: string[]) => run('ip', ['netns', 'exec', name, 'nft', ...words]);
    for (const name of [server, client]) {
      await spaces.ip(name, 'link set eth0 up');
      await nft(name, 'add', 'table', 'ip', 'weather');
      await nft(name, 'add', 'chain', 'ip', 'weather', 'input', '{ type filter hook input priority 0; }');
    }
    return {
      server,
      client,
      async lose(address: Ipv4, percent: number) {
        // On the way in at both ends: a drop on the way out is told to the sender, as no real loss is.
        for (const [name, end] of [
          [server, 'daddr'],
          [client, 'saddr'],
        ] as const) {
          const rule = `ip ${end} ${address} meta l4proto udp numgen random mod 100 < ${percent} drop`;
          await nft(name, 'add', 'rule', 'ip', 'weather', 'input', rule);
        }
      },
    };
  });
}

/** Fills a file with bytes that differ from block to block; returns their SHA-256. */
export async function randomFile(path: string, sizeBytes: number): Promise<string> {
  const file = await open(path, 'w');
  const hash = createHash('sha256');
  const part = randomBytes(1 << 20);
  try {
    for (let at = 0; at < sizeBytes; at += part.length) {
      part.writeDoubleBE(at, 0);
      const bytes = part.subarray(0, Math.min(part.length, sizeBytes - at));
      hash.update(bytes);
      await file.write(bytes);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
