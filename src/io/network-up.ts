// Brings the target's network up: every wired card asks for an address by DHCP, the first lease wins.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { NicFacts } from '../api/identity.ts';
import type { Log } from '../base/log.ts';
import { readNics } from './nics.ts';

/** busybox udhcpc configures nothing itself: it calls this with the lease in the environment. */
const script = (resolvConf: string) => `#!/bin/sh
case "$1" in
  deconfig) ip addr flush dev "$interface" ;;
  bound | renew)
    ip addr replace "$ip/\${mask:-24}" dev "$interface"
    for one in $router; do ip route replace default via "$one" dev "$interface" && break; done
    for one in $dns; do echo "nameserver $one"; done > ${resolvConf}
    echo "lease $ip/\${mask:-24}"
    ;;
esac
`;
/** USB cards and slow drivers appear late. */
const RESCAN_MS = 2_000;
/** A port with spanning tree forwards 30 s after the link is up (IEEE 802.1D): until then silence is normal. */
const PATIENCE_MS = 40_000;

export interface NetworkUpOptions {
  readonly log: Log;
  /** Hears what is missing meanwhile: empty when there is nothing to say yet. */
  readonly note: (why: string) => void;
  readonly cards?: () => readonly NicFacts[];
  /** Where the script for udhcpc is put, and where it writes name servers. */
  readonly scriptPath?: string;
  readonly resolvConf?: string;
}

export interface Lease {
  readonly nic: string;
  readonly mac: string;
  readonly ipv4: string;
}

/**
 * Resolves with the first lease, and keeps renewing it; the other cards stop asking. Asks for ever: a cable may be
 * plugged in later.
 */
export async function bringNetworkUp(options: NetworkUpOptions): Promise<Lease> {
  const { log, note, cards = readNics, scriptPath = '/run/peerboot-udhcpc' } = options;
  writeFileSync(scriptPath, script(options.resolvConf ?? '/etc/resolv.conf'));
  chmodSync(scriptPath, 0o755);
  const asking = new Map<string, ChildProcess>();
  const startedMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<Lease>();
  const askWithNewCards = async (): Promise<void> => {
    for (const card of cards()) {
      if (asking.has(card.name)) continue;
      const leased = (ipv4: string) => resolve({ nic: card.name, mac: card.mac, ipv4 });
      asking.set(card.name, await askForAddress(card, scriptPath, log, leased));
    }
  };
  const rescan = setInterval(() => {
    askWithNewCards().catch((error) => log.warn({ err: error }, 'a network card could not be started'));
    note(missing(cards(), performance.now() - startedMs));
  }, RESCAN_MS);
  await askWithNewCards();
  const lease = await promise;
  clearInterval(rescan);
  for (const [name, client] of asking) if (name !== lease.nic) client.kill();
  log.info({ ...lease }, 'network is up');
  return lease;
}

function missing(cards: readonly NicFacts[], waitedMs: number): string {
  if (cards.length === 0) return 'PB-NETWORK-DOWN: no wired network card was found';
  if (cards.every((card) => !card.carrier)) return 'PB-NETWORK-DOWN: no cable, or no link at its other end';
  if (waitedMs < PATIENCE_MS) return '';
  return 'PB-NETWORK-DOWN: there is a link, but no DHCP server answers';
}

async function askForAddress(
  card: NicFacts,
  scriptPath: string,
  log: Log,
  leased: (ipv4: string) => void,
): Promise<ChildProcess> {
  await promisify(execFile)('ip', ['link', 'set', card.name, 'up']);
  // In the foreground, for ever: 3 s for each answer, after four of them 2 s of rest.
  const client = spawn('udhcpc', ['-f', '-i', card.name, '-s', scriptPath, '-t', '4', '-T', '3', '-A', '2'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  client.on('error', (error) => log.error({ nic: card.name, err: error }, 'udhcpc did not start'));
  createInterface({ input: client.stdout }).on('line', (line) => {
    const match = /^lease (\S+)$/.exec(line);
    if (match?.[1] !== undefined) leased(match[1]);
  });
  createInterface({ input: client.stderr }).on('line', (line) => log.debug({ nic: card.name }, line));
  return client;
}
