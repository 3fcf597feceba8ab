// Fetching a package: manifest → tables → chunks in order → unpack, prove → files; what was proved is never fetched again.
import type { Descriptor } from '../base/digest.ts';
import { WireError } from '../base/errors.ts';
import { ArchiveReader } from '../chunk/archive-reader.ts';
import type { SliceBasis } from '../chunk/tree-writer.ts';
import { plainBytes } from './fetch-plain.ts';
import type { FetchPorts, FetchRequest, FetchSummary } from './fetch-ports.ts';
import { Shelf } from './fetch-shelf.ts';
import { type PackageTables, readPackageTables, unsafe } from './fetch-tables.ts';

/** What has come so far of the small content is kept, too: a second run need not ask for it. */
export async function openPackage(
  { package: entry }: FetchRequest,
  { store, small, unzstd }: Pick<FetchPorts, 'store' | 'small' | 'unzstd'>,
): Promise<PackageTables> {
  const stored = async (descriptor: Descriptor): Promise<Uint8Array> => {
    const held = await store.get(descriptor.digest);
    if (held !== undefined) return held;
    const bytes = await small.fetch(descriptor);
    await store.put(descriptor, bytes);
    return bytes;
  };
  return readPackageTables(entry, stored, unzstd);
}

/** Resolves once all files are durable. */
export async function fetchPackage(
  request: FetchRequest,
  tables: PackageTables,
  ports: FetchPorts,
): Promise<FetchSummary> {
  const { chunks, manifest } = tables;
  const reused = reusedChunks(tables, ports.basis);
  let doneBytes = 0;
  const shelf = new Shelf({
    ...ports,
    chunks,
    source: await ports.open(tables),
    isReused: (row) => reused[row] === 1,
    patienceMs: request.patienceMs,
    onChange: tell,
  });
  function tell(): void {
    const { heldBytes, trouble } = shelf;
    const { storedBytes, imageBytes: totalBytes } = manifest;
    ports.onProgress?.({ heldBytes, storedBytes, doneBytes, totalBytes, trouble });
  }
  const filled = shelf.fill();
  // Whichever fails first is told; the other one must not count as unhandled.
  filled.catch(() => {});
  const counts = { file: 0, folder: 0, link: 0 };
  const reader = new ArchiveReader();
  let file: string | undefined;
  for await (const bytes of plainBytes(tables, reused, (row) => shelf.take(row), ports)) {
    for (const event of reader.push(bytes)) {
      if (event instanceof WireError) throw unsafe(event.message);
      if (event.kind === 'data') await ports.tree.data(event.bytes);
      else {
        await ports.tree.begin(event.entry);
        if (counts.folder === 0) file = event.entry.path;
        counts[event.entry.kind]++;
      }
    }
    doneBytes += bytes.length;
    tell();
  }
  const cut = reader.end();
  if (cut !== undefined) throw unsafe(cut.message);
  await ports.tree.end();
  await filled;
  const { fetchedBytes, resumedBytes, reusedBytes } = shelf;
  const { file: files, folder: folders, link: links } = counts;
  if (folders > 0) file = undefined;
  return { files, folders, links, file, fetchedBytes, resumedBytes, reusedBytes, chunks: chunks.rows };
}

/** 1 for each chunk of which the basis has every slice that the package needs. */
function reusedChunks({ slices, chunks }: PackageTables, basis: SliceBasis | undefined): Uint8Array {
  const reused = new Uint8Array(chunks.rows).fill(basis === undefined ? 0 : 1);
  if (basis === undefined) return reused;
  for (let row = 0; row < slices.rows; row++) {
    if (!slices.isZero(row) && !basis.has(slices.rawDigest(row))) reused[slices.chunk(row)] = 0;
  }
  return reused;
}
