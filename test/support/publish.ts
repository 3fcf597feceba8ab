// Publishes with the real parts, in this process, and puts an image together again from nothing but the tree.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BootDescription, BootFirmware } from '../../src/api/boot-entry.ts';
import { chunkPath } from '../../src/api/routes.ts';
import type { Descriptor } from '../../src/base/digest.ts';
import { WireError } from '../../src/base/errors.ts';
import { checkTables, parseChunkTable, parseManifest, parseSliceTable } from '../../src/chunk/manifest.ts';
import type { ContentKind } from '../../src/chunk/names.ts';
import type { StoreFs } from '../../src/io/chunk-files-durable.ts';
import { openContentTree } from '../../src/io/content-tree.ts';
import { digestOf } from '../../src/io/hash.ts';
import { createPackPool } from '../../src/io/pack-pool.ts';
import { openTrustWriter } from '../../src/io/trust-writer.ts';
import { unzstd } from '../../src/io/zstd.ts';
import { type PublishSummary, publish } from '../../src/service/publish.ts';
import type { PublishProgress } from '../../src/service/publish-ports.ts';

export interface PublishOptions {
  readonly version?: string;
  readonly name?: string;
  /** The `image` of a package or boot entry is a file or folder. */
  readonly kind?: ContentKind;
  readonly boot?: BootDescription;
  readonly firmwares?: readonly BootFirmware[];
  readonly maxWaste?: number;
  readonly threads?: number;
  readonly fs?: StoreFs;
  onProgress?(progress: PublishProgress): void;
}

/** Threads start in a third of a second: all publications of a test file share them. */
const sharedPool = createPackPool({ threads: 2 });

/** `folder` gets `tree/` and `keys/`; `image` is a file, or the bytes of a raw disk. */
export async function publishInto(
  folder: string,
  image: string | Uint8Array,
  options: PublishOptions = {},
): Promise<PublishSummary> {
  const path = typeof image === 'string' ? image : join(folder, 'disk.img');
  if (typeof image !== 'string') writeFileSync(path, image);
  const treeFolder = join(folder, 'tree');
  const pool = options.threads === undefined ? sharedPool : createPackPool({ threads: options.threads });
  const { kind = 'image' } = options;
  const cut = kind === 'image' ? pool.openImage(path) : pool.openPackage(path);
  const tree = openContentTree(treeFolder, options.fs);
  try {
    const catalogue = await openTrustWriter({
      tree: treeFolder,
      keysFolder: join(folder, 'keys'),
      wallMs: Date.now,
    });
    const request = {
      kind,
      boot: options.boot,
      firmwares: options.firmwares,
      name: options.name ?? 'till',
      version: options.version ?? '1',
      maxWaste: options.maxWaste ?? 0.25,
    };
    const onProgress = options.onProgress === undefined ? {} : { onProgress: options.onProgress };
    const ports = { image: cut, packer: pool.packer, tree, catalogue, digestOf, unzstd, ...onProgress };
    return await publish(request, ports);
  } finally {
    tree.close();
    if (pool !== sharedPool) await pool.close();
  }
}

/** What the catalogue of the tree names, read with its keys. */
export async function catalogueOf(folder: string) {
  const writer = await openTrustWriter({
    tree: join(folder, 'tree'),
    keysFolder: join(folder, 'keys'),
    wallMs: Date.now,
  });
  return writer.images();
}

/** The plain disk, or a package's archive, from stored bytes alone; every digest on the way is proved. */
export async function reassemble(tree: string, manifestDescriptor: Descriptor): Promise<Uint8Array> {
  const stored = ({ digest, size }: Descriptor): Uint8Array => {
    const bytes = readFileSync(join(tree, chunkPath(digest)));
    if (bytes.length !== size || digestOf(bytes) !== digest) throw new Error(`${digest} is not whole`);
    return bytes;
  };
  const manifest = value(parseManifest(stored(manifestDescriptor)));
  const { sliceTable, chunkTable } = manifest;
  const slices = value(parseSliceTable(await unzstd(stored(sliceTable), sliceTable.plainBytes), manifest));
  const chunks = value(parseChunkTable(await unzstd(stored(chunkTable), chunkTable.plainBytes), manifest));
  const crossed = checkTables(slices, chunks);
  if (crossed !== undefined) throw crossed;
  const disk = new Uint8Array(manifest.imageBytes);
  const bySlice = slices.byChunk(chunks.rows);
  for (let chunk = 0; chunk < chunks.rows; chunk++) {
    const plain = await unzstd(stored(chunks.row(chunk)), chunks.plainBytes(chunk));
    for (const row of bySlice.rowsOf(chunk)) {
      const slice = slices.row(row);
      if (slice.kind === 'zero') throw new Error('a chunk carries zeros');
      const bytes = plain.subarray(slice.chunkOffset, slice.chunkOffset + slice.length);
      if (digestOf(bytes) !== slice.digest) throw new Error(`slice ${row} is not what was cut`);
      disk.set(bytes, slice.offset);
    }
  }
  return disk;
}

function value<T>(result: T | WireError): T {
  if (result instanceof WireError) throw result;
  return result;
}
