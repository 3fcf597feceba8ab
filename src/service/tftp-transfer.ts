// Drives one transfer: packets of its socket into the machine, the machine's actions back out, and its timer.

import { WireError } from '../base/errors.ts';
import type { NamedFile } from '../base/named-files.ts';
import type { Clock, Timers } from '../base/time.ts';
import type { Agreement } from '../tftp/negotiate.ts';
import { DATA_HEAD_BYTES, decodeTftp, encodeTftp, writeData } from '../tftp/packet.ts';
import type { TransferSocket } from '../tftp/ports.ts';
import { Transfer, type TransferEvent, type TransferOutcome } from '../tftp/transfer.ts';
import { BlockReader } from './tftp-reader.ts';

export interface TransferCounts {
  blocksSent: number;
  /** Of these, blocks sent because an earlier sending was not acknowledged. */
  blocksRepeated: number;
  bytesSent: number;
  /** Packets that were no TFTP, or none that a reading client sends. */
  nonsense: number;
}

export interface RunningTransfer {
  readonly confirmed: boolean;
  readonly isFlowing: boolean;
  handle(event: TransferEvent): void;
  onPacket(bytes: Uint8Array): void;
}

/** A wake-up this late means that the process stood still: acknowledgements may lie unread in the socket. */
const LATE_MS = 20;

export function runTransfer(options: {
  readonly agreement: Agreement;
  readonly file: NamedFile;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counts: TransferCounts;
  /** Called once; the socket may be used before this function returns. */
  openSocket(transfer: RunningTransfer): TransferSocket;
  onEnd(outcome: TransferOutcome): void;
}): RunningTransfer {
  const { agreement, clock, timers, counts } = options;
  const machine = new Transfer(agreement);
  const reader = new BlockReader(options.file, agreement.blksize);
  /** Blocks that the machine wants out; a newer wish replaces it. */
  let due = { next: 1, last: 0, again: false };
  const packets: Uint8Array[] = [];
  let loading = false;
  let ended = false;
  let cancelWake: (() => void) | undefined;

  const transfer: RunningTransfer = {
    get confirmed() {
      return machine.confirmed;
    },
    get isFlowing() {
      return machine.isFlowing(clock.nowMs());
    },
    handle(event) {
      for (const action of machine.step(event, clock.nowMs())) {
        switch (action.kind) {
          case 'send-data':
            due = { next: action.first, last: action.last, again: action.again };
            pump();
            break;
          case 'send-oack':
            socket.send(encodeTftp({ kind: 'oack', options: agreement.options }));
            prepare(1);
            break;
          case 'send-error':
            socket.send(encodeTftp({ kind: 'error', code: action.code, message: action.message }));
            break;
          case 'end':
            end(action.outcome);
            break;
        }
      }
      if (cancelWake === undefined) arm();
    },
    onPacket(bytes) {
      const packet = decodeTftp(bytes);
      if (!(packet instanceof WireError) && (packet.kind === 'ack' || packet.kind === 'error'))
        transfer.handle(packet);
      else counts.nonsense++;
    },
  };
  const socket = options.openSocket(transfer);

  /** Sends what is due and in memory; when a block is not, its loading comes back here. */
  function pump(): void {
    for (; due.next <= due.last; due.next++) {
      const data = reader.block(due.next);
      if (data === undefined) {
        prepare(due.next);
        return;
      }
      socket.send(writeData(packetFor(due.next, data.length), due.next, data), due.again);
      counts.blocksSent++;
      counts.bytesSent += data.length;
      if (due.again) counts.blocksRepeated++;
    }
    reader.readAhead()?.catch(unreadable);
  }

  /**
   * A full block's packet is free again when a whole window later its slot comes round: by then it is acknowledged.
   * Should the system still hold an older sending of it, that one turns into the newer block, which harms nobody.
   */
  function packetFor(block: number, dataBytes: number): Uint8Array {
    if (dataBytes < agreement.blksize) return new Uint8Array(DATA_HEAD_BYTES + dataBytes);
    const slot = block % agreement.windowsize;
    packets[slot] ??= new Uint8Array(DATA_HEAD_BYTES + dataBytes);
    return packets[slot];
  }

  function prepare(block: number): void {
    if (loading || reader.block(block) !== undefined) return;
    loading = true;
    reader
      .load(block)
      .then(() => {
        loading = false;
        if (!ended) pump();
      })
      .catch(unreadable);
  }

  function unreadable(error: unknown): void {
    transfer.handle({ kind: 'give-up', why: error instanceof Error ? error.message : String(error) });
  }

  /** One timer that is late by design: acknowledgements move the machine's wish, the timer looks when it fires. */
  function arm(): void {
    const wake = machine.nextWake();
    if (wake === undefined) return;
    cancelWake = timers.after(Math.max(1, Math.ceil(wake - clock.nowMs())), () => {
      cancelWake = undefined;
      const dueAt = machine.nextWake();
      if (dueAt === undefined) return;
      const lateMs = clock.nowMs() - dueAt;
      if (lateMs < 0) return arm();
      if (lateMs < LATE_MS) return transfer.handle({ kind: 'wake' });
      // Let the event loop read its sockets once before anything counts as lost.
      cancelWake = timers.after(1, () => {
        cancelWake = undefined;
        transfer.handle({ kind: 'wake' });
      });
    });
  }

  function end(outcome: TransferOutcome): void {
    ended = true;
    due = { next: 1, last: 0, again: false };
    cancelWake?.();
    cancelWake = undefined;
    socket.close();
    options.onEnd(outcome);
  }

  return transfer;
}
