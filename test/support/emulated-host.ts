// A boot host on the virtual LAN: our real DHCP and TFTP services, turns, scripts, registry of machines, and what boot hosts tell each other.
import type { PeerPort } from '../../src/agent/ports.ts';
import type { CheckIn, CheckInAnswer, ProgressReport } from '../../src/api/agent.ts';
import type { NameWish } from '../../src/api/machines.ts';
import { ROUTES } from '../../src/api/routes.ts';
import { parseScriptQuery } from '../../src/api/script.ts';
import { type Ipv4, type Mac, parseMac } from '../../src/base/addresses.ts';
import { fromText } from '../../src/base/bytes.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { randomInt } from '../../src/base/random.ts';
import { renderScript, renderStartScript } from '../../src/boot/script.ts';
import type { BootRequest } from '../../src/boot/turns.ts';
import { createAssignments } from '../../src/service/assignments.ts';
import { createTurnTaker } from '../../src/service/boot-turns.ts';
import { createDhcpService } from '../../src/service/dhcp-service.ts';
import { type BootHost, createElsewhere } from '../../src/service/imaged-elsewhere.ts';
import { memoryMachineStore } from '../../src/service/machine-store.ts';
import { createMachines, type Machines } from '../../src/service/machines.ts';
import { createNameAsker } from '../../src/service/name-asker.ts';
import { createTftpService } from '../../src/service/tftp-service.ts';
import type { HttpAnswer } from '../../src/sim/firmware/firmware.ts';
import type { Death, HttpAsked, Lan, LanHost } from '../../src/sim/firmware/lan.ts';
import { DEAD_MS } from '../../src/swarm/beacon-pace.ts';
import { numberingHost, rankBootHosts } from '../../src/swarm/boot-hosts.ts';
import type { Candidate } from '../../src/swarm/election.ts';
import { TAGS } from '../../src/swarm/site.ts';
import { LanSockets } from './lan-sockets.ts';
import { logbook } from './logbook.ts';
import { contentOf, namedFilesOf } from './named-files.ts';

const HTTP_PORT = 8067;
/** Of the agent's requests (io/agent-peer). */
const AGENT_WAIT_MS = 10_000;
/** Of boot hosts' questions to each other (io/order-proof). */
const ASK_WAIT_MS = 2_000;
const WORD_MS = 0.2;
/** What the site hears of a new boot host. */
const NOTICE_MS = 300;

export const FILES: Readonly<Record<string, number>> = {
  'undionly.kpxe': 7_000,
  'snponly.efi': 9_000,
  'grubx64.efi': 8_000,
  vmlinuz: 5_000,
  'initramfs.img': 6_000,
};

type Told = (by: string, request: BootRequest) => void;

/** All that the hosts of one store share. */
export interface Store {
  readonly lan: Lan;
  readonly hosts: EmulatedHost[];
  /** Share of the words between hosts that get lost. */
  readonly wordLoss: number;
}

export interface Job {
  readonly host: Ipv4;
  readonly ticket: string;
}

export class EmulatedHost {
  readonly address: Ipv4;
  readonly base: string;
  readonly machines: Machines;
  /** Plans to image that it gave, in order. */
  readonly jobs: Job[] = [];
  readonly #store: Store;
  readonly #candidate: Candidate;
  readonly #sockets: LanSockets;
  readonly #elsewhere: ReturnType<typeof createElsewhere>;
  #told: Told = () => {};
  #bornMs: number;
  #diedMs = Number.POSITIVE_INFINITY;

