// What was told: changes as rows, which images a name means, and which WAN transfers may run.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Control,
  type ControlChange,
  changed,
  isPaused,
  means,
  NOTHING_TOLD,
  PRIORITIES,
  priorityOf,
  running,
  tagsInForce,
} from '../../src/swarm/control.ts';

const told = (...changes: ControlChange[]): Control => changes.reduce(changed, NOTHING_TOLD);

describe('tags', () => {
  const tag = (name: string): ControlChange => ({ kind: 'tag', tag: name });
  const untag = (name: string): ControlChange => ({ kind: 'untag', tag: name });

  it.each<[string, ControlChange[], string[]]>([
    ['nothing told: those of the configuration', [], ['boot-host', 'till']],
    ['one more', [tag('kiosk')], ['boot-host', 'till', 'kiosk']],
    ['one that it has', [tag('till'), tag('till')], ['boot-host', 'till']],
    ['one less', [untag('boot-host')], ['till']],
    ['one that it never had', [untag('kiosk')], ['boot-host', 'till']],
    ['one less, and again', [untag('till'), tag('till')], ['boot-host', 'till']],
    ['one more, and no more', [tag('kiosk'), untag('kiosk'), untag('kiosk')], ['boot-host', 'till']],
  ])('%s', (_, changes, expected) => {
    expect(tagsInForce(told(...changes), ['boot-host', 'till'])).toEqual(expected);
  });

  it('keep nothing twice, however often they are told', () => {
    const control = told(tag('b'), tag('a'), tag('b'), untag('c'), untag('c'), untag('a'));
    expect([control.tagged, control.untagged]).toEqual([['b'], ['a', 'c']]);
  });
});

describe('changes', () => {
  it.each<[string, ControlChange[], boolean]>([
    ['nothing', [], false],
    ['the peer', [{ kind: 'pause' }], true],
    ['the image', [{ kind: 'pause', image: 'till' }], true],
    ['its version', [{ kind: 'pause', image: 'till@3' }], true],
    ['another version', [{ kind: 'pause', image: 'till@4' }], false],
    ['another image', [{ kind: 'pause', image: 'kiosk' }], false],
    ['the peer, resumed', [{ kind: 'pause' }, { kind: 'resume' }], false],
    ['the image, all resumed', [{ kind: 'pause', image: 'till' }, { kind: 'resume' }], false],
    [
      'the image, resumed',
      [
        { kind: 'pause', image: 'till' },
        { kind: 'resume', image: 'till' },
      ],
      false,
    ],
    [
      'its version, image resumed',
      [
        { kind: 'pause', image: 'till@3' },
        { kind: 'resume', image: 'till' },
      ],
      false,
    ],
    [
      'the image, version resumed',
      [
        { kind: 'pause', image: 'till' },
        { kind: 'resume', image: 'till@3' },
      ],
      true,
    ],
    ['the peer, image resumed', [{ kind: 'pause' }, { kind: 'resume', image: 'till' }], true],
  ])('paused: %s', (_, changes, paused) => {
    expect(isPaused(told(...changes), 'till 3')).toBe(paused);
  });

  it('the catalogue and tables are never paused', () => {
    expect(isPaused(told({ kind: 'pause' }), '')).toBe(false);
  });

  it('an image of another name that begins alike is another', () => {
    expect([means('till', 'till 3'), means('till', 'till-2 3'), means('till@3', 'till 31')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('the priority of the version counts before that of the image, that before the default', () => {
    const control = told(
      { kind: 'priority', priority: 'low' },
      { kind: 'priority', image: 'till', priority: 'normal' },
      { kind: 'priority', image: 'till@3', priority: 'high' },
    );
    expect(['till 3', 'till 2', 'kiosk 1'].map((title) => priorityOf(control, title))).toEqual([
      'high',
      'normal',
      'low',
    ]);
    expect(priorityOf(NOTHING_TOLD, 'till 3', true)).toBe('low');
    expect(priorityOf(control, 'till 3', true)).toBe('high');
  });

  it('a limit is told without touching the other', () => {
    const control = told({ kind: 'limit', wan: 2_000_000 }, { kind: 'limit', lan: null });
    expect([control.wanLimit, control.lanLimit]).toEqual([2_000_000, null]);
    expect('wanLimit' in NOTHING_TOLD).toBe(false);
  });
});

describe('which transfers run', () => {
  const job = fc.record({ title: fc.constantFrom('a 1', 'b 1', 'c 1'), background: fc.boolean() });
  const controls = fc
    .record({
      paused: fc.boolean(),
      pausedImages: fc.subarray(['a', 'b@1']),
      priorities: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(...PRIORITIES)),
    })
    .map((one): Control => ({ ...NOTHING_TOLD, ...one }));

  it('nothing that is paused; something whenever something may; all of the highest; one of the rest', () => {
    fc.assert(
      fc.property(fc.array(job, { maxLength: 12 }), controls, (jobs, control) => {
        const chosen = running(jobs, control);
        const free = jobs.filter((one) => !isPaused(control, one.title));
        for (const one of chosen) expect(isPaused(control, one.title)).toBe(false);
        const rank = (one: (typeof jobs)[number]) =>
          PRIORITIES.indexOf(priorityOf(control, one.title, one.background));
        const highest = Math.min(...free.map(rank));
        expect(free.filter((one) => rank(one) === highest).every((one) => chosen.has(one))).toBe(true);
        const lower = free.filter((one) => rank(one) > highest);
        expect(lower.filter((one) => chosen.has(one)).length).toBe(Math.min(1, lower.length));
        // The oldest of the rest: so each has its turn.
        if (lower[0] !== undefined) expect(chosen.has(lower[0])).toBe(true);
      }),
    );
  });
});
