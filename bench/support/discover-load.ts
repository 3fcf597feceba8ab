// A process that floods a LAN with DISCOVERs, and among them those of some real machines whose offers it times.
// Its one argument is a DiscoverLoad as JSON; it says a DiscoverResult as one JSON line.
import { createSocket } from 'node:dgram';
import { performance } from 'node:perf_hooks';
import { viewOf } from '../../src/base/bytes.ts';
import { OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { BOOT_REPLY, encodePacket } from '../../src/dhcp/packet.ts';
import { clientPacket, UEFI_CLASS } from '../../test/support/dhcp-packets.ts';

export interface DiscoverLoad {
  readonly perSecond: number;
  readonly seconds: number;
  /** Real machines, each of which asks `rounds` times, spread over the whole time. */
  readonly machines: number;
  readonly rounds: number;
}

export interface DiscoverResult {
  readonly sent: number;
  readonly offers: number;
  /** Of each request of a real machine, ms until its first offer; missing ones were lost. */
  readonly latenciesMs: readonly number[];
}

const TICK_MS = 2;
/** Time for the last offers, longer than any goal. */
const AFTERMATH_MS = 500;
const REAL_XID = 0x80000000;

const load = JSON.parse(process.argv[2] ?? '{}') as DiscoverLoad;
const template = encodePacket({
  ...clientPacket({
    vendorClass: UEFI_CLASS,
    architectures: [7],
    more: [
      optionEntry(OPTIONS.clientInterface, Uint8Array.of(1, 3, 0)),
      optionEntry(OPTIONS.clientMachine, Uint8Array.of(0, ...Array.from({ length: 16 }, (_, i) => i))),
      optionEntry(OPTIONS.maximumSize, 1472),
    ],
  }),
});

/** The same DISCOVER with this xid, and with it as the end of the MAC. */
function discover(xid: number): Uint8Array {
  const bytes = template.slice();
  const view = viewOf(bytes);
  view.setUint32(4, xid);
  view.setUint32(30, xid);
  return bytes;
}

const asked = new Map<number, number>();
const latenciesMs: number[] = [];
let sent = 0;
let offers = 0;

const socket = createSocket({ type: 'udp4', reuseAddr: true, recvBufferSize: 4 << 20 });
socket.on('message', (bytes) => {
  if (bytes[0] !== BOOT_REPLY) return;
  offers += 1;
  const xid = bytes.readUInt32BE(4);
  const at = asked.get(xid);
  if (at === undefined) return;
  asked.delete(xid);
  latenciesMs.push(performance.now() - at);
});
await new Promise<void>((resolve) => socket.bind(68, () => resolve()));
socket.setBroadcast(true);

function send(xid: number): void {
  sent += 1;
  socket.send(discover(xid), 67, '255.255.255.255');
}

const total = load.perSecond * load.seconds;
const realTotal = load.machines * load.rounds;
const startMs = performance.now();
let real = 0;
await new Promise<void>((resolve) => {
  const tick = setInterval(() => {
    const part = Math.min(1, (performance.now() - startMs) / (load.seconds * 1000));
    while (sent - real < part * total) send(sent);
    while (real < Math.floor(part * realTotal)) {
      const xid = REAL_XID + real;
      real += 1;
      asked.set(xid, performance.now());
      send(xid);
    }
    if (part < 1) return;
    clearInterval(tick);
    resolve();
  }, TICK_MS);
});
await new Promise((resolve) => setTimeout(resolve, AFTERMATH_MS));
socket.close();
const result: DiscoverResult = { sent, offers, latenciesMs };
process.stdout.write(`${JSON.stringify(result)}\n`);
