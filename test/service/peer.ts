// A peer's HTTP side with everything real but the disk: for tests of routes, registry and assignments.
import type { CheckIn, ProgressReport } from '../../src/api/agent.ts';
import type { CatalogueBootEntry, CatalogueImage } from '../../src/api/catalogue.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { Digest } from '../../src/base/digest.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import type { NamedFiles } from '../../src/base/named-files.ts';
import { randomInt, seededRandom } from '../../src/base/random.ts';
import type { Clock } from '../../src/base/time.ts';
import { openBytes } from '../../src/chunk/ports.ts';
import { systemTimers } from '../../src/io/clock.ts';
import { type Assignments, createAssignments } from '../../src/service/assignments.ts';
import type { CatalogueState } from '../../src/service/http-ports.ts';
import {
  createHttpService,
  type HttpService,
  type HttpServiceOptions,
} from '../../src/service/http-service.ts';
import { type MachineStore, memoryMachineStore } from '../../src/service/machine-store.ts';
import { createMachines, type Machines, type MachinesOptions } from '../../src/service/machines.ts';
import { type Logbook, logbook } from '../support/logbook.ts';

/** A clock that stands still until it is told to go on. */
export function handClock(): Clock & { advance(ms: number): void } {
  let now = 1_000_000;
  return {
    nowMs: () => now,
    wallMs: () => 1_700_000_000_000 + now,
    advance: (ms) => {
      now += ms;
    },
  };
}

export function namedFiles(files: Readonly<Record<string, Uint8Array>>): NamedFiles {
  const all = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bytes]) => ({
      name,
      sizeBytes: bytes.length,
      etag: `"${name}-1"`,
      read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
    }));
  return { list: () => all, get: (name) => all.find((file) => file.name === name) };
}

export const DIGEST: Digest = `sha256:${'ab'.repeat(32)}`;

export function image(name: string, version: string): CatalogueImage {
  return { name, version, imageBytes: 1024, storedBytes: 512, manifest: { digest: DIGEST, size: 100 } };
}

/** What every plan of the test registry carries, unless a test says otherwise. */
export const TICKET = 'ticket-1';

/** Seeded bytes, for codes and PINs. */
export function seededBytes(): (count: number) => Uint8Array {
  const random = seededRandom(42);
  return (count) => Uint8Array.from({ length: count }, () => randomInt(random, 256));
}

export interface Registry {
  readonly machines: Machines;
  readonly assignments: Assignments;
  readonly store: MachineStore;
  readonly clock: ReturnType<typeof handClock>;
  readonly log: Logbook;
  images: CatalogueImage[];
  packages: CatalogueImage[];
  bootEntries: CatalogueBootEntry[];
}

export function registry(
  options: Partial<MachinesOptions> & { clock?: ReturnType<typeof handClock> } = {},
): Registry {
  const clock = options.clock ?? handClock();
  const log = logbook();
  const store = options.store ?? memoryMachineStore();
  const assignments = createAssignments({ store, clock, log });
  const made = {
    clock,
    log,
    store,
    assignments,
    images: [image('debian', '12.1')],
    packages: [],
    bootEntries: [],
  };
  const machines = createMachines({
    assignments,
    log,
    images: () => made.images,
    random: seededBytes(),
    newTicket: () => TICKET,
    ...options,
    store,
    clock,
  });
  return Object.assign(made, { machines });
}

export interface TestPeer extends Registry {
  readonly http: HttpService;
  readonly chunks: Map<Digest, Uint8Array>;
  catalogueState: CatalogueState;
}

export const BOOT_FILES: Readonly<Record<string, Uint8Array>> = {
  vmlinuz: Buffer.from('kernel'),
  'initramfs.img': Buffer.from('initramfs'),
  'undionly.kpxe': Buffer.from('0123456789'),
  'snponly.efi': Buffer.from('efi program'),
};

export function testPeer(
  options: Partial<HttpServiceOptions> & {
    files?: NamedFiles;
    machineStore?: MachineStore;
    registry?: Parameters<typeof registry>[0];
  } = {},
): TestPeer {
  const parts = registry({
    ...(options.machineStore === undefined ? {} : { store: options.machineStore }),
    ...options.registry,
  });
  const chunks = new Map<Digest, Uint8Array>();
  const peer = Object.assign(parts, { chunks, catalogueState: { state: 'valid' } as CatalogueState });
  const http = createHttpService({
    port: 0,
    addresses: (): Ipv4[] => [],
    files: namedFiles(BOOT_FILES),
    content: {
      open: async ({ digest }) => {
        const bytes = chunks.get(digest);
        if (bytes === undefined) throw new PeerbootError('PB-CHUNK-MISSING', `nobody has ${digest}`);
        return openBytes(bytes);
      },
    },
    catalogue: {
      images: () => peer.images,
      packages: () => peer.packages,
      bootEntries: () => peer.bootEntries,
      state: () => peer.catalogueState,
      file: async (name) => (name === 'timestamp.json' ? Buffer.from('{"signed":{}}') : undefined),
    },
    peerName: 'till-7',
    site: 'store-1',
    version: '0.0.0',
    sources: () => ['http://origin.example/'],
    timers: systemTimers,
    ...options,
    machines: parts.machines,
    assignments: parts.assignments,
    clock: parts.clock,
    log: parts.log,
  });
  return Object.assign(peer, { http });
}

export const MAC = '52:54:00:12:34:56';
export const UUID = '4c4c4544-0042-3010-8052-b9c04f4e3332';

export function checkIn(
  change: Partial<CheckIn> & { macs?: string[]; uuid?: string | undefined; serial?: string | undefined } = {},
): CheckIn {
  const { macs = [MAC], ...rest } = change;
  const uuid = 'uuid' in change ? change.uuid : UUID;
  const serial = 'serial' in change ? change.serial : 'SN-1';
  return {
    apiVersion: 1,
    agentVersion: '0.1.0',
    bootId: 'boot-1',
    firmware: 'bios',
    secureBoot: false,
    architecture: 'x86_64',
    memoryBytes: 1,
    identity: { uuid, serial, manufacturer: 'Acme', product: 'Till', macs },
    nics: [],
    disks: [],
    wallMs: 0,
    ...rest,
  };
}

export function report(machine: string, rung: ProgressReport['rung'], change: Partial<ProgressReport> = {}) {
  return {
    machine,
    bootId: 'boot-1',
    ticket: TICKET,
    rung,
    doneBytes: 0,
    totalBytes: 1000,
    bytesPerSecond: 0,
    fetchedBytes: 0,
    refetchedChunks: 0,
    ...change,
  } satisfies ProgressReport;
}
