// The designated peer lies, and everybody has met it: who fetches a chunk in its place, so that not all of them do.
import type { LineCore } from './line-core.ts';
import type { Row } from './line-ports.ts';
import { mix } from './mix.ts';

/** One that has not banned it fetches nothing for the others: after so long without anything everybody fetches all. */
const PATIENCE_MS = 1_000;

/** Do we cross the WAN for this chunk? Always when we are designated ourselves. */
export function crossesFor(core: LineCore, row: Row): boolean {
  const { designated, isDesignated, setup, now, progressAt, peers } = core;
  if (!isDesignated || designated === setup.self) return isDesignated;
  if (now >= progressAt + PATIENCE_MS) return true;
  const own = mix(`${row} ${setup.self}`).low;
  for (const { id } of peers.values()) if (core.usable(id) && mix(`${row} ${id}`).low < own) return false;
  return true;
}
