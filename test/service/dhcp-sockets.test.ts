// While sockets open and when one does not: whoever hears a question answers it, or says that it cannot and leaves it to others.
import { expect, it } from 'vitest';
import type { Ipv4 } from '../../src/base/addresses.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { encodePacket } from '../../src/dhcp/packet.ts';
import type { OpenUdp, UdpOptions } from '../../src/dhcp/ports.ts';
import { systemClock } from '../../src/io/clock.ts';
import { createDhcpService } from '../../src/service/dhcp-service.ts';
import { TEST_ASSETS } from '../support/boot-context.ts';
import { clientPacket, UEFI_CLASS } from '../support/dhcp-packets.ts';

const DISCOVER = encodePacket(clientPacket({ number: 1, vendorClass: UEFI_CLASS, architectures: [7] }));
const NOBODY = { address: '0.0.0.0' as Ipv4, port: 68 };

/** Every socket hears a machine as soon as it is open; `refused` is held by another program. */
function serviceWith(refused?: string) {
  const opened: string[] = [];
  const sent: string[] = [];
  let turns = 0;
  const hears = ({ onDatagram }: UdpOptions) => onDatagram(DISCOVER, NOBODY);
  const openUdp: OpenUdp = async (options) => {
    const { address, port } = options.local;
    const place = `${address}:${port}`;
    if (place === refused) throw new PeerbootError('PB-PORT-IN-USE', `${place} is held`);
    opened.push(place);
    if (address === '0.0.0.0') hears(options);
    return { sharedWith: [], send: async () => void sent.push(place), close: async () => {} };
  };
  const service = createDhcpService({
    openUdp,
    interfaces: [],
    httpPort: 8067,
    assets: TEST_ASSETS,
    observe: false,
    turns: {
      rank: () => 0,
      take(_, __, answer) {
        turns += 1;
        answer();
      },
    },
    log: silentLog,
    clock: systemClock,
    onMachineEvent: () => {},
  });
  return { service, opened, sent, turns: () => turns };
}

const ONE = { name: 'eth0', address: '10.77.0.2' as Ipv4 };
const OTHER = { name: 'eth1', address: '10.77.1.2' as Ipv4 };

it('hears broadcasts last, when each interface has the sockets that answer them', async () => {
  const { service, opened, sent } = serviceWith();
  await service.serve([ONE, OTHER]);
  expect(opened.at(-1)).toBe('0.0.0.0:67');
  expect(sent).toEqual(['10.77.0.2:67', '10.77.1.2:67']);
  expect(service.stats()).toMatchObject({ received: 1, replies: 2, ignored: {} });
});

it('answers by those interfaces alone that have one', async () => {
  const { service, sent } = serviceWith('10.77.0.2:67');
  await expect(service.serve([ONE, OTHER])).rejects.toMatchObject({ code: 'PB-PORT-IN-USE' });
  expect(sent).toEqual(['10.77.1.2:67']);
});

it('takes no turn from other boot hosts when it has none', async () => {
  const { service, sent, turns } = serviceWith('10.77.0.2:67');
  await expect(service.serve([ONE])).rejects.toMatchObject({ code: 'PB-PORT-IN-USE' });
  expect([sent, turns()]).toEqual([[], 0]);
  expect(service.stats()).toMatchObject({ received: 1, replies: 0, ignored: { 'no-socket': 1 } });
});
