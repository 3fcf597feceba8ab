// Names from a template at two boot hosts: no number twice while they hear each other, and put right when they could not.
import { expect, it } from 'vitest';
import type { DiskFacts } from '../../src/api/identity.ts';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemTimers } from '../../src/io/clock.ts';
import { createElsewhere } from '../../src/service/imaged-elsewhere.ts';
import { memoryMachineStore } from '../../src/service/machine-store.ts';
import { createNameAsker } from '../../src/service/name-asker.ts';
import { logbook } from '../support/logbook.ts';
import { checkIn, handClock, type Registry, registry, report } from './peer.ts';

const HOST = { id: '0', address: '10.77.0.2' as Ipv4, httpPort: 1 };
const TEMPLATE = 'till-{nn}';

/** Two boot hosts, of which the first numbers; `cut`: they do not hear each other. */
function hosts() {
  const link = { cut: false };
  const both: Registry[] = [];
  let tickets = 0;
  for (const i of [0, 1] as const) {
    const store = memoryMachineStore();
    const clock = handClock();
    const elsewhere = createElsewhere({
      store,
      hosts: () => [{ ...HOST, id: String(1 - i) }],
      ask: async (_, since) => (link.cut ? undefined : both[1 - i]?.machines.imaged(since)),
      ...{ clock, timers: systemTimers, log: silentLog },
    });
    const askName = createNameAsker({
      numbering: () => (i === 0 ? undefined : HOST),
      ask: async (_, wish) => (link.cut ? undefined : { name: both[0]?.machines.nameFor(wish) }),
    });
    const newTicket = () => `id${tickets++}.secret`;
    const one = registry({ clock, store, elsewhere, askName, newTicket });
    one.assignments.put({
      machine: '*',
      name: TEMPLATE,
      target: { kind: 'image', image: 'debian', disk: { allowNonBlank: true } },
    });
    both.push(one);
  }
  return { one: both[0] as Registry, two: both[1] as Registry, link };
}

const DISK: DiskFacts = {
  name: 'vda',
  sizeBytes: 100,
  logicalSectorBytes: 512,
  transport: 'virtio',
  removable: false,
  readOnly: false,
  mounted: false,
  rotational: false,
  content: { blank: true, partitions: [] },
};

const tillOf = (number: number) => ({
  macs: [`52:54:00:00:00:${String(number).padStart(2, '0')}`],
  uuid: `4c4c4544-0042-3010-8052-0000000000${String(number).padStart(2, '0')}`,
  serial: `SN-${number}`,
  disks: [DISK],
  bootId: `boot-${number}`,
});

/** A machine checks in, as http-boot lets it; the name it is to have. */
async function named({ machines }: Registry, number: number): Promise<string | undefined> {
  const question = checkIn(tillOf(number));
  await machines.ready(`10.77.0.${number}`, question);
  const { plan } = machines.checkIn(`10.77.0.${number}`, question);
  return plan.kind === 'image' ? plan.name : plan.kind === 'wait' ? plan.reason : undefined;
}

function imaged({ machines }: Registry, number: number): void {
  const machine = machines.find(`SN-${number}`);
  const { plan } = machines.checkIn(`10.77.0.${number}`, checkIn(tillOf(number)));
  const ticket = plan.kind === 'image' ? plan.ticket : undefined;
  const change = {
    bootId: `boot-${number}`,
    disk: 'vda',
    wiped: true,
    ...(ticket === undefined ? {} : { ticket }),
  };
  machines.report(report(machine?.id ?? '', 'done', change));
}

it('machines that check in at both in the same moment get different names', async () => {
  const { one, two } = hosts();
  const names = await Promise.all([
    named(one, 1),
    named(two, 2),
    named(two, 3),
    named(one, 4),
    named(two, 5),
  ]);
  expect([...names].sort()).toEqual(['till-01', 'till-02', 'till-03', 'till-04', 'till-05']);
});

