// Content for lines of real processes: random chunks as an origin's tree, one file of them all, and a list that processes read.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chunkPath } from '../../src/api/routes.ts';
import type { Digest } from '../../src/base/digest.ts';
import { digestOf } from '../../src/io/hash.ts';
import { type Candidate, rankForWan } from '../../src/swarm/election.ts';
import type { LineImage } from '../../src/swarm/node-ports.ts';
import type { PeerId } from '../../src/swarm/site.ts';

export interface LineContent {
  /** What processes are told of the image: `readLineImage` reads it. */
  readonly list: string;
  /** Root for a web server: `chunks/…`, and `content`, all chunks one behind the other. */
  readonly tree: string;
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly rows: number;
}

interface List {
  readonly manifest: Digest;
  readonly chunkBytes: number;
  readonly digests: readonly Digest[];
}

/** Nothing of it packs, as stored chunks do not. */
export function makeLineContent(folder: string, rows: number, chunkBytes: number): LineContent {
  const tree = join(folder, 'tree');
  const bytes = randomBytes(rows * chunkBytes);
  const digests = Array.from({ length: rows }, (_, row) => {
    const chunk = bytes.subarray(row * chunkBytes, (row + 1) * chunkBytes);
    const digest = digestOf(chunk);
    const path = join(tree, chunkPath(digest));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, chunk);
    return digest;
  });
  const file = join(tree, 'content');
  writeFileSync(file, bytes);
  const list = join(folder, 'list.json');
  const facts: List = { manifest: digestOf(new TextEncoder().encode(digests.join())), chunkBytes, digests };
  writeFileSync(list, JSON.stringify(facts));
  return { list, tree, file, bytes, rows };
}

export const randomPeerId = (): PeerId => randomBytes(8).toString('hex');

/** New ids for so many targets, the one that crosses the WAN for this content first, and then whoever takes over from it. */
export function idsInOrder(list: string, count: number): readonly PeerId[] {
  const targets = Array.from(
    { length: count },
    (): Candidate => ({ id: randomPeerId(), role: 'target', tags: [], unfit: [] }),
  );
  return rankForWan('', readLineImage(list).manifest, targets).map(({ id }) => id);
}

export function readLineImage(list: string): LineImage {
  const { manifest, chunkBytes, digests } = JSON.parse(readFileSync(list, 'utf8')) as List;
  const rowOf = new Map(digests.map((digest, row) => [digest, row]));
  const digest = (row: number) => {
    const found = digests[row];
    if (found === undefined) throw new Error(`row ${row} of ${digests.length}`);
    return found;
  };
  return {
    manifest,
    title: 'content 1',
    rows: digests.length,
    digest,
    storedBytes: () => chunkBytes,
    rowOf: (wanted) => rowOf.get(wanted),
  };
}
