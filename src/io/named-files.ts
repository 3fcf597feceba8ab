// Loads a folder of boot assets once into a catalogue of named files: each is open, measured and hashed from then on.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOfRaw } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { NamedFile, NamedFiles } from '../base/named-files.ts';

/** Says where each file came from and what its digest was when it was built. */
export const PROVENANCE_FILE = 'provenance.json';

/** NBPs are asked for by every machine and small: they are kept in memory, kernels and initramfs are not. */
const KEPT_FILE_BYTES = 2 * 1024 * 1024;
const KEPT_TOTAL_BYTES = 8 * 1024 * 1024;
const HASHED_AT_ONCE_BYTES = 1024 * 1024;
const MAX_FILES = 10_000;

export interface LoadedNamedFiles extends NamedFiles {
  digest(name: string): Digest | undefined;
  close(): Promise<void>;
}

/**
 * Every regular file below `folder` but the provenance file; symbolic links are left out, so no name leads outside.
 * The files stay open: one that is replaced by rename is served as it was until the next start.
 * Rejects with PB-ASSETS-MISSING when there is no such folder or nothing in it, and with PB-ASSET-CHANGED when a
 * file differs from its line in the provenance file.
 */
export async function loadNamedFiles(folder: string, log: Log): Promise<LoadedNamedFiles> {
  const names = await namesBelow(folder, log);
  if (names.length === 0) throw new PeerbootError('PB-ASSETS-MISSING', `no boot assets in ${folder}`);
  const expected = await readProvenance(folder);
  const files = new Map<string, LoadedFile>();
  const closeAll = async () => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  try {
    let keepBytes = KEPT_TOTAL_BYTES;
    for (const name of names) {
      const file = await LoadedFile.open(folder, name, Math.min(keepBytes, KEPT_FILE_BYTES));
      files.set(name, file);
      if (file.kept) keepBytes -= file.sizeBytes;
      const wanted = expected.get(name);
      if (wanted !== undefined && `sha256:${wanted}` !== file.digest)
        throw new PeerbootError(
          'PB-ASSET-CHANGED',
          `${join(folder, name)} is not the file that ${PROVENANCE_FILE} names`,
        );
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
  const facts = [...files.values()].map(({ name, sizeBytes, etag }) => ({ name, sizeBytes, etag }));
  return {
    list: () => facts,
    get: (name) => files.get(name),
    digest: (name) => files.get(name)?.digest,
    close: closeAll,
  };
}

class LoadedFile implements NamedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
  readonly #handle: FileHandle;
  readonly #bytes: Uint8Array | undefined;

  private constructor(name: string, size: number, digest: Digest, handle: FileHandle, bytes?: Uint8Array) {
    this.name = name;
    this.sizeBytes = size;
    this.digest = digest;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  static async open(folder: string, name: string, keepUpToBytes: number): Promise<LoadedFile> {
    const handle = await open(join(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size } = await handle.stat();
      const hash = createHash('sha256');
      const kept: Uint8Array | undefined = size <= keepUpToBytes ? new Uint8Array(size) : undefined;
      // One buffer for all parts: a new one each would stay with the process, which lives for months.
      const buffer = Buffer.allocUnsafeSlow(Math.min(HASHED_AT_ONCE_BYTES, size));
      for (let at = 0; at < size; ) {
        const part = await readFully(handle, name, at, buffer.subarray(0, size - at));
        hash.update(part);
        kept?.set(part, at);
        at += part.length;
      }
      return new LoadedFile(name, size, digestOfRaw(hash.digest()), handle, kept);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get etag(): string {
    return `"${this.digest}"`;
  }

  get kept(): boolean {
    return this.#bytes !== undefined;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.sizeBytes);
    if (this.#bytes !== undefined) return this.#bytes.subarray(offset, end);
    return readFully(this.#handle, this.name, offset, Buffer.allocUnsafeSlow(Math.max(0, end - offset)));
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Fills `into` with the bytes from `offset`, and returns it. */
async function readFully<Into extends Uint8Array>(
  handle: FileHandle,
  name: string,
  offset: number,
  into: Into,
): Promise<Into> {
  const { length } = into;
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(into, done, length - done, offset + done);
    if (bytesRead === 0)
      throw new PeerbootError('PB-ASSET-CHANGED', `${name} has become shorter than ${offset + length} bytes`);
    done += bytesRead;
  }
  return into;
}

async function namesBelow(folder: string, log: Log): Promise<string[]> {
  const names: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
      const name = prefix + entry.name;
      if (entry.isDirectory()) await walk(`${name}/`);
      else if (!entry.isFile()) log.warn({ file: name }, 'not a regular file, left out of the boot assets');
      else if (name !== PROVENANCE_FILE) names.push(name);
      if (names.length > MAX_FILES)
        throw new PeerbootError(
          'PB-ASSETS-MISSING',
          `${folder} holds more than ${MAX_FILES} files: not boot assets`,
        );
    }
  };
  try {
    await walk('');
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new PeerbootError('PB-ASSETS-MISSING', `no folder of boot assets at ${folder}`, { cause: error });
  }
  return names.sort();
}

/** Name → SHA-256 in hexadecimal; empty when there is no provenance file. */
async function readProvenance(folder: string): Promise<Map<string, string>> {
  let text: string;
  try {
    text = await readFile(join(folder, PROVENANCE_FILE), 'utf8');
  } catch (error) {
    if (isNotFound(error)) return new Map();
    throw error;
  }
  const rows = filesIn(text);
  if (rows === undefined)
    throw new PeerbootError('PB-ASSET-CHANGED', `${join(folder, PROVENANCE_FILE)} has no list of files`);
  return new Map(rows.map((row) => [String(row.name), String(row.sha256).replace(/^sha256:/, '')]));
}

function filesIn(text: string): { name?: unknown; sha256?: unknown }[] | undefined {
  try {
    const { files } = JSON.parse(text) as { files?: unknown };
    return Array.isArray(files) ? files : undefined;
  } catch {
    return undefined;
  }
}

function isNotFound(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
