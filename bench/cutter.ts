// How much of next month's image is shared with this month's, and how fast it is cut: ours beside fixed and gear cuts.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { CUT_PARAMETERS, type Cut, type CutParameters, Cutter } from '../src/chunk/slice.ts';
import { sha256 } from '../src/io/hash.ts';
import type { Bench, BenchRow } from './bench.ts';
import { type ImagePair, imagePair } from './support/image-pair.ts';
import { fixedCut, gearCut, type RivalCut } from './support/rival-cutters.ts';

const KIBI = 1024;
const SEGMENT_BYTES = 32 * KIBI * KIBI;

interface Result {
  /** Of the distinct data of the second image, how much the first one has too: 0 to 100. */
  readonly sharedPercent: number;
  readonly meanKib: number;
  /** Data only, zeros left out, cutting only. */
  readonly megabytesPerSecond: number;
}

/** Data and zeros of a segment, in order. */
type CutSegment = (bytes: Uint8Array) => readonly Cut[];

const ours = (parameters: CutParameters): CutSegment => {
  return (bytes) => {
    const cutter = new Cutter(parameters);
    return [...cutter.push(bytes), ...cutter.end()];
  };
};

/** Zero stretches are left out for everybody, found by our own cutter, whose time is not counted. */
const rival = (cut: RivalCut): CutSegment => {
  return (bytes) => {
    const cuts: Cut[] = [];
    for (const { from, to } of stretches(bytes)) {
      if (from < 0) cuts.push({ kind: 'zero', length: to });
      for (let at = from; from >= 0 && at < to; ) {
        const end = cut(bytes, at, to);
        cuts.push({ kind: 'data', length: end - at });
        at = end;
      }
    }
    return cuts;
  };
};

const known = new WeakMap<Uint8Array, { from: number; to: number }[]>();

/** Stretches of data as [from, to); a stretch of zeros as from -1, its length in `to`. */
function stretches(bytes: Uint8Array): { from: number; to: number }[] {
  const kept = known.get(bytes);
  if (kept !== undefined) return kept;
  const list: { from: number; to: number }[] = [];
  let at = 0;
  for (const { kind, length } of ours(CUT_PARAMETERS)(bytes)) {
    const last = list.at(-1);
    if (kind === 'zero') list.push({ from: -1, to: length });
    else if (last !== undefined && last.from >= 0) last.to = at + length;
    else list.push({ from: at, to: at + length });
    at += length;
  }
  known.set(bytes, list);
  return list;
}

function measure(pair: ImagePair, cut: CutSegment): Result {
  const first = new Set<string>();
  let [cutMs, dataBytes, slices] = [0, 0, 0];
  const walk = (path: string, onSlice: (digest: string, length: number) => void) => {
    const file = openSync(path, 'r');
    const size = fstatSync(file).size;
    for (let position = 0; position < size; position += SEGMENT_BYTES) {
      const bytes = new Uint8Array(Math.min(SEGMENT_BYTES, size - position));
      readSync(file, bytes, 0, bytes.length, position);
      stretches(bytes);
      const started = performance.now();
      const cuts = cut(bytes);
      cutMs += performance.now() - started;
      let at = 0;
      for (const { kind, length } of cuts) {
        if (kind === 'data') {
          onSlice(Buffer.from(sha256(bytes.subarray(at, at + length))).toString('latin1'), length);
          dataBytes += length;
          slices++;
        }
        at += length;
      }
    }
    closeSync(file);
  };
  walk(pair.first, (digest) => first.add(digest));
  const second = new Set<string>();
  let [shared, distinct] = [0, 0];
  walk(pair.second, (digest, length) => {
    if (second.has(digest)) return;
    second.add(digest);
    distinct += length;
    if (first.has(digest)) shared += length;
  });
  return {
    sharedPercent: (100 * shared) / distinct,
    meanKib: dataBytes / slices / KIBI,
    megabytesPerSecond: dataBytes / 1000 / cutMs,
  };
}

const gear64 = { minBytes: 16 * KIBI, normalBytes: 64 * KIBI, maxBytes: 256 * KIBI };
const RIVALS: readonly (readonly [string, CutSegment])[] = [
  ['fixed 64 KiB', rival(fixedCut(64 * KIBI))],
  ['fixed 1 MiB', rival(fixedCut(KIBI * KIBI))],
  [
    'gear 256 KiB',
    rival(
      gearCut({
        minBytes: 64 * KIBI,
        normalBytes: 256 * KIBI,
        maxBytes: KIBI * KIBI,
        strictBits: 19,
        looseBits: 17,
      }),
    ),
  ],
  ['gear 64 KiB', rival(gearCut({ ...gear64, strictBits: 16, looseBits: 16 }))],
  ['gear 64 KiB, normalised', rival(gearCut({ ...gear64, strictBits: 18, looseBits: 14 }))],
  [
    'gear of the same mean length',
    rival(
      gearCut({
        minBytes: 16 * KIBI,
        normalBytes: 32 * KIBI,
        maxBytes: 256 * KIBI,
        strictBits: 17,
        looseBits: 13,
      }),
    ),
  ],
  ['ours, min 8 KiB', ours({ ...CUT_PARAMETERS, minBytes: 8 * KIBI })],
  ['ours, min 32 KiB', ours({ ...CUT_PARAMETERS, minBytes: 32 * KIBI })],
  ['ours, one sector in 64', ours({ ...CUT_PARAMETERS, meanBits: 6 })],
  ['ours, one sector in 256', ours({ ...CUT_PARAMETERS, meanBits: 8 })],
];

export const bench: Bench = {
  name: 'cutter',
  about:
    'two Debian images built from scratch, ten packages of difference: shared bytes and speed, beside other ways to cut',
  async run({ progress }) {
    const pair = imagePair(progress);
    // Once for the compiler, once that counts.
    measure(pair, ours(CUT_PARAMETERS));
    const mine = measure(pair, ours(CUT_PARAMETERS));
    const round = (value: number) => Math.round(value * 10) / 10;
    const rows: BenchRow[] = [];
    for (const [rivalName, cut] of RIVALS) {
      progress(rivalName);
      const theirs = measure(pair, cut);
      rows.push({
        work: `bytes shared (slices of ${mine.meanKib.toFixed(0)} and ${theirs.meanKib.toFixed(0)} KiB)`,
        ours: round(mine.sharedPercent),
        rival: round(theirs.sharedPercent),
        rivalName,
        unit: '%',
        ratio: mine.sharedPercent / theirs.sharedPercent,
        goal: { bound: 75, better: 'above', absolute: true },
      });
      // Fixed cuts read nothing: they have no speed.
      if (rivalName.startsWith('fixed')) continue;
      rows.push({
        work: 'cutting on one core',
        ours: Math.round(mine.megabytesPerSecond),
        rival: Math.round(theirs.megabytesPerSecond),
        rivalName,
        unit: 'MB/s',
        ratio: mine.megabytesPerSecond / theirs.megabytesPerSecond,
      });
    }
    return rows;
  },
};
