// Joins what is heard of machines into one row each, by likeness and not by MAC alone, within a bounded memory.
import type { ProgressReport } from '../api/agent.ts';
import type { DiskFacts } from '../api/identity.ts';
import type { MachineView } from '../api/machines.ts';
import { machineId } from '../base/identifier.ts';
import { uuidKey } from '../base/uuid.ts';
import { type Depth, likeness, textKey } from '../boot/identity.ts';
import type { Ladder } from '../boot/progress.ts';
import type { PendingChoice } from './machine-choice.ts';
import type { MachineRecord } from './machine-store.ts';

export interface MachineRow {
  readonly id: string;
  identity: MachineView['identity'];
  /** The deepest that was told of its identity. */
  depth: Depth;
  address?: string | undefined;
  firmware?: string | undefined;
  ladder: Ladder | undefined;
  /** Has its agent checked in, ever? What only made noise on the network is forgotten first. */
  known: boolean;
  /** Was it given an image, or a name? Such a row is never forgotten by itself. */
  kept: boolean;
  /** Ids of rows that it may be the same machine as. */
  doubts: readonly string[];
  /** Of its last check-in. */
  disks?: readonly DiskFacts[] | undefined;
  progress?: ProgressReport | undefined;
  failure?: MachineView['failure'];
  /** An agent that cannot go on says so again and again; the log says it once. */
  loggedFailure?: string | undefined;
  /** Which boot of the agent wrote or proved last, by its ticket, and when by the wall clock. */
  work?: { readonly bootId: string; readonly wallMs: number } | undefined;
  planned?: MachineRecord['planned'];
  done?: MachineRecord['done'];
  name?: string | undefined;
  nameTemplate?: string | undefined;
  /** Of the boot of its agent that checked in last. */
  agentBootId?: string | undefined;
  /** What was chosen on its screen since its last script. */
  choice?: PendingChoice | undefined;
  /** Chosen on its screen for the boot that goes on, and to be approved: `name@version`. */
  wish?: string | undefined;
  /** The last plan that the log told of. */
  toldPlan?: string | undefined;
  /** What was last written down of it, so that it is written again only when it changes. */
  remembered?: string | undefined;
  lastSeenMs: number;
}

/** What an event tells about who it is of. */
export interface Claim {
  readonly depth: Depth;
  readonly identity: Partial<Omit<MachineView['identity'], 'macs'>>;
  readonly macs: readonly string[];
  readonly address?: string | undefined;
}

export interface MachineIndexOptions {
  /** Rows of machines whose agent never checked in; beyond it the one unheard for longest goes. */
  readonly mostNewcomers: number;
  /** Rows of machines whose agent checked in and was given nothing. */
  readonly mostKnown: number;
  /** `into`: it turned out to be that row's machine. */
  readonly onForget: (row: MachineRow, into?: MachineRow) => void;
}

/** MACs kept of one machine: docks and dongles come and go. */
const MOST_MACS = 32;
/** Rows that nobody needs under one UUID or serial: a flood with one UUID must not make each look long. */
const MOST_NAMESAKES = 16;

export class MachineIndex {
  readonly #options: MachineIndexOptions;
  /** All three in order of use, the longest unused first. */
  readonly #newcomers = new Map<string, MachineRow>();
  readonly #known = new Map<string, MachineRow>();
  readonly #kept = new Map<string, MachineRow>();
  /** By `uuid …`, `serial …`. */
  readonly #byName = new Map<string, Set<MachineRow>>();
  readonly #byMac = new Map<string, MachineRow>();
  readonly #byAddress = new Map<string, MachineRow>();

  constructor(options: MachineIndexOptions) {
    this.#options = options;
  }

  *rows(): Iterable<MachineRow> {
    yield* this.#kept.values();
    yield* this.#known.values();
    yield* this.#newcomers.values();
  }

  /** Rows that are never forgotten by themselves. */
  get keptCount(): number {
    return this.#kept.size;
  }

  byId(id: string): MachineRow | undefined {
    return this.#kept.get(id) ?? this.#known.get(id) ?? this.#newcomers.get(id);
  }

  /** The machine that used this MAC last. */
  byMac(mac: string): MachineRow | undefined {
    return this.#byMac.get(mac);
  }

  byAddress(address: string): MachineRow | undefined {
    return this.#byAddress.get(address);
  }

  /**
   * The row that the claim is about, made when there is none; undefined when the claim says nothing. Rows that turn
   * out to be of one machine become one. A MAC or address belongs to the machine that used it last.
   */
  claim(claim: Claim, wallMs: number): MachineRow | undefined {
    const { same, doubtful } = this.#compare(claim);
    let row = same[0];
    if (row === undefined && says(claim) === undefined && claim.address !== undefined) {
      row = this.#byAddress.get(claim.address);
    }
    row ??= this.#create(claim, wallMs);
    if (row === undefined) return undefined;
    for (const other of same.slice(1)) this.#fold(row, other);
    this.learn(row, claim);
    row.doubts = doubtful.filter((other) => other !== row).map(({ id }) => id);
    this.touch(row, wallMs);
    return row;
  }

  /** The row that the claim would be put into; nothing changes. */
  find(claim: Claim): MachineRow | undefined {
    return this.#compare(claim).same[0];
  }

  /** A machine that was remembered across a restart. */
  restore(row: MachineRow): void {
    this.#kept.set(row.id, row);
    this.learn(row, { depth: row.depth, identity: row.identity, macs: row.identity.macs });
  }

