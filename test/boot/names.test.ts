// Names of machines: the next free number, never one that is taken, always a host name.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameGoesTo, nextName, templateFault } from '../../src/boot/names.ts';

const taken = (...names: string[]) => new Set(names);

describe('the next name', () => {
  it.each<[string, string, Set<string>, string | undefined]>([
    ['till-{store}-{nn}', 'Store 12', taken(), 'till-store-12-01'],
    ['till-{nn}', '', taken('till-01', 'till-02'), 'till-03'],
    ['till-{nn}', '', taken('till-02'), 'till-01'],
    ['TILL-{n}', '', taken('till-1'), 'TILL-2'],
    ['t{n}', '', taken(...Array.from({ length: 120 }, (_, i) => `t${i + 1}`)), 't121'],
    ['kiosk', '', taken(), 'kiosk'],
    ['kiosk', '', taken('kiosk'), undefined],
    [`${'x'.repeat(62)}{nn}`, '', taken(), undefined],
  ])('%s in %j', (template, store, names, expected) => {
    expect(nextName(template, store, names)).toBe(expected);
  });

  it('is a host name that nobody has', () => {
    const names = fc.uniqueArray(fc.integer({ min: 1, max: 30 }).map((n) => `a-${n}-b`));
    fc.assert(
      fc.property(names, fc.string(), (all, store) => {
        const name = nextName('a-{n}-b', store, new Set(all));
        expect(all).not.toContain(name);
        expect(name).toMatch(/^a-\d+-b$/);
      }),
    );
  });
});

it.each(['-a', 'a-', '{x}', '{n}-{nn}', '{store}{store}', 'a_b', ''])('%j is no template', (template) => {
  expect(templateFault(template)).toBeDefined();
});

it.each(['till-{nn}', '{store}', 'till-{store}-{nnn}', 'KIOSK'])('%j is a template', (template) => {
  expect(templateFault(template)).toBeUndefined();
});

it('of two machines with one name the same one keeps it, however they are compared', () => {
  const one = { uuid: '4c4c4544-0042-3010-8052-000000000001', serial: 'B', macs: ['52:54:00:00:00:01'] };
  const two = { uuid: '4c4c4544-0042-3010-8052-000000000002', serial: 'A', macs: [] };
  expect([nameGoesTo(one, two), nameGoesTo(two, one)]).toEqual(['first', 'second']);
  const nics = ['52:54:00:00:00:02', '52:54:00:00:00:01'];
  expect(nameGoesTo({ macs: nics }, { macs: [...nics].reverse() })).toBe('first');
  expect([nameGoesTo({ serial: 'A' }, {}), nameGoesTo({}, { serial: 'A' })]).toEqual(['second', 'first']);
});
