// A process that is many peers of one site at once, light enough for that: each beats, announces and answers from its own
// address over real sockets, but listens to nobody. Arguments: first address, how many, milliseconds between two beats to all, and the
// address of the one real peer, which must be the last in the ring of ids: the three before it beat to it each second.
import { createSocket, type Socket } from 'node:dgram';
import { formatIpv4, type Ipv4, ipv4Bytes } from '../../src/base/addresses.ts';
import { WireError } from '../../src/base/errors.ts';
import { type Beacon, decodeBeacon, encodeBeacon, siteHash } from '../../src/swarm/beacon-codec.ts';
import { BEAT_MS, WATCHERS } from '../../src/swarm/beacon-pace.ts';
import { BEACON_GROUP, DEFAULT_SITE_PORT } from '../../src/swarm/site.ts';

const [first = '', count = '0', toAllMs = '0', real = ''] = process.argv.slice(2);
const bytes = ipv4Bytes(first as Ipv4);
const site = siteHash(
  `subnet ${formatIpv4(Uint8Array.of(bytes[0] ?? 0, bytes[1] ?? 0, bytes[2] ?? 0, 0))}/24`,
);

function open(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.bind({ address, port: DEFAULT_SITE_PORT }, () => {
      socket.setMulticastInterface(address);
      socket.setMulticastLoopback(false);
      resolve(socket);
    });
  });
}

async function member(number: number): Promise<void> {
  const address = formatIpv4(Uint8Array.of(...bytes.subarray(0, 3), (bytes[3] ?? 0) + number));
  const socket = await open(address);
  const stamp = {
    id: (0xabc000 + number).toString(16).padStart(16, '0'),
    instance: number,
    revision: 1,
    freeUplinkBytesPerSecond: 100_000_000,
    direct: false,
  };
  const announcement = encodeBeacon({
    site,
    beacon: {
      ...stamp,
      kind: 'announcement',
      wants: false,
      sitePort: DEFAULT_SITE_PORT,
      facts: {
        role: 'peer',
        httpPort: 8067,
        tags: ['till'],
        holdings: [{ image: '0123456789abcdef', held: 9_000, of: 9_000 }],
        unfit: [],
        crossing: [],
      },
    },
  });
  const say = (kind: Exclude<Beacon['kind'], 'announcement' | 'suspicion' | 'answered'>) =>
    encodeBeacon({ site, beacon: { ...stamp, kind } });
  socket.on('message', (received, from) => {
    const heard = decodeBeacon(received);
    if (heard instanceof WireError) return;
    const { kind } = heard.beacon;
    if (kind === 'ask') socket.send(announcement, from.port, from.address);
    if (kind === 'probe') socket.send(say('beat'), from.port, from.address);
  });
  const beat = (periodMs: number, to: string) => {
    socket.send(say('beat'), DEFAULT_SITE_PORT, to);
    setTimeout(beat, periodMs * (0.95 + Math.random() / 10), periodMs, to);
  };
  // What 200 peers say beside their beats: an announcement a minute.
  const announce = () => {
    socket.send(announcement, DEFAULT_SITE_PORT, BEACON_GROUP);
    setTimeout(announce, 60_000 * (1 + Math.random() / 4));
  };
  const start = (periodMs: number, to: string) => setTimeout(beat, Math.random() * periodMs, periodMs, to);
  start(Number(toAllMs), BEACON_GROUP);
  if (Number(toAllMs) > BEAT_MS && number >= Number(count) - WATCHERS) start(BEAT_MS, real);
  setTimeout(announce, Math.random() * 2_000);
}

for (let i = 0; i < Number(count); i++) await member(i);
process.stdout.write('here\n');
process.once('SIGTERM', () => process.exit(0));
