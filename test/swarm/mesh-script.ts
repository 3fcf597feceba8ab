// What scripts of a mesh say in one word: sources that join and tell what they hold, followers, failures.
import type { FollowerMessage } from '../../src/swarm/line-messages.ts';
import type { FetchFailure, LineEvent, LinePeer, Row } from '../../src/swarm/line-ports.ts';
import { createMesh } from '../../src/swarm/mesh.ts';
import {
  attached,
  type Given,
  open,
  peer,
  ROWS,
  refOf,
  type Script,
  says,
  script,
  stands,
} from './line-script.ts';

/** Passing time does not show the joins by which it says that it lives. */
export function mesh(given: Given = {}): Script {
  const it = script({ ...given, make: createMesh });
  const until: Script['until'] = (ms, alive) =>
    it.until(ms, alive).filter((word) => !/^tell \w+ join$/.test(word));
  return { ...it, until };
}

/** One bit a row, as a source tells what it holds. */
export function holds(source: string, ...rows: Row[]): LineEvent {
  const bits = new Uint8Array(ROWS / 8);
  for (const row of rows) bits[row >> 3] = (bits[row >> 3] as number) | (0x80 >> (row & 7));
  return says(source, { kind: 'holds', rows: bits });
}
export const joins = (follower: string, held = 0): LineEvent => ({
  kind: 'follower-says',
  follower: refOf(follower),
  message: { kind: 'join', held } satisfies FollowerMessage,
});
export const failed = (row: Row, from: string, why: FetchFailure): LineEvent => ({
  ...{ kind: 'failed', row, from, why, what: why },
});
/** A source of part of the image has joined, and says what it holds. */
export const joined = (source: string, ...rows: Row[]): LineEvent[] => [
  open(source),
  attached(source, { held: rows.length, depth: 1 }),
  holds(source, ...rows),
];
export const part = (id: string, held = 1): LinePeer => peer(id, { held, role: 'target' });
export const fetches = (words: readonly string[]) => words.filter((word) => word.startsWith('fetch'));
export const beats =
  (...sources: string[]) =>
  () =>
    sources.map((id) => stands(id, { held: 2, depth: 1 }));
