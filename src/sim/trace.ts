// A readable log of a run: who attached where, healed, went round, crossed the WAN, and what was wrong.
import type { MonotonicMs } from '../base/time.ts';
import type { SourceId } from '../swarm/line-ports.ts';
import type { PeerId } from '../swarm/site.ts';
import type { Observer } from './observer.ts';

const nothing = () => {};
const SITE = 'site';

/** `nameOf` and `nowMs` are asked when something happens, so the world may be built after it. */
export function traceObserver(
  write: (line: string) => void,
  nowMs: () => MonotonicMs,
  nameOf: (id: PeerId) => string,
): Observer {
  const say = (node: PeerId, what: string) =>
    write(`${(nowMs() / 1000).toFixed(4).padStart(10)}  ${nameOf(node).padEnd(7)}  ${what}`);
  const source = (id: SourceId) => (id === 'wan' ? 'the WAN' : nameOf(id));
  return {
    befell: (what) => write(`${(nowMs() / 1000).toFixed(4).padStart(10)}  ${SITE.padEnd(7)}  ${what}`),
    received: nothing,
    crossed: nothing,
    kept: (node, row, bad) => {
      if (bad) say(node, `keeps chunk ${row} with wrong bytes`);
    },
    serves: nothing,
    strayed: (node, from, bytes) => say(node, `${bytes} bytes from ${source(from)} come for nothing`),
    discarded: (node, from, row) =>
      say(node, `throws chunk ${row} away: wrong bytes, the last from ${source(from)}`),
    noted: (node, what, reason, peer) =>
      say(node, `${what}${peer === undefined ? '' : ` ${source(peer)}`}: ${reason}`),
    gaveUp: (node, row, what) => say(node, `gives chunk ${row} up: ${what}`),
  };
}
