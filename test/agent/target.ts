// A target for tests: the real agent with the real disk, HTTP and trust adapters, on a file that stands in for its disk.
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runAgent } from '../../src/agent/agent.ts';
import { createFoundPeer } from '../../src/agent/found-peer.ts';
import type { AgentPorts, SitePort } from '../../src/agent/ports.ts';
import type { ScreenState } from '../../src/agent/screen.ts';
import type { DiskFacts } from '../../src/api/identity.ts';
import { silentLog } from '../../src/base/log.ts';
import { describeDisk } from '../../src/imaging/signatures.ts';
import type { TargetDisk } from '../../src/imaging/target-disk.ts';
import { createAgentContent } from '../../src/io/agent-content.ts';
import { createAgentPeer } from '../../src/io/agent-peer.ts';
import { openBlockDevice } from '../../src/io/block-device.ts';
import { type DiskThreads, startDiskThreads } from '../../src/io/block-device-threads.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import type { SignedTree } from './content.ts';
import type { LabPeer } from './lab-peer.ts';

export interface TestTarget {
  /** Everything that was on the screen, in order, the same picture once. */
  readonly screens: readonly ScreenState[];
  readonly diskPath: string;
  readonly left: readonly string[];
  readonly entries: readonly string[];
  /** Resolves when the agent has left. */
  readonly over: Promise<void>;
  disk(): Uint8Array;
}

export interface TestTargetOptions {
  /** Further boot hosts that answer when it looks for one. */
  readonly others?: readonly LabPeer[];
  readonly diskBytes?: number;
  readonly secureBoot?: boolean;
  /** What is on the disk at first. */
  readonly content?: Uint8Array;
  readonly root?: Uint8Array;
  readonly facts?: Partial<DiskFacts>;
  /** Of chunks, for others. */
  readonly memoryBytes?: number;
  /** Without it the machine finds no site. */
  readonly site?: SitePort;
  /** Stands between agent and disk, for disks that lie. */
  readonly disturb?: (disk: TargetDisk) => TargetDisk;
}

const NO_SITE: SitePort = {
  open() {},
  join: async () => undefined,
  nameOf: (peer) => peer,
  traffic: () => ({ received: 0, sent: 0 }),
  close: async () => {},
};

let threads: DiskThreads | undefined;
export async function closeDiskThreads(): Promise<void> {
  await threads?.close();
}

let count = 0;

/** Starts the agent at once. */
export function startTarget(peer: LabPeer, signed: SignedTree, options: TestTargetOptions = {}): TestTarget {
  // Ordinary threads: how little busy tests beside these would leave to nice ones is not what is tested.
  threads ??= startDiskThreads(2, 0);
  const disks = threads;
  const diskPath = join(signed.folder, `vd${String.fromCharCode(97 + count++)}`);
  const fd = openSync(diskPath, 'w+');
  ftruncateSync(fd, options.diskBytes ?? signed.image.plain.length);
  if (options.content !== undefined) writeSync(fd, options.content, 0, options.content.length, 0);
  closeSync(fd);
  const screens: ScreenState[] = [];
  const left: string[] = [];
  const entries: string[] = [];

  const facts = (): DiskFacts => {
    const bytes = readFileSync(diskPath);
    return {
      name: basename(diskPath),
      sizeBytes: bytes.length,
      logicalSectorBytes: 512,
      transport: 'virtio',
      removable: false,
      readOnly: false,
      mounted: false,
      rotational: false,
      content: describeDisk('vda', bytes.length, (offset, length) => bytes.subarray(offset, offset + length)),
      ...options.facts,
    };
  };
  const ports: AgentPorts = {
    clock: systemClock,
    timers: systemTimers,
    log: silentLog,
    machine: {
      facts: () => ({
        agentVersion: 'test',
        firmware: 'uefi',
        secureBoot: options.secureBoot ?? false,
        architecture: 'x64',
        memoryBytes: 2 ** 29,
        identity: { serial: 'T-1', macs: ['52:54:00:00:00:01'] },
        nics: [{ name: 'eth0', mac: '52:54:00:00:00:01', carrier: true }],
        disks: [facts()],
      }),
      feedingMemoryBytes: options.memoryBytes ?? 2 ** 26,
      openDisk: () => {
        const { size } = statSync(diskPath);
        const disk = openBlockDevice({ path: diskPath, sizeBytes: size, log: silentLog, threads: disks });
        return options.disturb?.(disk) ?? disk;
      },
      setBootEntry: async (description) => {
        entries.push(description);
      },
      leave: async (how) => {
        left.push(how);
      },
    },
    network: { up: async () => ({ nic: 'eth0', mac: '52:54:00:00:00:01', ipv4: '127.0.0.1/8' }) },
    peer: createFoundPeer({
      told: peer.base,
      find: async () => (options.others ?? []).map(({ base }) => base),
      connect: createAgentPeer,
    }),
    content: createAgentContent({
      log: silentLog,
      root: () => options.root ?? signed.root,
      clocksMs: () => [Date.now()],
    }),
    site: options.site ?? NO_SITE,
    screen: {
      show: (state) => {
        if (JSON.stringify(state) !== JSON.stringify(screens.at(-1))) screens.push(state);
      },
    },
  };
  const timing = {
    askAgainMs: 100,
    reportMs: 50,
    silentMs: 200,
    farewellMs: 5_000,
    lingerMs: 0,
    lineMs: 2_000,
  };
  const over = runAgent(ports, { version: 'test', bootId: 'boot-1', timing });
  return { screens, diskPath, left, entries, over, disk: () => readFileSync(diskPath) };
}
