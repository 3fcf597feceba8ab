// The registry: who is who, how far each has come, what it gets, and what survives a restart of the peer.
import { describe, expect, it } from 'vitest';
import type { Assignment, MachineView } from '../../src/api/machines.ts';
import type { Mac } from '../../src/base/addresses.ts';
import { memoryMachineStore } from '../../src/service/machine-store.ts';
import { checkIn, image, MAC, type Registry, registry, report, UUID } from './peer.ts';

const MAC_2 = '52:54:00:00:00:02';
const UUID_2 = 'aaaaaaaa-0042-3010-8052-b9c04f4e3332';
const ADDRESS = '10.77.0.50';

const dhcp = (mac: string, more: object = {}) => ({ kind: 'dhcp', mac: mac as Mac, ...more }) as const;
const script = (query: object, address = ADDRESS) => ({ kind: 'script', address, query }) as const;
const file = (name: string, address = ADDRESS) => ({ kind: 'file', address, name, via: 'tftp' }) as const;
const ids = (views: readonly MachineView[]) => views.map(({ id }) => id);
const toImage = (machine: string, wanted = 'debian', allowNonBlank = false): Assignment => ({
  machine,
  target: { kind: 'image', image: wanted, disk: { allowNonBlank } },
});

function rungLines({ log }: Registry): unknown[] {
  return log.lines.filter(({ fields }) => 'rung' in fields).map(({ fields }) => fields.rung);
}

describe('one machine, one id', () => {
  it('joins DHCP, files, script and check-in', () => {
    const peer = registry();
    const { machines } = peer;
    machines.observe(dhcp(MAC, { address: ADDRESS, firmware: 'bios' }));
    machines.observe(file('undionly.kpxe'));
    machines.observe(script({ mac: MAC, uuid: UUID, serial: 'SN-1', platform: 'pcbios' }));
    machines.checkIn(ADDRESS, checkIn());
    const [machine, ...others] = machines.list();
    expect(others).toEqual([]);
    expect(machine).toMatchObject({
      rung: 'agent',
      address: ADDRESS,
      firmware: 'bios',
      identity: { uuid: UUID, macs: [MAC], serial: 'SN-1' },
    });
    expect(Object.keys(machine?.reachedMs ?? {}).sort()).toEqual(['agent', 'nbp', 'script', 'seen']);
    const told = peer.log.lines.filter(({ fields }) => 'machine' in fields);
    expect(new Set(told.map(({ fields }) => fields.machine))).toEqual(new Set([machine?.id]));
    expect(rungLines(peer)).toEqual(['seen', 'nbp', 'script', 'agent']);
    expect(told[0]).toMatchObject({
      message: 'machine reached seen',
      fields: { rung: 'seen', mac: MAC, machine: machine?.id },
    });
  });

  it('has the same id at every peer, however it is first heard of', () => {
    const first = registry().machines.observe(dhcp(MAC, { uuid: UUID }));
    const second = registry().machines.observe(script({ mac: MAC_2, uuid: UUID }));
    expect(second?.id).toBe(first?.id);
  });

  it('is one machine also when firmware and kernel spell its UUID in different byte orders', () => {
    const { machines } = registry();
    machines.observe(dhcp(MAC, { uuid: '44454c4c-4200-1030-8052-b9c04f4e3332' }));
    machines.checkIn(ADDRESS, checkIn());
    expect(machines.list()).toHaveLength(1);
  });

  it('is found by UUID and serial when it comes with another card, and what the card alone showed becomes its own', () => {
    const { machines } = registry();
    const known = machines.checkIn(ADDRESS, checkIn()).machine;
    machines.observe(dhcp(MAC_2, { address: '10.77.0.51' }));
    machines.observe(file('snponly.efi', '10.77.0.51'));
    machines.observe(script({ mac: MAC_2, uuid: UUID, serial: 'SN-1' }, '10.77.0.51'));
    expect(ids(machines.list())).toEqual([known.id]);
    expect(Object.keys(machines.list()[0]?.reachedMs ?? {})).toEqual(
      expect.arrayContaining(['seen', 'nbp', 'script']),
    );
  });

  it('a dongle that two machines share belongs to the one that used it last', () => {
    const { machines } = registry();
    const one = machines.checkIn(ADDRESS, checkIn({ macs: [MAC] })).machine;
    const two = machines.checkIn('10.77.0.51', checkIn({ macs: [MAC], uuid: UUID_2 })).machine;
    expect(two.id).not.toBe(one.id);
    expect(machines.find(MAC)?.id).toBe(two.id);
    expect(machines.find(UUID)?.identity.macs).toEqual([]);
    expect(machines.observe(dhcp(MAC))?.id).toBe(two.id);
  });

  it.each(['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'])(
    'two machines with the placeholder %s stay two',
    (uuid) => {
      const { machines } = registry();
      machines.observe(dhcp(MAC, { uuid }));
      machines.observe(dhcp(MAC_2, { uuid }));
      expect(machines.list()).toHaveLength(2);
    },
  );

  it('is not made up from an address or from nothing', () => {
    const { machines } = registry();
    expect(machines.observe(file('undionly.kpxe'))).toBeUndefined();
    expect(machines.observe(script({}))).toBeUndefined();
    expect(machines.list()).toEqual([]);
  });
});

