// What a boot host remembers of firmwares, kept over a restart and shared with the site's other boot hosts: dialects, and who enforces Secure Boot.
import { type FirmwareFacts, FirmwareFacts as FirmwareFactsSchema } from '../api/firmware.ts';
import { ANY_ADDRESS, formatMac, type Mac, parseMac } from '../base/addresses.ts';
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { FirstFile } from '../boot/chain.ts';
import { ChainMemory, type SecureBootRow } from '../boot/chain-memory.ts';
import {
  type Asked,
  type DialectChoice,
  type DialectFactHeard,
  DialectMemory,
} from '../boot/dialect-memory.ts';
import type { DialectRow } from '../boot/dialect-rows.ts';
import type { MachineEvent } from '../boot/progress.ts';
import type { Dialect } from '../boot/quirks.ts';
import { OPTIONS, readOption } from '../dhcp/options.ts';
import type { DhcpPacket } from '../dhcp/packet.ts';
import type { BootHost } from './imaged-elsewhere.ts';

/** What is kept; times by the wall clock. */
export interface KeptFirmware {
  readonly dialects: readonly DialectRow[];
  readonly secureBoot: readonly SecureBootRow[];
}

/** Port: durable when `save` returns; throws when it cannot be. The adapter is `io/firmware-store`. */
export interface FirmwareStore {
  load(): KeptFirmware;
  save(kept: KeptFirmware): void;
}

/** Port: the JSON of another boot host's `GET /site/v1/firmware`; undefined when it is silent or cannot be believed. */
export type AskFirmware = (host: BootHost) => Promise<unknown>;

export interface FirmwareMemory {
  asked(asked: Asked): DialectChoice;
  gaveDialect(mac: Mac, dialect: Dialect): void;
  heard(fact: DialectFactHeard): void;
  /** What a DHCP server answered a machine. */
  heardReply(packet: DhcpPacket): void;
  dialectOf(macs: readonly string[]): DialectChoice | undefined;
  firmwareAsks(mac: Mac): void;
  enforcesSecureBoot(mac: Mac | undefined): boolean;
  gaveFile(mac: Mac, first: FirstFile): void;
  observe(event: MachineEvent): void;
  chainOf(mac: string | undefined): string | undefined;
  /** For other boot hosts and for administrators. */
  facts(): FirmwareFacts;
  /** One make of firmware, the Secure Boot of one machine (by MAC), or all; how many rows that were. */
  forget(what: string | undefined): number;
  /** Asks every boot host; resolves when all have answered. Never rejects. */
  sync(): Promise<void>;
  start(): void;
  /** What is not yet kept is kept now. */
  stop(): void;
}

export interface FirmwareMemoryOptions {
  readonly store: FirmwareStore;
  /** Live boot hosts of the site, without us. */
  readonly hosts: () => readonly BootHost[];
  readonly ask: AskFirmware;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

const LOOK_MS = 10_000;
/** Of a peer that has just started, and has not heard of the others yet. */
const LOOK_AGAIN_MS = 1_000;
/** Many machines that are switched on together are one write. */
const KEEP_AFTER_MS = 1_000;

export function createFirmwareMemory(options: FirmwareMemoryOptions): FirmwareMemory {
  const { clock, log, store, timers } = options;
  const dialects = new DialectMemory();
  const chains = new ChainMemory();
  const kept = store.load();
  dialects.adopt(kept.dialects);
  chains.adopt(kept.secureBoot);
  let keptAt = changes();
  let cancelKeep: (() => void) | undefined;
  let cancelLook: (() => void) | undefined;

  function changes(): number {
    return dialects.rows.changes + chains.changes;
  }

  function keep(): void {
    cancelKeep = undefined;
    if (changes() === keptAt) return;
    keptAt = changes();
    try {
      store.save({ dialects: dialects.rows.list(), secureBoot: chains.list() });
    } catch (error) {
      log.error({ err: error }, 'what was learnt of firmwares could not be remembered');
    }
  }

  /** Does it, and sees to it that what was learnt is kept. */
  function learning<Result>(act: (wallMs: number) => Result): Result {
    const result = act(clock.wallMs());
    if (changes() !== keptAt) cancelKeep ??= timers.after(KEEP_AFTER_MS, keep);
    return result;
  }

  function facts(): FirmwareFacts {
    const wallMs = clock.wallMs();
    const age = (atMs: number) => Math.max(0, wallMs - atMs);
    return {
      dialects: dialects.rows.list().map(({ atMs, ...row }) => ({ ...row, ageMs: age(atMs) })),
      secureBoot: chains.list().map(({ atMs, ...row }) => ({ ...row, ageMs: age(atMs) })),
    };
  }

  const heard = (fact: DialectFactHeard) => learning((wallMs) => dialects.heard(fact, wallMs));

  async function askOne(host: BootHost): Promise<void> {
    const answer = FirmwareFactsSchema.safeParse(await options.ask(host));
    if (!answer.success) return;
    const news = learning((wallMs) => {
      const at = ({ ageMs }: { readonly ageMs: number }) => wallMs - ageMs;
      return (
        dialects.adopt(answer.data.dialects.map((row) => ({ ...row, atMs: at(row) }))) +
        chains.adopt(answer.data.secureBoot.map((row) => ({ ...row, mac: row.mac as Mac, atMs: at(row) })))
      );
    });
    if (news > 0) log.info({ host: host.address, facts: news }, 'learnt of firmwares from another boot host');
  }

  async function sync(): Promise<void> {
    await Promise.all(
      options
        .hosts()
        .map((host) =>
          askOne(host).catch((error: unknown) =>
            log.debug({ host: host.address, err: error }, 'boot host does not tell of firmwares'),
          ),
        ),
    );
  }

  function look(): void {
    const isAlone = options.hosts().length === 0;
    void sync().finally(() => {
      if (cancelLook !== undefined) cancelLook = timers.after(isAlone ? LOOK_AGAIN_MS : LOOK_MS, look);
    });
  }

  return {
    asked: (asked) => learning((wallMs) => dialects.asked(asked, clock.nowMs(), wallMs)),
    gaveDialect: (mac, dialect) => dialects.gave(mac, dialect),
    heard,
    heardReply(packet) {
      const isOffer = readOption(packet.options, OPTIONS.messageType) === 'OFFER';
      if (!isOffer || packet.yiaddr === ANY_ADDRESS || packet.chaddr.length !== 6) return;
      heard({ kind: 'address-offered', mac: formatMac(packet.chaddr), xid: packet.xid });
    },
    dialectOf: (macs) => macs.map((mac) => dialects.choiceOf(mac)).find((one) => one !== undefined),
    firmwareAsks: (mac) => learning((wallMs) => chains.firmwareAsks(mac, wallMs)),
    enforcesSecureBoot: (mac) => chains.facts(mac).secureBoot,
    gaveFile: (mac, first) => chains.gave(mac, first),
    observe: (event) => learning((wallMs) => chains.observe(event, wallMs)),
    chainOf: (mac) => chains.chainOf(mac),
    facts,
    forget: (what) =>
      learning((wallMs) => {
        const mac = what === undefined ? undefined : parseMac(what);
        const ofDialects = mac === undefined ? dialects.forget(what, wallMs) : 0;
        return ofDialects + (what === undefined || mac !== undefined ? chains.forget(mac, wallMs) : 0);
      }),
    sync,
    start() {
      cancelLook = () => {};
      look();
    },
    stop() {
      cancelLook?.();
      cancelLook = undefined;
      cancelKeep?.();
      keep();
    },
  };
}