  touch(row: MachineRow, wallMs: number): void {
    row.lastSeenMs = wallMs;
    const { mostNewcomers, mostKnown } = this.#options;
    this.#remove(row);
    (row.kept ? this.#kept : row.known ? this.#known : this.#newcomers).set(row.id, row);
    if (this.#newcomers.size > mostNewcomers) this.forget(first(this.#newcomers));
    if (this.#known.size > mostKnown) this.forget(first(this.#known));
  }

  forget(row: MachineRow | undefined, into?: MachineRow): void {
    if (row === undefined) return;
    this.#remove(row);
    this.#unname(row);
    for (const mac of row.identity.macs) if (this.#byMac.get(mac) === row) this.#byMac.delete(mac);
    if (row.address !== undefined && this.#byAddress.get(row.address) === row) {
      this.#byAddress.delete(row.address);
    }
    this.#options.onForget(row, into);
  }

  /** Puts what is told into the row, and the row where it is found by it. */
  learn(row: MachineRow, { depth, identity, macs, address }: Claim): void {
    this.#unname(row);
    // What iPXE says of the board may be cut off: the agent's word stands.
    const lesser = DEPTHS.indexOf(depth) < DEPTHS.indexOf(row.depth);
    if (!lesser) row.depth = depth;
    const { macs: had } = row.identity;
    row.identity = lesser ? { ...identity, ...row.identity } : { ...row.identity, ...identity, macs: had };
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
    this.#putName(row);
    if (address === undefined) return;
    if (row.address !== undefined && this.#byAddress.get(row.address) === row) {
      this.#byAddress.delete(row.address);
    }
    row.address = address;
    this.#byAddress.set(address, row);
  }

  /** `same`: the one to be kept first, of those that are worth as much the one heard of first. */
  #compare(claim: Claim): { same: MachineRow[]; doubtful: MachineRow[] } {
    const candidates = new Set<MachineRow>();
    for (const key of namesOf(claim.identity))
      for (const row of this.#byName.get(key) ?? []) candidates.add(row);
    for (const mac of claim.macs) {
      const row = this.#byMac.get(mac);
      if (row !== undefined) candidates.add(row);
    }
    const told = { depth: claim.depth, identity: { ...claim.identity, macs: [...claim.macs] } };
    const same: MachineRow[] = [];
    const doubtful: MachineRow[] = [];
    for (const row of candidates) {
      const alike = likeness(told, row);
      if (alike === 'same') same.push(row);
      else if (alike === 'doubtful') doubtful.push(row);
    }
    return { same: same.sort((a, b) => worth(b) - worth(a)), doubtful };
  }

  #create(claim: Claim, wallMs: number): MachineRow | undefined {
    const name = says(claim);
    if (name === undefined) return undefined;
    let id = machineId(name);
    // Another machine has that UUID, too: its own MAC tells it apart, at every peer alike.
    for (let text = name; this.byId(id) !== undefined; ) {
      text = `${text} ${claim.macs[0] ?? ''}`;
      id = machineId(text);
    }
    return {
      id,
      identity: { macs: [] },
      depth: claim.depth,
      ladder: undefined,
      known: false,
      kept: false,
      doubts: [],
      lastSeenMs: wallMs,
    };
  }

  /** Two rows are one machine: noise that was heard under the MAC alone, or a machine that could not be told before. */
  #fold(row: MachineRow, other: MachineRow): void {
    if (!other.known) row.ladder = other.ladder;
    if ((other.done?.wallMs ?? 0) > (row.done?.wallMs ?? 0)) row.done = other.done;
    row.planned ??= other.planned;
    row.name ??= other.name;
    row.kept ||= other.kept;
    row.known ||= other.known;
    row.remembered = undefined;
    this.forget(other, row);
    this.learn(row, { depth: 'hint', identity: other.identity, macs: other.identity.macs });
    // A hint only fills gaps of what was told more deeply; the MAC that was told last comes with the claim itself.
  }

  #putName(row: MachineRow): void {
    for (const key of namesOf(row.identity)) {
      const there = this.#byName.get(key);
      if (there === undefined) {
        this.#byName.set(key, new Set([row]));
        continue;
      }
      there.add(row);
      if (there.size <= MOST_NAMESAKES) continue;
      for (const one of there) {
        if (one === row || one.known || one.kept) continue;
        this.forget(one);
        break;
      }
    }
  }

  #unname(row: MachineRow): void {
    for (const key of namesOf(row.identity)) {
      const there = this.#byName.get(key);
      there?.delete(row);
      if (there?.size === 0) this.#byName.delete(key);
    }
  }

  #remove({ id }: MachineRow): void {
    this.#newcomers.delete(id);
    this.#known.delete(id);
    this.#kept.delete(id);
  }
}

function namesOf({ uuid, serial }: Partial<MachineView['identity']>): string[] {
  return [
    ...(uuid === undefined ? [] : [`uuid ${uuidKey(uuid)}`]),
    ...(serial === undefined || textKey(serial) === '' ? [] : [`serial ${textKey(serial)}`]),
  ];
}

/** What an id is made of; undefined when the claim names nothing but an address. */
function says({ identity, macs }: Claim): string | undefined {
  return identity.uuid === undefined ? macs[0] : uuidKey(identity.uuid);
}

function worth(row: MachineRow): number {
  return row.done !== undefined ? 4 : row.planned !== undefined ? 3 : row.kept ? 2 : row.known ? 1 : 0;
}

const DEPTHS: readonly Depth[] = ['hint', 'board', 'whole'];

function first(rows: Map<string, MachineRow>): MachineRow | undefined {
  return rows.values().next().value;
}

/** Only what was given an image can be imaged twice by mistake. */
export function isImaged(row: MachineRow | undefined): boolean {
  return row?.planned !== undefined || row?.done !== undefined;
}
