// A content tree behind an http(s) base (origin, parent, peer) as ChunkSource and FileSource; resumes broken transfers.
import type { Pool } from 'undici';
import { CONTENT_HEADERS, chunkPath } from '../api/routes.ts';
import { concatBytes } from '../base/bytes.ts';
import { type Digest, digestHex } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import {
  type ChunkSource,
  type FetchOptions,
  type FileOptions,
  type FileSource,
  MAX_STORED_BYTES,
  type PartialChunk,
  type SourceStats,
  type Wanted,
} from '../chunk/ports.ts';
import { digestOf } from './hash.ts';
import { isBroken, sourceFailed } from './http-source-errors.ts';
import { type Head, transfer } from './http-source-transfer.ts';

export interface HttpSourceOptions {
  /** `http(s)://host[:port][/path]`; chunks lie below it at `chunks/<hh>/<hex>`, the catalogue at `catalogue/`. */
  readonly base: string;
  /** For logs; the base without credentials when left out. */
  readonly name?: string;
  readonly log?: Log;
  /** A body that stands still for so long is given up. */
  readonly stallMs?: number;
  /** How long the head of an answer may take: give more to a peer, which may first have to fetch the chunk itself. */
  readonly firstByteMs?: number;
  /** Connections at most at a time. */
  readonly connections?: number;
  /** PEM certificates to trust instead of the system's, for a private CDN. */
  readonly ca?: string;
}

export interface HttpSource extends ChunkSource, FileSource {
  readonly base: string;
  stats(): SourceStats;
  /** Ends its connections; transfers under way fail. */
  close(): Promise<void>;
}

/** How often in a row a transfer may break without a byte gained before the source counts as failed. */
const BARREN_BREAKS = 1;
/** How often one chunk may break at all. */
const MOST_BREAKS = 8;

/** 403 is how object stores without listing permission say 404. */
const NOT_THERE = new Set([403, 404, 410]);

/** One chunk being fetched from this source. */
interface Want {
  readonly wanted: Wanted;
  readonly partial: PartialChunk;
  /** Does `partial` begin with bytes that another source brought? */
  inherited: boolean;
  /** The ETag under which this source sent its first bytes, for If-Range. */
  entityTag: string | undefined;
}

