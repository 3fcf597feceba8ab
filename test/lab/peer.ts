// The peer: our real `peerboot up` process in the store's peer namespace, its JSON log as events.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Rung } from '../../src/api/agent.ts';
import { MachineView } from '../../src/api/machines.ts';
import { DEFAULT_HTTP_PORT, ROUTES } from '../../src/api/routes.ts';
import { ADDRESSES, type PeerPlace, type StoreNetwork } from './network.ts';
import { type Running, run, start } from './process.ts';

const PEERBOOT = fileURLToPath(new URL('../../bin/peerboot.js', import.meta.url));

export interface PeerOptions {
  readonly origins: readonly string[];
  readonly root: string;
  readonly assets: string;
  readonly state: string;
  readonly assign?: string;
  readonly extra?: readonly string[];
  /** Absent: the store's first peer. */
  readonly place?: PeerPlace;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Peer {
  readonly base: string;
  readonly place: PeerPlace;
  readonly process: Running;
  /** Resolves when the machine with this MAC has reached the rung since log line `from`; rejects when it fails first. */
  reached(
    mac: string,
    rung: Rung | 'failed',
    options: { timeoutMs: number; from?: number },
  ): Promise<LogLine>;
  /** `peerboot <words>` against this peer, in its namespace; returns standard output. */
  command(...words: string[]): Promise<string>;
  metrics(): Promise<string>;
  /** Every machine as the peer sees it. */
  machines(): Promise<readonly MachineView[]>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export type LogLine = Readonly<Record<string, unknown>>;

export function parseLine(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}

export async function startPeer(network: StoreNetwork, folder: string, options: PeerOptions): Promise<Peer> {
  const place = options.place ?? { namespace: network.peerNamespace, address: ADDRESSES.peer };
  const words = [
    PEERBOOT,
    'up',
    ...['--interface', 'eth0', '--root', options.root, '--assets', options.assets, '--state', options.state],
    ...options.origins.flatMap((origin) => ['--origin', origin]),
    ...(options.assign === undefined ? [] : ['--assign', '*', options.assign]),
    ...(options.extra ?? []),
    ...['--site', 'store-1', '--json'],
  ];
  const peer = start(process.execPath, words, {
    namespace: place.namespace,
    logFile: join(folder, options.place === undefined ? 'peer.log' : `peer-${place.address}.log`),
    // The emulated machines share this host's processors: their load is not the peer's.
    env: { PEERBOOT_BUSY_LOAD: '1000', ...options.env },
  });
  await peer.log.waitFor((line) => (parseLine(line)?.msg === 'peerboot ready' ? line : undefined), {
    timeoutMs: 30_000,
    what: '`peerboot up` is ready',
  });
  const inPeer = (command: string, ...args: string[]) =>
    run('ip', ['netns', 'exec', place.namespace, command, ...args]);
  const get = (route: string) =>
    inPeer('curl', '-sS', '--max-time', '5', `http://127.0.0.1:${DEFAULT_HTTP_PORT}${route}`);
  const base = `http://${place.address}:${DEFAULT_HTTP_PORT}`;
  return {
    base,
    place,
    process: peer,
    reached: (mac, rung, { timeoutMs, from }) =>
      peer.log
        .waitFor(
          (line) => {
            const fields = parseLine(line);
            if (fields?.mac !== mac) return undefined;
            const at = fields.rung;
            return at === rung || at === 'failed' ? fields : undefined;
          },
          { timeoutMs, what: `machine ${mac} reaches ${rung}`, ...(from === undefined ? {} : { from }) },
        )
        .then((fields) => {
          if (fields.rung !== rung)
            throw new Error(`machine ${mac} failed before ${rung}: ${JSON.stringify(fields)}`);
          return fields;
        }),
    command: (...args) => inPeer(process.execPath, PEERBOOT, ...args),
    metrics: () => get(ROUTES.metrics),
    async machines() {
      const { machines } = JSON.parse(await get(ROUTES.machines)) as { machines: unknown };
      return MachineView.array().parse(machines);
    },
    stop: (signal) => peer.stop(signal),
  };
}
