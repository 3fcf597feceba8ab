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
import { layCable } from './veth.ts';

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

/** Names: 10.77.21.1 and .2 are the server's, .9 the client's; datagrams are lost in both directions. */
export interface LossyLink {
  readonly server: string;
  readonly client: string;
  lose(percent: number): Promise<void>;
  remove(): Promise<void>;
}

export async function createLossyLink(): Promise<LossyLink> {
  const id = `pb-${randomBytes(3).toString('hex')}`;
  const names = { server: `${id}-tftp`, client: `${id}-pxe` };
  const ip = (...words: string[]) => run('ip', words);
  const remove = async () => {
    for (const name of Object.values(names)) await ip('netns', 'del', name).catch(() => '');
  };
  try {
    for (const name of Object.values(names)) {
      await ip('netns', 'add', name);
      await ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    await layCable(names.server, 'eth0', names.client, 'eth0');
    await ip('-n', names.server, 'addr', 'add', '10.77.21.1/24', 'dev', 'eth0');
    await ip('-n', names.server, 'addr', 'add', '10.77.21.2/24', 'dev', 'eth0');
    await ip('-n', names.client, 'addr', 'add', '10.77.21.9/24', 'dev', 'eth0');
    for (const name of Object.values(names)) await ip('-n', name, 'link', 'set', 'eth0', 'up');
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    ...names,
    async lose(percent) {
      // On the way in at both ends: a drop on the way out is told to the sender, as no real loss is.
      for (const name of Object.values(names)) {
        const nft = (...words: string[]) => run('ip', ['netns', 'exec', name, 'nft', ...words]);
        await nft('flush', 'ruleset');
        await nft('add', 'table', 'ip', 'weather');
        await nft('add', 'chain', 'ip', 'weather', 'input', '{ type filter hook input priority 0; }');
        await nft(
          'add',
          'rule',
          'ip',
          'weather',
          'input',
          `meta l4proto udp numgen random mod 100 < ${percent} drop`,
        );
      }
    },
    remove,
  };
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