  constructor(store: Store, address: Ipv4) {
    const { lan } = store;
    this.#store = store;
    this.address = address;
    this.base = `http://${address}:${HTTP_PORT}`;
    this.#bornMs = lan.queue.nowMs;
    const id = Array.from({ length: 16 }, () => randomInt(lan.random, 16).toString(16)).join('');
    this.#candidate = { id, role: 'peer', tags: [TAGS.bootHost], unfit: [] };
    this.#sockets = new LanSockets(lan, 0, address, (asked, client) => this.#http(asked, client.address));
    const log = logbook();
    const machineStore = memoryMachineStore();
    const assignments = createAssignments({ store: machineStore, clock: lan.clock, log });
    assignments.put({
      machine: '*',
      target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
      name: 'till-{nn}',
    });
    this.#elsewhere = createElsewhere({
      store: machineStore,
      hosts: () => this.others().map((one) => ({ id: one.id, address: one.address, httpPort: HTTP_PORT })),
      ask: (host, since) => this.#ask(host.address, since),
      clock: lan.clock,
      timers: lan.timers,
      log,
    });
    this.machines = createMachines({
      store: machineStore,
      assignments,
      images: () => [
        {
          name: 'debian',
          version: '12',
          imageBytes: 1,
          storedBytes: 1,
          manifest: { digest: `sha256:${'ab'.repeat(32)}`, size: 1 },
        },
      ],
      random: (count) => Uint8Array.from({ length: count }, () => randomInt(lan.random, 256)),
      elsewhere: this.#elsewhere,
      askName: createNameAsker({
        numbering: () => this.#numbering(),
        ask: (host, wish) => this.#askName(host.address, wish),
      }),
      clock: lan.clock,
      log,
    });
  }

  get id(): string {
    return this.#candidate.id;
  }

  get isAlive(): boolean {
    return this.#sockets.host.dead === undefined;
  }

  get lanHost(): LanHost {
    return this.#sockets.host;
  }

  async start(): Promise<void> {
    const { lan } = this.#store;
    const files = namedFilesOf(FILES);
    const common = { log: logbook(), clock: lan.clock };
    const turns = createTurnTaker({
      site: 'store-1',
      ourselves: () => this.#candidate,
      others: () => this.others().map((one) => one.#candidate),
      sayAnswered: (request) => this.#sayAnswered(request),
      onAnswered: (listener) => {
        this.#told = listener;
        return () => {};
      },
      clock: lan.clock,
      timers: lan.timers,
    });
    const dhcp = createDhcpService({
      ...common,
      openUdp: this.#sockets.openUdp,
      interfaces: [{ name: 'eth0', address: this.address }],
      httpPort: HTTP_PORT,
      assets: files.list(),
      observe: false,
      turns,
      onMachineEvent: (event) => void this.machines.observe(event),
    });
    const tftp = createTftpService({
      ...common,
      addresses: [this.address],
      sockets: this.#sockets.tftp,
      files,
      timers: lan.timers,
      onMachineEvent: (event) => void this.machines.observe(event),
    });
    await Promise.all([dhcp.start(), tftp.start()]);
    this.#elsewhere.start();
  }

  kill(death: Death): void {
    this.#diedMs = this.#store.lan.queue.nowMs;
    this.#elsewhere.stop();
    this.#store.lan.kill(this.#sockets.host, death);
  }

  /** The same machine again, with what it had kept. */
  revive(): void {
    this.#sockets.host.dead = undefined;
    this.#bornMs = this.#store.lan.queue.nowMs;
    this.#diedMs = Number.POSITIVE_INFINITY;
    this.#elsewhere.start();
  }

  /** Those that it believes to live: of a death nobody hears but by silence. */
  others(): readonly EmulatedHost[] {
    const { nowMs } = this.#store.lan.queue;
    return this.#store.hosts.filter(
      (one) => one !== this && nowMs < one.#diedMs + DEAD_MS && nowMs >= one.#bornMs + NOTICE_MS,
    );
  }

  /** As an agent has it: every request comes in time, or fails after the time that the real one waits. */
  port(client: Ipv4): PeerPort {
    const call = <T>(act: () => T | Promise<T>) => this.#call(this, act, AGENT_WAIT_MS);
    return {
      base: this.base,
      checkIn: (question) => call(() => this.#checkIn(client, question)),
      report: (report: ProgressReport) => call(() => this.machines.report(report)),
    };
  }

  async #checkIn(client: Ipv4, question: CheckIn): Promise<CheckInAnswer> {
    await this.machines.ready(client, question);
    const { machine, plan } = this.machines.checkIn(client, question);
    const isNews = plan.kind === 'image' && this.jobs.at(-1)?.ticket !== plan.ticket;
    if (isNews) this.jobs.push({ host: this.address, ticket: plan.ticket ?? '' });
    return {
      machine: machine.id,
      peer: this.address,
      site: 'store-1',
      wallMs: this.#store.lan.clock.wallMs(),
      sources: [],
      plan,
    };
  }

  /** A request to this host by HTTP. */
  #call<T>(host: EmulatedHost, act: () => T | Promise<T>, waitMs: number): Promise<T> {
    const { lan } = this.#store;
    const silent = () => new PeerbootError('PB-PEER-SILENT', host.base);
    return new Promise((resolve, reject) => {
      const tooLate = lan.queue.after(waitMs, () => reject(silent()));
      const end = (settle: () => void) => {
        tooLate.run = undefined;
        settle();
      };
      lan.queue.after(WORD_MS, () => {
        const { dead } = host.lanHost;
        if (dead === 'process') end(() => reject(silent()));
        if (dead !== undefined) return;
        Promise.resolve()
          .then(act)
          .then(
            (answer) =>
              lan.queue.after(WORD_MS, () => {
                if (host.isAlive) end(() => resolve(answer));
              }),
            (error) => end(() => reject(error)),
          );
      });
    });
  }

  #ask(address: Ipv4, since: number): Promise<unknown> {
    const { lan, hosts } = this.#store;
    const other = hosts.find((one) => one.address === address);
    return new Promise((resolve) => {
      const isHere = other?.isAlive === true && this.isAlive;
      lan.queue.after(isHere ? 2 * WORD_MS : ASK_WAIT_MS, () =>
        resolve(isHere ? other.machines.imaged(since) : undefined),
      );
    });
  }

  #numbering(): BootHost | undefined {
    const candidates = [this, ...this.others()].map((one) => one.#candidate);
    const first = numberingHost('store-1', candidates);
    const host = this.others().find(({ id }) => id === first);
    return host && { id: host.id, address: host.address, httpPort: HTTP_PORT };
  }

  #askName(address: Ipv4, wish: NameWish): Promise<unknown> {
    const host = this.#store.hosts.find((one) => one.address === address);
    if (host === undefined) return Promise.resolve(undefined);
    return this.#call(host, () => ({ name: host.machines.nameFor(wish) }), ASK_WAIT_MS).catch(
      () => undefined,
    );
  }

  #sayAnswered(request: BootRequest): void {
    const { lan, hosts, wordLoss } = this.#store;
    if (!this.isAlive) return;
    for (const other of hosts) {
      if (other === this || lan.random.next() < wordLoss) continue;
      lan.queue.after(WORD_MS + lan.random.next() * 20, () => {
        if (other.isAlive) other.#told(this.id, request);
      });
    }
  }

  #otherBases(mac: Mac): readonly string[] {
    return rankBootHosts(
      'store-1',
      mac,
      this.others().map((one) => one.#candidate),
    ).flatMap(({ id }) => this.#store.hosts.find((one) => one.id === id)?.base ?? []);
  }

  #http({ url, method }: HttpAsked, client: Ipv4): HttpAnswer {
    const [path = '', query = ''] = url.slice(this.base.length).split('?');
    const bytes = this.#bytesAt(path, query, client);
    if (bytes === undefined) return { status: 404, sizeBytes: 0, body: new Uint8Array(0) };
    return { status: 200, sizeBytes: bytes.length, body: method === 'HEAD' ? new Uint8Array(0) : bytes };
  }

  #bytesAt(path: string, query: string, client: Ipv4): Uint8Array | undefined {
    const none = '00:00:00:00:00:00' as Mac;
    if (path === ROUTES.start) return fromText(renderStartScript(this.base, this.#otherBases(none)));
    if (path === ROUTES.script) return fromText(this.#script(query, client));
    const name = path.slice(ROUTES.files.length).replace(/^\/+/, '');
    const sizeBytes = path.startsWith(ROUTES.files) ? FILES[name] : undefined;
    return sizeBytes === undefined ? undefined : contentOf(name, sizeBytes);
  }

  #script(query: string, client: Ipv4): string {
    const said = parseScriptQuery(query);
    const known = this.machines.observe({ kind: 'script', address: client, query: said });
    const decision = known === undefined ? undefined : this.machines.decide(known.id);
    const mac = parseMac(said.mac ?? '') ?? ('00:00:00:00:00:00' as Mac);
    return renderScript(decision?.plan ?? { kind: 'local-boot' }, {
      base: this.base,
      others: this.#otherBases(mac),
      site: 'store-1',
      machine: { id: known?.id ?? 'unknown', mac },
      reason: decision?.reason ?? 'unknown',
    });
  }
}
