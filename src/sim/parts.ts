// The product's own parts for a simulated node: the real machines, none of them knowing that it is simulated.
import { designated } from '../swarm/election.ts';
import { createLine } from '../swarm/line.ts';
import { createMesh } from '../swarm/mesh.ts';
import type { Parts } from './node.ts';

export const STRATEGIES = ['line', 'swarm', 'auto'] as const;
export type SimStrategy = (typeof STRATEGIES)[number];

export function realParts(strategy: SimStrategy = 'auto'): Parts {
  return {
    machine: (setup) => (strategy === 'swarm' ? createMesh(setup) : createLine(setup)),
    verify: ({ bad }) => !bad,
    salvage: (partial) => partial,
    elect: (site, key, candidates) => designated(site, key, candidates),
  };
}
