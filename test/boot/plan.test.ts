// Which assignment decides for a machine, and what follows from it.
import { describe, expect, it } from 'vitest';
import {
  type NumberedAssignment,
  normaliseMachineName,
  type PlannedMachine,
  planFor,
} from '../../src/boot/plan.ts';
import { image, MAC, UUID } from '../service/peer.ts';

const machine: PlannedMachine = {
  id: 'm-abc',
  identity: { uuid: UUID, serial: 'SN-1', macs: [MAC] },
  tags: ['tills'],
};
const images = [image('debian', '12.9'), image('debian', '12.10'), image('till', '1')];

let revision = 0;
function assigned(name: string, wanted: string, allowNonBlank = false): NumberedAssignment {
  revision++;
  return {
    machine: normaliseMachineName(name),
    target:
      wanted === 'local' ? { kind: 'local-boot' } : { kind: 'image', image: wanted, disk: { allowNonBlank } },
    revision,
  };
}

describe('the most specific assignment wins, whatever their order', () => {
  const rows: [string, NumberedAssignment[], string][] = [
    ['none', [], 'local'],
    ['another machine', [assigned('52:54:00:00:00:01', 'till')], 'local'],
    ['the UUID of another machine', [assigned('aaaaaaaa-0042-3010-8052-b9c04f4e3332', 'till')], 'local'],
    ['all', [assigned('*', 'till')], 'till'],
    ['serial over all', [assigned('SN-1', 'debian'), assigned('*', 'till')], 'debian'],
    ['id over serial', [assigned('m-abc', 'debian'), assigned('SN-1', 'till')], 'debian'],
    ['MAC over serial', [assigned('52-54-00-12-34-56', 'debian'), assigned('SN-1', 'till')], 'debian'],
    ['id over UUID', [assigned('m-abc', 'debian'), assigned(UUID, 'till')], 'debian'],
    ['serial in other letters', [assigned('sn 1', 'debian'), assigned('*', 'till')], 'debian'],
    ['serial over tag', [assigned('SN-1', 'debian'), assigned('tag:tills', 'till')], 'debian'],
    ['tag over all', [assigned('tag:tills', 'debian'), assigned('*', 'till')], 'debian'],
    ['the tag of others', [assigned('tag:kiosks', 'till')], 'local'],
    ['UUID over MAC', [assigned(UUID.toUpperCase(), 'debian'), assigned(MAC, 'till')], 'debian'],
    ['UUID in the other byte order', [assigned('44454c4c-4200-1030-8052-b9c04f4e3332', 'debian')], 'debian'],
    ['the newer of two', [assigned('*', 'till'), assigned('*', 'debian')], 'debian'],
    ['own disk for one, image for all', [assigned(MAC, 'local'), assigned('*', 'debian')], 'local'],
  ];
  it('a machine whose board has no UUID is found by its other names, never by a UUID', () => {
    const without: PlannedMachine = { id: 'm-abc', identity: { serial: 'SN-1', macs: [MAC] } };
    const wanted = (name: string) => planFor(without, [assigned(name, 'till')], images).plan.kind;
    expect([UUID, MAC, 'm-abc', 'SN-1', '*'].map(wanted)).toEqual([
      'local-boot',
      ...['image', 'image', 'image', 'image'],
    ]);
  });
  it.each(rows)('%s', (_, assignments, wanted) => {
    for (const order of [assignments, assignments.toReversed()]) {
      const { plan } = planFor(machine, order, images);
      expect(plan.kind === 'image' ? plan.image.name : 'local').toBe(wanted);
    }
  });
});

describe('the image', () => {
  const versionFor = (wanted: string) => {
    const { plan } = planFor(machine, [assigned('*', wanted)], images);
    return plan.kind === 'image' ? plan.image.version : plan.kind;
  };
  it('is the newest version of a name, numbers read as numbers', () => {
    expect(versionFor('debian')).toBe('12.10');
  });
  it('is exactly the version that is named', () => {
    expect(versionFor('debian@12.9')).toBe('12.9');
  });
  it('is waited for when this peer does not have it yet', () => {
    expect(versionFor('debian@13')).toBe('wait');
    expect(versionFor('ubuntu')).toBe('wait');
  });
  it('goes with the permission to overwrite', () => {
    const { plan } = planFor(machine, [assigned('*', 'debian', true)], images);
    expect(plan).toMatchObject({ kind: 'image', disk: { allowNonBlank: true }, finish: 'reboot' });
  });
});

