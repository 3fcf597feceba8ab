// Published boot entries with the real parts, read back by a peer's HTTP side from the tree itself.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chunkPath } from '../../src/api/routes.ts';
import { PeerbootError } from '../../src/base/errors.ts';
import { describeEntry, type EntryFlags } from '../../src/command/publish-entry.ts';
import { digestOf, sha256 } from '../../src/io/hash.ts';
import { openTrustWriter } from '../../src/io/trust-writer.ts';
import { unzstd } from '../../src/io/zstd.ts';
import { type BootEntries, createBootEntries } from '../../src/service/boot-entries.ts';
import { publishInto } from './publish.ts';

export interface PublishedEntry {
  /** What is published: a folder or file. */
  readonly path: string;
  readonly name: string;
  readonly version?: string;
  readonly flags: EntryFlags;
}

/** `folder` gets `tree/` and `keys/`. */
export async function publishEntry(folder: string, { path, name, version = '1', flags }: PublishedEntry) {
  return publishInto(folder, path, {
    kind: 'boot-entry',
    name,
    version,
    boot: await describeEntry(path, name, flags),
  });
}

/** All entries of the tree's catalogue; `asked` lists the digests that were fetched. */
export async function entriesOf(folder: string): Promise<{
  readonly entries: BootEntries;
  readonly asked: string[];
  readonly all: ReturnType<typeof list>;
}> {
  const tree = join(folder, 'tree');
  const catalogue = await openTrustWriter({ tree, keysFolder: join(folder, 'keys'), wallMs: Date.now });
  const asked: string[] = [];
  const entries = createBootEntries({
    entries: () => catalogue.bootEntries(),
    async get({ digest }) {
      asked.push(digest);
      let bytes: Uint8Array;
      try {
        bytes = readFileSync(join(tree, chunkPath(digest)));
      } catch (cause) {
        throw new PeerbootError('PB-SOURCE-FAILED', `${digest} is not in the tree`, { cause });
      }
      if (digestOf(bytes) !== digest) throw new PeerbootError('PB-CHUNK-CORRUPT', digest);
      return bytes;
    },
    unzstd,
    sha256,
  });
  return { entries, asked, all: list(catalogue) };
}

function list(catalogue: Awaited<ReturnType<typeof openTrustWriter>>) {
  return catalogue.bootEntries();
}
