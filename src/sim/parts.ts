// The product's own parts for a simulated node: the real machines, none of them knowing that it is simulated.
import { createLine } from '../swarm/line.ts';
import { honestVerify, type Parts, realElection } from './node.ts';

export function realParts(): Parts {
  return { machine: (setup) => createLine(setup), verify: honestVerify, elect: realElection };
}
