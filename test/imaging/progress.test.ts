// Rates and times left, from samples in time.
import { expect, it } from 'vitest';
import { Meter } from '../../src/imaging/progress.ts';

it('tells the rate of the last seconds, not of the whole', () => {
  const meter = new Meter(100_000, 0);
  for (let second = 1; second <= 10; second++) meter.update(second * 1_000, second * 1_000);
  for (let second = 11; second <= 20; second++) meter.update(10_000 + (second - 10) * 5_000, second * 1_000);
  expect(meter.bytesPerSecond(20_000)).toBe(5_000);
  expect(meter.secondsLeft(20_000)).toBe(8);
  expect(meter.percent()).toBe(60);
});

it('knows nothing in the first second, and no time left while nothing moves', () => {
  const meter = new Meter(1_000, 0);
  meter.update(500, 900);
  expect(meter.bytesPerSecond(900)).toBe(0);
  expect(meter.secondsLeft(900)).toBeUndefined();
  for (let now = 2_000; now < 30_000; now += 1_000) meter.update(500, now);
  expect(meter.bytesPerSecond(30_000)).toBe(0);
  expect(meter.secondsLeft(30_000)).toBeUndefined();
});

it('says 100 % only when all is done', () => {
  const meter = new Meter(1_000_000, 0);
  meter.update(999_999, 10);
  expect(meter.percent()).toBe(99);
  meter.update(1_000_000, 11);
  expect(meter.percent()).toBe(100);
  expect(new Meter(0, 0).percent()).toBe(100);
});
