// What feeding others costs a machine being imaged, and which form of a chunk its disk gives back best.
import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../src/base/log.ts';
import { CHUNK_BYTES } from '../src/chunk/chunk.ts';
import type { DataSlice } from '../src/imaging/proof.ts';
import type { RebuildJob, TargetDisk } from '../src/imaging/target-disk.ts';
import { openBlockDevice } from '../src/io/block-device.ts';
import { startDiskThreads } from '../src/io/block-device-threads.ts';
import { digestOf } from '../src/io/hash.ts';
import { STORED_LEVEL, unzstd, zstd, zstdSync } from '../src/io/zstd.ts';
import type { Bench, BenchContext, BenchRow } from './bench.ts';

const CHUNKS = 16;
const SLICES = 64;
/** As many as a session has under way. */
const WINDOW = 8;
const ROUNDS = 3;
const PAIRS = 7;
/** On a busy machine run it with `nice -n -10`: what counts is how far apart the threads are. */
const OWN_NICE = getPriority();
/** As io/block-device-threads has it. */
const SPARE_NICE = 14;

interface Piece {
  readonly plain: Uint8Array;
  readonly stored: Uint8Array;
  readonly job: RebuildJob;
}

/** Real bytes of programs: those of Node itself, cut as an image's are. */
async function material(): Promise<readonly Piece[]> {
  const fd = openSync(process.execPath, 'r');
  const pieces: Piece[] = [];
  for (let i = 0; i < CHUNKS; i++) {
    const plain = new Uint8Array(CHUNK_BYTES);
    readSync(fd, plain, 0, CHUNK_BYTES, i * CHUNK_BYTES);
    const stored = await zstd(plain);
    const length = CHUNK_BYTES / SLICES;
    const slices = Array.from({ length: SLICES }, (_, slice): DataSlice => {
      const chunkOffset = slice * length;
      const digest = digestOf(plain.subarray(chunkOffset, chunkOffset + length));
      return { kind: 'data', offset: i * CHUNK_BYTES + chunkOffset, length, digest, chunk: i, chunkOffset };
    });
    const job = { digest: digestOf(stored), plainBytes: CHUNK_BYTES, slices, kept: [], exactly: true };
    pieces.push({ plain, stored, job });
  }
  closeSync(fd);
  return pieces;
}

/** Milliseconds a chunk, the best of three rounds: what others did meanwhile is not of interest. */
async function perChunk(pieces: readonly Piece[], work: (piece: Piece) => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const begin = performance.now();
    for (const piece of pieces) await work(piece);
    best = Math.min(best, (performance.now() - begin) / pieces.length);
  }
  return best;
}

async function forms(pieces: readonly Piece[]): Promise<BenchRow[]> {
  const proveSlices = (plain: Uint8Array, { job }: Piece) =>
    job.slices.every(
      ({ chunkOffset, length, digest }) =>
        digestOf(plain.subarray(chunkOffset, chunkOffset + length)) === digest,
    );
  const sizes = { plain: 0, fast: 0, stored: 0 };
  for (const { plain, stored } of pieces) {
    sizes.plain += plain.length / pieces.length;
    sizes.fast += zstdSync(plain, 1).length / pieces.length;
    sizes.stored += stored.length / pieces.length;
  }
  const fast = await perChunk(pieces, ({ plain }) => zstdSync(plain, 1));
  const exact = await perChunk(pieces, ({ plain }) => digestOf(zstdSync(plain, STORED_LEVEL)));
  const bySlices = await perChunk(pieces, async (piece) =>
    proveSlices(await unzstd(piece.stored, piece.plain.length), piece),
  );
  const byDigest = await perChunk(pieces, ({ stored }) => digestOf(stored));
  const row = (work: string, ours: number, rivalName: string, rival: number, unit: string): BenchRow => ({
    work,
    ours,
    rivalName,
    rival,
    unit,
    ratio: ours / rival,
  });
  const mega = 2 ** 20;
  return [
    row('bytes to send a chunk', sizes.stored / mega, 'plain', sizes.plain / mega, 'MiB'),
    row('bytes to send a chunk', sizes.stored / mega, 'repacked, level 1', sizes.fast / mega, 'MiB'),
    row('giver: packed as published', exact, 'repacked, level 1', fast, 'ms'),
    row('taker: proof by digest', byDigest, 'unpacked, slice by slice', bySlices, 'ms'),
  ];
}

