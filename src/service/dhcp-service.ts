// The proxyDHCP responder: hears ports 67 and 4011, decides by pure code, sends. One loop serves both ports.
import { ANY_ADDRESS, type Ipv4, type Mac } from '../base/addresses.ts';
import { WireError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Clock } from '../base/time.ts';
import type { ChainFacts, ChainRule, FirstFile } from '../boot/chain.ts';
import { type BootClient, classifyClient, isBootClient, type NotBootClient } from '../boot/client.ts';
import {
  type Asked,
  type DialectChoice,
  type DialectFactHeard,
  describeDialect,
} from '../boot/dialect-memory.ts';
import { fingerprintOf } from '../boot/fingerprint.ts';
import { isDoctorsQuestion } from '../boot/probe.ts';
import type { MachineEvent } from '../boot/progress.ts';
import { type Dialect, dialectRule } from '../boot/quirks.ts';
import { type BootAsset, decideReply, type IgnoreReason, type ReplyDecision } from '../boot/reply.ts';
import { RomMemory } from '../boot/rom-memory.ts';
import { offerPriority } from '../boot/turns.ts';
import { DHCP_SERVER_PORT, type Endpoint, PXE_PORT, type ServerPort } from '../dhcp/destination.ts';
import { OPTIONS, readOption } from '../dhcp/options.ts';
import { type DhcpPacket, decodePacket, encodePacket } from '../dhcp/packet.ts';
import type { OpenUdp, ServedInterface, UdpSocket } from '../dhcp/ports.ts';
import type { AddressService } from './address-service.ts';
import type { TurnTaker } from './boot-turns.ts';
import { FollowedSockets } from './followed-sockets.ts';

export interface DhcpServiceOptions {
  /** `openUdp` of io/udp. */
  readonly openUdp: OpenUdp;
  /** At the start; each is answered with its own address. `chooseInterfaces` of io/interfaces finds them. */
  readonly interfaces: readonly ServedInterface[];
  readonly httpPort: number;
  /** The NBPs that TFTP and HTTP serve, among other files. */
  readonly assets: readonly BootAsset[];
  /** Decide and log what would be answered, and send nothing. */
  readonly observe: boolean;
  /** Give QEMU's old iPXE ROM an NBP instead of the script, to try chainloading. */
  readonly chainOldIpxe?: boolean;
  readonly chainRules?: readonly ChainRule[];
  /** What the chain of a machine depends on; absent: nothing is known of any. */
  readonly chains?: ChainsPort;
  /** How offers are worded for each machine; absent: as the rules say. */
  readonly dialects?: DialectsPort;
  /** Gives addresses, too: there is no other DHCP server. */
  readonly addresses?: Pick<AddressService, 'receive'>;
  /** Whose turn it is among the site's boot hosts; absent: always ours, at once. */
  readonly turns?: Pick<TurnTaker, 'rank' | 'take'>;
  readonly log: Log;
  readonly clock: Clock;
  readonly onMachineEvent: (event: MachineEvent) => void;
}

/** `boot/chain-memory`, with what else is known of machines. */
export interface ChainsPort {
  firmwareAsks(mac: Mac): void;
  facts(mac: Mac | undefined): ChainFacts;
  gave(mac: Mac, first: FirstFile): void;
}

/** `boot/dialect-memory`. */
export interface DialectsPort {
  asked(asked: Asked): DialectChoice;
  gaveDialect(mac: Mac, dialect: Dialect): void;
  heard(fact: DialectFactHeard): void;
}

export interface HeardServer {
  readonly address: Ipv4;
  /** Wall clock. */
  readonly lastHeardMs: number;
}

export interface DhcpStats {
  readonly received: number;
  /** Datagrams sent; with several interfaces a broadcast is answered out of each. */
  readonly replies: number;
  readonly sendErrors: number;
  readonly ignored: Readonly<Partial<Record<Ignored, number>>>;
}

export interface DhcpService {
  /** Rejects with PB-PORT-IN-USE or PB-PORT-DENIED; then nothing is left open. */
  start(): Promise<void>;
  /** The interfaces are these now. Rejects with the code of the first socket that would not open; the others are open. */
  serve(interfaces: readonly ServedInterface[]): Promise<void>;
  stop(): Promise<void>;
  stats(): DhcpStats;
  /** DHCP servers that machines were heard to choose (option 54 of a broadcast REQUEST). */
  heardServers(): readonly HeardServer[];
}

/** One socket and the interfaces that a packet on it may have come in by. */
interface Listener {
  readonly port: ServerPort;
  readonly interfaces: () => readonly ServedInterface[];
}

/** Why no answer is given; `no-socket`: none of those that could give it is open. */
type Ignored = IgnoreReason | 'malformed' | 'no-socket';

const LOG_LINES_PER_SECOND = 20;
const MOST_HEARD_SERVERS = 64;

function place(address: Ipv4, port: ServerPort): string {
  return `${address}:${port}`;
}

