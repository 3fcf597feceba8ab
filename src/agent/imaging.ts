// Drives one imaging: performs what the session machine asks for with the source and the disk, and tells it the outcome.

import type { Receipt } from '../api/identity.ts';
import { equalBytes } from '../base/bytes.ts';
import type { Digest } from '../base/digest.ts';
import { assert, isPeerbootError, PeerbootError, unreachable } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { ChunkSource } from '../chunk/ports.ts';
import { espOf, type Gpt, type GptPartition, TABLE_BYTES } from '../imaging/layout.ts';
import { isWithheld, type Piece } from '../imaging/proof.ts';
import { encodeReceipt, hasRoomForReceipt, parseReceipt, RECEIPT_OFFSET } from '../imaging/receipt.ts';
import { planSeal } from '../imaging/seal.ts';
import { type FetchFailure, Session, type SessionAction, type SessionEvent } from '../imaging/session.ts';
import type { TargetDisk } from '../imaging/target-disk.ts';
import type { ImageTables } from './manifest.ts';
import { TargetRows } from './target-rows.ts';

export interface ImagingPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly disk: TargetDisk;
  /** Chunks proved so far in this boot of the agent: a chunk fetched although it is among them counts as refetched. */
  readonly proved: Set<Digest>;
  /** Stored bytes of chunks that may stay in memory for others. */
  readonly memoryBytes: number;
  /** A chunk can be had from `rows` that the line did not bring; one can no longer be had. */
  readonly got: (chunk: number) => void;
  readonly lost: (chunk: number) => void;
  /** Hears of every step. */
  readonly changed: () => void;
}

export interface Sealed {
  /** The EFI system partition, if the image has one. */
  readonly system: GptPartition | undefined;
}

export interface ImagingSources {
  /** In whatever form the chunks come, they carry their slices. */
  readonly chunks: ChunkSource;
  /** Chunks by their digest, and never from this machine. */
  readonly others: ChunkSource;
}

export class Imaging {
  readonly session: Session;
  /** What has come of the image, for others as well. */
  readonly rows: TargetRows;
  /** Plain bytes of all chunks: what the session's `writtenBytes` counts up to. */
  readonly totalPlainBytes: number;
  fetchedBytes = 0;
  refetchedChunks = 0;
  /** Are the disk's ends zeroed? From then on what they hold tells whether this imaging was finished. */
  wiped = false;
  /** Left on the disk when it is sealed, if its table has room. */
  receipt: Receipt | undefined;
  readonly #ports: ImagingPorts;
  readonly #tables: ImageTables;
  #sources: ImagingSources | undefined;
  #sealed: Sealed = { system: undefined };
  #cancelWake = () => {};
  #outcome = Promise.withResolvers<Sealed>();
  #stop = new AbortController();

  constructor(tables: ImageTables, ports: ImagingPorts) {
    this.#ports = ports;
    this.#tables = tables;
    this.session = new Session(tables);
    this.totalPlainBytes = Array.from(tables.chunks).reduce((total, chunk) => total + chunk.plainBytes, 0);
    const { disk, log, memoryBytes, lost } = ports;
    const arrived = (chunk: number, bytes: number) => this.#arrived(chunk, bytes);
    this.rows = new TargetRows({ tables, disk, log, memoryBytes, lost, arrived });
  }

  /**
   * Begins, or goes on after a failure with all that is written. Resolves when the disk is written, proved and
   * sealed; rejects with the PeerbootError that stopped it.
   */
  async run(sources: ImagingSources): Promise<Sealed> {
    this.#sources = sources;
    if (this.canResume) {
      this.#outcome = Promise.withResolvers<Sealed>();
      this.#dispatch({ kind: 'resume' });
    } else {
      await this.#ports.disk.wipe();
      this.wiped = true;
      this.#dispatch({ kind: 'start' });
    }
    return this.#outcome.promise;
  }

  /** May it go on after its failure? Only trouble with sources passes. */
  get canResume(): boolean {
    return (
      this.session.phase === 'failed' &&
      this.session.writtenBytes < this.totalPlainBytes &&
      !this.#stop.signal.aborted
    );
  }

  /** Ends all that is under way; nothing is heard of it any more. */
  abandon(): void {
    this.#stop.abort();
    this.#cancelWake();
  }

