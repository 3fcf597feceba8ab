// Admission: how often one client may ask, how many transfers run at once, and that it forgets strangers.
import { expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { Admission } from '../../src/tftp/admission.ts';

const till = '10.77.0.11' as Ipv4;
const kiosk = '10.77.0.12' as Ipv4;
const limits = { perClient: 2, total: 3, requestBurst: 3, requestsPerSecond: 2 };

it('lets a burst through, then the rate, for each client by itself', () => {
  const admission = new Admission(limits);
  expect([0, 0, 0, 0].map((now) => admission.request(till, now))).toEqual([true, true, true, false]);
  expect(admission.request(kiosk, 0)).toBe(true);
  expect(admission.request(till, 499)).toBe(false);
  expect(admission.request(till, 1000)).toBe(true);
  expect(admission.request(till, 1000)).toBe(true);
  expect(admission.request(till, 1000)).toBe(false);
});

it('bounds the transfers of one client and of all', () => {
  const admission = new Admission(limits);
  expect(admission.begin(till, 0)).toBeUndefined();
  expect(admission.begin(till, 0)).toBeUndefined();
  expect(admission.begin(till, 0)).toBe('per-client');
  expect(admission.begin(kiosk, 0)).toBeUndefined();
  expect(admission.begin(kiosk, 0)).toBe('total');
  admission.end(till);
  expect(admission.active).toBe(2);
  expect(admission.begin(kiosk, 0)).toBeUndefined();
});

it('an end without a beginning is our own bug', () => {
  expect(() => new Admission(limits).end(till)).toThrow('assertion failed: a client with a transfer');
});

it('a flood of forged senders does not make it forget a running transfer', () => {
  const admission = new Admission({ ...limits, total: 100 });
  admission.begin(till, 0);
  admission.begin(till, 0);
  for (let i = 0; i < 20_000; i++) admission.request(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` as Ipv4, 1);
  expect(admission.begin(till, 2)).toBe('per-client');
  admission.end(till);
  expect(admission.begin(till, 3)).toBeUndefined();
});
