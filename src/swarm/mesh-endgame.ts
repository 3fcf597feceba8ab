// Nothing is left to ask for, and a source is idle: what it shall take over from the others, so that nobody waits for the slowest.
import type { LineCore } from './line-core.ts';
import type { Row } from './line-ports.ts';
import type { Wants } from './line-wants.ts';
import type { MeshSource } from './mesh-sources.ts';

/** A chunk that its source has not begun to send, since it has others to send first. */
export function waitingElsewhere(
  idle: MeshSource,
  sources: Iterable<MeshSource>,
  wants: Wants,
): { readonly row: Row; readonly at: MeshSource } | undefined {
  for (const at of sources) {
    const rows = [...wants.fetchedFrom(at.ref.id)];
    const row = rows.at(-1);
    if (rows.length >= 2 && row !== undefined && idle.has(row)) return { row, at };
  }
  return undefined;
}

/** A source that takes far longer for its chunk than the idle one would, which shall go on at its byte. */
export function heldUpElsewhere(
  idle: MeshSource,
  sources: Iterable<MeshSource>,
  wants: Wants,
  { setup, now }: LineCore,
): MeshSource | undefined {
  for (const source of sources) {
    const [row] = wants.fetchedFrom(source.ref.id);
    // One that fetches it over the WAN for us is not slow.
    if (row === undefined || !source.has(row) || !idle.has(row)) continue;
    if (source.isHeldUp(setup.storedBytes(row), idle, now)) return source;
  }
  return undefined;
}
