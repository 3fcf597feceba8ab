// Turns a line's machine: one event at a time, its actions performed in order, and woken when it asks for it.
import type { Clock, MonotonicMs, Timers } from '../base/time.ts';
import type { LineAction, LineEvent, LineMachine } from '../swarm/line-ports.ts';

export interface LineLoop {
  /** Performing an action may feed further events: they come after it. */
  feed(event: LineEvent): void;
  stop(): void;
}

export function createLineLoop(
  machine: LineMachine,
  clock: Clock,
  timers: Timers,
  perform: (action: LineAction) => void,
): LineLoop {
  const queue: LineEvent[] = [];
  let turning = false;
  let stopped = false;
  let alarm: { readonly atMs: MonotonicMs; cancel(): void } | undefined;

  function turn(): void {
    turning = true;
    try {
      for (let event = queue.shift(); event !== undefined && !stopped; event = queue.shift()) {
        for (const action of machine.step(event, clock.nowMs())) if (!stopped) perform(action);
      }
    } finally {
      turning = false;
    }
    setAlarm();
  }

  /** An alarm that is early enough stays: most events only put it off. */
  function setAlarm(): void {
    const atMs = stopped ? undefined : machine.nextWake();
    if (atMs === undefined || (alarm !== undefined && alarm.atMs <= atMs)) return;
    alarm?.cancel();
    const cancel = timers.after(Math.max(0, Math.ceil(atMs - clock.nowMs())), () => {
      alarm = undefined;
      const dueMs = machine.nextWake();
      if (dueMs !== undefined && dueMs <= clock.nowMs()) feed({ kind: 'wake' });
      else setAlarm();
    });
    alarm = { atMs, cancel };
  }

  function feed(event: LineEvent): void {
    if (stopped) return;
    queue.push(event);
    if (!turning) turn();
  }

  return {
    feed,
    stop() {
      stopped = true;
      queue.length = 0;
      alarm?.cancel();
    },
  };
}
