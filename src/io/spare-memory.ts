// Gives back what the start took: a peer shares its endpoint with a till, and waits most of its life.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * The most thorough collection, which also gives back the empty young generation: V8 does that for itself only when
 * memory is short. It stops everything for 50 to 300 ms, so it is for moments when nobody waits.
 */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
