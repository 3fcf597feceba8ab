// The peers of a site as one image sees them.
import type { LinePeer } from './line-ports.ts';
import type { ImageKey, SitePeer, UnfitReason } from './site.ts';

/** A peer whose own way out fails may still serve; every other reason speaks against it. */
export function mayServe(unfit: readonly UnfitReason[]): boolean {
  return unfit.every((reason) => reason === 'wan-down');
}

export function linePeers(peers: readonly SitePeer[], image: ImageKey): readonly LinePeer[] {
  return peers.map((peer) => ({
    id: peer.id,
    address: peer.address,
    port: peer.port,
    role: peer.role,
    held: peer.holdings.find((holding) => holding.image === image)?.held ?? 0,
    freeUplinkBytesPerSecond: peer.freeUplinkBytesPerSecond,
    fit: mayServe(peer.unfit),
  }));
}
