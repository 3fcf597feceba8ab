// One of several boot hosts is killed while it serves a machine: what the machine does then, by itself, by its firmware's order, or by hand.

import { DEFAULT_TIMING } from '../../src/agent/agent.ts';
import { createFoundPeer } from '../../src/agent/found-peer.ts';
import type { CheckIn } from '../../src/api/agent.ts';
import type { DiskContent } from '../../src/api/identity.ts';
import { ROUTES } from '../../src/api/routes.ts';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { isPeerbootError } from '../../src/base/errors.ts';
import { ticketId } from '../../src/boot/ticket.ts';
import { DHCP_SERVER_PORT } from '../../src/dhcp/destination.ts';
import { BOOT_ORDER } from '../../src/sim/firmware/boot-order.ts';
import { type Datagram, type Death, type HttpAsked, Lan, type Weather } from '../../src/sim/firmware/lan.ts';
import type { FirmwareName } from '../../src/sim/firmware/names.ts';
import { PluggedMachine } from '../../src/sim/firmware/plugged-machine.ts';
import { plugStoreServer } from '../../src/sim/firmware/store-servers.ts';
import { rankBootHosts } from '../../src/swarm/boot-hosts.ts';
import { EmulatedHost, FILES, type Store } from './emulated-host.ts';

export const KILL_STAGES = ['discovery', 'offer', 'tftp', 'http-nbp', 'script', 'kernel', 'imaging'] as const;
export type KillStage = (typeof KILL_STAGES)[number];

export interface KilledSpec {
  readonly seed: number;
  readonly firmware: FirmwareName;
  /** Undefined: nobody is killed. */
  readonly stage: KillStage | undefined;
  readonly weather?: Weather;
  /** Share of the words between boot hosts that get lost. */
  readonly wordLoss?: number;
}

export interface KilledRun {
  readonly finished: boolean;
  /** Was the host killed while it did what the stage says? */
  readonly killed: boolean;
  /** Boot options that were tried, and how often somebody had to press the key again. */
  readonly tries: number;
  readonly presses: number;
  /** From the first DISCOVER to the first offer of a boot host. */
  readonly offeredMs: number;
  /** From the first power-on to the sealed disk. */
  readonly tookMs: number;
  /** Hosts that gave the machine a plan to image, in order. */
  readonly jobs: readonly Ipv4[];
  /** How often its disk was begun anew. */
  readonly wipes: number;
  /** What every host that lives, also the revived one, tells the machine when it boots once more. */
  readonly afterwards: readonly string[];
}

const MAC = '52:54:00:77:00:01' as Mac;
const ADDRESSES = ['10.77.0.2', '10.77.0.3', '10.77.0.4'] as readonly string[] as readonly Ipv4[];
const LIMIT_MS = 15 * 60_000;
const IMAGING_MS = 20_000;
const NEXT_OPTION_MS = 1_000;
const PRESS_MS = 10_000;
const MOST_PRESSES = 3;
/** Bodies take seconds, so that a host can die in the middle of each. */
const BODY_BYTES_PER_MS = 2.5;
/** EDK2 and ROMs collect offers for so long; iPXE goes on at once. */
const COLLECTING_MS = 3_900;

/** Does this firmware come by this stage? */
export function hasStage(firmware: FirmwareName, stage: KillStage): boolean {
  if (stage === 'tftp') return firmware !== 'ipxe' && firmware !== 'httpboot';
  return stage !== 'http-nbp' || firmware === 'httpboot';
}

export async function bootWithKill(spec: KilledSpec): Promise<KilledRun> {
  const { seed, firmware, stage } = spec;
  let trigger: Trigger | undefined;
  const lan: Lan = new Lan(
    seed,
    { jitterMs: 5, bodyBytesPerMs: BODY_BYTES_PER_MS, ...spec.weather },
    {
      datagram: (datagram) => trigger?.datagram(datagram),
      http: (asked, _answer, _client, server) => trigger?.http(asked, server),
    },
  );
  const store: Store = { lan, hosts: [], wordLoss: spec.wordLoss ?? (seed % 3 === 0 ? 0.3 : 0) };
  for (const address of ADDRESSES.slice(0, 2 + (seed % 2)))
    store.hosts.push(new EmulatedHost(store, address));
  await Promise.all(store.hosts.map((host) => host.start()));
  plugStoreServer(lan, 0, { address: '10.77.0.1' as Ipv4, firstLease: '10.77.0.100' as Ipv4 });
  trigger = new Trigger(store, firmware, stage);

  const life = machineLife(store, firmware, trigger);
  let over = false;
  const run = life.run().finally(() => {
    over = true;
  });
  while (!over && lan.queue.nowMs < LIMIT_MS) {
    // Promises and reads of files come on between two moments.
    await new Promise((resolve) => setImmediate(resolve));
    lan.queue.next();
  }
  if (over) await run;
  return {
    ...life.seen,
    finished: over,
    killed: trigger.victim !== undefined,
    offeredMs: trigger.offeredMs - trigger.askedMs,
    jobs: store.hosts.flatMap(({ jobs }) => jobs).map(({ host }) => host),
  };
}

