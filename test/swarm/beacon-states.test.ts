// The beacon as one table: every state, every kind of event, and what is said. The types keep it complete.
import { describe, expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { seededRandom } from '../../src/base/random.ts';
import { BeaconMachine } from '../../src/swarm/beacon.ts';
import type { Beacon } from '../../src/swarm/beacon-codec.ts';
import type { BeaconAction, BeaconEvent } from '../../src/swarm/beacon-ports.ts';
import { IDLE, SITE } from './beacon-world.ts';

const OTHER = 'b'.repeat(16);
const FROM = { address: '10.77.0.11' as Ipv4, port: 8068 };
const MAC = '52:54:00:12:34:56' as Mac;
const STAMP = { id: OTHER, instance: 9, revision: 0, freeUplinkBytesPerSecond: 0, direct: false };
const { freeUplinkBytesPerSecond: _, ...FACTS } = IDLE;
const heard = (beacon: Beacon): BeaconEvent => ({
  kind: 'heard',
  from: FROM,
  site: SITE,
  multicast: true,
  beacon,
});
const COMES = heard({ ...STAMP, kind: 'announcement', wants: false, sitePort: 8068, facts: FACTS });

type Kind = BeaconEvent['kind'];
const EVENTS: Readonly<{ [K in Kind]: Extract<BeaconEvent, { kind: K }> }> = {
  start: { kind: 'start' },
  wake: { kind: 'wake' },
  heard: heard({ ...STAMP, kind: 'probe' }) as Extract<BeaconEvent, { kind: 'heard' }>,
  announce: { kind: 'announce', own: { ...IDLE, tags: ['till'] } },
  tell: { kind: 'tell', where: { address: '10.78.0.1' as Ipv4, port: 8068 } },
  suspect: { kind: 'suspect', peer: OTHER },
  answered: { kind: 'answered', mac: MAC, xid: 7 },
  sites: { kind: 'sites', sites: [SITE, SITE + 1] },
  leave: { kind: 'leave' },
};

type State = 'new' | 'here' | 'gone';
/** Started, greeted twice, and heard one other; its beat is not due. */
const HERE: readonly (readonly [number, BeaconEvent])[] = [
  [0, EVENTS.start],
  [1_200, EVENTS.wake],
  [1_300, COMES],
];
const REACHED: Readonly<Record<State, readonly (readonly [number, BeaconEvent])[]>> = {
  new: [],
  here: HERE,
  gone: [...HERE, [1_350, EVENTS.leave]],
};

const SILENT = Object.fromEntries(Object.keys(EVENTS).map((kind) => [kind, '-'])) as Record<Kind, string>;
/** A dash: nothing. */
const TABLE: Readonly<Record<State, Readonly<Record<Kind, string>>>> = {
  new: { ...SILENT, start: 'to all announcement' },
  here: {
    start: 'our bug',
    wake: '-',
    heard: 'to 10.77.0.11 beat',
    announce: 'to all announcement',
    tell: 'to 10.78.0.1 announcement',
    suspect: 'to all suspicion, to 10.77.0.11 probe',
    answered: 'to all answered',
    sites: 'to all announcement',
    leave: 'to all goodbye, to all goodbye',
  },
  gone: SILENT,
};

function say(action: BeaconAction): string {
  if (action.kind === 'multicast') return `to all ${action.beacon.kind}`;
  return action.kind === 'unicast' ? `to ${action.to.address} ${action.beacon.kind}` : action.kind;
}

describe.each(Object.entries(TABLE) as [State, Record<Kind, string>][])('%s', (state, row) => {
  it.each(Object.entries(row) as [Kind, string][])('%s: %s', (kind, expected) => {
    const own = { ...IDLE, freeUplinkBytesPerSecond: 0 };
    const setup = { self: 'a'.repeat(16), sitePort: 8068, sites: [SITE], own, random: seededRandom(1) };
    const machine = new BeaconMachine(setup);
    for (const [at, event] of REACHED[state]) machine.step(event, at);
    const step = () => machine.step(EVENTS[kind], 1_400);
    if (expected === 'our bug') expect(step).toThrow('assertion failed');
    else expect(step().map(say).join(', ') || '-').toBe(expected);
    const isHere = (state === 'here' && kind !== 'leave') || (state === 'new' && kind === 'start');
    expect(machine.nextWake() !== undefined).toBe(isHere);
  });
});

it.each([
  [
    'of one that it knows, which has a moment to answer all before it is asked',
    OTHER,
    ['to 10.77.0.11 probe'],
  ],
  ['of one that it does not know', 'c'.repeat(16), []],
  ['of itself: it beats sooner', 'a'.repeat(16), ['to all beat']],
])('a suspicion that another tells, %s', (_, subject, expected) => {
  const setup = { self: 'a'.repeat(16), sitePort: 8068, sites: [SITE], own: IDLE, random: seededRandom(1) };
  const machine = new BeaconMachine(setup);
  for (const [time, event] of HERE) machine.step(event, time);
  const suspicion = heard({ ...STAMP, kind: 'suspicion', subject });
  const said = [...machine.step(suspicion, 1_400), ...machine.step(EVENTS.wake, 1_499)].map(say);
  expect(said).toEqual(subject === OTHER ? [] : expected);
  expect([...said, ...machine.step(EVENTS.wake, 1_570).map(say)]).toEqual(expected);
});

it('what it was told before it started counts from the start on', () => {
  const setup = { self: 'a'.repeat(16), sitePort: 8068, sites: [], own: IDLE, random: seededRandom(1) };
  const machine = new BeaconMachine(setup);
  for (const event of [EVENTS.sites, EVENTS.announce, EVENTS.tell]) machine.step(event, 0);
  const actions = machine.step(EVENTS.start, 5);
  expect(actions.map(say)).toEqual(['to all announcement', 'to 10.78.0.1 announcement']);
  expect(actions[0]).toMatchObject({ beacon: { facts: { tags: ['till'] } } });
  expect(machine.step(COMES, 10).map(say)).toEqual(['came']);
});

it('an event that it does not know is our own bug', () => {
  const setup = { self: 'a'.repeat(16), sitePort: 8068, sites: [SITE], own: IDLE, random: seededRandom(1) };
  expect(() => new BeaconMachine(setup).step({ kind: 'nonsense' } as never, 0)).toThrow('unreachable');
});
