// The product's own parts for a simulated node: the real machines, none of them knowing that it is simulated.
import { designated } from '../swarm/election.ts';
import { createLine } from '../swarm/line.ts';
import type { Parts } from './node.ts';

export function realParts(): Parts {
  return {
    machine: (setup) => createLine(setup),
    verify: ({ bad }) => !bad,
    salvage: (partial) => partial,
    elect: (site, key, candidates) => designated(site, key, candidates),
  };
}
