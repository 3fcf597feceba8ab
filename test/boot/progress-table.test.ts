// The ladder as one table: every standing, every kind of event, and where the machine stands then. The types keep it complete.
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import { climb, type Ladder, type MachineEvent, type Standing } from '../../src/boot/progress.ts';
import { checkIn, report } from '../service/peer.ts';

const address = '10.77.0.50';
const EVENTS = {
  dhcp: { kind: 'dhcp', mac: '52:54:00:12:34:56' as Mac },
  nbp: { kind: 'file', address, name: 'snponly.efi', via: 'tftp' },
  'other file': { kind: 'file', address, name: 'vmlinuz', via: 'http' },
  script: { kind: 'script', address, query: {} },
  'check-in': { kind: 'check-in', address, checkIn: checkIn({ bootId: 'boot-1' }) },
  'check-in of a new boot': { kind: 'check-in', address, checkIn: checkIn({ bootId: 'boot-2' }) },
  verifying: { kind: 'report', report: report('m', 'verifying') },
  'verifying of a new boot': { kind: 'report', report: report('m', 'verifying', { bootId: 'boot-2' }) },
} as const satisfies Record<string, MachineEvent>;
type Name = keyof typeof EVENTS;

/** `!`: a new ladder, as of another boot; else the same one goes on. */
type Cell = Standing | `!${Standing}`;
/** A script tells nothing of which boot it is: these begin another one wherever a running agent had been. */
const PASSED = { dhcp: '!seen', nbp: '!nbp', script: '!script' } as const;
const NEW_BOOT = { 'check-in of a new boot': '!agent', 'verifying of a new boot': '!verifying' } as const;

const TABLE: Readonly<Record<Standing | 'unheard of', Readonly<Record<Name, Cell>>>> = {
  'unheard of': {
    ...PASSED,
    ...NEW_BOOT,
    'other file': '!seen',
    'check-in': '!agent',
    verifying: '!verifying',
  },
  seen: {
    dhcp: 'seen',
    nbp: 'nbp',
    'other file': 'seen',
    script: 'script',
    'check-in': 'agent',
    'check-in of a new boot': 'agent',
    verifying: '!verifying',
    'verifying of a new boot': '!verifying',
  },
  nbp: {
    dhcp: 'nbp',
    nbp: 'nbp',
    'other file': 'nbp',
    script: 'script',
    'check-in': 'agent',
    'check-in of a new boot': 'agent',
    verifying: '!verifying',
    'verifying of a new boot': '!verifying',
  },
  script: {
    dhcp: '!seen',
    nbp: 'script',
    'other file': 'script',
    script: 'script',
    'check-in': 'agent',
    'check-in of a new boot': 'agent',
    verifying: '!verifying',
    'verifying of a new boot': '!verifying',
  },
  agent: { ...PASSED, ...NEW_BOOT, 'other file': 'agent', 'check-in': 'agent', verifying: 'verifying' },
  imaging: { ...PASSED, ...NEW_BOOT, 'other file': 'imaging', 'check-in': 'imaging', verifying: 'verifying' },
  verifying: {
    ...PASSED,
    ...NEW_BOOT,
    'other file': 'verifying',
    'check-in': 'verifying',
    verifying: 'verifying',
  },
  // Imaged once more: what had been reached beyond that rung counts no longer.
  done: { ...PASSED, ...NEW_BOOT, 'other file': 'done', 'check-in': 'done', verifying: '!verifying' },
  failed: { ...PASSED, ...NEW_BOOT, 'other file': 'failed', 'check-in': 'failed', verifying: 'verifying' },
  idle: { ...PASSED, ...NEW_BOOT, 'other file': 'idle', 'check-in': 'agent', verifying: 'verifying' },
};

/** A machine that stands here since the time 1; from the agent on, it is that of `boot-1`. */
function standing(rung: Standing | 'unheard of'): Ladder | undefined {
  if (rung === 'unheard of') return undefined;
  const early = rung === 'seen' || rung === 'nbp' || rung === 'script';
  return { rung, reachedMs: { [rung]: 1 }, bootId: early ? undefined : 'boot-1' };
}

describe.each(Object.entries(TABLE) as [Standing | 'unheard of', Record<Name, Cell>][])('%s', (rung, row) => {
  it.each(Object.entries(row) as [Name, Cell][])('%s: %s', (name, cell) => {
    const before = standing(rung);
    const after = climb(before, EVENTS[name], 2);
    const isNew = cell.startsWith('!');
    expect(after.rung).toBe(isNew ? cell.slice(1) : cell);
    const reachedBefore = before === undefined || isNew ? {} : before.reachedMs;
    expect(after.reachedMs).toEqual(
      after.rung === rung && !isNew ? reachedBefore : { ...reachedBefore, [after.rung]: 2 },
    );
  });
});
