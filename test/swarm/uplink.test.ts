// The meters of links: what was carried at most is what can be carried, what is carried now is taken.
import { expect, it } from 'vitest';
import { DownlinkMeter, UplinkMeter } from '../../src/swarm/uplink.ts';

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

it('knows nothing before anything was sent for some seconds, and then what is left of the most', () => {
  expect(frees([0, 0, 0, 0])).toEqual([0, 0, 0, 0]);
  expect(frees([10, 10, 10, 4, 0, 0])).toEqual([0, 0, 0, 6, 10, 10]);
});

it('takes no burst for a rate: what waits in a kernel has not left', () => {
  expect(frees([7, 1, 1, 0, 0]).at(-1)).toBe(3);
});

it('starts anew when the count does, and keeps the most', () => {
  const meter = new UplinkMeter();
  const at = (megabytes: number, seconds: number) => meter.free(megabytes * 1e6, seconds * 1000) / 1e6;
  expect([at(0, 0), at(5, 0.01), at(5, 1), at(10, 2), at(15, 3)]).toEqual([0, 0, 0, 0, 0]);
  expect([at(15, 4), at(0, 5), at(1, 6)]).toEqual([5, 5, 4]);
});

it('measures a downlink only while bytes come all along', () => {
  const meter = new DownlinkMeter();
  expect(meter.mostPerSecond).toBe(0);
  for (let ms = 0; ms <= 1000; ms += 100) meter.came(1e5, ms);
  expect(meter.mostPerSecond).toBe(1e6);
  // A pause is no slowness, and one piece after it no speed.
  meter.came(9e6, 60_000);
  meter.came(1e5, 60_100);
  expect(meter.mostPerSecond).toBe(1e6);
});
