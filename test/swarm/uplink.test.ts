// The uplink's meter: what it carried at most is what it can carry, what it carries now is taken.
import { expect, it } from 'vitest';
import { UplinkMeter } from '../../src/swarm/uplink.ts';

/** Megabytes sent in each second → free megabytes per second after it. */
function frees(sent: readonly number[]): number[] {
  const meter = new UplinkMeter();
  let total = 0;
  meter.free(0, 0);
  return sent.map((megabytes, second) => {
    total += megabytes * 1e6;
    return meter.free(total, (second + 1) * 1000) / 1e6;
  });
}

it('knows nothing before anything was sent, and then what is left of the most', () => {
  expect(frees([0, 0])).toEqual([0, 0]);
  expect(frees([10, 4, 0, 12, 0])).toEqual([0, 6, 10, 0, 12]);
});

it('takes no burst for a rate, and starts anew when the count does', () => {
  const meter = new UplinkMeter();
  meter.free(0, 0);
  expect(meter.free(5e6, 10)).toBe(0);
  expect(meter.free(5e6, 1000)).toBe(0);
  expect(meter.free(5e6, 2000)).toBe(5e6);
  expect(meter.free(0, 3000)).toBe(5e6);
  expect(meter.free(1e6, 4000)).toBe(4e6);
});
