// Which chunks leave when room is needed: the least recently used that nobody has pinned.
import type { Descriptor, Digest } from '../base/digest.ts';

/**
 * The fewest of the oldest that free `neededBytes`, given in the order of use with the oldest first; undefined when
 * even all that are not pinned would not do: then nothing is given up for nothing.
 */
export function chooseVictims(
  oldestFirst: Iterable<Descriptor>,
  isPinned: (digest: Digest) => boolean,
  neededBytes: number,
): readonly Descriptor[] | undefined {
  const victims: Descriptor[] = [];
  let freedBytes = 0;
  for (const chunk of oldestFirst) {
    if (freedBytes >= neededBytes) break;
    if (isPinned(chunk.digest)) continue;
    victims.push(chunk);
    freedBytes += chunk.size;
  }
  return freedBytes >= neededBytes ? victims : undefined;
}
