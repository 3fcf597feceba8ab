// Who answers a machine: all boot hosts agree, share the machines, and only they answer.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import { numberingHost, rankBootHosts } from '../../src/swarm/boot-hosts.ts';
import type { Candidate } from '../../src/swarm/election.ts';

const host = (n: number, change: Partial<Candidate> = {}): Candidate => ({
  id: n.toString(16).padStart(16, '0'),
  role: 'peer',
  tags: ['boot-host'],
  unfit: [],
  ...change,
});
const mac = (n: number) =>
  `52:54:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}` as Mac;
const ids = (hosts: readonly Candidate[]) => hosts.map(({ id }) => id);

describe('boot hosts', () => {
  it('are those with the tag alone, and never a target', () => {
    const ranked = rankBootHosts('', mac(1), [host(1), host(2, { tags: [] }), host(3, { role: 'target' })]);
    expect(ids(ranked)).toEqual(ids([host(1)]));
  });

  it('share the machines about equally', () => {
    const hosts = [host(1), host(2), host(3)];
    const first = Array.from({ length: 300 }, (_, n) => rankBootHosts('', mac(n), hosts)[0]?.id);
    for (const { id } of hosts) expect(first.filter((one) => one === id).length).toBeGreaterThan(70);
  });

  it('agree whatever the order in which they see each other, and one that goes moves nobody else', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([1, 2, 3, 4, 5, 6], { minLength: 2 }),
        fc.nat(65_535),
        (numbers, machine) => {
          const hosts = numbers.map((n) => host(n));
          const ranked = rankBootHosts('s', mac(machine), hosts);
          expect(ids(rankBootHosts('s', mac(machine), [...hosts].reverse()))).toEqual(ids(ranked));
          const rest = hosts.slice(1);
          expect(ids(rankBootHosts('s', mac(machine), rest))).toEqual(
            ids(ranked).filter((id) => id !== hosts[0]?.id),
          );
        },
      ),
    );
  });

  it('have one among them that numbers machines, the same for all, whoever is busy', () => {
    const hosts = [host(1), host(2), host(3), host(4, { tags: [] })];
    const numbering = numberingHost('s', hosts);
    expect(ids(hosts.slice(0, 3))).toContain(numbering);
    expect(numberingHost('s', [...hosts].reverse())).toBe(numbering);
    expect(
      numberingHost(
        's',
        hosts.map((one) => ({ ...one, unfit: one.id === numbering ? ['busy'] : [] })),
      ),
    ).toBe(numbering);
    expect(numberingHost('s', [host(4, { tags: [] })])).toBeUndefined();
  });

  it('that are busy come after the others, those that leave last; a way out that is down does not matter', () => {
    const all = [
      host(1, { unfit: ['leaving'] }),
      host(2, { unfit: ['busy'] }),
      host(3, { unfit: ['wan-down'] }),
    ];
    for (let n = 0; n < 20; n++)
      expect(ids(rankBootHosts('', mac(n), all))).toEqual([host(3).id, host(2).id, host(1).id]);
  });
});
