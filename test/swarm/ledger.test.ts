// The ledger: what came over the WAN adds up under its names, and nothing is lost between two times of keeping it.
import { describe, expect, it } from 'vitest';
import { dayOf, Ledger, type LedgerKey, totalsBy } from '../../src/swarm/ledger.ts';

const key = (change: Partial<LedgerKey> = {}): LedgerKey => ({
  day: '2026-11-23',
  source: 'https://cdn.example/till',
  purpose: 'image',
  title: 'till 2',
  ...change,
});

it('a day is UTC', () => {
  expect(dayOf(Date.UTC(2026, 10, 23, 23, 59, 59))).toBe('2026-11-23');
  expect(dayOf(Date.UTC(2026, 10, 24))).toBe('2026-11-24');
});

describe('a ledger', () => {
  it('adds up what is alike in every column, and keeps apart what is not', () => {
    const ledger = new Ledger([{ ...key(), bytes: 10 }]);
    ledger.add(key(), 5);
    ledger.add(key({ title: 'kiosk 1' }), 7);
    expect(ledger.rows()).toEqual([
      { ...key(), bytes: 15 },
      { ...key({ title: 'kiosk 1' }), bytes: 7 },
    ]);
  });

  it('gives out what was added since the last time, and takes it back when it could not be kept', () => {
    const ledger = new Ledger([{ ...key(), bytes: 10 }]);
    expect(ledger.takeAdded()).toEqual([]);
    ledger.add(key(), 5);
    const taken = ledger.takeAdded();
    expect(taken).toEqual([{ ...key(), bytes: 5 }]);
    ledger.add(key(), 1);
    ledger.putBack(taken);
    expect(ledger.takeAdded()).toEqual([{ ...key(), bytes: 6 }]);
    expect(ledger.takeAdded()).toEqual([]);
    expect(ledger.rows()).toEqual([{ ...key(), bytes: 16 }]);
  });

  it('forgets the days before one, not that day itself', () => {
    const ledger = new Ledger();
    for (const day of ['2026-11-21', '2026-11-22', '2026-11-23']) ledger.add(key({ day }), 1);
    ledger.forgetBefore('2026-11-22');
    expect(ledger.rows().map(({ day }) => day)).toEqual(['2026-11-22', '2026-11-23']);
  });

  it('is summed by any columns, the greatest first', () => {
    const ledger = new Ledger();
    ledger.add(key(), 1);
    ledger.add(key({ title: 'kiosk 1' }), 5);
    ledger.add(key({ title: 'kiosk 1', source: 'http://parent' }), 2);
    expect(totalsBy(ledger.rows(), 'title')).toEqual([
      { title: 'kiosk 1', bytes: 7 },
      { title: 'till 2', bytes: 1 },
    ]);
    expect(totalsBy(ledger.rows(), 'source', 'day')).toEqual([
      { source: 'https://cdn.example/till', day: '2026-11-23', bytes: 6 },
      { source: 'http://parent', day: '2026-11-23', bytes: 2 },
    ]);
    expect(totalsBy([], 'day')).toEqual([]);
  });
});
