// One node of the relay benchmark, alone in a process: feeder, relay or follower of one line, chunks in memory.
import { createInterface } from 'node:readline';
import type { Ipv4 } from '../../src/base/addresses.ts';
import type { Digest } from '../../src/base/digest.ts';
import { silentLog } from '../../src/base/log.ts';
import { openBytes } from '../../src/chunk/ports.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createHashThread } from '../../src/io/hash-thread.ts';
import { createLineSockets } from '../../src/io/line-sockets.ts';
import { createSiteNode } from '../../src/service/site-node.ts';
import type { LineImage, LocalRows } from '../../src/swarm/node-ports.ts';
import { imageKey, type Presence, type SitePeer } from '../../src/swarm/site.ts';
import { testChunk } from '../../test/support/chunks.ts';

export interface RelayNodeArguments {
  readonly role: 'feeder' | 'relay' | 'follower';
  readonly rows: number;
  readonly chunkBytes: number;
  /** Rows repeat after so many: what is measured is the way of the bytes, not their making. */
  readonly distinct: number;
  /** The one feeder that it knows. */
  readonly above?: { readonly id: string; readonly port: number };
}

const LOOPBACK = '127.0.0.1' as Ipv4;
const IDS = { feeder: '00000000000000f1', relay: '00000000000000f2', follower: '00000000000000f3' };

const options = JSON.parse(process.argv[2] ?? '') as RelayNodeArguments;
const { role, rows, distinct } = options;
const chunks = Array.from({ length: distinct }, (_, seed) => testChunk(seed, options.chunkBytes));
const chunkOf = (row: number) => {
  const chunk = chunks[row % distinct];
  if (chunk === undefined) throw new Error(`no chunk ${row}`);
  return chunk;
};
const image: LineImage = {
  manifest: digestOf(new Uint8Array(1)),
  title: 'relay',
  rows,
  digest: (row) => chunkOf(row).descriptor.digest,
  storedBytes: (row) => chunkOf(row).descriptor.size,
  rowOf: () => undefined,
};

/** What was kept last, a chunk a place: later rows replace earlier ones. */
const kept = new Map<number, Uint8Array>();
const held = new Set<number>();
const local: LocalRows = {
  has: (row) => role === 'feeder' || held.has(row),
  async open(row) {
    const bytes = role === 'feeder' ? chunkOf(row).bytes : kept.get(row % distinct);
    return bytes === undefined ? undefined : { ...openBytes(bytes), form: 'stored' };
  },
  async keep(row, bytes) {
    held.add(row);
    kept.set(row % distinct, bytes);
  },
};

const above: SitePeer[] = [];
if (options.above !== undefined) {
  const isFeeder = options.above.id === IDS.feeder;
  above.push({
    ...options.above,
    address: LOOPBACK,
    role: 'peer',
    httpPort: 0,
    tags: [],
    holdings: isFeeder ? [{ image: imageKey(image.manifest), held: rows, of: rows }] : [],
    freeUplinkBytesPerSecond: 0,
    unfit: [],
    crossing: [],
  });
}
const presence: Presence = {
  self: IDS[role],
  start: async () => {},
  stop: async () => {},
  peers: () => above,
  announce: () => {},
  onChange: () => () => {},
  tellOf: () => {},
};

/** The follower is load, not what is measured: it looks the digest up instead of computing it. */
const known = new Map<string, Digest>(
  chunks.map(({ bytes, descriptor }) => [mark(bytes), descriptor.digest]),
);
function mark(bytes: Uint8Array): string {
  return `${bytes.length} ${bytes.subarray(0, 12).join()}`;
}
const lookUp = (bytes: Uint8Array) => known.get(mark(bytes)) ?? digestOf(bytes);

const node = createSiteNode({
  presence,
  role: 'peer',
  port: 0,
  transport: createLineSockets({ address: LOOPBACK }),
  clock: systemClock,
  timers: systemTimers,
  log: silentLog,
  elect: () => above[0]?.id ?? IDS[role],
  strategy: 'line',
  hash:
    role === 'follower'
      ? lookUp
      : process.env.RELAY_HASH === 'thread'
        ? createHashThread({ processors: 4 }).hash
        : createHashThread().hash,
  openImage: async () => undefined,
});
const wan = { name: 'none', fetch: () => Promise.reject(new Error('no WAN here')) };
const { port } = await node.start();
const line = node.join({
  image: { ...image, rowOf: (digest) => rowAsked.get(digest) },
  local,
  purpose: 'relay',
  wan,
});
/** Rows share digests here: the one that is asked for just now. */
const rowAsked = new Map<Digest, number>();
console.log(JSON.stringify({ id: IDS[role], port }));

for await (const command of createInterface({ input: process.stdin })) {
  if (command === 'stats') {
    const { user, system } = process.cpuUsage();
    const { stats } = node.stats().lines[0] ?? {};
    const main = process.threadCpuUsage();
    const mainSeconds = (main.user + main.system) / 1e6;
    console.log(JSON.stringify({ cpuSeconds: (user + system) / 1e6, mainSeconds, stats }));
  }
  if (command.startsWith('fetch ')) {
    const [, from = '0', to = '0'] = command.split(' ');
    const began = performance.now();
    let next = Number(from);
    const fetchRows = async () => {
      for (let row = next++; row < Number(to); row = next++) {
        const digest = image.digest(row);
        rowAsked.set(digest, row);
        await line.fetch({ digest });
      }
    };
    await Promise.all(Array.from({ length: 16 }, fetchRows));
    console.log(JSON.stringify({ seconds: (performance.now() - began) / 1_000 }));
  }
  if (command === 'stop') break;
}
await node.stop();
process.exit(0);
