// The images whose lines this peer can join: manifest and chunk table by digest, its rows in the chunk store.
import type { Digest } from '../base/digest.ts';
import { PeerbootError, WireError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { parseChunkTable, parseManifest } from '../chunk/manifest.ts';
import type { ChunkSource, ChunkStore } from '../chunk/ports.ts';
import { lineImageOf } from '../swarm/line-image.ts';
import type { JoinOptions, LineImage, LocalRows, Purpose } from '../swarm/node-ports.ts';
import type { ContentService } from './content.ts';

export interface LineImagesOptions {
  readonly content: ContentService;
  readonly store: ChunkStore;
  /** Over the WAN: parents, then origins. */
  readonly wan: ChunkSource;
  /** Is the manifest one of the signed catalogue in force? Nobody shall make us fetch anything else. */
  readonly isCatalogued: (manifest: Digest) => boolean;
  readonly unzstd: (bytes: Uint8Array, plainBytes: number) => Promise<Uint8Array>;
  readonly log: Log;
}

export interface LineImages {
  /** What joining the line of this image needs; undefined when it is not in the catalogue or cannot be had now. */
  open(manifest: Digest, purpose?: Purpose): Promise<JoinOptions | undefined>;
  /** The image itself; rejects as a ChunkSource does, or with PB-IMAGE-INCONSISTENT. */
  image(manifest: Digest): Promise<LineImage>;
}

export function createLineImages(options: LineImagesOptions): LineImages {
  const { content, store, wan, unzstd, log } = options;
  const known = new Map<Digest, Promise<LineImage>>();

  async function load(digest: Digest): Promise<LineImage> {
    const manifest = sound(parseManifest(await content.get({ digest })));
    const { chunkTable } = manifest;
    const packed = await content.get({ digest: chunkTable.digest, size: chunkTable.size });
    const chunks = sound(parseChunkTable(await unzstd(packed, chunkTable.plainBytes), manifest));
    return lineImageOf(digest, `${manifest.name} ${manifest.version}`, chunks);
  }

  /** Asked by many at once it is loaded once; a failure is forgotten, for it may be mended. */
  function image(digest: Digest): Promise<LineImage> {
    const already = known.get(digest);
    if (already !== undefined) return already;
    const loading = load(digest);
    known.set(digest, loading);
    loading.catch(() => known.delete(digest));
    return loading;
  }

  function rowsOf(image: LineImage): LocalRows {
    return {
      has: (row) => store.has(image.digest(row)),
      async open(row) {
        const chunk = await content.held(image.digest(row));
        if (chunk === undefined) return undefined;
        const { size } = chunk;
        return {
          form: 'stored',
          size,
          read: (offset, length) => chunk.read(offset, length),
          close: () => chunk.close(),
        };
      },
      keep: (row, bytes) => content.keep(image.digest(row), bytes),
    };
  }

  return {
    image,
    async open(manifest, purpose = 'relay') {
      if (!options.isCatalogued(manifest)) return undefined;
      try {
        const found = await image(manifest);
        return { image: found, local: rowsOf(found), purpose, wan: withImage(wan, manifest) };
      } catch (error) {
        log.warn({ manifest, err: error }, 'image cannot be shared: its tables are not to be had');
        return undefined;
      }
    },
  };
}

/** Tells a parent which image the chunk is of, so that it can fetch it along its own line. */
function withImage(source: ChunkSource, image: Digest): ChunkSource {
  return {
    name: source.name,
    fetch: (wanted, fetchOptions) => source.fetch({ ...wanted, image }, fetchOptions),
  };
}

/** Signed and yet wrong: the fault was made when it was published. */
function sound<T>(value: T | WireError): T {
  if (value instanceof WireError) throw new PeerbootError('PB-IMAGE-INCONSISTENT', value.message);
  return value;
}
