// The product's own parts for a simulated node: the real machines, none of them knowing that it is simulated.
import { Bucket } from '../swarm/budget.ts';
import { designated } from '../swarm/election.ts';
import { mix } from '../swarm/mix.ts';
import type { PeerId } from '../swarm/site.ts';
import { createMachine } from '../swarm/strategy.ts';
import type { Parts } from './node.ts';

/** `mixed`: about half of the machines as a line, the others as a mesh, by their ids; `auto`: as the scenario suggests, else lines. */
export const STRATEGIES = ['line', 'swarm', 'mixed', 'auto'] as const;
export type SimStrategy = (typeof STRATEGIES)[number];

export function realParts(strategy: SimStrategy = 'auto'): Parts {
  const meshes = (id: PeerId) => strategy === 'swarm' || (strategy === 'mixed' && mix(id).low % 2 === 0);
  return {
    machine: (setup) => createMachine(meshes(setup.self) ? 'swarm' : 'line', setup),
    verify: ({ bad }) => !bad,
    salvage: (partial) => partial,
    budget: (limit, nowMs) => new Bucket(limit, nowMs),
    elect: (site, key, candidates) => designated(site, key, candidates),
  };
}
