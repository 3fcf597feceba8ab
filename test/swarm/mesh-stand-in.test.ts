// Who fetches a chunk over the WAN when the designated peer lies and everybody has banned it: one of them, for each chunk another.
import { describe, expect, it } from 'vitest';
import { LineCore } from '../../src/swarm/line-core.ts';
import { crossesFor } from '../../src/swarm/mesh-stand-in.ts';
import { peer } from './line-script.ts';

const ROWS = 300;
const IDS = ['A', 'B', 'C'];

/** The core of one of three nodes of a site in which D is designated, at the time 0. */
function core(self: string, banned: boolean, fit: readonly string[] = IDS): LineCore {
  const setup = { self, role: 'target', rows: ROWS, storedBytes: () => 1, has: () => false } as const;
  const it = new LineCore(setup, { random: { next: () => 0.5 } });
  it.setSite([...IDS.map((id) => peer(id, { fit: fit.includes(id) })), peer('D')], 'D');
  if (banned) for (let times = 0; times < 2; times++) it.bans.corrupt('D', 0);
  return it;
}
const rowsOf = (it: LineCore) =>
  Array.from({ length: ROWS }, (_, row) => row).filter((row) => crossesFor(it, row));

describe('crossing for a chunk', () => {
  it('is the designated peer`s alone', () => {
    expect(rowsOf(core('A', false))).toEqual([]);
    expect(rowsOf(core('D', false))).toHaveLength(ROWS);
  });

  it('is shared out among those that ban it: each chunk to one, about as many to each', () => {
    const shares = IDS.map((id) => rowsOf(core(id, true)));
    expect(shares.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: ROWS }, (_, row) => row));
    for (const share of shares) expect(share.length).toBeGreaterThan(ROWS / 5);
  });

  it('leaves out who is unfit', () => {
    const fit = ['A', 'B'];
    const rows = fit.flatMap((id) => rowsOf(core(id, true, fit)));
    expect(new Set(rows).size).toBe(ROWS);
  });

  it('is everybody`s when nothing has come for a second: one of them may not have banned it', () => {
    const it = core('A', true);
    it.now = 999;
    expect(rowsOf(it).length).toBeLessThan(ROWS);
    it.now = 1_000;
    expect(rowsOf(it)).toHaveLength(ROWS);
  });
});
