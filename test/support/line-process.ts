// A machine on a line as a process of its own: the parts that a target has, over real sockets, its chunks as files in a folder.
// Its one argument is a LineProcessOptions as JSON; it says LineProcessEvents, and fetches everything when told to by SIGUSR2.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openBytes } from '../../src/chunk/ports.ts';
import { beaconSockets } from '../../src/io/beacon-sockets.ts';
import { systemClock, systemTimers } from '../../src/io/clock.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createHttpSource } from '../../src/io/http-source.ts';
import { hostInterfaces } from '../../src/io/interfaces.ts';
import { createLineSockets } from '../../src/io/line-sockets.ts';
import { createLog } from '../../src/io/log.ts';
import { linkBytesPerSecond, readNics } from '../../src/io/nics.ts';
import { createOrderedSource } from '../../src/io/ordered-source.ts';
import { createTargetSite } from '../../src/service/target-site.ts';
import type { LocalRows } from '../../src/swarm/node-ports.ts';
import type { PeerId } from '../../src/swarm/site.ts';
import type { StrategySetting } from '../../src/swarm/strategy.ts';
import { randomPeerId, readLineImage } from './line-content.ts';

export interface LineProcessOptions {
  /** Of `makeLineContent`. */
  readonly list: string;
  /** Where its chunks lie, by row; those that are there at the start it holds. */
  readonly folder: string;
  /** Over the WAN, in order; none: it never crosses. */
  readonly sources: readonly string[];
  /** Holds the whole content, which it reads from this file. */
  readonly holdsFile?: string;
  /** As the configuration's key; `auto` unless given. */
  readonly strategy?: StrategySetting;
  /** Serves wrong bytes. */
  readonly lies?: boolean;
  /** Random unless given. */
  readonly id?: PeerId;
}

export type LineProcessEvent =
  | { readonly event: 'ready'; readonly id: string }
  /** `atMs` as of Date.now(). */
  | { readonly event: 'row'; readonly row: number; readonly atMs: number }
  | { readonly event: 'not-kept'; readonly row: number; readonly why: string }
  | { readonly event: 'done'; readonly atMs: number }
  | { readonly event: 'failed'; readonly why: string };

/** As many rows as an imaging asks for ahead. */
const WINDOW = 8;
/** A row that nobody has now is asked for again until then: sources come back. */
const PATIENCE_MS = 60_000;
const AGAIN_MS = 250;

const options = JSON.parse(process.argv[2] ?? '{}') as LineProcessOptions;
const say = (event: LineProcessEvent) => process.stdout.write(`${JSON.stringify(event)}\n`);
const log = createLog({ level: 'info' });
const image = readLineImage(options.list);
const fileOf = (row: number) => join(options.folder, String(row));
mkdirSync(options.folder, { recursive: true });

const whole = options.holdsFile === undefined ? undefined : readFileSync(options.holdsFile);
const held = new Set<number>();
for (let row = 0; row < image.rows; row++) if (whole !== undefined || existsSync(fileOf(row))) held.add(row);

function bytesOf(row: number): Uint8Array {
  const bytes =
    whole === undefined
      ? readFileSync(fileOf(row))
      : whole.subarray(row * image.storedBytes(row), (row + 1) * image.storedBytes(row));
  if (options.lies !== true) return bytes;
  const wrong = Uint8Array.from(bytes);
  wrong[wrong.length >> 1] = (wrong[wrong.length >> 1] as number) ^ 1;
  return wrong;
}

/** Of rows delivered, those whose keeping has ended, well or not. */
let settled = held.size;
let onSettled = () => {};

const local: LocalRows = {
  has: (row) => held.has(row),
  open: async (row) => (held.has(row) ? { ...openBytes(bytesOf(row)), form: 'stored' } : undefined),
  async keep(row, bytes) {
    try {
      // A process killed in the middle of writing shall not find half a chunk and take it for a whole one.
      await writeFile(`${fileOf(row)}.draft`, bytes);
      await rename(`${fileOf(row)}.draft`, fileOf(row));
    } catch (error) {
      say({ event: 'not-kept', row, why: String(error) });
      throw error;
    } finally {
      settled++;
      onSettled();
    }
    held.add(row);
    say({ event: 'row', row, atMs: Date.now() });
  },
};

const id = options.id ?? randomPeerId();
const site = createTargetSite({
  self: id,
  openNet: beaconSockets({ interfaces: hostInterfaces }),
  transport: createLineSockets(),
  hash: digestOf,
  // Those of namespaces are virtual.
  linkBytesPerSecond: () => linkBytesPerSecond(readNics(undefined, { virtual: true })),
  random: { next: Math.random },
  clock: systemClock,
  timers: systemTimers,
  log,
});
const sources = options.sources.map((base) => createHttpSource({ base, log, firstByteMs: 10_000 }));
const wan = createOrderedSource({ sources, clock: systemClock, log, name: 'wan' });
site.open({ site: null, peers: [], strategy: options.strategy }, { wan: sources.length > 0 });
const line = await site.join({ image, local, purpose: 'image', wan });
if (line === undefined) throw new Error('the site could not be opened');

async function fetchRow(row: number): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (!held.has(row)) {
    try {
      await line?.fetch({ digest: image.digest(row), size: image.storedBytes(row) });
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      log.info({ row, err: error }, 'row did not come');
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function fetchAll(): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let row = next++; row < image.rows; row = next++) await fetchRow(row);
  };
  await Promise.all(Array.from({ length: WINDOW }, worker));
  // Delivered comes before kept.
  await new Promise<void>((resolve) => {
    onSettled = () => (settled >= image.rows ? resolve() : undefined);
    onSettled();
  });
}

process.once('SIGUSR2', () => {
  fetchAll().then(
    () => say({ event: 'done', atMs: Date.now() }),
    (error) => say({ event: 'failed', why: String(error) }),
  );
});
process.once('SIGTERM', () => {
  void line
    .leave(2_000)
    .then(() => site.close())
    .then(() => process.exit(0));
});
say({ event: 'ready', id });