describe('an assignment is used up', () => {
  const one = assigned('*', 'debian');
  const done = { ...machine, doneRevision: one.revision };
  it('by a machine that was imaged under it', () => {
    expect(planFor(done, [one], images).plan.kind).toBe('local-boot');
  });
  it('also when a newer version is published: nobody asked to image it again', () => {
    expect(planFor(done, [one], [...images, image('debian', '13')]).plan.kind).toBe('local-boot');
  });
  it('for that machine only', () => {
    expect(planFor(machine, [one], images).plan.kind).toBe('image');
  });
  it('until it is assigned again', () => {
    expect(planFor(done, [assigned('*', 'debian')], images).plan.kind).toBe('image');
  });
});

it('a name is one form, however it is typed', () => {
  expect(normaliseMachineName(' 52-54-00-AB-CD-EF ')).toBe('52:54:00:ab:cd:ef');
  expect(normaliseMachineName('525400abcdef')).toBe('52:54:00:ab:cd:ef');
  expect(normaliseMachineName(UUID.toUpperCase())).toBe(UUID);
  expect(normaliseMachineName('SN-1')).toBe('SN-1');
  expect(normaliseMachineName('*')).toBe('*');
});

describe('a machine that nobody assigned anything to', () => {
  const kind = (change: Partial<PlannedMachine>, unknown: 'local' | 'wait') =>
    planFor({ ...machine, ...change }, [], images, { unknown });
  const elsewhere = { image: 'debian', wallMs: 5 };

  it('boots its own disk, or waits to be approved, as the rule says', () => {
    expect(kind({}, 'local').plan.kind).toBe('local-boot');
    expect(kind({}, 'wait')).toMatchObject({ plan: { kind: 'wait' }, unapproved: true });
  });
  it('does not wait when it has been imaged before, here or elsewhere', () => {
    expect(kind({ doneRevision: 1 }, 'wait').plan.kind).toBe('local-boot');
    expect(kind({ elsewhere }, 'wait').plan.kind).toBe('local-boot');
  });
  it('is told from which other one it cannot be told', () => {
    expect(kind({ doubts: ['m-xyz'] }, 'wait').reason).toMatch(/cannot be told from m-xyz.*m-abc/);
  });
});

it('an assignment of one machine goes to the one that used it, and to no other that bears the name', () => {
  const kind = (name: string, holder: string | undefined) =>
    planFor(machine, [assigned(name, 'debian')], images, { unknown: 'local', takenBy: () => holder }).plan
      .kind;
  expect([kind(MAC, undefined), kind(MAC, 'm-abc'), kind(MAC, 'm-xyz')]).toEqual([
    ...['image', 'image', 'local-boot'],
  ]);
  expect(kind('*', 'm-xyz')).toBe('image');
});

describe('imaged by another boot host of the site', () => {
  const elsewhere = { image: 'debian', wallMs: 5 };
  const kind = (change: Partial<NumberedAssignment>, name = '*') =>
    planFor({ ...machine, elsewhere }, [{ ...assigned(name, 'debian'), ...change }], images).plan.kind;

  it.each<[string, Partial<NumberedAssignment>, string, string]>([
    ['an assignment of the configuration', {}, '*', 'local-boot'],
    ['one made before', { origin: 'admin', assignedMs: 4 }, MAC, 'local-boot'],
    ['one made for this machine since', { origin: 'admin', assignedMs: 6 }, MAC, 'image'],
    ['one made for all since', { origin: 'admin', assignedMs: 6 }, '*', 'local-boot'],
    [
      'one made for all since, which says again',
      { origin: 'admin', assignedMs: 6, again: true },
      '*',
      'image',
    ],
    ['one that says again, but was made before', { assignedMs: 4, again: true }, '*', 'local-boot'],
    ['one for this machine in the configuration', { assignedMs: 6 }, MAC, 'local-boot'],
  ])('%s', (_, change, name, expected) => {
    expect(kind(change, name)).toBe(expected);
  });

  it('another image since is not the same', () => {
    const one = { ...assigned('*', 'till'), assignedMs: 6 };
    expect(planFor({ ...machine, elsewhere }, [one], images).plan.kind).toBe('image');
    const local = { ...assigned('*', 'local'), assignedMs: 6 };
    expect(planFor({ ...machine, elsewhere }, [local], images).plan.kind).toBe('local-boot');
  });
});

it('a boot entry is for the next script alone: an agent that asks boots the disk', () => {
  const once: NumberedAssignment = {
    machine: MAC,
    target: { kind: 'boot-entry', entry: 'memtest' },
    revision: 900,
  };
  expect(planFor(machine, [once], images)).toEqual({
    plan: { kind: 'local-boot' },
    reason: 'it is assigned to start memtest once',
    assignment: once,
    entry: 'memtest',
  });
});
