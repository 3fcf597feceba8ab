// The agent's roof: the first program on a target, bundled into its initramfs. Builds the adapters and starts the agent.
import { randomBytes, randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { arch, totalmem } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { createDisplay } from './agent/display.ts';
import { createFoundPeer, peersOffered } from './agent/found-peer.ts';
import type { Address, AgentPorts, MachinePort, SitePort } from './agent/ports.ts';
import { ROUTES } from './api/routes.ts';
import type { Ipv4, Mac } from './base/addresses.ts';
import { PeerbootError } from './base/errors.ts';
import type { Log } from './base/log.ts';
import { openBlockDevice } from './io/block-device.ts';
import { type DiskThreads, startDiskThreads } from './io/block-device-threads.ts';
import { bootDiskNext, isSecureBoot, isUefi, setBootEntry } from './io/boot-entry.ts';
import { systemClock, systemTimers } from './io/clock.ts';
import { readDisks } from './io/disks.ts';
import { bringNetworkUp } from './io/network-up.ts';
import { linkBytesPerSecond, readNics } from './io/nics.ts';
import {
  boundDirtyBytes,
  dropCaches,
  kernelCommandLine,
  quietKernelConsole,
  readFarAhead,
} from './io/proc.ts';
import { leave } from './io/reboot.ts';
import { openTerminal } from './io/screen.ts';
import { readSmbios } from './io/smbios.ts';

const VERSION = '0.1.0';
/** As many as a check-in carries (api/agent). */
const MOST_NICS = 32;
const MOST_DISKS = 64;
const TRUST_ROOT = '/peerboot/root.json';
/** Kept in memory only: the target's disk is not ours to write logs to. */
const LOG_FILE = '/run/peerboot.log';
/** What others may hold of the machine's memory: they are fed from there while they are close behind. */
const FEEDING_SHARE = 1 / 8;

function machinePort(log: Log, threads: DiskThreads): MachinePort {
  return {
    facts: () => {
      const nics = readNics().slice(0, MOST_NICS);
      return {
        agentVersion: VERSION,
        firmware: isUefi() ? 'uefi' : 'bios',
        secureBoot: isSecureBoot(),
        architecture: arch(),
        memoryBytes: totalmem(),
        identity: { ...readSmbios(), macs: nics.map((nic) => nic.mac) },
        nics,
        disks: readDisks().slice(0, MOST_DISKS),
      };
    },
    feedingMemoryBytes: totalmem() * FEEDING_SHARE,
    openDisk({ name, sizeBytes }) {
      const path = `/dev/${name}`;
      readFarAhead(name);
      return openBlockDevice({ path, sizeBytes, log, threads, dropCaches: () => dropCaches(path) });
    },
    async setBootEntry(description, system) {
      if (isUefi()) setBootEntry(description, system, log);
    },
    async leave(how) {
      if (how === 'reboot' && isUefi()) startFromDisk(log);
      await leave(how);
    },
  };
}

/** A wish, no duty: firmware that refuses it (a full variable store) must not keep the machine from restarting. */
function startFromDisk(log: Log): void {
  try {
    bootDiskNext(log);
  } catch (error) {
    log.warn({ err: error }, 'the firmware did not take BootNext');
  }
}

/** Its parts are loaded when the peer has told of a site: the first steps of a slow machine shall not wait for them. */
function lateSite(log: Log): SitePort {
  let site: Promise<SitePort> | undefined;
  let now: SitePort | undefined;
  const load = async (): Promise<SitePort> => {
    const [{ createTargetSite }, { beaconSockets }, { createLineSockets }, { hostInterfaces }, { digestOf }] =
      await Promise.all([
        import('./service/target-site.ts'),
        import('./io/beacon-sockets.ts'),
        import('./io/line-sockets.ts'),
        import('./io/interfaces.ts'),
        import('./io/hash.ts'),
      ]);
    now = createTargetSite({
      linkBytesPerSecond: () => linkBytesPerSecond(readNics()),
      self: randomBytes(8).toString('hex'),
      openNet: beaconSockets({ interfaces: hostInterfaces }),
      transport: createLineSockets(),
      hash: digestOf,
      random: { next: Math.random },
      clock: systemClock,
      timers: systemTimers,
      log,
    });
    return now;
  };
  return {
    open(swarm, able) {
      site ??= load();
      void site.then((loaded) => loaded.open(swarm, able));
    },
    join: async (options) => (await site)?.join(options),
    nameOf: (peer) => now?.nameOf(peer) ?? peer,
    traffic: () => now?.traffic() ?? { received: 0, sent: 0 },
    close: async () => (await site)?.close(),
  };
}

function trustRoot(): Uint8Array {
  try {
    return readFileSync(TRUST_ROOT);
  } catch (cause) {
    throw new PeerbootError(
      'PB-TRUST-ROOT-MISSING',
      'the agent carries no trust root: its boot assets were built without `--root`',
      { cause },
    );
  }
}

/** One line of JSON an entry, for who looks into a running target. */
function memoryLog(fields: Readonly<Record<string, unknown>> = {}): Log {
  const write = (level: string) => (more: Readonly<Record<string, unknown>>, msg: string) => {
    const { err, ...rest } = { ...fields, ...more };
    const error = err instanceof Error ? { err: err.stack } : {};
    const entry = { time: Date.now(), level, msg, ...rest, ...error };
    appendFileSync(LOG_FILE, `${JSON.stringify(entry)}\n`);
  };
  return {
    debug: () => {},
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (more) => memoryLog({ ...fields, ...more }),
  };
}

async function main(): Promise<void> {
  const threads = startDiskThreads();
  const [{ runAgent }, { createAgentContent }, { createAgentPeer }] = await Promise.all([
    import('./agent/agent.ts'),
    import('./io/agent-content.ts'),
    import('./io/agent-peer.ts'),
  ]);
  const log = memoryLog();
  await quietKernelConsole();
  await boundDirtyBytes();
  const screen = createDisplay(systemClock, {
    screen: openTerminal('/dev/tty0'),
    serial: openTerminal(arch() === 'arm64' ? '/dev/ttyAMA0' : '/dev/ttyS0'),
  });
  const base = kernelCommandLine().get('peerboot.peer') ?? '';
  let address: Address | undefined;
  const peer = createFoundPeer({
    told: /^https?:\/\/[^/]+$/.test(base) ? base : undefined,
    connect: createAgentPeer,
    find: async () => (address === undefined ? [] : findPeers(address)),
  });
  let peerWallMs = Number.NaN;
  const builtMs = statSync(TRUST_ROOT, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN;
  const ports: AgentPorts = {
    clock: systemClock,
    timers: systemTimers,
    log,
    machine: machinePort(log, threads),
    network: {
      async up(note) {
        address = await bringNetworkUp({ log, note });
        return address;
      },
    },
    peer: {
      get base() {
        return peer.base;
      },
      report: peer.report,
      async checkIn(checkIn) {
        const answer = await peer.checkIn(checkIn);
        peerWallMs = answer.wallMs;
        return answer;
      },
    },
    content: createAgentContent({
      log,
      root: trustRoot,
      clocksMs: () => [Date.now(), peerWallMs, builtMs],
    }),
    site: lateSite(log),
    screen,
  };
  await runAgent(ports, { version: VERSION, bootId: randomUUID() });
  stay();
}

/** Long enough for a switch and a busy peer; a boot host that is not the first choice answers a little later. */
const SEARCH_MS = 1_500;

/** Asks as iPXE would where the script is: across routers, too, where a relay made the network boot possible. */
async function findPeers({ ipv4, mac }: Address): Promise<readonly string[]> {
  const [{ probeServers }, { openUdp }] = await Promise.all([
    import('./service/dhcp-probe.ts'),
    import('./io/udp.ts'),
  ]);
  const servers = await probeServers({
    openUdp,
    address: ipv4.replace(/\/.*/, '') as Ipv4,
    mac: mac as Mac,
    timers: systemTimers,
    random: { next: Math.random },
    as: 'ipxe',
    listenMs: SEARCH_MS,
  });
  return peersOffered(
    servers.map(({ file }) => file),
    ROUTES.start,
  );
}

/** The machine restarts any moment, or stays as it is: either way this program does not end. */
function stay(): void {
  setInterval(() => {}, 2 ** 30);
}

// Every thread that works on the disk loads this file again, and speaks as block-device-worker. What they do not
// need (HTTP, schemas, signatures) is imported on the main thread's way only: under emulation it takes ten seconds.
if (isMainThread) await main();
