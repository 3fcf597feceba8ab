// Remembers which iPXE ROMs were given an NBP, so that the iPXE which they load gets the script.
import type { Mac } from '../base/addresses.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { BootClient } from './client.ts';

/** Longer than any ROM needs to load the NBP and to ask again. */
const REMEMBER_MS = 120_000;
const MOST_MACHINES = 4096;

/** The iPXE that QEMU has in its network cards, and Debian 12's NBPs too: old enough to be replaced. */
const OLD_VERSION = '1.0.0';

/**
 * Breaks the loop when an old iPXE ROM is treated as a plain BIOS ROM: the iPXE in undionly.kpxe sends the same user
 * class, and may have the same version and features. But iPXE draws one xid per attempt, so another xid from the same
 * machine soon after it was given the NBP is the loaded one asking. Should the ROM itself have started over, it gets the
 * script too, which it can run.
 */
export class RomMemory {
  readonly #given = new Map<Mac, { readonly xid: number; readonly atMs: MonotonicMs }>();

  /** Shall this request be answered with the NBP although iPXE sent it? */
  shallChain(client: BootClient, xid: number, now: MonotonicMs): boolean {
    const mac = client.identity.mac;
    if (client.kind !== 'ipxe' || client.version !== OLD_VERSION) return false;
    if (client.architecture !== 'bios' || mac === undefined) return false;
    const given = this.#given.get(mac);
    if (given !== undefined && now - given.atMs < REMEMBER_MS) return given.xid === xid;
    this.#given.delete(mac);
    this.#given.set(mac, { xid, atMs: now });
    const oldest = this.#given.keys().next().value;
    if (this.#given.size > MOST_MACHINES && oldest !== undefined) this.#given.delete(oldest);
    return true;
  }
}