/** Watches the wire for the moment at which the host is to die. */
class Trigger {
  victim: EmulatedHost | undefined;
  askedMs = Number.POSITIVE_INFINITY;
  offeredMs = Number.POSITIVE_INFINITY;
  readonly #store: Store;
  readonly #stage: KillStage | undefined;
  readonly #firmware: FirmwareName;
  readonly #death: Death;
  /** So many of its TFTP blocks, or files, go through. */
  #left: number;
  #armed = true;

  constructor(store: Store, firmware: FirmwareName, stage: KillStage | undefined) {
    this.#store = store;
    this.#firmware = firmware;
    this.#stage = stage;
    this.#death = store.lan.random.next() < 0.5 ? 'power' : 'process';
    this.#left = Math.floor(store.lan.random.next() * (stage === 'tftp' ? 5 : 2));
  }

  /** The machine is about to be switched on. */
  powerOn(): number {
    if (this.#stage !== 'discovery' || !this.#armed) return 0;
    const { hosts, lan } = this.#store;
    const candidates = hosts.map(({ id }) => ({ id, role: 'peer', tags: ['boot-host'], unfit: [] }) as const);
    const first = rankBootHosts('store-1', MAC, candidates)[0]?.id;
    this.#kill(
      hosts.find(({ id }) => id === first),
      0,
    );
    // Up to now nobody may have noticed.
    return lan.random.next() * 2_000;
  }

  datagram({ from, to, bytes }: Datagram): void {
    const { nowMs } = this.#store.lan.queue;
    if (from.port === 68 && to.port === DHCP_SERVER_PORT) this.askedMs = Math.min(this.askedMs, nowMs);
    const isOffer = from.port === DHCP_SERVER_PORT && this.#at(from.address) !== undefined;
    if (isOffer) this.offeredMs = Math.min(this.offeredMs, nowMs);
    if (this.#stage === 'offer' && from.port === DHCP_SERVER_PORT && to.port === 68) {
      const isRom = this.#firmware !== 'ipxe';
      this.#kill(this.#at(from.address), isRom ? this.#store.lan.random.next() * COLLECTING_MS : 0.01);
    }
    // DATA is 3 (RFC 1350 §5).
    if (this.#stage === 'tftp' && from.port >= 32_768 && bytes[1] === 3 && this.#left-- <= 0) {
      this.#kill(this.#at(from.address), 0);
    }
  }

