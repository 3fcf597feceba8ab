// The peers of a site as one image sees them: whom its line may ask, and who comes before us on the way to the WAN.
import type { Digest } from '../base/digest.ts';
import { type Candidate, rankForWan } from './election.ts';
import type { LinePeer } from './line-ports.ts';
import type { ImageKey, PeerId, SitePeer, UnfitReason } from './site.ts';

/** A peer whose own way out fails, or is slow, may still serve; every other reason speaks against it. */
export function mayServe(unfit: readonly UnfitReason[]): boolean {
  return unfit.every((reason) => reason === 'wan-down' || reason === 'slow');
}

/**
 * `rows`: chunks of the image. Where nobody that is fit has any of it, nor is designated to fetch it, all but those that
 * are leaving count as fit: a site whose machines are all busy, or on battery, goes on slowly rather than not at all.
 */
export function linePeers(
  peers: readonly SitePeer[],
  image: ImageKey,
  rows: number,
  designated: PeerId | undefined,
): readonly LinePeer[] {
  const all = peers.map((peer): LinePeer => {
    const { id, address, port, role, freeUplinkBytesPerSecond } = peer;
    const held = Math.min(rows, peer.holdings.find((holding) => holding.image === image)?.held ?? 0);
    const crosses = peer.crossing.includes(image);
    return { id, address, port, role, held, freeUplinkBytesPerSecond, fit: mayServe(peer.unfit), crosses };
  });
  if (all.some(({ id, fit, held }) => fit && (held > 0 || id === designated))) return all;
  return all.map((one, i) => ({ ...one, fit: peers[i]?.unfit.includes('leaving') !== true }));
}

/** Those with content by HTTP that are to cross the WAN for this digest before `self`, best first. */
export function peersBefore(
  site: string,
  digest: Digest,
  self: Candidate,
  peers: readonly SitePeer[],
): readonly SitePeer[] {
  const ranking = rankForWan(site, digest, [self, ...peers]);
  const own = ranking.findIndex(({ id }) => id === self.id);
  const first = own < 0 ? ranking : ranking.slice(0, own);
  return first.flatMap(({ id }) => peers.find((peer) => peer.id === id && peer.httpPort > 0) ?? []);
}