export function createDhcpService(options: DhcpServiceOptions): DhcpService {
  const { log, clock } = options;
  let { interfaces } = options;
  /** The reply leaves by the socket of the interface's own address, from the port that was asked. */
  const sockets = new FollowedSockets<UdpSocket>();
  const logLimit = new LogLimit(LOG_LINES_PER_SECOND);
  const chain = options.chainOldIpxe === true ? new RomMemory() : undefined;
  const heard = new Map<Ipv4, HeardServer>();
  const ignored: Partial<Record<Ignored, number>> = {};
  let received = 0;
  let replies = 0;
  let sendErrors = 0;

  function note(level: 'debug' | 'info' | 'warn', kind: string, fields: () => object, message: string): void {
    const leftOut = logLimit.admit(kind, clock.nowMs());
    if (leftOut === undefined) return;
    log[level]({ ...fields(), ...(leftOut === 0 ? {} : { leftOut }) }, message);
  }

  function ignore(reason: Ignored, source: Endpoint, fields: object): void {
    ignored[reason] = (ignored[reason] ?? 0) + 1;
    note('debug', reason, () => ({ reason, source: source.address, ...fields }), 'dhcp packet ignored');
  }

  function receive(listener: Listener, bytes: Uint8Array, source: Endpoint): void {
    received += 1;
    const packet = decodePacket(bytes);
    if (packet instanceof WireError) {
      ignore('malformed', source, { detail: packet.message });
      return;
    }
    if (options.addresses !== undefined && listener.port === DHCP_SERVER_PORT) {
      options.addresses.receive(packet, source, (reply, to) =>
        sendFrom(interfaces[0], DHCP_SERVER_PORT, reply, to),
      );
    }
    const client = classifyClient(packet);
    const { mac } = client.identity;
    const isFirmware = isBootClient(client) && client.kind !== 'ipxe';
    const boots = !isDoctorsQuestion(packet);
    if (
      boots &&
      isFirmware &&
      mac !== undefined &&
      readOption(packet.options, OPTIONS.messageType) === 'DISCOVER'
    ) {
      options.chains?.firmwareAsks(mac);
    }
    const chainFacts = options.chains?.facts(mac) ?? { secureBoot: false };
    const choice = boots ? chooseDialect(packet, client, listener.port) : undefined;
    const chaining = isBootClient(client) && (chain?.shallChain(client, packet.xid, clock.nowMs()) ?? false);
    const rank = options.turns === undefined || mac === undefined ? 0 : options.turns.rank(mac);
    const answers: (() => void)[] = [];
    const decisions = listener.interfaces().map((served) => {
      const decision = decideReply(packet, client, {
        serverAddress: served.address,
        httpPort: options.httpPort,
        assets: options.assets,
        enabled: rank !== undefined,
        priority: offerPriority(rank ?? 0),
        source,
        arrivedPort: listener.port,
        chainRules: options.chainRules ?? [],
        chainFacts,
        dialect: choice?.dialect,
        chain: chaining,
      });
      if (decision.kind === 'reply') {
        answers.push(() => perform(decision, served, listener.port, client, choice));
      }
      return decision;
    });
    const given = decisions.find((decision) => decision.kind === 'reply')?.first;
    if (boots) {
      if (given !== undefined && mac !== undefined && !options.observe) options.chains?.gave(mac, given);
      learn(packet, client, given);
    }
    const answer = () => {
      for (const perform of answers) perform();
    };
    // What came to 4011 was asked of us alone.
    const turns = listener.port === DHCP_SERVER_PORT ? options.turns : undefined;
    if (turns === undefined || mac === undefined || rank === undefined) answer();
    else if (answers.length > 0) {
      const silent = () => ignore('another-boot-host', source, { ...client.identity, port: listener.port });
      turns.take({ mac, xid: packet.xid }, rank, answer, silent);
    }
    const first = decisions[0];
    if (first === undefined) ignore('no-socket', source, { ...client.identity, port: listener.port });
    if (first?.kind === 'ignore' && decisions.every((decision) => decision.kind === 'ignore')) {
      ignore(first.reason, source, { ...client.identity, port: listener.port, detail: first.detail });
    }
  }

  function perform(
    decision: ReplyDecision & { kind: 'reply' },
    served: ServedInterface,
    port: ServerPort,
    client: BootClient | NotBootClient,
    choice: DialectChoice | undefined,
  ): void {
    const { destination, file } = decision;
    const { mac } = client.identity;
    const fields = () => ({
      ...client.identity,
      client: client.kind,
      file,
      ...(decision.first === undefined ? {} : { chain: decision.first.chain }),
      ...(choice === undefined ? {} : { dialect: describeDialect(choice) }),
      to: `${destination.address}:${destination.port}`,
      interface: served.name,
      port,
    });
    if (options.observe) {
      note('info', 'observed', fields, 'would answer');
      return;
    }
    replies += 1;
    if (choice !== undefined && mac !== undefined) options.dialects?.gaveDialect(mac, choice.dialect);
    note('info', 'answered', fields, 'answered boot request');
    sendFrom(served, port, encodePacket(decision.packet), destination, fields);
  }

  function sendFrom(
    served: ServedInterface | undefined,
    port: ServerPort,
    bytes: Uint8Array,
    to: Endpoint,
    fields: () => object = () => ({ to: `${to.address}:${to.port}` }),
  ): void {
    const fail = (error: unknown) => {
      sendErrors += 1;
      note('warn', 'send-error', () => ({ ...fields(), error: String(error) }), 'could not answer');
    };
    const socket = served === undefined ? undefined : socketOf(served.address, port);
    // Its interface may have gone since, or not be there yet.
    if (socket === undefined) fail('no socket is open');
    else socket.send(bytes, to).catch(fail);
  }

  function socketOf(address: Ipv4, port: ServerPort): UdpSocket | undefined {
    return sockets.get(place(address, port));
  }

  /** What the packet tells of the machine's firmware; and, of a firmware's DISCOVER, how to answer it. */
  function chooseDialect(
    packet: DhcpPacket,
    client: BootClient | NotBootClient,
    port: ServerPort,
  ): DialectChoice | undefined {
    const { dialects } = options;
    const { mac } = client.identity;
    const type = readOption(packet.options, OPTIONS.messageType);
    if (dialects === undefined || mac === undefined) return undefined;
    if (client.kind !== 'bios-rom' && client.kind !== 'uefi-rom') {
      // HTTP Boot is the same firmware's next try.
      if (client.kind !== 'http-rom') dialects.heard({ kind: 'runs', mac });
    } else if (port === PXE_PORT) {
      dialects.heard({ kind: 'asked-4011', mac, address: packet.ciaddr });
    } else if (type === 'REQUEST') {
      const address = readOption(packet.options, OPTIONS.requestedAddress);
      dialects.heard({ kind: 'chose', mac, address });
    } else if (type === 'DISCOVER') {
      const fingerprint = fingerprintOf(packet, client.architecture);
      return dialects.asked({ mac, xid: packet.xid, fingerprint, rule: dialectRule(packet, client.kind) });
    }
    return undefined;
  }

  /** Broadcast REQUESTs tell which server a machine chose, and which address it got from there. */
  function learn(packet: DhcpPacket, client: BootClient | NotBootClient, given: FirstFile | undefined): void {
    const type = readOption(packet.options, OPTIONS.messageType);
    const chosen = readOption(packet.options, OPTIONS.serverIdentifier);
    if (type === 'REQUEST' && chosen !== undefined && !interfaces.some((one) => one.address === chosen)) {
      if (heard.size < MOST_HEARD_SERVERS || heard.has(chosen)) {
        heard.set(chosen, { address: chosen, lastHeardMs: clock.wallMs() });
      }
    }
    const mac = client.identity.mac;
    if (mac === undefined || !isBootClient(client) || (type !== 'DISCOVER' && type !== 'REQUEST')) return;
    const asked = type === 'REQUEST' ? readOption(packet.options, OPTIONS.requestedAddress) : undefined;
    options.onMachineEvent({
      kind: 'dhcp',
      mac,
      uuid: client.identity.uuid,
      architecture: client.architecture,
      firmware: client.architecture === 'bios' ? 'bios' : 'uefi',
      chain: given?.chain,
      address: packet.ciaddr === ANY_ADDRESS ? asked : packet.ciaddr,
    });
  }

  async function listen(address: Ipv4, port: ServerPort, from: Listener['interfaces']): Promise<UdpSocket> {
    const listener: Listener = { port, interfaces: from };
    const socket = await options.openUdp({
      local: { address, port },
      onDatagram: (bytes, source) => receive(listener, bytes, source),
      onError: (error) => note('warn', 'socket', () => ({ error: String(error), port }), 'socket failed'),
    });
    if (socket.sharedWith.length > 0) {
      log.warn({ port, address, sharedWith: socket.sharedWith }, 'another program listens on this port too');
    }
    return socket;
  }

  /** Broadcasts come to 0.0.0.0 alone, unicasts (relays, 4011) to the interface's own address. */
  function follow(): Promise<void> {
    const wanted = new Map<string, () => Promise<UdpSocket>>();
    const want = (address: Ipv4, port: ServerPort, from: Listener['interfaces']) =>
      wanted.set(place(address, port), () => listen(address, port, from));
    for (const { address } of interfaces) {
      const itself = () => interfaces.filter((one) => one.address === address);
      want(address, DHCP_SERVER_PORT, itself);
      want(address, PXE_PORT, itself);
    }
    // Last: whoever hears a broadcast can answer it.
    const answering = ({ address }: ServedInterface) => socketOf(address, DHCP_SERVER_PORT) !== undefined;
    want(ANY_ADDRESS, DHCP_SERVER_PORT, () => interfaces.filter(answering));
    return sockets.follow(wanted);
  }

  return {
    async start() {
      try {
        await follow();
      } catch (error) {
        await sockets.close();
        throw error;
      }
    },
    serve(next) {
      interfaces = next;
      return follow();
    },
    stop: () => sockets.close(),
    stats: () => ({ received, replies, sendErrors, ignored: { ...ignored } }),
    heardServers: () => [...heard.values()],
  };
}