  http({ url, method }: HttpAsked, server: Ipv4): void {
    const path = url.replace(/^http:\/\/[^/]+/, '').split('?')[0] ?? '';
    const isScript = path === ROUTES.start || path === ROUTES.script;
    const name = path.slice(ROUTES.files.length).replace(/^\/+/, '');
    const isAgent = name === 'vmlinuz' || name === 'initramfs.img';
    const fits =
      (this.#stage === 'script' && isScript) ||
      (this.#stage === 'kernel' && isAgent) ||
      (this.#stage === 'http-nbp' && path.startsWith(ROUTES.files) && !isAgent && method === 'GET');
    if (!fits || !this.#armed) return;
    if (this.#stage !== 'http-nbp' && this.#left-- > 0) return;
    const wholeMs = isScript ? 0.2 : (FILES[name] ?? 0) / BODY_BYTES_PER_MS;
    this.#kill(this.#at(server), this.#store.lan.random.next() * wholeMs);
  }

  /** The agent has begun its work under this host. */
  imaging(base: string): void {
    if (this.#stage !== 'imaging') return;
    const host = this.#store.hosts.find((one) => one.base === base);
    this.#kill(host, this.#store.lan.random.next() * IMAGING_MS);
  }

  #at(address: Ipv4): EmulatedHost | undefined {
    return this.#store.hosts.find((one) => one.address === address);
  }

  #kill(host: EmulatedHost | undefined, afterMs: number): void {
    if (host === undefined || !this.#armed) return;
    this.#armed = false;
    this.#store.lan.queue.after(afterMs, () => {
      this.victim = host;
      host.kill(this.#death);
    });
  }
}

/** The machine from its first power-on to its own system, and once more. */
function machineLife(store: Store, firmware: FirmwareName, trigger: Trigger) {
  const { lan } = store;
  const seen = { tries: 0, presses: 0, tookMs: 0, wipes: 0, afterwards: [] as string[] };
  /** Virtual time. */
  const passes = (ms: number) => new Promise<void>((resolve) => void lan.queue.after(ms, resolve));
  let content: DiskContent = { blank: true, partitions: [] };
  let boots = 0;
  let told: string | undefined;

  async function run(): Promise<void> {
    await passes(1_000 + trigger.powerOn());
    const startedMs = lan.queue.nowMs;
    for (;;) {
      const address = await bootOnce();
      if (address !== undefined) {
        await image(address);
        break;
      }
      if (++seen.presses > MOST_PRESSES) return new Promise(() => {});
      await passes(PRESS_MS);
    }
    seen.tookMs = lan.queue.nowMs - startedMs;
    if (trigger.victim !== undefined) {
      trigger.victim.revive();
      await passes(11_000);
    }
    for (const host of store.hosts) {
      const { plan } = await host.port('10.77.0.100' as Ipv4).checkIn(checkIn(`again-${boots++}`));
      seen.afterwards.push(plan.kind);
    }
  }

  /** Through the firmware's boot options; its address once the agent is loaded. */
  async function bootOnce(): Promise<Ipv4 | undefined> {
    for (const option of BOOT_ORDER[firmware]) {
      seen.tries += 1;
      const machine = new PluggedMachine(lan, 0, {
        firmware: option,
        hardware: { mac: MAC, uuid: Uint8Array.from({ length: 16 }, (_, i) => i + 1) },
        until: 'agent',
      });
      machine.powerOn();
      while (machine.outcome === undefined) await passes(50);
      const { address, outcome } = machine;
      machine.unplug();
      if (outcome.kind === 'agent') {
        // As `peerboot.peer=` on the kernel's command line.
        told = /^http:\/\/[^/]+/.exec(outcome.files[0] ?? '')?.[0];
        return address;
      }
      await passes(NEXT_OPTION_MS);
    }
    return undefined;
  }

  function checkIn(bootId: string, ticket?: string): CheckIn {
    const disk = { name: 'vda', sizeBytes: 100, logicalSectorBytes: 512, serial: 'D-1' } as const;
    const facts = {
      transport: 'virtio',
      removable: false,
      readOnly: false,
      mounted: false,
      rotational: false,
    };
    return {
      apiVersion: 1,
      agentVersion: 'emulated',
      bootId,
      firmware: firmware === 'bios' || firmware === 'ipxe' ? 'bios' : 'uefi',
      secureBoot: false,
      architecture: 'x64',
      memoryBytes: 1,
      identity: { uuid: '01020304-0506-0708-090a-0b0c0d0e0f10', serial: 'SN-1', macs: [MAC] },
      nics: [],
      disks: [{ ...disk, ...facts, content } as CheckIn['disks'][number]],
      wallMs: lan.clock.wallMs(),
      ...(ticket === undefined ? {} : { ticket }),
    };
  }

  /** The agent, reduced to whom it asks and tells; see agent/follow-image. */
  async function image(address: Ipv4): Promise<void> {
    const bootId = `boot-${boots++}`;
    let ticket: string | undefined;
    const peer = createFoundPeer({
      told,
      find: async () => {
        await passes(2_000);
        return store.hosts.filter(({ isAlive }) => isAlive).map(({ base }) => base);
      },
      connect: (base) => {
        const host = store.hosts.find((one) => one.base === base);
        if (host === undefined) throw new Error(`no host at ${base}`);
        return host.port(address);
      },
    });
    const ask = async () => {
      for (;;) {
        try {
          return await peer.checkIn(checkIn(bootId, ticket));
        } catch (error) {
          if (!isPeerbootError(error)) throw error;
          await passes(1_000);
        }
      }
    };
    let answer = await ask();
    while (answer.plan.kind === 'wait') {
      await passes(answer.plan.retryAfterMs);
      answer = await ask();
    }
    if (answer.plan.kind !== 'image') throw new Error(`told ${answer.plan.kind}`);
    ticket = answer.plan.ticket;
    content = { blank: false, partitions: [] };
    seen.wipes += 1;
    trigger.imaging(peer.base);
    const endMs = lan.queue.nowMs + IMAGING_MS;
    let heardMs = lan.queue.nowMs;
    for (;;) {
      const done = lan.queue.nowMs >= endMs;
      if (done) content = sealed(answer.machine, ticket ?? '');
      const rung = done ? 'done' : 'imaging';
      const heard = await peer
        .report({
          ...{ machine: answer.machine, bootId, rung, disk: 'vda', wiped: true, doneBytes: 0, totalBytes: 1 },
          ...{ bytesPerSecond: 1, fetchedBytes: 0, refetchedChunks: 0 },
          ...(ticket === undefined ? {} : { ticket }),
        })
        .catch(() => undefined);
      if (heard !== undefined) heardMs = lan.queue.nowMs;
      if (done && heard?.next === 'go-on') return;
      if (heard?.next === 'restart' || lan.queue.nowMs - heardMs >= DEFAULT_TIMING.silentMs) {
        heardMs = lan.queue.nowMs;
        answer = await ask();
        if (answer.plan.kind === 'image') ticket = answer.plan.ticket;
        else if (done) return;
      }
      await passes(1_000);
    }
  }

  return { run, seen };
}

function sealed(machine: string, ticket: string): DiskContent {
  const receipt = { ticket: ticketId(ticket), machine, image: 'debian@12' };
  return { blank: false, table: 'gpt', partitions: [{ name: 'vda1', sizeBytes: 9 }], receipt };
}
