// Assignments: their numbers only grow, and the configuration's survive restarts unchanged.
import { describe, expect, it } from 'vitest';
import type { Assignment } from '../../src/api/machines.ts';
import { silentLog } from '../../src/base/log.ts';
import { createAssignments } from '../../src/service/assignments.ts';
import { memoryMachineStore } from '../../src/service/machine-store.ts';
import { handClock, MAC } from './peer.ts';

const toImage = (machine: string, wanted: string, match?: string): Assignment => ({
  machine,
  target: {
    kind: 'image',
    image: wanted,
    disk: { allowNonBlank: false, ...(match === undefined ? {} : { match }) },
  },
});
const open = (store = memoryMachineStore()) =>
  createAssignments({ store, clock: handClock(), log: silentLog });

it('each is newer than all before, also than those that were removed and forgotten', () => {
  const store = memoryMachineStore();
  const first = open(store);
  expect(first.put(toImage('*', 'a')).revision).toBe(1);
  expect(first.put(toImage('*', 'a')).revision).toBe(2);
  store.saveMachine({
    id: 'm-1',
    identity: { macs: [MAC] },
    firmware: 'bios',
    bootId: 'b',
    lastSeenMs: 0,
    done: { revision: 2, image: 'a@1', wallMs: 0 },
  });
  expect(first.remove('*')).toBe(true);
  expect(first.remove('*')).toBe(false);
  expect(open(store).put(toImage('*', 'a')).revision).toBe(3);
});

it('one name has one assignment, however it is spelt', () => {
  const all = open();
  all.put(toImage('52-54-00-12-34-56', 'a'));
  all.put(toImage(MAC.toUpperCase(), 'b'));
  expect(all.list()).toMatchObject([{ machine: MAC, target: { image: 'b' }, revision: 2, origin: 'admin' }]);
});

describe('from the configuration', () => {
  it('an unchanged one keeps its number over restarts', () => {
    const store = memoryMachineStore();
    open(store).configure([toImage('*', 'a')]);
    const again = open(store);
    again.configure([toImage('*', 'a')]);
    expect(again.list()).toMatchObject([{ revision: 1, origin: 'config' }]);
  });

  it.each([
    ['another image', toImage('*', 'b')],
    ['another disk', toImage('*', 'a', 'vdb')],
    ['its own disk', { machine: '*', target: { kind: 'local-boot' } } as const],
  ])('a changed one (%s) is a new one', (_, changed) => {
    const store = memoryMachineStore();
    open(store).configure([toImage('*', 'a')]);
    const again = open(store);
    again.configure([changed]);
    expect(again.list()).toMatchObject([{ revision: 2, target: changed.target }]);
  });

  it('one that was taken out goes, an administrator’s stays', () => {
    const store = memoryMachineStore();
    const first = open(store);
    first.configure([toImage('*', 'a')]);
    first.put(toImage(MAC, 'b'));
    const again = open(store);
    again.configure([]);
    expect(again.list()).toMatchObject([{ machine: MAC, origin: 'admin' }]);
  });

  it('does not come back over what an administrator said later', () => {
    const store = memoryMachineStore();
    const first = open(store);
    first.configure([toImage('*', 'a')]);
    first.put(toImage('*', 'b'));
    const again = open(store);
    again.configure([toImage('*', 'a')]);
    expect(again.list().map(({ revision, origin }) => [revision, origin])).toEqual([
      [1, 'config'],
      [2, 'admin'],
    ]);
  });
});
