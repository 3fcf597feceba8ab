// Bugs planted on purpose, one check dropped each: the simulator's checkers catch every one of them.
import { describe, expect, it } from 'vitest';
import type { Parts } from '../../src/sim/node.ts';
import { realParts } from '../../src/sim/parts.ts';
import { Bucket } from '../../src/swarm/budget.ts';
import { createLine } from '../../src/swarm/line.ts';
import type { LineAction, LineEvent, LineMachine, LineSetup } from '../../src/swarm/line-ports.ts';
import { rulesOf, runSite, type SiteStory } from './site.ts';

/** A peer and three targets in a line; half way the first target, which feeds the others, is struck. */
const LIAR: SiteStory = { faults: [{ atMs: 4000, fault: { kind: 'lie', node: 1, share: 1 } }] };
const FEEDER_DIES: SiteStory = {
  faults: [{ atMs: 5000, fault: { kind: 'die', how: 'off', node: 1, backMs: undefined } }],
};

/** The real machine with something wrong around it. */
function around(wrong: (machine: LineMachine) => LineMachine['step']): Parts {
  const parts = realParts();
  return {
    ...parts,
    machine(setup: LineSetup) {
      const machine = parts.machine(setup);
      const step = wrong(machine);
      return { step, nextWake: () => machine.nextWake(), state: () => machine.state() };
    },
  };
}

describe('without a bug', () => {
  it('nothing is wrong in the same stories', () => {
    expect(rulesOf(runSite({}, realParts()))).toEqual([]);
    expect(rulesOf(runSite(LIAR, realParts()))).toEqual([]);
    expect(rulesOf(runSite(FEEDER_DIES, realParts()))).toEqual([]);
  });
});

describe('caught', () => {
  it('a chunk is not verified on arrival', () => {
    const rules = rulesOf(runSite(LIAR, { ...realParts(), verify: () => true }));
    expect(rules).toContain('kept-wrong');
    expect(rules).toContain('served-unverified');
  });

  it('a chunk that is still on its way is passed on', () => {
    const parts = around((machine) => (event: LineEvent, now) => {
      const actions = machine.step(event, now);
      if (event.kind !== 'follower-wants' || actions.some(({ kind }) => kind === 'serve')) return actions;
      const { follower, row } = event;
      return [...actions, { kind: 'serve', follower, row } satisfies LineAction];
    });
    expect(rulesOf(runSite({}, parts))).toContain('served-unverified');
  });

  it('every node takes itself for the designated peer', () => {
    const parts: Parts = { ...realParts(), elect: (_site, _key, _candidates, self) => self };
    expect(rulesOf(runSite({}, parts))).toContain('wan');
  });

  it('the part of a chunk that had come is forgotten when its feeder dies', () => {
    expect(rulesOf(runSite(FEEDER_DIES, { ...realParts(), salvage: () => undefined }))).toContain('resent');
  });

  it('a lost feeder is never replaced', () => {
    const parts = around((machine) => (event: LineEvent, now) => {
      const actions = machine.step(event, now);
      return machine.state().held > 5 ? actions.filter(({ kind }) => kind !== 'dial') : actions;
    });
    const rules = rulesOf(runSite(FEEDER_DIES, parts));
    expect(rules).toContain('unfinished');
    expect(rules).toContain('standstill');
  });

  it('a silent death is noticed late', () => {
    // The designated peer loses power, long enough after the last machine has come for the site to be calm.
    const fault = { kind: 'die', how: 'off', node: 0, backMs: undefined } as const;
    const story = { faults: [{ atMs: 6400, fault }] };
    const limits = { silenceMs: 4000, stallMs: 4000 };
    const parts = { ...realParts(), machine: (setup: LineSetup) => createLine(setup, { limits }) };
    const real = runSite(story, realParts());
    expect(rulesOf(real)).toEqual([]);
    expect(real.repairs.judged).toBe(3);
    expect(rulesOf(runSite(story, parts))).toEqual(['repair']);
  });

  it('more is read over the WAN than its limit allows', () => {
    const story = { wanLimit: 4_000_000 };
    const careless = { spend: () => {}, waitMs: () => 0, change: () => {} };
    expect(rulesOf(runSite(story, realParts()))).toEqual([]);
    expect(rulesOf(runSite(story, { ...realParts(), budget: () => careless }))).toEqual(['budget']);
  });

  it('two that cross the WAN do not share its limit', () => {
    const elect: Parts['elect'] = (_site, _key, _candidates, self) => self;
    const story = { wanLimit: 4_000_000 };
    const shared = rulesOf(runSite(story, { ...realParts(), elect }));
    expect(shared).toEqual(['wan']);
    const selfish: Parts['budget'] = (limit, nowMs) => {
      const bucket = new Bucket(limit, nowMs);
      return {
        spend: (...all) => bucket.spend(...all),
        waitMs: (...all) => bucket.waitMs(...all),
        change: () => {},
      };
    };
    expect(rulesOf(runSite(story, { ...realParts(), elect, budget: selfish }))).toContain('budget');
  });

  it('what a follower waits for is forgotten', () => {
    // The machine never hears of wants, so nobody is ever served but what it holds already.
    const parts = around((machine) => (event: LineEvent, now) => {
      if (event.kind === 'follower-wants' && machine.state().held < 40) return [];
      return machine.step(event, now);
    });
    expect(rulesOf(runSite({}, parts))).not.toEqual([]);
  });

  it('a machine wants to be woken at the present moment, without end', () => {
    const parts = realParts();
    const eager: Parts = {
      ...parts,
      machine(setup: LineSetup) {
        const machine = parts.machine(setup);
        let last = 0;
        return {
          step(event: LineEvent, now) {
            last = now;
            return machine.step(event, now);
          },
          nextWake: () => last,
          state: () => machine.state(),
        };
      },
    };
    expect(rulesOf(runSite({}, eager))).toContain('endless');
  });
});
