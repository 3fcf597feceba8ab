// Remembers of each machine what its chain depends on: whether its firmware refuses what nobody signed.
import type { Mac } from '../base/addresses.ts';
import type { Chain, ChainFacts, FirstFile } from './chain.ts';
import type { MachineEvent } from './progress.ts';

const MOST_MACHINES = 4096;

interface Remembered {
  secureBoot: boolean;
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

  facts(mac: Mac | undefined): ChainFacts {
    return { secureBoot: mac !== undefined && this.#machines.get(mac)?.secureBoot === true };
  }

  /** The chain that its firmware was given last. */
  chainOf(mac: string | undefined): Chain | undefined {
    return mac === undefined ? undefined : this.#machines.get(mac as Mac)?.given.chain;
  }

  /** The firmware itself (no iPXE) begins to look for a boot server: call it before `facts`. */
  firmwareAsks(mac: Mac): void {
    const known = this.#machines.get(mac);
    if (known?.fetched !== true) return;
    if (known.given.chain === 'ipxe') known.secureBoot = true;
    known.fetched = false;
  }

  gave(mac: Mac, given: FirstFile): void {
    const known = this.#machines.get(mac);
    this.#machines.delete(mac);
    this.#machines.set(mac, { secureBoot: false, fetched: false, ...known, given });
    if (this.#machines.size > MOST_MACHINES) forgetOldest(this.#machines);
  }

  /** What the services tell of machines, in order. */
  observe(event: MachineEvent): void {
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
        this.#runs(event.query.mac);
        return;
      case 'check-in':
        for (const mac of event.checkIn.identity.macs) this.#runs(mac, event.checkIn.secureBoot);
        return;
      case 'report':
        return;
    }
  }

  /** What was fetched speaks: it was not refused. */
  #runs(mac: string | undefined, secureBoot?: boolean): void {
    const known = this.#machines.get(mac as Mac);
    if (known === undefined) return;
    known.fetched = false;
    known.secureBoot = secureBoot ?? false;
  }
}

function forgetOldest<Key>(map: Map<Key, unknown>): void {
  const [oldest] = map.keys();
  map.delete(oldest as Key);
}
