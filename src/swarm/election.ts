// Who of a site does something once for all: highest random weight, so that all agree without a word, as far as they see the same peers.
import { type Digest, digestHex, isDigest } from '../base/digest.ts';
import { mixNumber } from './mix.ts';
import { type ImageKey, type PeerId, type PeerRole, TAGS, type UnfitReason } from './site.ts';

/** What an election needs to know of a peer; a `SitePeer` is one, and so is our own announcement with our id. */
export interface Candidate {
  readonly id: PeerId;
  readonly role: PeerRole;
  readonly tags: readonly string[];
  readonly unfit: readonly UnfitReason[];
}

/** Their own way out does not work or ends now: worse than a way out that costs something. */
const LAST_RESORT: readonly UnfitReason[] = ['wan-down', 'leaving'];

/**
 * The one that crosses the WAN for this image, of those that live, ourselves among them; undefined when all are forbidden
 * to. Unfit peers only when no fit one is there, targets only when no peer is left that has a way out. Each comes and goes without
 * moving anything between the others. `site`: its label, '' without one. A digest counts as the image key of its first digits.
 */
export function designated(
  site: string,
  key: ImageKey | Digest,
  candidates: readonly Candidate[],
): PeerId | undefined {
  let best: Candidate | undefined;
  let bestTier = Number.POSITIVE_INFINITY;
  let bestWeight = -1;
  for (const one of candidates) {
    const tier = wanTier(one);
    if (tier === undefined || tier > bestTier) continue;
    const own = weight(site, key, one.id);
    if (tier === bestTier && own <= bestWeight) continue;
    best = one;
    bestTier = tier;
    bestWeight = own;
  }
  return best?.id;
}

/** All that may cross, the designated one first: each takes over when those before it fail. */
export function rankForWan(
  site: string,
  key: ImageKey | Digest,
  candidates: readonly Candidate[],
): readonly Candidate[] {
  return candidates
    .flatMap((one) => {
      const tier = wanTier(one);
      return tier === undefined ? [] : [{ one, tier, weight: weight(site, key, one.id) }];
    })
    .sort((a, b) => a.tier - b.tier || b.weight - a.weight)
    .map(({ one }) => one);
}

/** All of them, highest random weight first, whatever their role and fitness: the first k keep the k replicas. */
export function rankByWeight<Ranked extends { readonly id: PeerId }>(
  site: string,
  key: ImageKey | Digest,
  candidates: readonly Ranked[],
): readonly Ranked[] {
  return candidates
    .map((one) => ({ one, weight: weight(site, key, one.id) }))
    .sort((a, b) => b.weight - a.weight)
    .map(({ one }) => one);
}

/**
 * Lower goes first; undefined: never. A target works for itself and may not reach the WAN at all: even a busy or a
 * paused peer goes before it, so that pausing all peers pauses the site.
 */
function wanTier({ role, tags, unfit }: Candidate): number | undefined {
  if (tags.includes(TAGS.wanForbid)) return undefined;
  if (unfit.some((reason) => LAST_RESORT.includes(reason))) return role === 'peer' ? 7 : 8;
  // All of the site waits for it: even a target goes before it.
  if (unfit.includes('slow')) return role === 'peer' ? 5 : 6;
  if (role === 'target') return unfit.length > 0 ? 4 : 3;
  if (unfit.length > 0) return 2;
  return tags.includes(TAGS.wanPrefer) ? 0 : 1;
}

/** 53 bits: two of a site never weigh the same; if they did, two would act, which costs bandwidth and nothing else. */
function weight(site: string, key: ImageKey | Digest, id: PeerId): number {
  const image = isDigest(key) ? digestHex(key).slice(0, 16) : key;
  return mixNumber(`${site}\n${image}\n${id}`);
}
