// Joins what is heard of a machine by UUID, MAC and address into one row with one id, within a bounded memory.
import type { ProgressReport } from '../api/agent.ts';
import type { MachineView } from '../api/machines.ts';
import { machineId } from '../base/identifier.ts';
import { uuidKey } from '../base/uuid.ts';
import type { Ladder } from '../boot/progress.ts';
import type { MachineRecord } from './machine-store.ts';

export interface MachineRow {
  readonly id: string;
  identity: MachineView['identity'];
  address?: string | undefined;
  firmware?: string | undefined;
  ladder: Ladder | undefined;
  /** Has its agent checked in, ever? What only made noise on the network is forgotten first. */
  known: boolean;
  progress?: ProgressReport | undefined;
  failure?: MachineView['failure'];
  /** An agent that cannot go on says so again and again; the log says it once. */
  loggedFailure?: string | undefined;
  planned?: MachineRecord['planned'];
  done?: MachineRecord['done'];
  /** What was last written down of it, so that it is written again only when it changes. */
  remembered?: string | undefined;
  lastSeenMs: number;
}

/** What an event tells about who it is of. */
export interface Claim {
  readonly uuid?: string | undefined;
  readonly macs: readonly string[];
  readonly address?: string | undefined;
}

export interface MachineIndexOptions {
  /** Rows of machines whose agent never checked in; beyond it the one unheard for longest goes. */
  readonly mostNewcomers: number;
  readonly mostKnown: number;
  readonly onForget: (row: MachineRow) => void;
}

/** MACs kept of one machine: docks and dongles come and go. */
const MOST_MACS = 32;

export class MachineIndex {
  readonly #options: MachineIndexOptions;
  /** Both in order of use, the longest unused first. */
  readonly #newcomers = new Map<string, MachineRow>();
  readonly #known = new Map<string, MachineRow>();
  readonly #byUuid = new Map<string, MachineRow>();
  readonly #byMac = new Map<string, MachineRow>();
  readonly #byAddress = new Map<string, MachineRow>();

  constructor(options: MachineIndexOptions) {
    this.#options = options;
  }

  *rows(): Iterable<MachineRow> {
    yield* this.#known.values();
    yield* this.#newcomers.values();
  }

  byId(id: string): MachineRow | undefined {
    return this.#known.get(id) ?? this.#newcomers.get(id);
  }

  byAddress(address: string): MachineRow | undefined {
    return this.#byAddress.get(address);
  }

  /**
   * The row that the claim is about, made when there is none; undefined when the claim says nothing. The UUID wins
   * over the MAC, for dongles are shared; a MAC or address belongs to the machine that used it last.
   */
  claim(claim: Claim, wallMs: number): MachineRow | undefined {
    const byMac = claim.macs.map((mac) => this.#byMac.get(mac)).find((row) => row !== undefined);
    const byUuid = claim.uuid === undefined ? undefined : this.#byUuid.get(uuidKey(claim.uuid));
    let row = byUuid ?? (byMac !== undefined && agrees(byMac, claim.uuid) ? byMac : undefined);
    if (
      row === undefined &&
      claim.uuid === undefined &&
      claim.macs.length === 0 &&
      claim.address !== undefined
    ) {
      row = this.#byAddress.get(claim.address);
    }
    row ??= this.#create(claim, wallMs);
    if (row === undefined) return undefined;
    if (byMac !== undefined && byMac !== row) this.#takeOver(row, byMac);
    this.#learn(row, claim);
    this.touch(row, wallMs);
    return row;
  }

  /** A machine that was remembered across a restart. */
  restore(row: MachineRow): void {
    this.#known.set(row.id, row);
    this.#learn(row, { uuid: row.identity.uuid, macs: row.identity.macs });
  }

  touch(row: MachineRow, wallMs: number): void {
    row.lastSeenMs = wallMs;
    this.#newcomers.delete(row.id);
    this.#known.delete(row.id);
    (row.known ? this.#known : this.#newcomers).set(row.id, row);
    if (this.#newcomers.size > this.#options.mostNewcomers) this.#forget(first(this.#newcomers));
    if (this.#known.size > this.#options.mostKnown) this.#forget(this.#leastWorthKnown());
  }

  #create(claim: Claim, wallMs: number): MachineRow | undefined {
    const name = claim.uuid === undefined ? claim.macs[0] : uuidKey(claim.uuid);
    if (name === undefined) return undefined;
    let id = machineId(name);
    while (this.byId(id) !== undefined) id = machineId(`${id} ${name}`);
    return { id, identity: { macs: [] }, ladder: undefined, known: false, lastSeenMs: wallMs };
  }

  /** Noise heard under the MAC alone turns out to have been this machine: its way so far is this machine's. */
  #takeOver(row: MachineRow, other: MachineRow): void {
    if (other.known || other.identity.uuid !== undefined) return;
    row.ladder = other.ladder;
    this.#forget(other);
  }

  #learn(row: MachineRow, { uuid, macs, address }: Claim): void {
    if (uuid !== undefined) {
      row.identity = { ...row.identity, uuid };
      this.#byUuid.set(uuidKey(uuid), row);
    }
    for (const mac of macs) {
      const before = this.#byMac.get(mac);
      if (before !== undefined && before !== row) {
        before.identity = { ...before.identity, macs: before.identity.macs.filter((one) => one !== mac) };
      }
      this.#byMac.set(mac, row);
    }
    const all = [...new Set([...macs, ...row.identity.macs])];
    for (const mac of all.splice(MOST_MACS)) this.#byMac.delete(mac);
    row.identity = { ...row.identity, macs: all };
    if (address !== undefined) {
      if (row.address !== undefined && this.#byAddress.get(row.address) === row) {
        this.#byAddress.delete(row.address);
      }
      row.address = address;
      this.#byAddress.set(address, row);
    }
  }

  #leastWorthKnown(): MachineRow | undefined {
    for (const row of this.#known.values()) if (row.done === undefined) return row;
    return first(this.#known);
  }

  #forget(row: MachineRow | undefined): void {
    if (row === undefined) return;
    this.#newcomers.delete(row.id);
    this.#known.delete(row.id);
    const { uuid, macs } = row.identity;
    if (uuid !== undefined && this.#byUuid.get(uuidKey(uuid)) === row) this.#byUuid.delete(uuidKey(uuid));
    for (const mac of macs) if (this.#byMac.get(mac) === row) this.#byMac.delete(mac);
    if (row.address !== undefined && this.#byAddress.get(row.address) === row) {
      this.#byAddress.delete(row.address);
    }
    this.#options.onForget(row);
  }
}

/** Can a row found by MAC be the machine that claims this UUID? */
function agrees(row: MachineRow, uuid: string | undefined): boolean {
  return (
    uuid === undefined || row.identity.uuid === undefined || uuidKey(row.identity.uuid) === uuidKey(uuid)
  );
}

function first(rows: Map<string, MachineRow>): MachineRow | undefined {
  return rows.values().next().value;
}
