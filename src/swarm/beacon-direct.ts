// Whom a beacon must send to by unicast: those that multicast does not bring together with us.
import type { MonotonicMs } from '../base/time.ts';
import type { BeaconEndpoint, BeaconTable } from './beacon-table.ts';
import { endpointKey, type ToldAddresses } from './beacon-told.ts';

/** Each with whether it shall beat to us by unicast, too. Whose multicast was not heard for `deafMs` is not reached by ours either. */
export function directOnes(
  table: BeaconTable,
  told: ToldAddresses,
  deafMs: number,
  now: MonotonicMs,
): ReadonlyMap<BeaconEndpoint, boolean> {
  const ones = new Map<BeaconEndpoint, boolean>();
  const settled = new Set<string>();
  const answering = told.answering();
  // Mostly there are none.
  if (answering.length === 0 && now >= table.directUntil) return ones;
  for (const peer of table.all()) {
    for (const { endpoint, directUntil, multicastAt } of peer.paths) {
      if (directUntil > now) ones.set(endpoint, false);
      if (answering.length > 0 && (directUntil > now || now - multicastAt < deafMs))
        settled.add(endpointKey(endpoint));
    }
  }
  for (const endpoint of answering) if (!settled.has(endpointKey(endpoint))) ones.set(endpoint, true);
  return ones;
}
