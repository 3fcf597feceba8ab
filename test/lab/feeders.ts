// Who feeds whom in the lab: read from what the machines report to the peer, told by the targets' names.
import { ADDRESSES } from './network.ts';
import type { Peer } from './peer.ts';

export interface Fed {
  readonly target: string;
  /** Another target's name, or `the peer`. */
  readonly feeder: string;
}

const LOOK_MS = 2_000;

/** Calls `onFed` at each change; `names` are the targets by MAC. Returns how to stop. */
export function followFeeders(
  peer: Peer,
  names: ReadonlyMap<string, string>,
  onFed: (fed: Fed) => void,
): () => void {
  const told = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function look(): Promise<void> {
    const machines = await peer.machines();
    const byAddress = new Map([[ADDRESSES.peer as string, 'the peer']]);
    for (const { address, identity } of machines) {
      const name = names.get(identity.macs[0] ?? '');
      if (name !== undefined && address !== undefined) byAddress.set(address, name);
    }
    for (const { identity, source } of machines) {
      const target = names.get(identity.macs[0] ?? '');
      const address = /\d+\.\d+\.\d+\.\d+/.exec(source ?? '')?.[0];
      const feeder = address === undefined ? undefined : byAddress.get(address);
      if (target === undefined || feeder === undefined || told.get(target) === feeder) continue;
      told.set(target, feeder);
      onFed({ target, feeder });
    }
  }

  function again(): void {
    timer = setTimeout(() => {
      // A look that fails is no loss: the story itself notices when the peer is gone.
      look()
        .catch(() => {})
        .finally(() => !stopped && again());
    }, LOOK_MS);
  }
  again();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
