// The interfaces that a peer serves, while their addresses change: a till may get another address with every lease.
import type { Log } from '../base/log.ts';
import {
  changedInterfaces,
  chooseInterfaces,
  type HostInterface,
  presentInterfaces,
} from '../io/interfaces.ts';

export interface ServedInterfaces {
  /** As they are now; those that were there last, while there are none. */
  now(): readonly HostInterface[];
  /** Looks every two seconds from now on, and calls `serve` with what it finds when that has changed, or when `serve` rejected. */
  follow(serve: (interfaces: readonly HostInterface[]) => Promise<unknown>): void;
  stop(): void;
}

const LOOK_MS = 2_000;

/** `names` as in the configuration: none means all. Throws PB-INTERFACE-UNKNOWN when one is not there at the start. */
export function servedInterfaces(names: readonly string[], log: Log): ServedInterfaces {
  let served = chooseInterfaces(names);
  let timer: NodeJS.Timeout | undefined;
  let owed = false;

  async function look(serve: (interfaces: readonly HostInterface[]) => Promise<unknown>): Promise<void> {
    const present = presentInterfaces(names);
    const { came, left } = changedInterfaces(served, present);
    // Between two leases, or with the cable out, there is nobody to answer: what is open will do when the address is back.
    if (present.length === 0 || (came.length + left.length === 0 && !owed)) return;
    for (const { name, address } of left) log.info({ interface: name, address }, 'address left');
    for (const { name, address } of came) log.info({ interface: name, address }, 'address is served');
    served = present;
    owed = true;
    try {
      await serve(present);
      owed = false;
    } catch (error) {
      log.warn({ error: String(error) }, 'an address cannot be served yet');
    }
  }

  return {
    now: () => served,
    follow(serve) {
      let busy = false;
      timer = setInterval(() => {
        if (busy) return;
        busy = true;
        void look(serve).finally(() => {
          busy = false;
        });
      }, LOOK_MS);
    },
    stop: () => clearInterval(timer),
  };
}
