// One transfer to one client as a machine: acknowledgements in, blocks to send out. It never sees a byte of the file.
//
// It starts with the OACK when options were agreed, else with block 1. A client acknowledges the last block of a window
// (RFC 7440; windowsize 1 is plain RFC 1350). Blocks are counted from 1 without wrapping; the wire carries the lower
// 16 bits. An acknowledgement inside the window means that the next block was lost: sending resumes right behind it.
// A repeated acknowledgement never causes a send, only time does (RFC 1123 §4.2.3.1, Sorcerer's Apprentice).
//
// The retransmission time follows the measured round trip (RFC 6298, without the samples that Karn's rule forbids) and
// doubles with every try. What the client asked for with the timeout option is the longest step.
import { assert } from '../base/errors.ts';
import type { Machine } from '../base/machine.ts';
import type { MonotonicMs } from '../base/time.ts';
import type { Agreement } from './negotiate.ts';
import { TFTP_ERROR } from './packet.ts';

export type TransferEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'ack'; readonly block: number }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  /** The client repeated its request from the same port: our first answer was lost. */
  | { readonly kind: 'request-again' }
  /** The network says that nobody listens at the client's port any more. */
  | { readonly kind: 'unreachable' }
  /** The file could not be read, or the service stops. */
  | { readonly kind: 'give-up'; readonly why: string }
  | { readonly kind: 'wake' };

export type TransferAction =
  | { readonly kind: 'send-oack' }
  /** Blocks `first` to `last`, counted from 1; it replaces whatever an earlier action has not yet sent. */
  | { readonly kind: 'send-data'; readonly first: number; readonly last: number; readonly again: boolean }
  | { readonly kind: 'send-error'; readonly code: number; readonly message: string }
  | { readonly kind: 'end'; readonly outcome: TransferOutcome };

export type TransferOutcome =
  /** `confirmed`: the last block was acknowledged; else it was sent and the client closed its port. */
  | { readonly kind: 'completed'; readonly confirmed: boolean }
  /** The client wanted only the size and ended it after the OACK: EDK2 does so before every file. */
  | { readonly kind: 'probed' }
  | { readonly kind: 'aborted'; readonly code: number; readonly message: string }
  | { readonly kind: 'gone' }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'gave-up'; readonly why: string };

/**
 * Before the first round trip is measured (RFC 6298 says 1 s; a LAN may be bolder, a ROM's patience is short), and the
 * most that is waited before the first repetition. Clients repeat a lost acknowledgement by a timer of theirs, of 1 s or
 * more: were we to wait as long, that timer would be measured as the round trip, and would stay.
 */
const FIRST_RETRY_MS = 500;
/** A firmware that polls its NIC by a slow timer must not look like a loss. */
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 2000;
/**
 * Sends of one thing to a client that has never answered: its address may be forged, and we would be the reflector. An OACK is
 * about as large as its request, so three stay at three times what was asked. Block 1, the answer to a request without options
 * (RFC 1350), is larger whatever one does: it is sent once for each request, and `admission` bounds those. Whoever is real asks again.
 */
const TRIES_UNCONFIRMED = 3;
/** No client gives up on a transfer and asks anew within this time: their first patience is a second. */
const FLOWING_MS = 1_000;
/** Sends of one window to a client that has answered before; some 30 s with the doubling. */
const TRIES_CONFIRMED = 20;

export class Transfer implements Machine<TransferEvent, TransferAction> {
  readonly #windowsize: number;
  readonly #totalBlocks: number;
  readonly #longestRetryMs: number;
  #state: 'new' | 'offering' | 'sending' | 'ended' = 'new';
  #confirmed = false;
  /** Last block acknowledged in order, and last block sent. */
  #acked = 0;
  #sent = 0;
  /** Highest block ever sent: below it, a send is a repetition. */
  #highest = 0;
  #tries = 0;
  #sentAt: MonotonicMs = 0;
  #answeredAt: MonotonicMs = 0;
  #retryMs: number;
  #smoothedMs: number | undefined;
  #variationMs = 0;
  readonly #offers: boolean;

  constructor(agreement: Agreement) {
    this.#windowsize = agreement.windowsize;
    this.#totalBlocks = Math.floor(agreement.sizeBytes / agreement.blksize) + 1;
    this.#longestRetryMs = agreement.timeoutMs ?? MAX_RETRY_MS;
    this.#offers = agreement.options.length > 0;
    this.#retryMs = Math.min(FIRST_RETRY_MS, this.#longestRetryMs);
  }

  /** Has the client answered just now? Then the same request once more is a late copy of the first, by another path. */
  isFlowing(now: MonotonicMs): boolean {
    return this.#confirmed && now - this.#answeredAt < FLOWING_MS;
  }