describe('memory is bounded', () => {
  const mac = (i: number) => `52:54:00:00:01:${i.toString(16).padStart(2, '0')}`;
  const uuid = (i: number) => `bbbbbbbb-0042-3010-8052-b9c04f4e33${i.toString(16).padStart(2, '0')}`;
  const nth = (i: number) => checkIn({ uuid: uuid(i), macs: [mac(i)], serial: `SN-${i}` });

  it('forgets noise and agents that got nothing, each the oldest first, and never one that was given an image', () => {
    const { machines, assignments, store } = registry({ mostNewcomers: 10, mostKnown: 2 });
    assignments.put(toImage(UUID));
    const given = machines.checkIn('10.77.0.1', checkIn()).machine.id;
    for (let i = 0; i < 4; i++) machines.checkIn(`10.77.2.${i}`, nth(200 + i));
    for (let i = 0; i < 100; i++) machines.observe(dhcp(mac(i), { address: `10.77.1.${i}` }));
    expect(machines.list()).toHaveLength(13);
    expect([mac(89), uuid(200), uuid(201)].map((one) => machines.find(one))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    for (const kept of [UUID, mac(90), uuid(202), uuid(203)]) expect(machines.find(kept), kept).toBeDefined();
    // Only what was given an image is worth the disk.
    expect(store.machines().map(({ id }) => id)).toEqual([given]);
  });

  it('refuses new machines rather than forget imaged ones', () => {
    const { machines, assignments } = registry({ mostKept: 2 });
    assignments.put(toImage('*'));
    const plans = [1, 2, 3].map((i) => machines.checkIn(`10.77.0.${i}`, nth(i)).plan);
    expect(plans.map(({ kind }) => kind)).toEqual(['image', 'image', 'wait']);
    expect(plans[2]).toMatchObject({ reason: expect.stringContaining('PB-MACHINES-FULL') });
    expect(machines.forget(uuid(1))).toBeDefined();
    expect(machines.checkIn('10.77.0.3', nth(3)).plan.kind).toBe('image');
  });

  it('a flood under one UUID keeps a handful of it', () => {
    const { machines } = registry();
    for (let i = 0; i < 200; i++) machines.observe(dhcp(mac(i), { uuid: UUID }));
    expect(machines.list().length).toBeLessThanOrEqual(17);
  });

  it('and so is the log under a flood of forged DISCOVERs', () => {
    const peer = registry();
    for (let i = 0; i < 5000; i++) {
      peer.machines.observe(
        dhcp(
          `52:54:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}:00`,
        ),
      );
    }
    expect(peer.log.lines.length).toBeLessThanOrEqual(20);
    expect(peer.machines.list()).toHaveLength(4096);
  });
});

describe('the plan', () => {
  it('is used up when the machine is done, and armed again by assigning again', () => {
    const { machines, assignments } = registry();
    assignments.put(toImage('*'));
    const first = machines.checkIn(ADDRESS, checkIn());
    expect(first.plan).toMatchObject({ kind: 'image', image: { name: 'debian', version: '12.1' } });
    machines.report(report(first.machine.id, 'done'));
    expect(machines.decide(first.machine.id)?.plan.kind).toBe('local-boot');
    assignments.put(toImage('*'));
    expect(machines.decide(first.machine.id)?.plan.kind).toBe('image');
  });

  it('is not used up by what was done under an older assignment', () => {
    const { machines, assignments } = registry();
    assignments.put(toImage('*'));
    const { id } = machines.checkIn(ADDRESS, checkIn()).machine;
    machines.report(report(id, 'imaging'));
    assignments.put(toImage('*', 'debian@12.1', true));
    machines.report(report(id, 'done'));
    expect(machines.decide(id)?.plan.kind).toBe('image');
  });

  it('a refused disk is told with its code, and permission calls the agent back', () => {
    const peer = registry();
    const { machines, assignments } = peer;
    assignments.put(toImage(MAC));
    const { id } = machines.checkIn(ADDRESS, checkIn()).machine;
    const failure = { code: 'PB-DISK-NOT-BLANK', what: 'vda holds an ext4', remedy: 'Allow it.' };
    const refused = report(id, 'failed', { failure });
    expect(machines.report(refused)).toEqual({ next: 'go-on' });
    for (let i = 0; i < 5; i++) {
      machines.checkIn(ADDRESS, checkIn());
      machines.report(refused);
    }
    expect(machines.find(id)).toMatchObject({ rung: 'failed', failure });
    expect(rungLines(peer)).toEqual(['agent', 'failed']);
    assignments.put(toImage(MAC, 'debian', true));
    expect(machines.report(refused)).toEqual({ next: 'restart' });
    expect(machines.checkIn(ADDRESS, checkIn()).plan).toMatchObject({ disk: { allowNonBlank: true } });
    machines.report(report(id, 'imaging', { doneBytes: 250 }));
    expect(machines.find(id)).toMatchObject({ rung: 'imaging', percent: 25 });
    expect(machines.find(id)).not.toHaveProperty('failure');
  });

  it('that is taken away does not stop an agent in the middle of a disk', () => {
    const { machines, assignments } = registry();
    assignments.put(toImage('*'));
    const { id } = machines.checkIn(ADDRESS, checkIn()).machine;
    assignments.remove('*');
    expect(machines.report(report(id, 'imaging'))).toEqual({ next: 'go-on' });
  });

  it('waits for an image that is not there yet', () => {
    const peer = registry();
    peer.assignments.put(toImage('*', 'till'));
    expect(peer.machines.checkIn(ADDRESS, checkIn()).plan.kind).toBe('wait');
    peer.images = [image('till', '1')];
    expect(peer.machines.checkIn(ADDRESS, checkIn()).plan.kind).toBe('image');
  });
});

describe('a restart of the peer', () => {
  it('does not stop an agent: its next report is enough', () => {
    const store = memoryMachineStore();
    const before = registry({ store });
    before.assignments.put(toImage('*'));
    const { id } = before.machines.checkIn(ADDRESS, checkIn()).machine;
    before.machines.report(report(id, 'imaging', { doneBytes: 100 }));

    const { machines } = registry({ store });
    expect(machines.list()).toMatchObject([{ id, rung: 'idle', identity: { uuid: UUID, macs: [MAC] } }]);
    expect(machines.report(report(id, 'imaging', { doneBytes: 200 }))).toEqual({ next: 'go-on' });
    expect(machines.list()).toMatchObject([{ id, rung: 'imaging', percent: 20, image: 'debian@12.1' }]);
    expect(machines.report(report(id, 'done'))).toEqual({ next: 'go-on' });
    expect(registry({ store }).machines.decide(id)?.plan.kind).toBe('local-boot');
  });

  it('that lost its memory, or never knew the machine, asks for a check-in', () => {
    const { machines } = registry();
    expect(machines.report(report('m-unknown0', 'imaging'))).toEqual({ next: 'restart' });
    const { id } = machines.checkIn(ADDRESS, checkIn()).machine;
    expect(machines.report(report(id, 'imaging', { bootId: 'another' }))).toEqual({ next: 'restart' });
    expect(machines.find(id)?.rung).toBe('agent');
  });

  it('shows what is done as done, and does not image it again', () => {
    const store = memoryMachineStore();
    const before = registry({ store });
    before.assignments.configure([toImage('*')]);
    const { id } = before.machines.checkIn(ADDRESS, checkIn()).machine;
    before.machines.report(report(id, 'done'));
    const after = registry({ store });
    after.assignments.configure([toImage('*')]);
    expect(after.machines.list()).toMatchObject([{ id, rung: 'done', image: 'debian@12.1' }]);
    expect(after.machines.decide(id)?.plan.kind).toBe('local-boot');
  });

  it('a state folder that cannot be written stops no machine', () => {
    const store = {
      ...memoryMachineStore(),
      saveMachine: () => {
        throw new Error('disk full');
      },
    };
    const peer = registry({ store });
    peer.assignments.put(toImage('*'));
    const { machine, plan } = peer.machines.checkIn(ADDRESS, checkIn());
    expect(plan.kind).toBe('image');
    peer.machines.report(report(machine.id, 'done'));
    expect(peer.machines.decide(machine.id)?.plan.kind).toBe('local-boot');
    expect(peer.log.lines.some(({ level }) => level === 'error')).toBe(true);
  });
});

describe('watching', () => {
  it('listeners hear every change until they leave', () => {
    const { machines } = registry();
    const heard: string[] = [];
    const leave = machines.subscribe(({ rung }) => heard.push(rung));
    machines.observe(dhcp(MAC));
    machines.observe(script({ mac: MAC }));
    leave();
    machines.checkIn(ADDRESS, checkIn());
    expect(heard).toEqual(['seen', 'script']);
  });

  it('silent machines become idle, and it is told and logged', () => {
    const peer = registry();
    const { machines, clock } = peer;
    machines.observe(dhcp(MAC));
    const heard: string[] = [];
    machines.subscribe(({ rung }) => heard.push(rung));
    clock.advance(11 * 60_000);
    machines.sweep();
    expect(heard).toEqual(['idle']);
    expect(rungLines(peer)).toEqual(['seen', 'idle']);
  });

  it('a machine is found by id, MAC, UUID and serial in any spelling', () => {
    const { machines } = registry();
    const { id } = machines.checkIn(ADDRESS, checkIn()).machine;
    for (const name of [id, MAC, '52-54-00-12-34-56', UUID.toUpperCase(), 'SN-1']) {
      expect(machines.find(name)?.id, name).toBe(id);
    }
    for (const name of ['*', 'SN-2', '']) expect(machines.find(name), name).toBeUndefined();
  });
});