export function createHttpSource(options: HttpSourceOptions): HttpSource {
  const url = new URL(options.base.endsWith('/') ? options.base : `${options.base}/`);
  const base = `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}`;
  const name = options.name ?? base;
  const log = (options.log ?? silentLog).child({ source: name });
  const stallMs = options.stallMs ?? 5_000;
  const firstByteMs = options.firstByteMs ?? stallMs;
  let closed = false;
  const stats = { requests: 0, bytesReceived: 0, bytesWasted: 0, chunks: 0, failures: 0, resumed: 0 };
  const common = { 'accept-encoding': 'identity', 'user-agent': 'peerboot' };

  /** undici takes ten megabytes, and a peer without any source by HTTP does without. */
  async function openPool(): Promise<Pool> {
    const undici = await import('undici');
    const opened = new undici.Pool(url.origin, {
      connections: options.connections ?? 8,
      // One request a connection at a time: a stalled answer must not hold up another.
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: stallMs, ...(options.ca === undefined ? {} : { ca: options.ca }) },
    });
    if (closed) await opened.destroy();
    return opened;
  }
  // At once: loaded with the first chunk, it would hold up a line for half a second, and its followers would go elsewhere.
  const pool = openPool();
  pool.catch(() => {});

  function judge(head: Head, what: string): void {
    const { status, headers } = head;
    if (NOT_THERE.has(status)) {
      throw new PeerbootError('PB-CHUNK-MISSING', `${name}: ${status}, does not have ${what}`, {
        details: { source: name, reason: 'missing', status },
      });
    }
    if (status >= 300 && status < 400) {
      const to = headers.location === undefined ? '' : ` to ${headers.location}`;
      throw sourceFailed(
        name,
        'redirect',
        `redirects${to}; redirects are not followed, name the final address`,
      );
    }
    if (status !== 200 && status !== 206)
      throw sourceFailed(name, 'status', `answered ${status} for ${what}`);
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw sourceFailed(name, 'encoded', `sent ${what} with content-encoding ${String(encoding)}`);
    }
  }

  async function run(
    path: string,
    headers: Record<string, string>,
    { signal, meter }: Pick<FetchOptions, 'signal' | 'meter'>,
    sink: { head(head: Head): void; data(piece: Uint8Array): void },
  ): Promise<void> {
    stats.requests++;
    await transfer(
      await pool,
      name,
      { path: `${url.pathname}${path}`, headers: { ...common, ...headers }, stallMs, firstByteMs, signal },
      {
        head: sink.head,
        data(piece) {
          stats.bytesReceived += piece.length;
          meter?.count(piece.length, name);
          sink.data(piece);
        },
        waitMs: () => meter?.waitMs() ?? 0,
      },
    );
  }

  /** One request for what is still missing of the chunk. */
  async function fill(want: Want, fetchOptions: FetchOptions): Promise<void> {
    const { wanted, partial } = want;
    const short = shortName(wanted.digest);
    const from = partial.received;
    const headers: Record<string, string> = {};
    if (wanted.image !== undefined) headers[CONTENT_HEADERS.image] = wanted.image;
    if (wanted.relayed === true) headers[CONTENT_HEADERS.relayed] = '1';
    if (from > 0) headers.range = `bytes=${from}-`;
    if (from > 0 && want.entityTag !== undefined) headers['if-range'] = want.entityTag;
    await run(chunkPath(wanted.digest), headers, fetchOptions, {
      head(head) {
        if (head.status === 416 && from > 0) {
          restart(want);
          throw sourceFailed(name, 'broken', `cannot go on at byte ${from} of ${short}`);
        }
        judge(head, short);
        const whole = wholeLength(head, name, short, from);
        // A server without Range, or whose file has changed, answers 200 with the whole: start over.
        if (head.status === 200) restart(want);
        const length = agreedLength(wanted, whole ?? partial.bytes?.length, name);
        if (partial.bytes?.length !== length) {
          if (partial.received > 0) {
            restart(want);
            throw sourceFailed(name, 'broken', `has another length for ${short} than the source before it`);
          }
          partial.bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
        }
        if (head.status === 206) stats.resumed++;
        // Weak tags do not say that the bytes are the same (RFC 9110, section 13.1.5).
        const tag = head.headers.etag;
        want.entityTag = tag?.startsWith('"') === true ? tag : undefined;
      },
      data(piece) {
        const { bytes } = partial;
        if (bytes === undefined || partial.received + piece.length > bytes.length) {
          throw wrongLength(name, short, `more than ${bytes?.length ?? 0} bytes`);
        }
        bytes.set(piece, partial.received);
        partial.received += piece.length;
      },
    });
    if (partial.received !== partial.bytes?.length) {
      throw sourceFailed(name, 'truncated', `ended at byte ${partial.received} of ${short}`);
    }
  }

  /** Requests until the chunk is whole; goes on at the byte where the connection broke. */
  async function fillWhole(want: Want, fetchOptions: FetchOptions): Promise<Uint8Array> {
    const { wanted, partial } = want;
    let barren = 0;
    for (let breaks = 0; ; breaks++) {
      const before = partial.received;
      if (partial.bytes !== undefined && before === partial.bytes.length) return partial.bytes;
      try {
        await fill(want, fetchOptions);
      } catch (error) {
        if (!isBroken(error) || breaks >= MOST_BREAKS) throw error;
        barren = partial.received > before ? 0 : barren + 1;
        if (barren > BARREN_BREAKS) throw error;
        log.debug({ digest: wanted.digest, at: partial.received, err: error }, 'transfer broke, going on');
      }
    }
  }

  function restart(want: Want): void {
    stats.bytesWasted += want.partial.received;
    want.partial.received = 0;
    want.inherited = false;
    want.entityTag = undefined;
  }

  async function fetchChunk(wanted: Wanted, fetchOptions: FetchOptions = {}): Promise<Uint8Array> {
    const partial = fetchOptions.partial ?? { bytes: undefined, received: 0 };
    const want: Want = { wanted, partial, inherited: partial.received > 0, entityTag: undefined };
    try {
      for (;;) {
        const bytes = await fillWhole(want, fetchOptions);
        if (digestOf(bytes) === wanted.digest) {
          stats.chunks++;
          return bytes;
        }
        // Another source may have brought the wrong part: this one gets its chance to bring the whole.
        const again = want.inherited;
        restart(want);
        partial.bytes = undefined;
        if (again) continue;
        throw new PeerbootError('PB-CHUNK-CORRUPT', `${name}: other bytes for ${shortName(wanted.digest)}`, {
          details: { source: name, reason: 'corrupt' },
        });
      }
    } catch (error) {
      stats.failures++;
      throw error;
    }
  }

  async function fetchFile(path: string, fileOptions: FileOptions): Promise<Uint8Array | undefined> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    const bound = () => {
      if (length > fileOptions.maxBytes)
        throw wrongLength(name, path, `more than ${fileOptions.maxBytes} bytes`);
    };
    try {
      // A cache between us and the source must ask again: the catalogue changes, unlike everything else.
      await run(path, { 'cache-control': 'no-cache' }, fileOptions, {
        head(head) {
          judge(head, path);
          length = Number(head.headers['content-length'] ?? 0);
          bound();
          length = 0;
        },
        data(piece) {
          length += piece.length;
          bound();
          pieces.push(Uint8Array.from(piece));
        },
      });
      return concatBytes(pieces);
    } catch (error) {
      if (error instanceof PeerbootError && error.code === 'PB-CHUNK-MISSING') return undefined;
      stats.failures++;
      throw error;
    }
  }

  return {
    name,
    base,
    fetch: fetchChunk,
    fetchFile,
    stats: () => ({ name, ...stats }),
    async close() {
      closed = true;
      await (await pool).destroy();
    },
  };
}

