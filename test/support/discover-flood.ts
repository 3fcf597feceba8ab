// A process that floods the peer with DISCOVERs of UEFI machines that are not there: arguments are packets a second and milliseconds.
// By unicast: broadcast, they would use up the addresses of the store's own DHCP server, which is not ours to save.
import { createSocket } from 'node:dgram';
import { encodePacket } from '../../src/dhcp/packet.ts';
import { PEER_ADDRESS } from './client-lan.ts';
import { clientPacket, UEFI_CLASS } from './dhcp-packets.ts';

const [perSecond = 5000, forMs = 3000] = process.argv.slice(2).map(Number);
const bytes = encodePacket(clientPacket({ vendorClass: UEFI_CLASS, architectures: [7] }));
const view = new DataView(bytes.buffer, bytes.byteOffset);
const socket = createSocket({ type: 'udp4', reuseAddr: true });
let sent = 0;
socket.bind(6868, '10.77.0.9', () => {
  process.stdout.write('flooding\n');
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const passedMs = performance.now() - startedMs;
    for (const due = (Math.min(passedMs, forMs) / 1000) * perSecond; sent < due; sent++) {
      view.setUint32(4, Math.random() * 2 ** 32);
      // The last four bytes of the MAC.
      view.setUint32(30, Math.random() * 2 ** 32);
      socket.send(bytes.slice(), 67, PEER_ADDRESS);
    }
    if (passedMs < forMs) return;
    clearInterval(timer);
    process.stdout.write(`${sent} sent\n`);
    socket.close();
  }, 5);
});
