// The ladder as a table: what is heard, and the rung that the machine then stands on.
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import { climb, IDLE_AFTER_MS, type Ladder, type MachineEvent, timeOut } from '../../src/boot/progress.ts';
import { checkIn, report } from '../service/peer.ts';

const address = '10.77.0.50';
const EVENTS = {
  dhcp: { kind: 'dhcp', mac: '52:54:00:12:34:56' as Mac },
  nbp: { kind: 'file', address, name: 'undionly.kpxe', via: 'tftp' },
  efi: { kind: 'file', address, name: 'snponly.efi', via: 'http' },
  kernel: { kind: 'file', address, name: 'vmlinuz', via: 'http' },
  script: { kind: 'script', address, query: {} },
  agent: { kind: 'check-in', address, checkIn: checkIn() },
  agent2: { kind: 'check-in', address, checkIn: checkIn({ bootId: 'boot-2' }) },
  imaging: { kind: 'report', report: report('m', 'imaging') },
  verifying: { kind: 'report', report: report('m', 'verifying') },
  done: { kind: 'report', report: report('m', 'done') },
  failed: { kind: 'report', report: report('m', 'failed') },
} as const satisfies Record<string, MachineEvent>;
type Name = keyof typeof EVENTS;

function climbed(names: readonly Name[]): Ladder {
  let ladder: Ladder | undefined;
  names.forEach((name, index) => {
    ladder = climb(ladder, EVENTS[name] as MachineEvent, index);
  });
  if (ladder === undefined) throw new Error('no events');
  return ladder;
}

describe.each<{ why: string; heard: Name[]; rung: Ladder['rung']; reached: Ladder['reachedMs'] }>([
  { why: 'a ROM asks', heard: ['dhcp'], rung: 'seen', reached: { seen: 0 } },
  { why: 'asking again is no news', heard: ['dhcp', 'dhcp'], rung: 'seen', reached: { seen: 0 } },
  {
    why: 'the whole story',
    heard: ['dhcp', 'nbp', 'dhcp', 'script', 'kernel', 'agent', 'imaging', 'verifying', 'done'],
    rung: 'done',
    reached: { seen: 0, nbp: 1, script: 3, agent: 5, imaging: 6, verifying: 7, done: 8 },
  },
  {
    why: 'iPXE in the ROM needs no NBP',
    heard: ['dhcp', 'script'],
    rung: 'script',
    reached: { seen: 0, script: 1 },
  },
  {
    why: 'each file is asked twice by UEFI',
    heard: ['dhcp', 'efi', 'efi'],
    rung: 'nbp',
    reached: { seen: 0, nbp: 1 },
  },
  {
    why: 'a kernel without a script is no rung',
    heard: ['dhcp', 'kernel'],
    rung: 'seen',
    reached: { seen: 0 },
  },
  {
    why: 'a file that is no NBP, from a machine never heard of, is a machine seen',
    heard: ['kernel'],
    rung: 'seen',
    reached: { seen: 0 },
  },
  {
    why: 'a report that tells no new rung changes nothing',
    heard: ['agent', 'imaging', 'imaging'],
    rung: 'imaging',
    reached: { agent: 0, imaging: 1 },
  },
  {
    why: 'after a failure, DHCP is a new boot',
    heard: ['agent', 'failed', 'dhcp'],
    rung: 'seen',
    reached: { seen: 2 },
  },
  {
    why: 'after a script, DHCP is a new boot',
    heard: ['dhcp', 'script', 'dhcp'],
    rung: 'seen',
    reached: { seen: 2 },
  },
  {
    why: 'after done, DHCP is a new boot',
    heard: ['agent', 'done', 'dhcp'],
    rung: 'seen',
    reached: { seen: 2 },
  },
  {
    why: 'after done, a script is a new boot even if its DHCP was not heard',
    heard: ['agent', 'done', 'script'],
    rung: 'script',
    reached: { script: 2 },
  },
  {
    why: 'the same agent checks in again and keeps its rung',
    heard: ['agent', 'imaging', 'agent'],
    rung: 'imaging',
    reached: { agent: 0, imaging: 1 },
  },
  {
    why: 'another boot of the agent begins anew',
    heard: ['agent', 'imaging', 'agent2'],
    rung: 'agent',
    reached: { agent: 2 },
  },
  {
    why: 'a failure can be left',
    heard: ['agent', 'failed', 'agent', 'imaging'],
    rung: 'imaging',
    reached: { agent: 0, failed: 1, imaging: 3 },
  },
  {
    why: 'the agent may step back to write again',
    heard: ['agent', 'imaging', 'verifying', 'imaging'],
    rung: 'imaging',
    reached: { agent: 0, imaging: 1, verifying: 2 },
  },
  {
    why: 'imaged once more in the same boot',
    heard: ['agent', 'imaging', 'verifying', 'done', 'imaging'],
    rung: 'imaging',
    reached: { agent: 0, imaging: 4 },
  },
  {
    why: 'a report of a boot never heard of before',
    heard: ['dhcp', 'imaging'],
    rung: 'imaging',
    reached: { imaging: 1 },
  },
])('$why', ({ heard, rung, reached }) => {
  it(`${heard.join(' → ')} is ${rung}`, () => {
    const ladder = climbed(heard);
    expect(ladder.rung).toBe(rung);
    expect(ladder.reachedMs).toEqual(reached);
  });
});

describe('silence', () => {
  it('makes every rung idle that is on the way, and none that is an end', () => {
    const names: Name[] = ['dhcp', 'nbp', 'script', 'agent', 'imaging', 'verifying', 'done', 'failed'];
    const rungs = names.map((name) => {
      const ladder = climbed(['agent', name]);
      return [ladder.rung, timeOut(ladder, 1, 1 + 60 * 60_000).rung];
    });
    expect(Object.fromEntries(rungs)).toEqual({
      seen: 'idle',
      nbp: 'idle',
      script: 'idle',
      agent: 'idle',
      imaging: 'idle',
      verifying: 'idle',
      done: 'done',
      failed: 'failed',
    });
  });

  it('begins at the limit, not before', () => {
    const ladder = climbed(['agent', 'imaging']);
    const limitMs = IDLE_AFTER_MS.imaging as number;
    expect(timeOut(ladder, 1, limitMs).rung).toBe('imaging');
    expect(timeOut(ladder, 1, 1 + limitMs)).toMatchObject({ rung: 'idle', reachedMs: { idle: 1 + limitMs } });
  });

  it('ends when the agent reports again', () => {
    const idle = timeOut(climbed(['agent', 'imaging']), 1, 1e9);
    expect(climb(idle, EVENTS.imaging, 1e9 + 1).rung).toBe('imaging');
    expect(climb(idle, EVENTS.agent, 1e9 + 1).rung).toBe('agent');
  });
});
