// Part of a chunk, as it waits for its next source.
import type { SourceId } from '../swarm/line-ports.ts';

/** What of a chunk has come, from its front. */
export interface Partial {
  received: number;
  /** The world's knowledge: some of it is wrong. */
  bad: boolean;
  readonly from: Set<SourceId>;
}
