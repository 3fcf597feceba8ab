// Boot tickets: one imaging each, through power cuts, lost reports, restarts, forgeries, and with two boot hosts.
import { describe, expect, it } from 'vitest';
import type { CheckIn, Plan, ProgressReport } from '../../src/api/agent.ts';
import type { DiskContent, DiskFacts } from '../../src/api/identity.ts';
import type { Assignment } from '../../src/api/machines.ts';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { silentLog } from '../../src/base/log.ts';
import { ticketId } from '../../src/boot/ticket.ts';
import { systemTimers } from '../../src/io/clock.ts';
import { createElsewhere } from '../../src/service/imaged-elsewhere.ts';
import { memoryMachineStore } from '../../src/service/machine-store.ts';
import { checkIn, handClock, MAC, type Registry, registry, report, UUID } from './peer.ts';

const ADDRESS = '10.77.0.50';
const MAC_2 = '52:54:00:00:00:02';
const BLANK: DiskContent = { blank: true, partitions: [] };
const SYSTEM: DiskContent = { blank: false, table: 'gpt', partitions: [{ name: 'vda1', sizeBytes: 9 }] };
const HALF: DiskContent = { blank: false, partitions: [] };

const disk = (content: DiskContent, change: Partial<DiskFacts> = {}): DiskFacts => ({
  name: 'vda',
  sizeBytes: 100,
  logicalSectorBytes: 512,
  serial: 'D-1',
  transport: 'virtio',
  removable: false,
  readOnly: false,
  mounted: false,
  rotational: false,
  content,
  ...change,
});
const toImage = (machine: string, more: Partial<Assignment> = {}): Assignment => ({
  machine,
  target: { kind: 'image', image: 'debian', disk: { allowNonBlank: true } },
  ...more,
});

let tickets = 0;
const real = { newTicket: () => `id${tickets++}.secret` };
const ticketOf = (plan: Plan) => (plan.kind === 'image' ? (plan.ticket ?? '') : '');

/** A machine at a peer: boots, reports, is cut off. */
function at({ machines, clock }: Registry, who: Parameters<typeof checkIn>[0] = {}) {
  let boots = 0;
  let now: { machine: string; plan: Plan; bootId: string } | undefined;
  const told = (): NonNullable<typeof now> => {
    if (now === undefined) throw new Error('it has not booted');
    return now;
  };
  return {
    boot(content: DiskContent, change: Partial<CheckIn> = {}, afterMs = 30_000): Plan {
      clock.advance(afterMs);
      const { bootId = `boot-${boots++}`, ...rest } = change;
      const answer = machines.checkIn(ADDRESS, checkIn({ ...who, disks: [disk(content)], bootId, ...rest }));
      now = { machine: answer.machine.id, plan: answer.plan, bootId };
      return answer.plan;
    },
    tell(rung: ProgressReport['rung'], change: Partial<ProgressReport> = {}) {
      const { machine, bootId, plan } = told();
      return machines.report(
        report(machine, rung, { bootId, ticket: ticketOf(plan), disk: 'vda', wiped: true, ...change }),
      );
    },
    id: () => told().machine,
  };
}

describe('an imaging that is cut off', () => {
  it('goes on with the same ticket, on the same disk, also when that is no longer blank', () => {
    const peer = registry(real);
    peer.assignments.put(
      toImage('*', { target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } } }),
    );
    const till = at(peer);
    const first = till.boot(BLANK);
    till.tell('imaging');
    const second = till.boot(HALF);
    expect(ticketOf(second)).toBe(ticketOf(first));
    expect(second).toMatchObject({ kind: 'image', disk: { allowNonBlank: true, match: 'D-1' } });
    till.tell('imaging');
    till.tell('done');
    expect(till.boot(SYSTEM).kind).toBe('local-boot');
  });

  it('keeps its ticket through a restart of the peer', () => {
    const store = memoryMachineStore();
    const before = registry({ ...real, store });
    before.assignments.put(toImage('*'));
    const till = at(before);
    const first = till.boot(BLANK);
    till.tell('imaging');
    const after = registry({ ...real, store });
    expect(ticketOf(at(after).boot(BLANK))).toBe(ticketOf(first));
  });

  it('before the disk was wiped, leaves what is on it to the rule of the assignment', () => {
    const peer = registry(real);
    peer.assignments.put(
      toImage('*', { target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } } }),
    );
    const till = at(peer);
    till.boot(SYSTEM);
    till.tell('imaging', { wiped: false });
    expect(till.boot(SYSTEM)).toMatchObject({ kind: 'image', disk: { allowNonBlank: false } });
  });
});

