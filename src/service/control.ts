// What administrators told this peer, in force at once and after a restart: pause, priority, limits, images to hold.
import { ControlState } from '../api/site.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Clock, Timers } from '../base/time.ts';
import {
  type Control,
  type ControlChange,
  changed,
  type ImageReference,
  isPaused,
  NOTHING_TOLD,
} from '../swarm/control.ts';
import type { Line } from '../swarm/node-ports.ts';

/** An image that the site shall hold ahead of time. */
export interface ImageWish {
  readonly image: ImageReference;
  /** Copies in the site. */
  readonly replicas: number;
  readonly askedMs: number;
}

export interface Told {
  readonly control: Control;
  readonly wishes: readonly ImageWish[];
}

/** Port: durable when `save` returns; throws when it cannot be. The adapter is `io/control-store`. */
export interface ControlStore {
  load(): Told | undefined;
  save(told: Told): void;
}

export interface ControlService {
  told(): Told;
  /** Durable, then in force, before it returns. Throws PB-REQUEST-INVALID when it would be more than is kept. */
  change(change: ControlChange): Control;
  /** Replaces the wish for the same image. */
  wish(image: ImageReference, replicas: number): ImageWish;
  /** False when nobody wished for it. */
  unwish(image: ImageReference): boolean;
  /** Called with every change, and once at once; returns how to stop. */
  onChange(listener: (told: Told) => void): () => void;
  /** Lines that begin later are paused within a second, too. */
  start(): void;
  stop(): void;
}

export interface ControlServiceOptions {
  readonly store: ControlStore;
  /** Lines of this node at the moment (`SiteNode.lines`). */
  readonly lines: () => readonly Line[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

const RECONCILE_MS = 500;

export function createControl(options: ControlServiceOptions): ControlService {
  const { store, clock, timers, log } = options;
  const listeners = new Set<(told: Told) => void>();
  let told: Told = store.load() ?? { control: NOTHING_TOLD, wishes: [] };
  let cancel: (() => void) | undefined;

  function settle(): void {
    for (const line of options.lines()) {
      const wanted = isPaused(told.control, line.image.title);
      if (wanted === line.state().paused) continue;
      if (wanted) line.pause();
      else line.resume();
    }
  }

  function keep(next: Told): void {
    store.save(next);
    told = next;
    settle();
    for (const listener of listeners) listener(told);
  }

  function again(): void {
    settle();
    cancel = timers.after(RECONCILE_MS, again);
  }

  return {
    told: () => told,
    change(change) {
      const next = changed(told.control, change);
      // What has grown beyond its form could not be read again after a restart.
      const [fault] = ControlState.safeParse(next).error?.issues ?? [];
      if (fault !== undefined)
        throw new PeerbootError('PB-REQUEST-INVALID', `${fault.path.join('.')}: ${fault.message}`);
      keep({ ...told, control: next });
      log.info({ change }, 'control changed');
      return told.control;
    },
    wish(image, replicas) {
      const wish = { image, replicas, askedMs: clock.wallMs() };
      keep({ ...told, wishes: [...told.wishes.filter((one) => one.image !== image), wish] });
      log.info({ image, replicas }, 'image shall be held');
      return wish;
    },
    unwish(image) {
      const wishes = told.wishes.filter((one) => one.image !== image);
      if (wishes.length === told.wishes.length) return false;
      keep({ ...told, wishes });
      log.info({ image }, 'image need not be held any more');
      return true;
    },
    onChange(listener) {
      listeners.add(listener);
      listener(told);
      return () => listeners.delete(listener);
    },
    start: again,
    stop() {
      cancel?.();
      cancel = undefined;
    },
  };
}
