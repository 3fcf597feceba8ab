// Builds one peer out of its parts and runs it: chunk store, sources, catalogue, machines, then DHCP, TFTP and HTTP.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Assignment } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import type { Mac } from '../base/addresses.ts';
import { isPeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { FileSource } from '../chunk/ports.ts';
import { openChunkStore } from '../io/chunk-files.ts';
import { systemClock, systemTimers } from '../io/clock.ts';
import { type Config, LOCAL_BOOT } from '../io/config-keys.ts';
import { openFirmwareStore } from '../io/firmware-store.ts';
import { sha256 } from '../io/hash.ts';
import { createHttpSource, type HttpSource } from '../io/http-source.ts';
import type { HostInterface } from '../io/interfaces.ts';
import { openLedgerStore } from '../io/ledger-store.ts';
import { openMachineStore } from '../io/machine-store.ts';
import { loadNamedFiles } from '../io/named-files.ts';
import { askFirmware, askImaged, askName, askOrders, createProver } from '../io/order-proof.ts';
import { openOrderStore } from '../io/order-store.ts';
import { createOrderedSource } from '../io/ordered-source.ts';
import { ensureFolder } from '../io/state-folder.ts';
import { tftpSockets } from '../io/tftp-sockets.ts';
import { openUdp } from '../io/udp.ts';
import { unzstd } from '../io/zstd.ts';
import { type Assignments, createAssignments } from '../service/assignments.ts';
import { createBootEntries } from '../service/boot-entries.ts';
import { type Catalogue, createCatalogue } from '../service/catalogue.ts';
import { chainedMachines, chainsOf } from '../service/chained-machines.ts';
import { createContentService } from '../service/content.ts';
import { createDhcpService } from '../service/dhcp-service.ts';
import { createDoctor } from '../service/doctor.ts';
import { judgedMachines } from '../service/doctor-machines.ts';
import { createFirmwareMemory } from '../service/firmware-memory.ts';
import { createHttpService } from '../service/http-service.ts';
import { createElsewhere } from '../service/imaged-elsewhere.ts';
import { createLedger } from '../service/ledger.ts';
import { createMachines, type Machines } from '../service/machines.ts';
import { createMenus } from '../service/menus.ts';
import { createNameAsker } from '../service/name-asker.ts';
import { createOrderSync, shareAssignments } from '../service/orders.ts';
import { createTftpService } from '../service/tftp-service.ts';
import { createWanGate } from '../service/wan-gate.ts';
import { subnetOf } from '../swarm/beacon-net.ts';
import { openAddresses } from './peer-addresses.ts';
import { servedInterfaces } from './peer-interfaces.ts';
import { openPeerSite, type PeerSite } from './peer-site.ts';
import { statsOf } from './peer-stats.ts';

export interface Peer {
  readonly interfaces: readonly HostInterface[];
  readonly httpPort: number;
  readonly catalogue: Catalogue;
  readonly machines: Machines;
  readonly assignments: Assignments;
  /** Ends everything, in the opposite order of its start. */
  stop(): Promise<void>;
}

/** A parent may have to fetch the chunk itself. */
const PARENT_FIRST_BYTE_MS = 20_000;
/** How long the start waits for the origins: machines may come at once, but a dead line must not hold up the peer. */
const FIRST_CATALOGUE_MS = 5_000;
const SWEEP_MS = 30_000;

type Undo = (() => unknown)[];

/** Rejects with the code of the first part that cannot start; then everything started before it has been stopped. */
export async function startPeer(config: Config, version: string, log: Log): Promise<Peer> {
  const undo: Undo = [];
  const stop = async () => {
    for (const end of undo.splice(0).reverse()) await end();
  };
  try {
    return { ...(await start(config, version, log, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(config: Config, version: string, log: Log, undo: Undo): Promise<Omit<Peer, 'stop'>> {
  const part = (name: string) => log.child({ part: name });
  const clock = systemClock;
  const timers = systemTimers;
  const served = servedInterfaces(config.interfaces, part('interfaces'));
  const interfaces = served.now();
  const addressesNow = () => served.now().map((one) => one.address);
  const assets = await loadNamedFiles(config.assetsDir, part('assets'));
  undo.push(() => assets.close());
  ensureFolder(config.stateDir);
  const store = await openChunkStore({
    folder: join(config.stateDir, 'chunks'),
    quotaBytes: config.quotaBytes,
    keepFreeBytes: config.keepFreeBytes,
    clock,
    log: part('store'),
  });
  undo.push(() => store.close());

  const wanSources = openWanSources(config, log);
  undo.push(() => Promise.all(wanSources.map((source) => source.close())));
  const ledgerStore = openLedgerStore(join(config.stateDir, 'ledger.sqlite'));
  undo.push(() => ledgerStore.close());
  const ledger = createLedger({ store: ledgerStore, clock, timers, log: part('ledger') });
  undo.push(() => ledger.flush());
  const gate = createWanGate({ ledger, clock, limit: config.wanLimit });
  const ordered = createOrderedSource({ sources: wanSources, clock, log: part('sources'), name: 'wan' });
  const wan = gate.source(ordered, (wanted) => site.useOf(wanted));
  const content = createContentService({
    store,
    source: { name: 'site', fetch: (wanted, fetchOptions) => site.source.fetch(wanted, fetchOptions) },
    log: part('content'),
  });
  const catalogue = await openCatalogue(
    config,
    wanSources.map((source) => gate.files(source)),
    part('catalogue'),
  );

  const memory = openMachineStore(join(config.stateDir, 'machines.sqlite'));
  undo.push(() => memory.close());
  const assignments = shareAssignments(createAssignments({ store: memory, clock, log: part('machines') }), {
    store: openOrderStore(join(config.stateDir, 'orders.json')),
    clock,
    log: part('machines'),
  });
  assignments.configure(configuredAssignments(config));
  const prove = config.adminToken === null ? undefined : createProver(config.adminToken);
  const elsewhere = createElsewhere({
    store: memory,
    hosts: () => site.bootHosts(),
    ask: (host, since) => askImaged(host, since, prove),
    clock,
    timers,
    log: part('machines'),
  });
  const orders = createOrderSync({
    assignments,
    hosts: () => (prove === undefined ? [] : site.bootHosts()),
    ask: async (host) => (prove === undefined ? undefined : askOrders(host, prove)),
    timers,
    log: part('machines'),
  });
  const title = siteTitle(config, interfaces);
  const firmware = createFirmwareMemory({
    store: openFirmwareStore(join(config.stateDir, 'firmware.json'), part('machines')),
    hosts: () => site.bootHosts(),
    ask: (host) => askFirmware(host, prove),
    clock,
    timers,
    log: part('machines'),
  });
  const registry = createMachines({
    store: memory,
    assignments,
    images: () => catalogue.images(),
    unknown: config.unknown,
    site: title,
    random: (count) => randomBytes(count),
    elsewhere: {
      ...elsewhere,
      // Whoever was assigned an image at another boot host a moment ago may ask us now.
      sync: async () => void (await Promise.all([elsewhere.sync(), orders.sync()])),
    },
    ...(prove === undefined
      ? {}
      : {
          askName: createNameAsker({
            numbering: () => site.numbering(),
            ask: (host, wish) => askName(host, wish, prove),
          }),
        }),
    clock,
    log: part('machines'),
  });
  const machines = chainedMachines(registry, firmware);
  undo.push(every(SWEEP_MS, () => machines.sweep()));

  let httpPort = config.httpPort;
  const site: PeerSite = openPeerSite({
    config,
    interfaces: served.now,
    title,
    name: hostname(),
    store,
    content,
    catalogue,
    assignments,
    wan,
    gate,
    ledger,
    wanDown: () => wanSources.length === 0 || ordered.standings().every(({ asideMs }) => asideMs > 0),
    httpPort: () => httpPort,
    log,
  });

  const doctor = createDoctor({
    openUdp,
    addresses: addressesNow,
    httpPort: config.httpPort,
    mayAnswer: (mac) => mac === undefined || site.turns.rank(mac) !== undefined,
    onReply: firmware.heardReply,
    clock,
    timers,
    log: part('doctor'),
  });
  const tftp = createTftpService({
    addresses: addressesNow(),
    sockets: tftpSockets,
    files: assets,
    log: part('tftp'),
    clock,
    timers,
    onMachineEvent: (event) => void machines.observe(event),
    onFact(fact) {
      doctor.observe(fact);
      if (fact.kind === 'tftp-request') firmware.heard({ kind: 'fetches', address: fact.client.address });
    },
  });
  const addresses = openAddresses({
    config,
    interfaces,
    isPeer: (server) => site.isPeer(server),
    log: part('addresses'),
  });
  const dhcp = createDhcpService({
    ...(addresses === undefined ? {} : { addresses }),
    openUdp: doctor.openUdp,
    interfaces,
    httpPort: config.httpPort,
    assets: assets.list(),
    observe: config.observe,
    chainRules: config.chain === 'auto' ? config.chains : [...config.chains, { chain: config.chain }],
    chains: chainsOf(registry, firmware),
    dialects: firmware,
    turns: site.turns,
    log: part('dhcp'),
    clock,
    onMachineEvent: (event) => void machines.observe(event),
  });
  const entries = createBootEntries({
    entries: () => catalogue.bootEntries(),
    get: (wanted) => content.get(wanted),
    unzstd,
    sha256,
  });
  const menus = createMenus({
    on: config.menu,
    rules: config.menus,
    images: () => catalogue.images(),
    bootEntries: () => catalogue.bootEntries(),
    files: entries,
    assignments,
    enforcesSecureBoot: (macs) => macs.some((mac) => firmware.enforcesSecureBoot(mac as Mac)),
    random: (count) => randomBytes(count),
    clock,
    timers,
    log: part('menus'),
  });
  let open = false;
  const http = createHttpService({
    port: config.httpPort,
    checks: () => [{ name: 'ports', ok: open, what: open ? 'DHCP, TFTP and HTTP are open' : 'not yet open' }],
    addresses: addressesNow,
    files: assets,
    content,
    catalogue,
    entries,
    menus,
    unknown: config.unknown,
    machines: judgedMachines(machines, doctor),
    assignments,
    peerName: hostname(),
    site: title,
    version,
    // A machine that must cross the WAN itself, since no peer can, knows where to.
    sources: () => wanSources.map(({ base }) => base),
    swarm: site.swarm,
    others: site.otherBootHosts,
    ...(prove === undefined ? {} : { siteOrders: { orders: assignments.orders, prove } }),
    firmware: { ...firmware, prove },
    siteRoutes: site.routes,
    lan: site.lan,
    stats: statsOf({ dhcp, tftp, ledger, doctor }),
    onFact: doctor.observe,
    ...(config.adminToken === null ? {} : { adminToken: config.adminToken }),
    clock,
    timers,
    log: part('http'),
  });

  await Promise.race([catalogue.refresh(), waitMs(FIRST_CATALOGUE_MS)]);
  catalogue.start();
  undo.push(() => catalogue.stop());
  // DHCP last: no machine is sent to a service that does not answer yet.
  ({ port: httpPort } = await http.start());
  undo.push(() => http.stop());
  await site.start();
  undo.push(() => site.stop());
  elsewhere.start();
  orders.start();
  firmware.start();
  undo.push(() => firmware.stop());
  undo.push(() => orders.stop());
  undo.push(() => elsewhere.stop());
  // An observer sends nothing, and must not take port 69 from the server that it is to be compared with.
  if (!config.observe) {
    await tftp.start();
    undo.push(() => tftp.stop());
  }
  await doctor.start();
  undo.push(() => doctor.stop());
  await dhcp.start();
  undo.push(() => dhcp.stop());
  void addresses?.start();
  undo.push(() => addresses?.stop());
  served.follow(async (now) => {
    await dhcp.serve(now);
    if (!config.observe) await tftp.serve(now.map((one) => one.address));
  });
  undo.push(() => served.stop());
  open = true;
  return { interfaces, httpPort, catalogue, machines, assignments };
}

/** What this site is called on screens and in logs: its label, else its subnet. */
export function siteTitle({ site }: Pick<Config, 'site'>, interfaces: readonly HostInterface[]): string {
  const [first] = interfaces;
  return site ?? (first === undefined ? 'unnamed' : subnetOf(first));
}

function configuredAssignments(config: Config): Assignment[] {
  return config.assign.map(({ machine, image, allowNonBlank, disk, name }) => {
    if (image === LOCAL_BOOT) return { machine, target: { kind: 'local-boot' } };
    const policy = {
      allowNonBlank: allowNonBlank ?? config.allowNonBlank,
      ...(disk === undefined ? {} : { match: disk }),
    };
    const target = { kind: 'image', image, disk: policy } as const;
    return { machine, target, ...(name === undefined ? {} : { name }) };
  });
}

/** Parents before origins. A parent is a peer, whose content lies below its own path. */
function openWanSources(config: Config, log: Log): HttpSource[] {
  const parents = config.parents.map((url) => (new URL(url).pathname === '/' ? url + ROUTES.content : url));
  return [
    ...parents.map((base) =>
      createHttpSource({ base, log: log.child({ part: 'parent' }), firstByteMs: PARENT_FIRST_BYTE_MS }),
    ),
    ...config.origins.map((base) => createHttpSource({ base, log: log.child({ part: 'origin' }) })),
  ];
}

async function openCatalogue(config: Config, sources: readonly FileSource[], log: Log): Promise<Catalogue> {
  const rest = {
    sources,
    refreshMs: config.refreshMinutes * 60_000,
    clock: systemClock,
    timers: systemTimers,
    log,
  };
  const { openTrustKeeper, pinRoot } = await import('../io/trust-keeper.ts');
  try {
    const pinnedRoot = pinRoot(config.stateDir, config.trustRoot);
    const keeper = await openTrustKeeper({ stateDir: config.stateDir, pinnedRoot, log });
    return createCatalogue({ ...rest, keeper });
  } catch (error) {
    // Machines must boot from their own disks even where nothing can be imaged, so the peer runs on without a catalogue.
    // A root that was named and is none is a mistake to be told at once.
    const bearable = isPeerbootError(error, 'PB-TRUST-STATE-DAMAGED') || config.trustRoot === null;
    if (!isPeerbootError(error) || !bearable) throw error;
    log.warn(
      { code: error.code, what: error.message, remedy: error.remedy },
      'no catalogue: nothing can be imaged',
    );
    return createCatalogue({ ...rest, keeper: undefined, reason: `${error.code} ${error.message}` });
  }
}

function every(periodMs: number, act: () => void): () => void {
  const timer = setInterval(act, periodMs);
  return () => clearInterval(timer);
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
