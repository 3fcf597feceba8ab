// Rates as tables in time: what comes in with its pauses, what goes out without them, and what is known of neither.
import { describe, expect, it } from 'vitest';
import { BusyMeter, RateMeter } from '../../src/swarm/line-rates.ts';

const MB = 1e6;

describe('what comes in', () => {
  it('is known from the second chunk on, pauses included', () => {
    const meter = new RateMeter();
    expect(meter.rate(0)).toBe(0);
    meter.add(MB, 0);
    expect([meter.points, meter.rate(0)]).toEqual([0, 0]);
    meter.add(MB, 1000);
    expect([meter.points, meter.rate(1000)]).toEqual([1, MB]);
    meter.add(MB, 4000);
    expect(meter.rate(4000)).toBe(MB / 2);
  });

  it('is that of the last eight chunks', () => {
    const meter = new RateMeter();
    for (let i = 0; i <= 8; i++) meter.add(MB, i * 1000);
    for (let i = 1; i <= 8; i++) meter.add(MB, 8000 + i * 100);
    expect([meter.points, Math.round(meter.rate(8800))]).toEqual([8, 10 * MB]);
  });

  it('fades when nothing more comes, after twice the usual pause', () => {
    const meter = new RateMeter();
    for (let i = 0; i <= 4; i++) meter.add(MB, i * 1000);
    expect(meter.rate(6000)).toBe(MB);
    expect(meter.rate(8000)).toBe(MB / 2);
  });

  it('all in one moment tells nothing yet', () => {
    const meter = new RateMeter();
    meter.add(MB, 5);
    meter.add(MB, 5);
    expect(meter.rate(5)).toBe(0);
  });
});

describe('what goes out', () => {
  it('is measured while something waits, not in between', () => {
    const meter = new BusyMeter();
    meter.begin(0);
    meter.begin(400);
    meter.sent(MB, false, 500);
    meter.begin(9_000);
    meter.sent(MB, false, 9_500);
    expect([meter.points, meter.rate(0, 20_000)]).toEqual([2, 2 * MB]);
  });

  it('is at most what has gone while the first is on its way', () => {
    const meter = new BusyMeter();
    expect(meter.rate(MB, 0)).toBe(0);
    meter.begin(0);
    expect([meter.rate(MB, 0), meter.rate(MB, 500)]).toEqual([0, 2 * MB]);
  });

  it('falls when the next one takes longer than any before', () => {
    const meter = new BusyMeter();
    meter.begin(0);
    meter.sent(MB, true, 1000);
    expect(meter.rate(MB, 2500)).toBe(MB);
    expect(meter.rate(MB, 4000)).toBe(MB / 2);
  });

  it('counts nothing that was sent after all was taken back', () => {
    const meter = new BusyMeter();
    meter.begin(0);
    meter.stop();
    meter.sent(MB, false, 1000);
    expect([meter.points, meter.rate(MB, 2000)]).toEqual([0, 0]);
  });

  it('all in one moment tells nothing yet', () => {
    const meter = new BusyMeter();
    meter.begin(5);
    meter.sent(MB, false, 5);
    expect(meter.rate(0, 5)).toBe(0);
  });
});
