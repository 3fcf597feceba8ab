// Remembers of each machine what its chain depends on: whether its firmware refuses what nobody signed.
import { type Mac, parseMac } from '../base/addresses.ts';
import type { Chain, ChainFacts, FirstFile } from './chain.ts';
import type { MachineEvent } from './progress.ts';

const MOST_MACHINES = 4096;

/** What is known of one machine's firmware; of two rows about the same the later one holds. */
export interface SecureBootRow {
  readonly mac: Mac;
  readonly enforced: boolean;
  /** Wall clock. */
  readonly atMs: number;
}

interface Remembered {
  given: FirstFile;
  /** It has fetched that, and nothing was heard of it since: what runs, speaks. */
  fetched: boolean;
}

/**
 * A firmware that refuses an NBP says nothing on the wire: it has fetched it whole, and some time later the firmware,
 * not iPXE, asks once more. Whoever comes back like this is taken for one that has Secure Boot on until its agent says
 * otherwise. A machine that was only switched off at that moment gets another chain, which also boots it.
 */
export class ChainMemory {
  readonly #machines = new Map<Mac, Remembered>();
  readonly #addresses = new Map<string, Mac>();
  /** Those that enforce Secure Boot, or once did: what is kept and shared between boot hosts. */
  readonly #secureBoot = new Map<Mac, SecureBootRow>();
  #changes = 0;

  facts(mac: Mac | undefined): ChainFacts {
    return { secureBoot: mac !== undefined && this.#secureBoot.get(mac)?.enforced === true };
  }

  /** Grows with everything that is worth keeping. */
  get changes(): number {
    return this.#changes;
  }

  list(): readonly SecureBootRow[] {
    return [...this.#secureBoot.values()];
  }

  /** Takes over rows that are later than ours; how many they were. */
  adopt(rows: readonly SecureBootRow[]): number {
    const news = rows.filter(({ mac, atMs }) => atMs > (this.#secureBoot.get(mac)?.atMs ?? -1));
    for (const row of news) this.#put(row);
    return news.length;
  }

  /** Undefined: of all machines. How many were taken to enforce it. */
  forget(mac: Mac | undefined, wallMs: number): number {
    const rows = this.list().filter((row) => row.enforced && (mac === undefined || row.mac === mac));
    for (const row of rows) this.#learn(row.mac, false, wallMs);
    return rows.length;
  }

  /** The chain that its firmware was given last. */
  chainOf(mac: string | undefined): Chain | undefined {
    return mac === undefined ? undefined : this.#machines.get(mac as Mac)?.given.chain;
  }

  /** The firmware itself (no iPXE) begins to look for a boot server: call it before `facts`. */
  firmwareAsks(mac: Mac, wallMs: number): void {
    const known = this.#machines.get(mac);
    if (known?.fetched !== true) return;
    if (known.given.chain === 'ipxe') this.#learn(mac, true, wallMs);
    known.fetched = false;
  }

  gave(mac: Mac, given: FirstFile): void {
    const known = this.#machines.get(mac);
    this.#machines.delete(mac);
    this.#machines.set(mac, { fetched: false, ...known, given });
    if (this.#machines.size > MOST_MACHINES) forgetOldest(this.#machines);
  }

  /** What the services tell of machines, in order. */
  observe(event: MachineEvent, wallMs: number): void {
    switch (event.kind) {
      case 'dhcp':
        if (event.address !== undefined) {
          this.#addresses.delete(event.address);
          this.#addresses.set(event.address, event.mac);
          if (this.#addresses.size > MOST_MACHINES) forgetOldest(this.#addresses);
        }
        return;
      case 'file': {
        const mac = this.#addresses.get(event.address);
        const known = mac === undefined ? undefined : this.#machines.get(mac);
        if (known?.given.name === event.name) known.fetched = true;
        return;
      }
      case 'script':
        this.#runs(event.query.mac, undefined, wallMs);
        return;
      case 'check-in':
        for (const mac of event.checkIn.identity.macs) {
          this.#runs(mac, event.checkIn.secureBoot, wallMs);
        }
        return;
      case 'report':
        return;
    }
  }

  /** What was fetched speaks: it was not refused. Only the agent knows whether Secure Boot is on; a script of an iPXE that nobody signed says that it is not. */
  #runs(text: string | undefined, secureBoot: boolean | undefined, wallMs: number): void {
    const mac = parseMac(text ?? '');
    if (mac === undefined) return;
    const known = this.#machines.get(mac);
    if (known !== undefined) known.fetched = false;
    const enforced = secureBoot ?? (known?.given.chain === 'ipxe' ? false : undefined);
    if (enforced !== undefined) this.#learn(mac, enforced, wallMs);
  }

  /** That a machine never enforced it is not worth a row. */
  #learn(mac: Mac, enforced: boolean, wallMs: number): void {
    const row = this.#secureBoot.get(mac);
    if ((row?.enforced ?? false) === enforced) return;
    // Clocks may go back; what is learnt later holds all the same.
    this.#put({ mac, enforced, atMs: Math.max(wallMs, (row?.atMs ?? 0) + 1) });
  }

  #put(row: SecureBootRow): void {
    this.#changes += 1;
    this.#secureBoot.delete(row.mac);
    this.#secureBoot.set(row.mac, row);
    if (this.#secureBoot.size > MOST_MACHINES) forgetOldest(this.#secureBoot);
  }
}

function forgetOldest<Key>(map: Map<Key, unknown>): void {
  const [oldest] = map.keys();
  map.delete(oldest as Key);
}