describe('a finished imaging of which nobody heard', () => {
  it('is known by the receipt on the disk', () => {
    const peer = registry(real);
    peer.assignments.put(toImage('*'));
    const till = at(peer);
    const ticket = ticketId(ticketOf(till.boot(BLANK)));
    const receipt = { ticket, machine: till.id(), image: 'debian@12.1' };
    expect(till.boot({ ...SYSTEM, receipt }).kind).toBe('local-boot');
    expect(peer.machines.decide(till.id())?.plan.kind).toBe('local-boot');
  });

  it('is known by the table of the disk that was zeroed under the ticket', () => {
    const peer = registry(real);
    peer.assignments.put(toImage('*'));
    const till = at(peer);
    till.boot(BLANK);
    till.tell('imaging');
    expect(till.boot(SYSTEM).kind).toBe('local-boot');
  });

  it('and is repeated when it is assigned again', () => {
    const peer = registry(real);
    peer.assignments.put(toImage('*'));
    const till = at(peer);
    const first = till.boot(BLANK);
    till.tell('done');
    peer.assignments.put(toImage('*'));
    const again = till.boot(SYSTEM);
    expect(again.kind).toBe('image');
    expect(ticketOf(again)).not.toBe(ticketOf(first));
  });

  it('counts also when its assignment was taken away in the meantime', () => {
    const peer = registry(real);
    peer.assignments.put(toImage('*'));
    const till = at(peer);
    till.boot(BLANK);
    till.tell('imaging');
    peer.assignments.remove('*');
    till.boot(HALF);
    till.tell('done', { ticket: peer.store.machines()[0]?.planned?.ticket });
    expect(peer.store.machines()[0]?.done).toBeDefined();
  });
});

describe('forgeries', () => {
  it('a report without the ticket is not believed', () => {
    const peer = registry(real);
    peer.assignments.put(toImage('*'));
    const till = at(peer);
    till.boot(BLANK);
    for (const ticket of [undefined, '', 'id0', 'id0.guess']) {
      expect(till.tell('done', { ticket })).toEqual({ next: 'restart' });
    }
    expect(peer.machines.decide(till.id())?.plan.kind).toBe('image');
  });

  it('a check-in does not take a running imaging over, unless it has the ticket or the machine fell silent', () => {
    const peer = registry(real);
    peer.assignments.put(toImage('*'));
    const till = at(peer);
    const plan = till.boot(BLANK);
    till.tell('imaging');
    const twin = at(peer);
    // Nor when it has cried by DHCP before, which anybody can.
    peer.machines.observe({ kind: 'dhcp', mac: MAC as Mac });
    expect(twin.boot(BLANK, { bootId: 'other' }, 1000)).toMatchObject({ kind: 'wait' });
    expect(till.tell('imaging')).toEqual({ next: 'restart' });
    till.boot(BLANK, { bootId: 'boot-0', ticket: ticketOf(plan) }, 0);
    expect(till.tell('imaging')).toEqual({ next: 'go-on' });
    expect(twin.boot(BLANK, { bootId: 'own', ticket: ticketOf(plan) }, 1000).kind).toBe('image');
    expect(twin.boot(BLANK, { bootId: 'third' }, 11_000).kind).toBe('image');
  });
});

describe('machines that are hard to tell apart', () => {
  const same = { uuid: UUID, serial: undefined };

  it('one that may be an imaged one is imaged under its own id only', () => {
    const peer = registry(real);
    peer.assignments.put(toImage('*'));
    const first = at(peer, { ...same, macs: [MAC] });
    first.boot(BLANK);
    first.tell('done');
    const second = at(peer, { ...same, macs: [MAC_2] });
    expect(second.boot(SYSTEM)).toMatchObject({ kind: 'local-boot' });
    for (const name of ['*', UUID, MAC_2]) {
      peer.assignments.put(toImage(name));
      expect(second.boot(SYSTEM).kind, name).toBe('local-boot');
    }
    peer.assignments.put(toImage(second.id()));
    expect(second.boot(SYSTEM).kind).toBe('image');
    expect(second.id()).not.toBe(first.id());
  });

  it('an assignment by a dongle goes to the first machine that boots with it', () => {
    const peer = registry(real);
    peer.assignments.put(toImage(MAC));
    const first = at(peer, { macs: [MAC] });
    expect(first.boot(BLANK).kind).toBe('image');
    first.tell('done');
    const other = { macs: [MAC], uuid: 'aaaaaaaa-0042-3010-8052-b9c04f4e3332', serial: 'SN-2' };
    expect(at(peer, other).boot(SYSTEM).kind).toBe('local-boot');
  });

  it('two rows become one when the agent shows both NICs, and what was done stays done', () => {
    const peer = registry(real);
    const { machines } = peer;
    peer.assignments.put(toImage(MAC));
    const till = at(peer, { ...same, macs: [MAC] });
    till.boot(BLANK);
    till.tell('done');
    const script = { mac: MAC_2 as Mac, uuid: UUID };
    machines.observe({ kind: 'script', address: '10.77.0.51', query: script });
    expect(machines.list()).toHaveLength(2);
    const whole = at(peer, { ...same, macs: [MAC_2, MAC] });
    peer.assignments.put(toImage('*'));
    whole.boot(SYSTEM);
    expect(machines.list()).toHaveLength(1);
    expect(whole.id()).toBe(till.id());
  });
});

