// The TFTP server: hears requests on port 69 of each address, admits, negotiates, and runs each transfer on its own port.
import type { Ipv4 } from '../base/addresses.ts';
import { WireError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { NamedFiles } from '../base/named-files.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { Observed } from '../boot/observed.ts';
import { Admission, DEFAULT_TFTP_LIMITS, type RefusedBy, type TftpLimits } from '../tftp/admission.ts';
import { FileNames } from '../tftp/names.ts';
import { type Agreement, MAX_BLKSIZE_ON_ETHERNET, negotiate } from '../tftp/negotiate.ts';
import { decodeTftp, encodeTftp, type TftpRequest } from '../tftp/packet.ts';
import type { Endpoint, TftpListener, TftpSockets } from '../tftp/ports.ts';
import type { TransferOutcome } from '../tftp/transfer.ts';
import { FollowedSockets } from './followed-sockets.ts';
import { type RunningTransfer, runTransfer, type TransferCounts } from './tftp-transfer.ts';

export const TFTP_PORT = 69;

/** A machine has the whole file. */
export interface TftpFileEvent {
  readonly kind: 'file';
  readonly address: Ipv4;
  readonly name: string;
  readonly via: 'tftp';
}

export interface TftpServiceOptions {
  /** At the start. Answers come from the address that was asked, so each is listened on by itself; never 0.0.0.0. */
  readonly addresses: readonly Ipv4[];
  readonly port?: number;
  readonly sockets: TftpSockets;
  readonly files: NamedFiles;
  readonly limits?: Partial<TftpLimits>;
  /** MTU of the links less 32. */
  readonly maxBlksize?: number;
  readonly log: Log;
  readonly clock: Clock;
  readonly timers: Timers;
  onMachineEvent(event: TftpFileEvent): void;
  /** What the doctor wants to know of every request and transfer. */
  onFact?(fact: Observed): void;
}

export interface TftpStats extends Readonly<TransferCounts> {
  readonly active: number;
  readonly requests: number;
  /** Requests answered with an ERROR (no such file, writing, …). */
  readonly denied: number;
  readonly refused: Readonly<Record<RefusedBy, number>>;
  readonly outcomes: Readonly<Record<TransferOutcome['kind'], number>>;
}

export interface TftpService {
  /** Resolves with where it listens; rejects with PB-PORT-IN-USE or PB-PORT-DENIED, and then nothing is left open. */
  start(): Promise<readonly Endpoint[]>;
  /** The addresses are these now. Rejects with the code of the first that cannot be listened on; the others are. */
  serve(addresses: readonly Ipv4[]): Promise<void>;
  /** Ends running transfers with an ERROR to their clients. */
  stop(): Promise<void>;
  stats(): TftpStats;
}

interface Active {
  readonly request: TftpRequest;
  readonly running: RunningTransfer;
}

export function createTftpService(options: TftpServiceOptions): TftpService {
  const { clock, files, log, port = TFTP_PORT } = options;
  const names = new FileNames(files.list().map((file) => file.name));
  const admission = new Admission({ ...DEFAULT_TFTP_LIMITS, ...options.limits });
  const rules = {
    maxBlksize: options.maxBlksize ?? MAX_BLKSIZE_ON_ETHERNET,
    find(requested: string) {
      const name = names.find(requested);
      return name === undefined ? undefined : files.get(name);
    },
  };
  /** By the client's `address:port`, in order of their start. */
  const active = new Map<string, Active>();
  const counts: TransferCounts = { blocksSent: 0, blocksRepeated: 0, bytesSent: 0, nonsense: 0 };
  const refused = { rate: 0, 'per-client': 0, total: 0 };
  const outcomes = { completed: 0, probed: 0, aborted: 0, gone: 0, 'timed-out': 0, 'gave-up': 0 };
  let requests = 0;
  let denied = 0;
  const listeners = new FollowedSockets<TftpListener>();

  function onRequest(listener: TftpListener, from: Endpoint, bytes: Uint8Array): void {
    const packet = decodeTftp(bytes);
    // Only requests begin anything; an ERROR or a stray DATA is never answered (CVE-2024-2169: two servers in a loop).
    if (packet instanceof WireError || (packet.kind !== 'read' && packet.kind !== 'write')) {
      counts.nonsense++;
      return;
    }
    requests++;
    if (!admission.request(from.address, clock.nowMs())) {
      refuse(from, packet, 'rate');
      return;
    }
    const previous = active.get(keyOf(from));
    if (previous !== undefined) {
      const { confirmed, isFlowing } = previous.running;
      const again = (!confirmed || isFlowing) && sameRequest(previous.request, packet);
      // ROMs use one port for file after file: another request there says that the old transfer is over.
      previous.running.handle({ kind: again ? 'request-again' : 'unreachable' });
      if (again) return;
    }
    const server = listener.local.address;
    options.onFact?.({ kind: 'tftp-request', client: from, server, file: packet.file });
    const answer = negotiate(packet, rules);
    if ('code' in answer) {
      denied++;
      options.onFact?.({ kind: 'tftp-end', client: from, server, outcome: 'denied', why: answer.message });
      log.info({ address: from.address, file: packet.file, why: answer.message }, 'tftp request denied');
      listener.send(from, encodeTftp({ kind: 'error', ...answer }));
      return;
    }
    begin(listener.local.address, from, packet, answer);
  }

  function begin(local: Ipv4, client: Endpoint, request: TftpRequest, agreement: Agreement): void {
    const now = clock.nowMs();
    let refusal = admission.begin(client.address, now);
    // A client that has answered is worth more than a claim: make room by dropping the oldest claim.
    if (refusal === 'total' && dropOldestClaim()) refusal = admission.begin(client.address, now);
    if (refusal !== undefined) {
      refuse(client, request, refusal);
      return;
    }
    const file = files.get(agreement.file);
    if (file === undefined) throw new Error(`negotiated a file outside the catalogue: ${agreement.file}`);
    const key = keyOf(client);
    const running = runTransfer({
      agreement,
      file,
      clock,
      timers: options.timers,
      counts,
      openSocket: (transfer) =>
        options.sockets.connect(local, client, {
          onPacket: (bytes) => transfer.onPacket(bytes),
          onUnreachable: () => transfer.handle({ kind: 'unreachable' }),
        }),
      onEnd(outcome) {
        active.delete(key);
        admission.end(client.address);
        outcomes[outcome.kind]++;
        report(client, agreement, outcome, clock.nowMs() - now);
        options.onFact?.({ kind: 'tftp-end', client, server: local, ...factOf(outcome, running.confirmed) });
      },
    });
    active.set(key, { request, running });
    options.onFact?.({ kind: 'tftp-answer', client, server: local, sizeBytes: agreement.sizeBytes });
    running.handle({ kind: 'start' });
  }

  function dropOldestClaim(): boolean {
    for (const { running } of active.values()) {
      if (running.confirmed) continue;
      running.handle({ kind: 'unreachable' });
      return true;
    }
    return false;
  }

  function refuse(from: Endpoint, request: TftpRequest, by: RefusedBy): void {
    refused[by]++;
    log.debug({ address: from.address, file: request.file, by }, 'tftp request left unanswered');
  }

  function report(client: Endpoint, agreement: Agreement, outcome: TransferOutcome, ms: number): void {
    const { kind, ...details } = outcome;
    const { file, blksize, windowsize, sizeBytes } = agreement;
    const fields = { address: client.address, file, blksize, windowsize, ms: Math.round(ms), ...details };
    if (kind === 'completed') {
      log.info({ ...fields, sizeBytes }, 'tftp file sent');
      options.onMachineEvent({ kind: 'file', address: client.address, name: file, via: 'tftp' });
    } else if (kind === 'timed-out' || kind === 'gave-up') log.warn(fields, `tftp transfer ${kind}`);
    else log.debug(fields, `tftp transfer ${kind}`);
  }

  function serve(addresses: readonly Ipv4[]): Promise<void> {
    return listeners.follow(
      new Map(addresses.map((address) => [`${address}:${port}`, () => listen(address)] as const)),
    );
  }

  async function listen(address: Ipv4): Promise<TftpListener> {
    const listener: TftpListener = await options.sockets.listen({ address, port }, (from, bytes) =>
      onRequest(listener, from, bytes),
    );
    return listener;
  }

  async function stop(): Promise<void> {
    for (const { running } of [...active.values()]) running.handle({ kind: 'give-up', why: 'server stops' });
    await listeners.close();
  }

  return {
    async start() {
      try {
        await serve(options.addresses);
        return listeners.all().map((listener) => listener.local);
      } catch (error) {
        await stop();
        throw error;
      }
    },
    serve,
    stop,
    stats: () => ({
      ...counts,
      active: admission.active,
      requests,
      denied,
      refused: { ...refused },
      outcomes: { ...outcomes },
    }),
  };
}

function keyOf(client: Endpoint): string {
  return `${client.address}:${client.port}`;
}

/** A client that never acknowledged anything did not get our answers, or its own do not get here. */
function factOf(
  outcome: TransferOutcome,
  confirmed: boolean,
): Pick<Observed & { kind: 'tftp-end' }, 'outcome' | 'why'> {
  switch (outcome.kind) {
    case 'completed':
    case 'probed':
      return { outcome: outcome.kind };
    case 'aborted':
      return { outcome: 'aborted', why: outcome.message };
    case 'gave-up':
      return { outcome: 'aborted', why: outcome.why };
    case 'gone':
    case 'timed-out':
      return confirmed ? { outcome: 'aborted', why: 'it fell silent' } : { outcome: 'timed-out' };
  }
}

function sameRequest(a: TftpRequest, b: TftpRequest): boolean {
  return a.kind === b.kind && a.file === b.file && a.options.join() === b.options.join();
}
