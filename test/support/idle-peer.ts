// A peer as its site hears of it, idle, fit and holding nothing, but for what a test says.
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { Announcement, SitePeer } from '../../src/swarm/site.ts';

export const IDLE: Announcement = {
  role: 'peer',
  httpPort: 8067,
  tags: [],
  holdings: [],
  freeUplinkBytesPerSecond: 0,
  unfit: [],
  crossing: [],
};

export function idlePeer(id: string, change: Partial<SitePeer> = {}): SitePeer {
  return { ...IDLE, id, address: '10.77.0.2' as Ipv4, port: 8068, ...change };
}
