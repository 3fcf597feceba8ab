// Several sources in order behind the same ports: a failing one is set aside for a while, the next goes on at its byte.
import type { Digest } from '../base/digest.ts';
import { PeerbootError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { Clock, MonotonicMs } from '../base/time.ts';
import type {
  ChunkSource,
  FetchOptions,
  FileOptions,
  FileSource,
  PartialChunk,
  Wanted,
} from '../chunk/ports.ts';
import {
  afterFailure,
  afterMiss,
  askingOrder,
  type ChunkNotes,
  GOOD_STANDING,
  isAside,
  type Standing,
  withNote,
} from '../chunk/set-aside.ts';

export interface OrderedSourceOptions {
  /** First the best: peers, then the parent, then origins. */
  readonly sources: readonly (ChunkSource & FileSource)[];
  readonly clock: Clock;
  readonly log?: Log;
  readonly name?: string;
}

/** Why one source did not deliver; all of them are in the `reasons` of the final error's details. */
export interface SourceReport {
  readonly source: string;
  readonly code: string;
  readonly what: string;
}

export interface OrderedSource extends ChunkSource, FileSource {
  /** For screens and metrics: which source is set aside for how much longer. */
  standings(): readonly { readonly source: string; readonly asideMs: number; readonly failures: number }[];
}

interface Member {
  readonly source: ChunkSource & FileSource;
  standing: Standing;
  notes: ChunkNotes;
}

export function createOrderedSource(options: OrderedSourceOptions): OrderedSource {
  const { clock } = options;
  const log = options.log ?? silentLog;
  const members: Member[] = options.sources.map((source) => ({
    source,
    standing: GOOD_STANDING,
    notes: new Map(),
  }));

  function inOrder(): readonly Member[] {
    const order = askingOrder(
      members.map((member) => member.standing),
      clock.nowMs(),
    );
    return order.map((index) => members[index] as Member);
  }

  function succeeded(member: Member): void {
    if (member.standing.failures > 0) log.info({ source: member.source.name }, 'source is back');
    member.standing = GOOD_STANDING;
  }

  /** Takes the failure down and says it; `startedMs` is when the request was sent. */
  function failed(
    member: Member,
    startedMs: MonotonicMs,
    error: PeerbootError,
    digest?: Digest,
  ): SourceReport {
    const now = clock.nowMs();
    const before = member.standing;
    const missing = error.code === 'PB-CHUNK-MISSING';
    member.standing = missing ? afterMiss(before, startedMs, now) : afterFailure(before, startedMs, now);
    if (digest !== undefined && (missing || error.code === 'PB-CHUNK-CORRUPT')) {
      member.notes = withNote(member.notes, digest, missing ? 'missing' : 'corrupt', now);
    }
    const report = { source: member.source.name, code: error.code, what: error.message };
    const asideMs = Math.max(0, member.standing.asideUntilMs - now);
    const fields = { ...report, ...error.details, ...(digest === undefined ? {} : { digest }) };
    if (member.standing !== before && isAside(member.standing, now)) {
      log.warn({ ...fields, asideMs }, 'source set aside');
    } else {
      log.info(fields, 'source did not deliver');
    }
    return report;
  }

  /** A chunk that this source lately did not have, or had wrong, is not asked for again at once. */
  function noted(member: Member, digest: Digest): SourceReport | undefined {
    const note = member.notes.get(digest);
    if (note === undefined || note.untilMs <= clock.nowMs()) return undefined;
    const code = note.why === 'missing' ? 'PB-CHUNK-MISSING' : 'PB-CHUNK-CORRUPT';
    return { source: member.source.name, code, what: `${member.source.name}: ${note.why} a moment ago` };
  }

  async function fetchChunk(wanted: Wanted, fetchOptions: FetchOptions = {}): Promise<Uint8Array> {
    const partial: PartialChunk = fetchOptions.partial ?? { bytes: undefined, received: 0 };
    const reasons: SourceReport[] = [];
    for (const member of inOrder()) {
      const note = noted(member, wanted.digest);
      if (note !== undefined) {
        reasons.push(note);
        continue;
      }
      const startedMs = clock.nowMs();
      try {
        const bytes = await member.source.fetch(wanted, { ...fetchOptions, partial });
        succeeded(member);
        return bytes;
      } catch (error) {
        // Anything without a code is the caller's abort or our own bug: neither is the source's fault.
        if (!(error instanceof PeerbootError)) throw error;
        reasons.push(failed(member, startedMs, error, wanted.digest));
      }
    }
    throw allFailed(`chunk ${wanted.digest}`, reasons);
  }

  async function fetchFile(path: string, fileOptions: FileOptions): Promise<Uint8Array | undefined> {
    const reasons: SourceReport[] = [];
    let absent = false;
    for (const member of inOrder()) {
      const startedMs = clock.nowMs();
      try {
        const bytes = await member.source.fetchFile(path, fileOptions);
        succeeded(member);
        if (bytes !== undefined) return bytes;
        absent = true;
      } catch (error) {
        if (!(error instanceof PeerbootError)) throw error;
        reasons.push(failed(member, startedMs, error));
      }
    }
    if (absent || members.length === 0) return undefined;
    throw allFailed(path, reasons);
  }

  return {
    name: options.name ?? 'sources',
    fetch: fetchChunk,
    fetchFile,
    standings: () => {
      const now = clock.nowMs();
      return members.map(({ source, standing }) => ({
        source: source.name,
        asideMs: Math.max(0, standing.asideUntilMs - now),
        failures: standing.failures,
      }));
    },
  };
}

/** Nobody has it: missing. Everybody who has it has it wrong: corrupt. Otherwise a source failed that may have it. */
function allFailed(what: string, reasons: readonly SourceReport[]): PeerbootError {
  const codes = new Set(reasons.map((reason) => reason.code));
  codes.delete('PB-CHUNK-MISSING');
  const code =
    codes.size === 0
      ? 'PB-CHUNK-MISSING'
      : codes.size === 1 && codes.has('PB-CHUNK-CORRUPT')
        ? 'PB-CHUNK-CORRUPT'
        : 'PB-SOURCE-FAILED';
  const list = reasons.map((reason) => reason.what).join('; ');
  return new PeerbootError(code, `${what}: ${list === '' ? 'no source is configured' : list}`, {
    details: { reasons },
  });
}