  /** Has the client ever answered? Until then its address is only a claim. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  step(event: TransferEvent, now: MonotonicMs): readonly TransferAction[] {
    if (this.#state === 'ended') return [];
    switch (event.kind) {
      case 'start':
        assert(this.#state === 'new', 'a transfer starts once');
        return this.#start(now);
      case 'ack':
        return this.#acknowledged(event.block, now);
      case 'wake':
        return this.#woken(now);
      case 'request-again':
        if (this.#state === 'new' || this.#confirmed || this.#tries >= TRIES_UNCONFIRMED) return [];
        return this.#repeat(now);
      case 'error':
        return this.#end(this.#errorOutcome(event.code, event.message));
      case 'unreachable':
        return this.#end(
          this.#confirmed && this.#sent === this.#totalBlocks
            ? { kind: 'completed', confirmed: false }
            : { kind: 'gone' },
        );
      case 'give-up':
        return [
          { kind: 'send-error', code: TFTP_ERROR.undefined, message: event.why },
          ...this.#end({ kind: 'gave-up', why: event.why }),
        ];
    }
  }

  nextWake(): MonotonicMs | undefined {
    if (this.#state !== 'offering' && this.#state !== 'sending') return undefined;
    return this.#sentAt + Math.min(this.#retryMs * 2 ** (this.#tries - 1), this.#longestRetryMs);
  }

  #start(now: MonotonicMs): TransferAction[] {
    this.#state = this.#offers ? 'offering' : 'sending';
    return this.#repeat(now);
  }

  #acknowledged(block: number, now: MonotonicMs): TransferAction[] {
    if (this.#state === 'offering') {
      if (block !== 0) return [];
      this.#state = 'sending';
    } else {
      const forward = (block - this.#acked) & 0xffff;
      // Not ahead of what we have, or a block never sent: a repetition, or nonsense.
      if (forward === 0 || forward > this.#sent - this.#acked) return [];
      this.#acked += forward;
    }
    this.#confirmed = true;
    this.#answeredAt = now;
    // Karn's rule: what was sent more than once measures nothing. Resuming behind a gap is a first sending: the client
    // has thrown away what it got of these blocks before.
    if (this.#tries === 1) this.#measure(now - this.#sentAt);
    this.#tries = 0;
    return this.#acked === this.#totalBlocks
      ? this.#end({ kind: 'completed', confirmed: true })
      : this.#sendWindow(now);
  }

  #woken(now: MonotonicMs): TransferAction[] {
    if (now < (this.nextWake() ?? Number.POSITIVE_INFINITY)) return [];
    if (this.#tries >= (this.#confirmed ? TRIES_CONFIRMED : TRIES_UNCONFIRMED))
      return this.#end({ kind: 'timed-out' });
    if (this.#confirmed || this.#offers) return this.#repeat(now);
    this.#count(now);
    return [];
  }

  /** Sends what is due from the last acknowledged point, and starts the clock for it. */
  #repeat(now: MonotonicMs): TransferAction[] {
    if (this.#state === 'sending') return this.#sendWindow(now);
    this.#count(now);
    return [{ kind: 'send-oack' }];
  }

  #sendWindow(now: MonotonicMs): TransferAction[] {
    const first = this.#acked + 1;
    const again = first <= this.#highest;
    this.#sent = Math.min(this.#acked + this.#windowsize, this.#totalBlocks);
    this.#highest = Math.max(this.#highest, this.#sent);
    this.#count(now);
    return [{ kind: 'send-data', first, last: this.#sent, again }];
  }

  #count(now: MonotonicMs): void {
    this.#tries++;
    this.#sentAt = now;
  }

  /** RFC 6298 §2, between a floor and a ceiling of our own. */
  #measure(roundTripMs: number): void {
    const smoothed = this.#smoothedMs;
    if (smoothed === undefined) {
      this.#smoothedMs = roundTripMs;
      this.#variationMs = roundTripMs / 2;
    } else {
      this.#variationMs += (Math.abs(smoothed - roundTripMs) - this.#variationMs) / 4;
      this.#smoothedMs = smoothed + (roundTripMs - smoothed) / 8;
    }
    const wanted = this.#smoothedMs + 4 * this.#variationMs;
    this.#retryMs = Math.min(Math.max(wanted, MIN_RETRY_MS), FIRST_RETRY_MS);
  }

  /** Code 8 is RFC 2347's way to end a probe; some ROMs say 0. */
  #errorOutcome(code: number, message: string): TransferOutcome {
    const probe = code === TFTP_ERROR.optionRefused || code === TFTP_ERROR.undefined;
    return probe && this.#offers && this.#acked === 0
      ? { kind: 'probed' }
      : { kind: 'aborted', code, message };
  }

  #end(outcome: TransferOutcome): TransferAction[] {
    this.#state = 'ended';
    return [{ kind: 'end', outcome }];
  }
}