/** Writes all chunks `ROUNDS` times over, as an imaging does that is never kept waiting. */
async function imageAll(disk: TargetDisk, pieces: readonly Piece[]): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < pieces.length * ROUNDS; i = next++) {
      const { stored, job } = pieces[i % pieces.length] as Piece;
      const { plainBytes, slices } = job;
      await disk.writeChunk({ stored, plainBytes, slices, withheld: [] });
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, worker));
}

async function timed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** The same writes alone and with followers who ask for more than can be made; their median ratio, in turns. */
async function slowdown(pieces: readonly Piece[], { folder, progress }: BenchContext, spareNice: number) {
  const threads = startDiskThreads(undefined, OWN_NICE + spareNice);
  const path = join(folder, `disk-${spareNice}`);
  const fd = openSync(path, 'w');
  ftruncateSync(fd, CHUNKS * CHUNK_BYTES);
  closeSync(fd);
  const disk = openBlockDevice({ path, sizeBytes: CHUNKS * CHUNK_BYTES, log: silentLog, threads });
  await imageAll(disk, pieces);
  let feeding = false;
  let fed = 0;
  const follower = async (first: number) => {
    for (let i = first; feeding; i++) {
      if ((await disk.rebuild((pieces[i % CHUNKS] as Piece).job)) !== undefined) fed += 1;
    }
  };
  const ratios: number[] = [];
  const [alone, beside]: [number[], number[]] = [[], []];
  const spent = { spare: 0, others: 0 };
  for (let pair = 0; pair < PAIRS; pair++) {
    alone.push(await timed(() => imageAll(disk, pieces)));
    feeding = true;
    const followers = [follower(0), follower(5), follower(10)];
    const before = ticks();
    beside.push(await timed(() => imageAll(disk, pieces)));
    const after = ticks();
    feeding = false;
    spent.spare += after.spare - before.spare;
    spent.others += after.others - before.others;
    await Promise.all(followers);
    ratios.push((beside.at(-1) as number) / (alone.at(-1) as number));
  }
  await disk.close();
  await threads.close();
  progress(`nice ${spareNice}: ${fed} chunks given; ratios ${ratios.map((one) => one.toFixed(2)).join(' ')}`);
  const share = spent.spare / (spent.spare + spent.others);
  return { alone: median(alone), beside: median(beside), ratio: median(ratios), share };
}

/** Clock ticks of this process so far, by niceness (proc(5), /proc/pid/task/tid/stat). */
function ticks(): { readonly spare: number; readonly others: number } {
  const sum = { spare: 0, others: 0 };
  for (const thread of readdirSync('/proc/self/task')) {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const spent = Number(fields[11]) + Number(fields[12]);
    sum[Number(fields[16]) > OWN_NICE ? 'spare' : 'others'] += spent;
  }
  return sum;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

export const bench: Bench = {
  name: 'feeding',
  about:
    'a target gives chunks from its disk while it is written to as fast as it goes, beside the same without',
  async run(context) {
    const pieces = await material();
    const rows = await forms(pieces);
    for (const [name, nice] of [
      ['as on a target', SPARE_NICE],
      ['with ordinary threads', 0],
    ] as const) {
      const { alone, beside, ratio, share } = await slowdown(pieces, context, nice);
      if (nice > 0) {
        context.progress(`processor time of the threads that feed: ${(100 * share).toFixed(1)} %`);
      }
      rows.push({
        work: `${CHUNKS * ROUNDS} chunks written while feeding, ${name}`,
        ours: beside,
        rivalName: 'not feeding',
        rival: alone,
        unit: 'ms',
        ratio,
        ...(nice > 0 ? { goal: { bound: 1.05, better: 'below' } as const } : {}),
      });
    }
    return rows;
  },
};
