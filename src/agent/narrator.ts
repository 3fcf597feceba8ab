// Tells the target's story to three listeners: the screen, the serial port and the peer, each at its own pace.
import type { ProgressReport } from '../api/agent.ts';
import type { PeerbootError } from '../base/errors.ts';
import type { MonotonicMs } from '../base/time.ts';
import { Meter } from '../imaging/progress.ts';
import type { ScreenPort } from './ports.ts';
import type { ScreenState, Step } from './screen.ts';

/** What the reports need of an imaging. */
export interface Counts {
  readonly fetchedBytes: number;
  readonly refetchedChunks: number;
  readonly servedBytes: number;
}

export class Narrator {
  state: ScreenState;
  readonly #screen: ScreenPort;
  #meter: Meter | undefined;

  constructor(version: string, screen: ScreenPort) {
    this.#screen = screen;
    this.state = { step: 'network', version };
    screen.show(this.state);
  }

  /** Changes what is known; keys set to undefined are forgotten. */
  tell(change: Partial<ScreenState>): void {
    this.state = { ...this.state, ...change };
    this.#screen.show(this.state);
  }

  /** A new step: what the last one waited for, measured or failed at is over. */
  step(step: Step, change: Partial<ScreenState> = {}): void {
    this.#meter = undefined;
    this.tell({
      step,
      note: undefined,
      approval: undefined,
      failure: undefined,
      progress: undefined,
      feeding: undefined,
      ...change,
    });
  }

  fail(error: PeerbootError): void {
    const { code, message: what, remedy } = error;
    this.step('failed', { failure: { code, what, remedy } });
  }

  /** Starts measuring; `doneBytes` counts up to `totalBytes`. */
  measure(step: 'imaging' | 'verifying', totalBytes: number, now: MonotonicMs): void {
    this.step(step);
    this.#meter = new Meter(totalBytes, now);
    this.progress(0, now);
  }

  progress(doneBytes: number, now: MonotonicMs, change: Partial<ScreenState> = {}): void {
    const meter = this.#meter;
    if (meter === undefined) return;
    meter.update(doneBytes, now);
    this.tell({
      ...change,
      progress: {
        percent: meter.percent(),
        doneBytes,
        totalBytes: meter.totalBytes,
        bytesPerSecond: meter.bytesPerSecond(now),
        secondsLeft: meter.secondsLeft(now),
      },
    });
  }

  /** The state as the peer wants to hear it. */
  report(machine: string, bootId: string, counts: Counts, disk: string | undefined): ProgressReport {
    const { step, progress, source, failure } = this.state;
    return {
      machine,
      bootId,
      rung: RUNG_OF[step],
      doneBytes: progress?.doneBytes ?? 0,
      totalBytes: progress?.totalBytes ?? 0,
      bytesPerSecond: progress?.bytesPerSecond ?? 0,
      ...counts,
      ...(disk === undefined ? {} : { disk }),
      ...(source === undefined ? {} : { source: source.slice(0, 256) }),
      ...(failure === undefined ? {} : { failure: { ...failure, what: failure.what.slice(0, 512) } }),
    };
  }
}

const RUNG_OF: Readonly<Record<Step, ProgressReport['rung']>> = {
  network: 'agent',
  'check-in': 'agent',
  wait: 'agent',
  prepare: 'agent',
  imaging: 'imaging',
  verifying: 'verifying',
  done: 'done',
  leave: 'done',
  failed: 'failed',
};
