// A store on the virtual LAN: our real DHCP and TFTP services and scripts, the store's DHCP server, strays and relays, and a doctor who sees all.
import type { Plan } from '../../src/api/agent.ts';
import { ROUTES } from '../../src/api/routes.ts';
import { ANY_ADDRESS, type Ipv4, type Mac } from '../../src/base/addresses.ts';
import { fromText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { BootAttempts } from '../../src/boot/attempts.ts';
import { CaptureTftp } from '../../src/boot/capture-tftp.ts';
import type { Observed } from '../../src/boot/observed.ts';
import type { Dialect } from '../../src/boot/quirks.ts';
import { renderScript, renderStartScript } from '../../src/boot/script.ts';
import type { Attempt } from '../../src/boot/verdict.ts';
import { decodePacket } from '../../src/dhcp/packet.ts';
import { createDhcpService } from '../../src/service/dhcp-service.ts';
import type { FirmwareMemory } from '../../src/service/firmware-memory.ts';
import { createTftpService } from '../../src/service/tftp-service.ts';
import type { BootOutcome, HttpAnswer } from '../../src/sim/firmware/firmware.ts';
import {
  CONNECTION_FAILED,
  type Datagram,
  type HttpAsked,
  Lan,
  type Weather,
} from '../../src/sim/firmware/lan.ts';
import type { FirmwareName } from '../../src/sim/firmware/names.ts';
import { PluggedMachine } from '../../src/sim/firmware/plugged-machine.ts';
import {
  plugRelay,
  plugStoreServer,
  plugStrayProxy,
  type StoreServerOptions,
  type StrayProxyOptions,
} from '../../src/sim/firmware/store-servers.ts';
import { type FirmwareMind, firmwareMind } from './firmware-mind.ts';
import { LanSockets } from './lan-sockets.ts';
import { logbook } from './logbook.ts';
import { contentOf, namedFilesOf } from './named-files.ts';

export const STORE_SERVER = '10.77.0.1' as Ipv4;
export const PEERS = ['10.77.0.2', '10.77.0.3'] as readonly string[] as readonly Ipv4[];
export const STRAY = '10.77.0.66' as Ipv4;
const FIRST_LEASE = '10.77.0.100' as Ipv4;
const RELAY = '10.77.1.1' as Ipv4;
const HTTP_PORT = 8067;
const DHCP_PORTS = [67, 68, 4011];

export interface SiteSpec {
  readonly seed: number;
  readonly firmware: FirmwareName;
  readonly weather?: Weather;
  readonly peers?: 1 | 2;
  /** Undefined: nobody gives addresses. */
  readonly store?: Partial<StoreServerOptions> | undefined;
  readonly stray?: Omit<StrayProxyOptions, 'address' | 'file'> | undefined;
  /** The machine is on a segment of its own; `deaf`: the relay passes nothing on to the peers. */
  readonly relay?: 'whole' | 'deaf' | undefined;
  readonly plan?: Plan;
  /** For so long after power-on its switch port forwards nothing. */
  readonly silentMs?: number;
  /** A vendor's build of `edk2` or `bios`. */
  readonly takesOnly?: Dialect | undefined;
  /** The machine's, last byte of its MAC; 1 when absent. */
  readonly number?: number;
  /** What the peers remember, one each; absent: nothing yet. */
  readonly minds?: readonly FirmwareMind[];
  /** Peers hear what the store's server answers, on port 68. */
  readonly hears68?: boolean;
  /** Names and sizes. */
  readonly files?: Readonly<Record<string, number>>;
}

export interface SiteRun {
  readonly outcome: BootOutcome | undefined;
  readonly machine: PluggedMachine;
  readonly attempts: readonly Attempt[];
  /** Verdict of the last attempt. */
  readonly verdict: Attempt['verdict'] | undefined;
  readonly endedMs: number;
}

export const SITE_FILES: Readonly<Record<string, number>> = {
  'undionly.kpxe': 7_000,
  'snponly.efi': 9_000,
  vmlinuz: 5_000,
  // What shim loads next: signed iPXE under the name that shim asks for.
  'grubx64.efi': 8_000,
  'initramfs.img': 6_000,
};

export const IMAGE_PLAN: Plan = {
  kind: 'image',
  image: { name: 'debian', version: '12' },
  disk: { allowNonBlank: false },
  finish: 'reboot',
};

const macOf = (number: number) => `52:54:00:77:00:${number.toString(16).padStart(2, '0')}` as Mac;

/** Switches one machine on and lets time pass until it has ended, or for three virtual minutes; then the doctor judges. */
export async function bootSite(spec: SiteSpec): Promise<SiteRun> {
  const doctor = new BootAttempts({ hearsCheckIn: true });
  const attempts: Attempt[] = [];
  const tftp = new CaptureTftp();
  const see = (facts: readonly Observed[], nowMs: number) => {
    for (const fact of facts) attempts.push(...doctor.step(fact, nowMs));
  };
  const lan = new Lan(spec.seed, spec.weather, {
    datagram: (datagram, nowMs) => see(factsOf(datagram, tftp), nowMs),
    http: (asked, answer, client, server, nowMs) => see(httpFacts(asked, answer, client, server), nowMs),
  });
  const files = spec.files ?? SITE_FILES;
  const peers = PEERS.slice(0, spec.peers ?? 1);
  const mac = macOf(spec.number ?? 1);
  for (const [i, address] of peers.entries()) {
    const others = peers.filter((one) => one !== address).map(baseOf);
    const mind = spec.minds?.[i] ?? firmwareMind();
    mind.enter(lan.clock);
    const { hears68 = true, plan = IMAGE_PLAN } = spec;
    await plugPeer(lan, { address, others, sizes: files, plan, mac, memory: mind.memory, hears68, see });
  }
  if (spec.store !== undefined) {
    plugStoreServer(lan, 0, { address: STORE_SERVER, firstLease: FIRST_LEASE, ...spec.store });
  }
  const segment = spec.relay === undefined ? 0 : 1;
  if (spec.stray !== undefined) {
    plugStrayProxy(lan, segment, { ...spec.stray, address: STRAY, file: 'stray.efi' });
  }
  if (spec.relay !== undefined) {
    const helpers = [STORE_SERVER, ...(spec.relay === 'whole' ? peers : [])];
    plugRelay(lan, 1, { address: RELAY, helpers });
  }
  const machine = new PluggedMachine(lan, segment, {
    firmware: spec.firmware,
    hardware: { mac, uuid: Uint8Array.from({ length: 16 }, (_, i) => i + (spec.number ?? 1)) },
    takesOnly: spec.takesOnly,
    until: 'agent',
  });
  machine.waitForPort(spec.silentMs ?? 0);
  machine.powerOn();
  while (machine.outcome === undefined && lan.queue.nowMs < 180_000) {
    // Files are read between two moments, as they are from a disk.
    await new Promise((resolve) => setImmediate(resolve));
    if (!lan.queue.next()) break;
  }
  const endedMs = lan.queue.nowMs;
  if (machine.outcome?.kind === 'agent') {
    see([{ kind: 'check-in', address: machine.address, macs: [mac] }], endedMs);
  }
  // Ten quiet minutes: nothing more comes.
  attempts.push(...doctor.step({ kind: 'wake' }, endedMs + 600_000), ...doctor.end(endedMs + 600_000));
  const verdict = attempts.at(-1)?.verdict;
  return { outcome: machine.outcome, machine, attempts, verdict, endedMs };
}

const baseOf = (address: Ipv4) => `http://${address}:${HTTP_PORT}`;

interface PeerSpec {
  readonly address: Ipv4;
  readonly others: readonly string[];
  readonly sizes: Readonly<Record<string, number>>;
  readonly plan: Plan;
  readonly mac: Mac;
  readonly memory: FirmwareMemory;
  readonly hears68: boolean;
  see(facts: readonly Observed[], nowMs: number): void;
}

async function plugPeer(lan: Lan, spec: PeerSpec): Promise<void> {
  const { address, others, sizes, plan, mac, memory, see } = spec;
  const base = baseOf(address);
  const sockets = new LanSockets(lan, 0, address, ({ url, method }, client): HttpAnswer => {
    if (!url.startsWith(base)) return CONNECTION_FAILED;
    const path = url.slice(base.length).split('?')[0] ?? '';
    // Two slashes in a row, as shim sends them, are one.
    const name = path.slice(ROUTES.files.length).replace(/^\/+/, '');
    const sizeBytes = sizes[name];
    const bytes = !path.startsWith(ROUTES.files)
      ? scriptAt(path)
      : sizeBytes === undefined
        ? undefined
        : contentOf(name, sizeBytes);
    if (path === ROUTES.script) {
      const told = plan.kind === 'image' ? 'image' : plan.kind;
      see([{ kind: 'told', address: client.address, plan: told }], lan.queue.nowMs);
    }
    if (bytes === undefined) return { status: 404, sizeBytes: 0, body: new Uint8Array(0) };
    return { status: 200, sizeBytes: bytes.length, body: method === 'HEAD' ? new Uint8Array(0) : bytes };
  });
  const scriptAt = (path: string) => {
    if (path === ROUTES.start) return fromText(renderStartScript(base, others));
    if (path !== ROUTES.script) return undefined;
    const machine = { id: 'm-abcdefgh', mac };
    return fromText(
      renderScript(plan, { base, others: [], site: 'store-1', machine, reason: 'it is assigned' }),
    );
  };
  const files = namedFilesOf(sizes);
  const common = { log: logbook(), clock: lan.clock, onMachineEvent: () => {} };
  const dhcp = createDhcpService({
    ...common,
    openUdp: sockets.openUdp,
    interfaces: [{ name: 'eth0', address }],
    httpPort: HTTP_PORT,
    assets: files.list(),
    observe: false,
    dialects: memory,
  });
  const tftp = createTftpService({
    ...common,
    addresses: [address],
    sockets: sockets.tftp,
    files,
    timers: lan.timers,
    onFact(fact) {
      if (fact.kind === 'tftp-request') memory.heard({ kind: 'fetches', address: fact.client.address });
    },
  });
  if (spec.hears68) {
    await sockets.openUdp({
      local: { address: ANY_ADDRESS, port: 68 },
      onDatagram(bytes) {
        const packet = decodePacket(bytes);
        if (!(packet instanceof WireError)) memory.heardReply(packet);
      },
      onError() {},
    });
  }
  await Promise.all([dhcp.start(), tftp.start()]);
}

function factsOf({ from, to, bytes }: Datagram, tftp: CaptureTftp): readonly Observed[] {
  if (!DHCP_PORTS.includes(to.port)) {
    return tftp.read({
      kind: 'udp',
      source: from,
      target: to,
      payload: bytes,
      payloadBytes: bytes.length,
    } as never);
  }
  const packet = decodePacket(bytes);
  return packet instanceof WireError ? [] : [{ kind: 'dhcp', packet, source: from, target: to }];
}

function httpFacts(
  { method, url }: HttpAsked,
  answer: HttpAnswer,
  client: Datagram['from'],
  server: Ipv4,
): readonly Observed[] {
  const path = url.replace(/^http:\/\/[^/]+/, '');
  const request = { kind: 'http-request', client, server, method, path } as const;
  if (answer.status === 0) return [request];
  return [
    request,
    { kind: 'http-answer', client, server, status: answer.status, whole: answer.status === 200 },
  ];
}
