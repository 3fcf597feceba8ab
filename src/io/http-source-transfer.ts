// One GET: the head is judged, the body goes piece by piece to a sink, and a transfer that stands still is ended.
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { sourceFailed, transferError } from './http-source-errors.ts';

export interface Head {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** Throwing in either ends the transfer with that error. */
export interface Sink {
  head(head: Head): void;
  data(piece: Uint8Array): void;
  /** For how long to read nothing more, in ms: TCP then holds the sender back. Asked after each piece and each wait. */
  waitMs(): number;
}

export interface TransferOptions {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Longest wait for the head of the answer, connecting included. */
  readonly firstByteMs: number;
  /** Longest time with less than `STEP_BYTES` of the body. */
  readonly stallMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Less than this within `stallMs` counts as standing still: a source that drips bytes must not hold us for ever. */
const STEP_BYTES = 1024;

/**
 * Resolves when the body has ended as announced; rejects with PB-SOURCE-FAILED and its reason, with what the sink
 * threw, or with the signal's reason. `name` is for messages.
 *
 * undici's dispatch, not its streams: the pieces are copied from the parser's buffer straight into the chunk.
 */
export function transfer(
  pool: Dispatcher,
  name: string,
  options: TransferOptions,
  sink: Sink,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let over = false;
    let began = false;
    let stepBytes = 0;
    let timer = setTimeout(standsStill, options.firstByteMs);

    const finish = (error?: unknown) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const end = (error: Error) => {
      finish(error);
      controller?.abort(error);
    };
    function onAbort() {
      const reason: unknown = options.signal?.reason;
      end(reason instanceof Error ? reason : new Error('aborted', { cause: reason }));
    }
    /** Our own waiting is no stall of theirs. */
    function hold(waitMs: number) {
      if (waitMs <= 0) return;
      controller?.pause();
      clearTimeout(timer);
      timer = setTimeout(() => {
        const moreMs = sink.waitMs();
        if (moreMs > 0) return hold(moreMs);
        stepBytes = 0;
        timer = setTimeout(standsStill, options.stallMs);
        controller?.resume();
      }, waitMs);
    }
    function standsStill() {
      const what = began
        ? `nothing more for ${options.stallMs} ms`
        : `no answer for ${options.firstByteMs} ms`;
      end(sourceFailed(name, 'stalled', what));
    }
    const guard = (act: () => void) => {
      if (over) return;
      try {
        act();
      } catch (error) {
        end(transferError(name, error));
      }
    };

    if (options.signal?.aborted === true) {
      onAbort();
      return;
    }
    options.signal?.addEventListener('abort', onAbort, { once: true });
    pool.dispatch(
      { method: 'GET', path: options.path, headers: options.headers },
      {
        onRequestStart(started) {
          controller = started;
          if (over) started.abort(new Error('ended before it began'));
        },
        onResponseStart(_controller, status, headers) {
          // 103 Early Hints and the like: the answer proper follows.
          if (status < 200) return;
          clearTimeout(timer);
          timer = setTimeout(standsStill, options.stallMs);
          began = true;
          guard(() => sink.head({ status, headers }));
        },
        onResponseData(_controller, piece) {
          stepBytes += piece.length;
          if (stepBytes >= STEP_BYTES) {
            stepBytes = 0;
            timer.refresh();
          }
          guard(() => sink.data(piece));
          if (!over) hold(sink.waitMs());
        },
        onResponseEnd() {
          finish();
        },
        onResponseError(_controller, error) {
          finish(transferError(name, error));
        },
      },
    );
  });
}
