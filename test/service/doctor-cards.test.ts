// What the always-on doctor says of a machine with two cards: the verdict of the card that booted, and no other's is corrected by its agent.
import { expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { silentLog } from '../../src/base/log.ts';
import { createDoctor } from '../../src/service/doctor.ts';
import { Lan } from '../../src/sim/firmware/lan.ts';
import { clientPacket, UEFI_CLASS } from '../support/dhcp-packets.ts';

const FIRST = '52:54:00:77:00:01' as Mac;
const SECOND = '52:54:00:77:00:02' as Mac;
const ADDRESS = '10.77.0.50' as Ipv4;

async function world() {
  const { clock, timers, queue } = new Lan(1);
  // Port 68 is open, and nobody says anything there.
  const openUdp = async () => ({ sharedWith: [], send: async () => {}, close: async () => {} });
  const addresses = () => ['10.77.0.2' as Ipv4];
  const doctor = createDoctor({ openUdp, addresses, clock, timers, log: silentLog });
  await doctor.start();
  const discovers = (number: number, ciaddr = '0.0.0.0' as Ipv4) =>
    doctor.observe({
      kind: 'dhcp',
      packet: clientPacket({ vendorClass: UEFI_CLASS, number, fields: { xid: number, ciaddr } }),
      source: { address: '0.0.0.0' as Ipv4, port: 68 },
      target: { address: '255.255.255.255' as Ipv4, port: 67 },
    });
  const passes = (ms: number) => {
    const end = queue.nowMs + ms;
    queue.at(end, () => {});
    while (queue.nowMs < end) queue.next();
  };
  const fetches = (name: string) => {
    const client = { address: ADDRESS, port: 2000 };
    const server = '10.77.0.2' as Ipv4;
    doctor.observe({ kind: 'tftp-request', client, server, file: name });
    doctor.observe({ kind: 'tftp-end', client, server, outcome: 'completed' });
  };
  const checksIn = () => doctor.observe({ kind: 'check-in', address: ADDRESS, macs: [FIRST, SECOND] });
  return { doctor, discovers, fetches, checksIn, passes };
}

it.each([
  ['while the first card is still being watched', 10_000],
  ['after the first card was judged', 60_000],
])('the second card boots %s', async (_, waitMs) => {
  const { doctor, discovers, fetches, checksIn, passes } = await world();
  discovers(1);
  passes(waitMs);
  discovers(2, ADDRESS);
  fetches('snponly.efi');
  checksIn();
  passes(120_000);
  expect(doctor.verdictOf([FIRST, SECOND])?.verdict).toBe('booted');
  expect(doctor.verdictOf([FIRST])?.verdict).toBe('no-address');
  expect(doctor.counts()).toMatchObject({ booted: 1, 'no-address': 1 });
});
