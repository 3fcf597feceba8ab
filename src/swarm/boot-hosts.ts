// Which of a site's boot hosts answers a machine: all agree by highest random weight, each for another share of the machines.
import type { Mac } from '../base/addresses.ts';
import { type Candidate, rankByWeight } from './election.ts';
import { type PeerId, TAGS } from './site.ts';

export function isBootHost({ tags }: Pick<Candidate, 'tags'>): boolean {
  return tags.includes(TAGS.bootHost);
}

/**
 * The boot hosts in the order in which they answer this machine. Whoever is about to leave comes last, before that whoever is
 * busy, on battery or paused; the others share the machines among them. `candidates`: live peers, ourselves among them.
 */
export function rankBootHosts<Host extends Candidate>(
  site: string,
  mac: Mac,
  candidates: readonly Host[],
): readonly Host[] {
  const hosts = candidates.filter((one) => one.role === 'peer' && isBootHost(one));
  // Sorting is stable, so the weight decides among equals.
  return [...rankByWeight(site, `boot ${mac}`, hosts)].sort((a, b) => tierOf(a) - tierOf(b));
}

/**
 * The one that gives names to machines, so that no number is given twice: all that see the same peers agree on it. Undefined: there is
 * no boot host.
 */
export function numberingHost(site: string, candidates: readonly Candidate[]): PeerId | undefined {
  const hosts = candidates.filter((one) => one.role === 'peer' && isBootHost(one));
  return rankByWeight(site, 'names', hosts)[0]?.id;
}

/** A machine may be imaged from the site though the way out is down. */
function tierOf({ unfit }: Candidate): number {
  if (unfit.includes('leaving')) return 2;
  return unfit.some((reason) => reason !== 'wan-down') ? 1 : 0;
}
