// Peers that the configuration names by address, for where multicast does not reach.
import { parseIpv4 } from '../base/addresses.ts';
import type { BeaconEndpoint } from '../swarm/beacon-table.ts';
import { DEFAULT_SITE_PORT } from '../swarm/site.ts';

/** `addresses`: each `a.b.c.d` or `a.b.c.d:port`, as the configuration has proved them. */
export function toldPeers(addresses: readonly string[]): BeaconEndpoint[] {
  return addresses.flatMap((told) => {
    const [text = '', port = DEFAULT_SITE_PORT] = told.split(':');
    const address = parseIpv4(text);
    return address === undefined ? [] : [{ address, port: Number(port) }];
  });
}
