// The doctor that is always on: hears what the services hear and send, and tells the verdict on every boot attempt.
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST, type Mac } from '../base/addresses.ts';
import { isPeerbootError, WireError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { LogLimit } from '../base/log-limit.ts';
import type { Clock, Timers } from '../base/time.ts';
import { BootAttempts } from '../boot/attempts.ts';
import type { Observed } from '../boot/observed.ts';
import { type Attempt, VERDICTS, type Verdict } from '../boot/verdict.ts';
import { DHCP_CLIENT_PORT, type Endpoint } from '../dhcp/destination.ts';
import { BOOT_REPLY, type DhcpPacket, decodePacket } from '../dhcp/packet.ts';
import type { OpenUdp, UdpSocket } from '../dhcp/ports.ts';

export interface DoctorOptions {
  /** `openUdp` of io/udp. */
  readonly openUdp: OpenUdp;
  /** Our own, to tell our answers from others'. */
  readonly addresses: () => readonly Ipv4[];
  /** Of our HTTP, as remedies name it. */
  readonly httpPort?: number;
  /** Are we a boot host, for this machine? What nobody answers is only a boot host's to tell. Absent: always. */
  readonly mayAnswer?: (mac: Mac | undefined) => boolean;
  /** What a DHCP server answered, heard on port 68. */
  readonly onReply?: (packet: DhcpPacket) => void;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** An attempt with the wall clock's time of its end. */
export interface Judged extends Attempt {
  readonly wallMs: number;
}

export interface Doctor {
  /** For services that tell by themselves what they see. */
  observe(fact: Observed): void;
  /** The same port, all of whose DHCP packets are observed on the way. */
  readonly openUdp: OpenUdp;
  /** Listens on port 68 for what other servers answer; where that port is not to be had, the doctor knows less. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The last verdict on a machine with one of these MACs. */
  verdictOf(macs: readonly string[]): Judged | undefined;
  counts(): Readonly<Record<Verdict, number>>;
  /** Called with every verdict; returns how to end it. */
  subscribe(listener: (attempt: Judged) => void): () => void;
}

/** While attempts are under way; an idle peer is not woken. */
const TICK_MS = 2_000;
const LOG_LINES_PER_SECOND = 20;
const MOST_REMEMBERED = 4096;

export function createDoctor(options: DoctorOptions): Doctor {
  const { clock, log, timers } = options;
  const attempts = new BootAttempts({
    hearsCheckIn: true,
    vantage: {
      ours: options.addresses,
      httpPort: options.httpPort,
      judgesUnanswered: (mac) => listener !== undefined && (options.mayAnswer?.(mac) ?? true),
    },
  });
  /** In order of their end. */
  const last = new Map<Mac, Judged>();
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  const listeners = new Set<(attempt: Judged) => void>();
  const logLimit = new LogLimit(LOG_LINES_PER_SECOND);
  let cancelTick: (() => void) | undefined;
  let listener: UdpSocket | undefined;

  function step(event: Observed | { readonly kind: 'wake' }): void {
    for (const attempt of attempts.step(event, clock.nowMs())) tell({ ...attempt, wallMs: clock.wallMs() });
    if (attempts.size > 0) {
      cancelTick ??= timers.after(TICK_MS, () => {
        cancelTick = undefined;
        step({ kind: 'wake' });
      });
    }
  }

  function tell(attempt: Judged): void {
    const { mac, uuid, firmware, verdict, evidence, remedy } = attempt;
    counts[verdict] += 1;
    if (mac !== undefined) {
      last.delete(mac);
      last.set(mac, attempt);
      const oldest = last.keys().next().value;
      if (last.size > MOST_REMEMBERED && oldest !== undefined) last.delete(oldest);
    }
    const fine = verdict === 'booted' || verdict === 'size-probe-only';
    if (logLimit.admit(fine ? 'fine' : 'trouble', clock.nowMs()) !== undefined) {
      const fields = { mac, uuid, firmware, verdict, evidence };
      if (fine) log.info(fields, 'boot attempt judged');
      else log.warn({ ...fields, what: verdict, remedy }, 'boot attempt judged');
    }
    for (const hear of listeners) hear(attempt);
  }

  function onDatagram(bytes: Uint8Array, source: Endpoint, target: Endpoint): void {
    const packet = decodePacket(bytes);
    // Malformed packets are counted by the responder.
    if (!(packet instanceof WireError)) step({ kind: 'dhcp', packet, source, target });
  }

  /** Of all cards of one machine; the one that booted, when several ended at once. */
  function lastOf(macs: readonly string[]): Judged | undefined {
    const found = macs.flatMap((mac) => last.get(mac as Mac) ?? []);
    const booted = ({ verdict }: Judged) => Number(verdict === 'booted');
    return found.sort((a, b) => b.wallMs - a.wallMs || booted(b) - booted(a))[0];
  }

  /** An agent that comes after its attempt was judged proves that verdict wrong. */
  function correct(macs: readonly Mac[]): void {
    const found = lastOf(macs);
    if (found === undefined || found.verdict === 'booted') return;
    tell({
      ...found,
      verdict: 'booted',
      evidence: [...found.evidence, 'later: the agent checked in after all'],
      remedy: 'Nothing is wrong.',
      endedMs: clock.nowMs(),
      wallMs: clock.wallMs(),
    });
  }

  return {
    observe(fact) {
      step(fact);
      if (fact.kind === 'check-in') correct(fact.macs);
    },
    async openUdp(udp) {
      const { address, port } = udp.local;
      const target = { address: address === ANY_ADDRESS ? LIMITED_BROADCAST : address, port };
      const socket = await options.openUdp({
        ...udp,
        onDatagram(bytes, source) {
          onDatagram(bytes, source, target);
          udp.onDatagram(bytes, source);
        },
      });
      return {
        ...socket,
        async send(bytes, to) {
          await socket.send(bytes, to);
          // Only what has left counts as answered.
          onDatagram(bytes, udp.local, to);
        },
      };
    },
    async start() {
      try {
        listener = await options.openUdp({
          local: { address: ANY_ADDRESS, port: DHCP_CLIENT_PORT },
          onDatagram(bytes, source) {
            const packet = decodePacket(bytes);
            if (packet instanceof WireError || packet.op !== BOOT_REPLY) return;
            // Our own offers come back from the broadcast; a DHCP server on this very host gives an address with its own.
            if (packet.yiaddr === ANY_ADDRESS && options.addresses().includes(source.address)) return;
            options.onReply?.(packet);
            step({
              kind: 'dhcp',
              packet,
              source,
              target: { address: LIMITED_BROADCAST, port: DHCP_CLIENT_PORT },
            });
          },
          onError: (error) => log.debug({ error: String(error) }, 'port 68 failed'),
        });
      } catch (error) {
        if (!isPeerbootError(error)) throw error;
        log.info({ what: error.message }, 'offers of other DHCP servers cannot be heard: port 68 is taken');
      }
    },
    async stop() {
      cancelTick?.();
      await listener?.close();
      listener = undefined;
    },
    verdictOf: lastOf,
    counts: () => ({ ...counts }),
    subscribe(hear) {
      listeners.add(hear);
      return () => listeners.delete(hear);
    },
  };
}
