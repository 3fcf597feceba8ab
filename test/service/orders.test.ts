// What administrators told one boot host comes to hold at all of them, whatever the order in which they hear of it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Assignment, Order } from '../../src/api/machines.ts';
import { createAssignments } from '../../src/service/assignments.ts';
import { memoryMachineStore } from '../../src/service/machine-store.ts';
import { type OrderTime, type SharedAssignments, shareAssignments } from '../../src/service/orders.ts';
import { logbook } from '../support/logbook.ts';
import { handClock } from './peer.ts';

const till = (image: string): Assignment['target'] => ({
  kind: 'image',
  image,
  disk: { allowNonBlank: false },
});

interface Host {
  readonly shared: SharedAssignments;
  readonly clock: ReturnType<typeof handClock>;
  /** As after a restart of the service. */
  restart(): SharedAssignments;
  holds(): unknown;
}

function host(skewMs = 0): Host {
  const clock = handClock();
  clock.advance(skewMs);
  const store = memoryMachineStore();
  const log = logbook();
  let times: readonly OrderTime[] = [];
  const orderStore = {
    load: () => times,
    save: (next: readonly OrderTime[]) => {
      times = [...next];
    },
  };
  const open = () =>
    shareAssignments(createAssignments({ store, clock, log }), { store: orderStore, clock, log });
  const shared = open();
  const holds = (of: SharedAssignments) => ({
    assigned: of
      .list()
      .map(({ machine, target }) => ({ machine, target }))
      .sort((a, b) => (a.machine < b.machine ? -1 : 1)),
    notes: [...of.notes()].sort((a, b) => (a.machine < b.machine ? -1 : 1)),
  });
  return { shared, clock, restart: open, holds: () => holds(shared) };
}

/** As over the wire. */
function pull(to: SharedAssignments, from: SharedAssignments): number {
  return to.adopt(Order.array().parse(JSON.parse(JSON.stringify(from.orders()))));
}

describe('boot hosts', () => {
  it('take over assignments, removals and notes of one another, each once', () => {
    const [a, b] = [host(), host()];
    a.shared.put({ machine: 'SN-1', target: till('debian') });
    a.shared.putList([], [{ machine: 'SN-2', tags: ['tills'] }]);
    expect(pull(b.shared, a.shared)).toBe(2);
    expect(b.holds()).toEqual(a.holds());
    const revision = b.shared.list()[0]?.revision;
    expect([pull(b.shared, a.shared), pull(a.shared, b.shared)]).toEqual([0, 0]);
    expect(b.shared.list()[0]?.revision).toBe(revision);
    b.shared.remove('SN-1');
    expect(pull(a.shared, b.shared)).toBe(1);
    expect(a.shared.list()).toEqual([]);
  });

  it('believe the later of two, also when the clock of its host is late', () => {
    const [a, b] = [host(3_600_000), host()];
    a.shared.put({ machine: '*', target: till('old') });
    pull(b.shared, a.shared);
    b.shared.put({ machine: '*', target: till('new') });
    pull(a.shared, b.shared);
    expect([a, b].map(({ shared }) => shared.list()[0]?.target)).toEqual([till('new'), till('new')]);
  });

  it('keep the time at which it was assigned, so that what was imaged since is not imaged again', () => {
    const [a, b] = [host(), host()];
    const { assignedMs } = a.shared.put({ machine: '*', target: till('debian') });
    b.clock.advance(60_000);
    pull(b.shared, a.shared);
    expect(b.shared.list()[0]?.assignedMs).toBe(assignedMs);
  });

  it('remember a removal over a restart: nobody brings it back', () => {
    const [a, b] = [host(), host()];
    a.shared.put({ machine: 'SN-1', target: till('debian') });
    pull(b.shared, a.shared);
    a.shared.remove('SN-1');
    const again = a.restart();
    expect(pull(again, b.shared)).toBe(0);
    expect(again.list()).toEqual([]);
  });

  it('forget a removal after ninety days', () => {
    const { shared, clock } = host();
    shared.put({ machine: 'SN-1', target: till('debian') });
    shared.remove('SN-1');
    clock.advance(91 * 24 * 3_600_000);
    shared.put({ machine: 'SN-2', target: till('debian') });
    expect(shared.orders().map(({ order }) => order.kind)).toEqual(['assign']);
  });

  it('do not tell of what stands in their own configuration', () => {
    const { shared } = host();
    shared.configure([{ machine: '*', target: till('debian') }]);
    expect(shared.orders()).toEqual([]);
  });
});

it('all come to the same, whoever is told what and whoever hears whom when', () => {
  const who = fc.nat(2);
  const machine = fc.constantFrom('SN-1', 'SN-2', '*');
  const act = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), who, machine, image: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constant('remove' as const), who, machine }),
    fc.record({ kind: fc.constant('note' as const), who, machine, tag: fc.constantFrom('x', 'y') }),
    fc.record({ kind: fc.constant('pull' as const), who, from: who }),
    fc.record({ kind: fc.constant('wait' as const), who, ms: fc.nat(5_000) }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      const hosts = [host(), host(), host(-3_000)];
      const at = (n: number) => hosts[n] as Host;
      for (const one of acts) {
        const { shared, clock } = at(one.who);
        if (one.kind === 'put') shared.put({ machine: one.machine, target: till(one.image) });
        else if (one.kind === 'remove') shared.remove(one.machine);
        else if (one.kind === 'note') shared.putList([], [{ machine: one.machine, tags: [one.tag] }]);
        else if (one.kind === 'pull') pull(shared, at(one.from).shared);
        else clock.advance(one.ms);
      }
      for (let round = 0; round < 2; round++)
        for (const to of hosts) for (const from of hosts) pull(to.shared, from.shared);
      expect(hosts.map((one) => one.holds())).toEqual([at(0).holds(), at(0).holds(), at(0).holds()]);
    }),
    { numRuns: 300 },
  );
});