it('a machine has the same name at either, also before it is imaged', async () => {
  const { one, two } = hosts();
  const name = await named(two, 1);
  await named(one, 2);
  expect(await named(one, 1)).toBe(name);
  expect(await named(two, 1)).toBe(name);
  expect(await named(one, 3)).toBe('till-03');
});

it('the one that numbers knows what the other named without it', async () => {
  const { one, two, link } = hosts();
  link.cut = true;
  expect(await named(two, 1)).toBe('till-01');
  link.cut = false;
  expect(await named(one, 2)).toBe('till-02');
});

it.each([
  [1, 2],
  [2, 1],
])(
  'a name given twice while they were cut off stays with the same machine, whoever looks: %i at one',
  async (a, b) => {
    const { one, two, link } = hosts();
    link.cut = true;
    expect([await named(one, a), await named(two, b)]).toEqual(['till-01', 'till-01']);
    link.cut = false;
    await Promise.all([one.machines.sync(), two.machines.sync()]);
    expect(two.machines.find(`SN-${b}`)?.namesake).toBe(`SN-${a}`);
    const after = new Map([
      [a, await named(one, a)],
      [b, await named(two, b)],
    ]);
    expect(after).toEqual(
      new Map([
        [1, 'till-01'],
        [2, 'till-02'],
      ]),
    );
    await Promise.all([one.machines.sync(), two.machines.sync()]);
    for (const { machines } of [one, two])
      expect(machines.list().map(({ namesake }) => namesake)).not.toContain(expect.any(String));
    const loser = a === 2 ? one : two;
    expect(loser.log.lines.some(({ message }) => message.includes('given to another machine'))).toBe(true);
  },
);

it('what stands on a disk stays: the machine that is not imaged yields, and two that are show it', async () => {
  const { one, two, link } = hosts();
  link.cut = true;
  await named(one, 1);
  await named(two, 2);
  imaged(two, 2);
  link.cut = false;
  await one.machines.sync();
  expect(await named(one, 1)).toBe('till-02');

  await two.machines.sync();
  link.cut = true;
  await named(one, 3);
  await named(two, 4);
  imaged(one, 3);
  imaged(two, 4);
  link.cut = false;
  await Promise.all([one.machines.sync(), two.machines.sync()]);
  expect(one.machines.find('SN-3')).toMatchObject({ name: 'till-03', namesake: 'SN-4' });
  expect(two.machines.find('SN-4')).toMatchObject({ name: 'till-03', namesake: 'SN-3' });
});

it('a template without a number fits one machine of both hosts', async () => {
  const { one, two } = hosts();
  for (const { assignments } of [one, two])
    assignments.put({
      machine: '*',
      name: 'kiosk',
      target: { kind: 'image', image: 'debian', disk: { allowNonBlank: true } },
    });
  expect(await named(two, 1)).toBe('kiosk');
  expect(await named(one, 2)).toContain('PB-NAME-TAKEN');
  expect(await named(two, 3)).toContain('PB-NAME-TAKEN');
});

it('a host that lives and tells nothing to be believed is named once, since two may then image one machine', async () => {
  const clock = handClock();
  const log = logbook();
  const told: { answer: unknown } = { answer: undefined };
  const elsewhere = createElsewhere({
    ...{ store: memoryMachineStore(), hosts: () => [HOST], ask: async () => told.answer },
    ...{ clock, timers: systemTimers, log },
  });
  const warnings = () => log.lines.filter(({ level }) => level === 'warn').length;
  for (let times = 0; times < 5; times++) {
    await elsewhere.sync();
    clock.advance(10_000);
    expect(warnings()).toBe(times < 2 ? 0 : 1);
  }
  told.answer = { run: 'r', upTo: 0, records: [] };
  await elsewhere.sync();
  told.answer = undefined;
  await elsewhere.sync();
  expect(warnings()).toBe(1);
});