  #dispatch(event: SessionEvent): void {
    if (this.#stop.signal.aborted) return;
    const now = this.#ports.clock.nowMs();
    const actions = this.session.step(event, now);
    for (const action of actions) this.#perform(action);
    this.#cancelWake();
    const wake = this.session.nextWake();
    if (wake !== undefined) {
      this.#cancelWake = this.#ports.timers.after(Math.max(0, wake - now), () =>
        this.#dispatch({ kind: 'wake' }),
      );
    }
    this.#ports.changed();
  }

  #perform(action: SessionAction): void {
    switch (action.kind) {
      case 'fetch':
        this.#then(this.#fetch(action.chunk));
        break;
      case 'write':
        this.#then(this.#write(action.chunk));
        break;
      case 'flush':
        this.#then(this.#ports.disk.flush().then(() => ({ kind: 'flushed' })));
        break;
      case 'prove':
        this.#then(this.#prove(action.piece));
        break;
      case 'seal':
        this.#then(this.#seal());
        break;
      case 'complete':
        this.#outcome.resolve(this.#sealed);
        break;
      case 'fail':
        this.#outcome.reject(new PeerbootError(action.code, action.what));
        break;
      default:
        unreachable(action);
    }
  }

  /** What the session does not know how to mend (disk, contradicting image, our own bug) ends the imaging. */
  #then(work: Promise<SessionEvent>): void {
    work.then(
      (event) => this.#dispatch(event),
      (error) => {
        if (this.#stop.signal.aborted) return;
        this.abandon();
        this.#outcome.reject(error);
      },
    );
  }

  async #fetch(chunk: number): Promise<SessionEvent> {
    const { digest, size } = this.#tables.chunks.row(chunk);
    const { proved, log, got } = this.#ports;
    const sources = this.#sources;
    assert(sources !== undefined, 'fetching begins with sources');
    try {
      if (this.rows.inMemory(chunk) === undefined) {
        if (proved.has(digest)) this.refetchedChunks += 1;
        const bytes = await sources.chunks.fetch({ digest, size }, { signal: this.#stop.signal });
        const known = this.rows.has(chunk);
        this.rows.claim(chunk, bytes);
        if (!known) got(chunk);
      }
      this.rows.claim(chunk);
      return { kind: 'fetched', chunk };
    } catch (error) {
      if (!isPeerbootError(error)) throw error;
      log.info({ digest, code: error.code, err: error }, 'chunk not fetched');
      return { kind: 'fetch-failed', chunk, why: failureOf(error), what: `${error.code}: ${error.message}` };
    }
  }

  /** It may be one that this machine has not asked for yet, brought for somebody else. */
  #arrived(chunk: number, bytes: number): void {
    this.#ports.proved.add(this.#tables.chunks.digest(chunk));
    this.fetchedBytes += bytes;
    this.#dispatch({ kind: 'offered', chunk });
  }

  async #write(chunk: number): Promise<SessionEvent> {
    const stored = this.rows.claim(chunk);
    const { imageBytes } = this.#tables.manifest;
    const all = this.rows.slicesOf(chunk);
    const withheld = all.filter((slice) => isWithheld(slice, imageBytes));
    const slices = all.filter((slice) => !isWithheld(slice, imageBytes));
    const plainBytes = this.#tables.chunks.plainBytes(chunk);
    const kept = await this.#ports.disk.writeChunk({ stored, plainBytes, slices, withheld });
    this.rows.written(
      chunk,
      withheld.map((slice, i) => ({ slice, bytes: kept[i] as Uint8Array })),
    );
    return { kind: 'written', chunk };
  }

  async #prove(piece: Piece): Promise<SessionEvent> {
    const proof = await this.#ports.disk.prove(piece.rows);
    if (proof.kind === 'proved') return { kind: 'proved', piece, rezeroed: proof.rezeroed };
    await this.#blameImage(piece, proof.offset);
    return { kind: 'differs', piece, what: `the slice at byte ${proof.offset} reads back differently` };
  }

  /** A slice that differs is the disk's fault unless its own chunk carries something else: then this rejects. */
  async #blameImage(piece: Piece, offset: number): Promise<void> {
    const row = piece.rows.find((one) => one.offset === offset);
    assert(row?.kind === 'data', `a slice begins at byte ${offset}`);
    const { chunks } = this.#tables;
    const stored = await this.#sources?.others.fetch(chunks.row(row.chunk)).catch(() => undefined);
    if (stored === undefined) return;
    const plainBytes = chunks.plainBytes(row.chunk);
    await this.#ports.disk.writeChunk({ stored, plainBytes, slices: [], withheld: [row] });
  }

  async #seal(): Promise<SessionEvent> {
    const { disk, log } = this.#ports;
    const start = await disk.read(0, Math.min(TABLE_BYTES, disk.sizeBytes));
    const plan = planSeal(start, this.rows.withheld, disk.sizeBytes);
    if (plan.unread !== undefined)
      log.warn({ why: plan.unread }, "the image's partition table is left as it is");
    for (const { offset, bytes } of plan.writes) await disk.write(offset, bytes);
    await disk.flush();
    for (const { offset, bytes } of plan.writes) {
      if (equalBytes(await disk.read(offset, bytes.length), bytes)) continue;
      throw new PeerbootError(
        'PB-DISK-READ-BACK',
        `the table or boot sector at byte ${offset} reads back differently`,
      );
    }
    if (plan.gpt !== undefined) await this.#leaveReceipt(plan.gpt);
    this.#sealed = { system: plan.gpt === undefined ? undefined : espOf(plan.gpt) };
    return { kind: 'sealed' };
  }

  /** A receipt from elsewhere came with an image that was made of an imaged disk; anything else there is the image's own. */
  async #leaveReceipt(gpt: Gpt): Promise<void> {
    const { disk, log } = this.#ports;
    if (this.receipt === undefined || !hasRoomForReceipt(gpt)) return;
    const sector = encodeReceipt(this.receipt);
    const there = await disk.read(RECEIPT_OFFSET, sector.length);
    if (there.some((byte) => byte !== 0) && parseReceipt(there) === undefined) {
      log.warn(
        { offset: RECEIPT_OFFSET },
        'no receipt is left: the image has data in the gap before its partitions',
      );
      return;
    }
    await disk.write(RECEIPT_OFFSET, sector);
    await disk.flush();
  }
}

function failureOf(error: PeerbootError): FetchFailure {
  if (error.code === 'PB-CHUNK-MISSING') return 'missing';
  return error.code === 'PB-CHUNK-CORRUPT' ? 'corrupt' : 'unreachable';
}