function shortName(digest: Digest): string {
  return `chunk ${digestHex(digest).slice(0, 12)}`;
}

function wrongLength(name: string, what: string, found: string): PeerbootError {
  return sourceFailed(name, 'wrong-length', `${found} for ${what}`);
}

/** The length of the whole chunk as the answer has it, undefined when it does not say. */
function wholeLength(head: Head, name: string, what: string, from: number): number | undefined {
  if (head.status === 200) {
    const length = head.headers['content-length'];
    return length === undefined ? undefined : Number(length);
  }
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(head.headers['content-range'] ?? '');
  const whole = Number(range?.[3]);
  if (range === null || Number(range[1]) !== from || Number(range[2]) !== whole - 1) {
    const sent = head.headers['content-range'] ?? 'no Content-Range';
    throw sourceFailed(name, 'wrong-range', `asked for ${what} from byte ${from}, was sent ${sent}`);
  }
  return whole;
}

/** The length that the chunk must have, or an error when what is wanted and what is offered do not go together. */
function agreedLength(wanted: Wanted, offered: number | undefined, name: string): number {
  const short = shortName(wanted.digest);
  if (wanted.size !== undefined && offered !== undefined && offered !== wanted.size) {
    throw new PeerbootError(
      'PB-CHUNK-CORRUPT',
      `${name}: ${offered} bytes for ${short}, which has ${wanted.size}`,
      {
        details: { source: name, reason: 'wrong-length' },
      },
    );
  }
  const length = wanted.size ?? offered;
  if (length === undefined) throw sourceFailed(name, 'wrong-length', `does not say how long ${short} is`);
  if (length > MAX_STORED_BYTES) throw wrongLength(name, short, `${length} bytes`);
  return length;
}