describe('two boot hosts', () => {
  /** Each asks the other, as over HTTP. */
  function hosts() {
    const clocks = [handClock(), handClock()] as const;
    // Their clocks are minutes apart.
    clocks[1].advance(5 * 60_000);
    const both: Registry[] = [];
    const stores = [memoryMachineStore(), memoryMachineStore()] as const;
    for (const i of [0, 1] as const) {
      const elsewhere = createElsewhere({
        store: stores[i],
        hosts: () => [{ id: String(1 - i), address: '10.77.0.2' as Ipv4, httpPort: 1 }],
        ask: async (_, since) => both[1 - i]?.machines.imaged(since),
        clock: clocks[i],
        timers: systemTimers,
        log: silentLog,
      });
      both.push(registry({ ...real, clock: clocks[i], store: stores[i], elsewhere }));
    }
    const [one, two] = both as [Registry, Registry];
    one.assignments.put(toImage('*'));
    return { one, two };
  }

  it('what one has imaged, the other does not image again, whenever it was told to image all', async () => {
    const { one, two } = hosts();
    const till = at(one);
    till.boot(BLANK);
    till.tell('done');
    await two.machines.sync();
    two.clock.advance(60_000);
    two.assignments.put(toImage('*'));
    expect(at(two).boot(SYSTEM)).toMatchObject({ kind: 'local-boot' });
    two.assignments.put(toImage('*', { again: true }));
    expect(at(two).boot(SYSTEM).kind).toBe('image');
  });

  it('and what an administrator assigns to that machine at the other is meant', async () => {
    const { one, two } = hosts();
    const till = at(one);
    till.boot(BLANK);
    till.tell('done');
    await two.machines.sync();
    two.clock.advance(1000);
    two.assignments.put(toImage(MAC));
    expect(at(two).boot(SYSTEM).kind).toBe('image');
  });

  it('one that died while imaging is replaced: what it began is judged by the disk', async () => {
    const { one, two } = hosts();
    two.assignments.put(toImage('*'));
    const till = at(one);
    till.boot(BLANK);
    till.tell('imaging');
    await two.machines.sync();
    expect(at(two).boot(BLANK).kind).toBe('image');
    const other = hosts();
    other.two.assignments.put(toImage('*'));
    const second = at(other.one);
    second.boot(BLANK);
    second.tell('imaging');
    await other.two.machines.sync();
    expect(at(other.two).boot(SYSTEM).kind).toBe('local-boot');
  });

  it('do not take what a machine began for finished by a look at the disk of another one like it', async () => {
    const { one, two } = hosts();
    const first = at(one, { serial: undefined, macs: [MAC] });
    first.boot(BLANK, { disks: [disk(BLANK, { serial: undefined })] });
    first.tell('imaging');
    await two.machines.sync();
    const twin = at(two, { serial: undefined, macs: [MAC_2] });
    twin.boot(SYSTEM, { disks: [disk(SYSTEM, { serial: undefined })] });
    await two.machines.sync();
    two.assignments.put(toImage('*'));
    const again = at(two, { serial: undefined, macs: [MAC] });
    expect(again.boot(BLANK, { disks: [disk(BLANK, { serial: undefined })] }).kind).toBe('image');
  });

  it('one that never heard of the other knows its receipts', () => {
    const { two } = hosts();
    two.assignments.put(toImage('*'));
    const till = at(two);
    const machine = two.machines.checkIn(ADDRESS, checkIn({ bootId: 'x' })).machine.id;
    const receipt = { ticket: 'foreign', machine, image: 'debian@12.1', name: 'till-7' };
    expect(till.boot({ ...SYSTEM, receipt }).kind).toBe('local-boot');
    expect(two.machines.decide(machine)?.plan.kind).toBe('local-boot');
  });

  it('never give a name twice', async () => {
    const { one, two } = hosts();
    const named = (peer: Registry, who: Parameters<typeof checkIn>[0]) => {
      const plan = at(peer, who).boot(BLANK);
      return plan.kind === 'image' ? plan.name : plan.kind;
    };
    for (const peer of [one, two]) peer.assignments.put(toImage('*', { name: 'till-{nn}' }));
    const till = at(one);
    const plan = till.boot(BLANK);
    till.tell('imaging');
    expect(plan).toMatchObject({ name: 'till-01' });
    await two.machines.sync();
    const other = { macs: [MAC_2], uuid: 'aaaaaaaa-0042-3010-8052-b9c04f4e3332', serial: 'SN-2' };
    expect(named(two, other)).toBe('till-02');
    expect(named(two, other)).toBe('till-02');
  });

  it('tell no secret part of a ticket', () => {
    const { one } = hosts();
    const till = at(one);
    till.boot(BLANK);
    till.tell('imaging');
    const told = one.machines.imaged(0);
    expect(told.records).toMatchObject([{ state: 'begun', disk: { name: 'vda', serial: 'D-1' } }]);
    expect(JSON.stringify(told)).not.toContain('secret');
    till.tell('done');
    expect(one.machines.imaged(told.upTo).records).toMatchObject([{ state: 'done', image: 'debian@12.1' }]);
  });
});
