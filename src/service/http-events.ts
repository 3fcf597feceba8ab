// Server-sent events: every machine as it stands, then each change, to a bounded number of watchers.
import type { FastifyReply } from 'fastify';
import type { MachineView } from '../api/machines.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Timers } from '../base/time.ts';
import type { Machines } from './machines.ts';

const MOST_WATCHERS = 32;
/** A comment now and then: proxies and the idle limit keep the line open, and a dead watcher is noticed. */
const HEARTBEAT_MS = 15_000;
/** A watcher that has not read so much is cut off; when it comes back it gets everything anew. */
const MOST_UNREAD_BYTES = 1024 * 1024;

/** Events are called `machine`, their data is a MachineView as JSON. */
export function streamMachines(machines: Machines, timers: Timers): (reply: FastifyReply) => FastifyReply {
  let watchers = 0;
  return (reply) => {
    if (watchers >= MOST_WATCHERS) {
      throw new PeerbootError('PB-HTTP-BUSY', `${MOST_WATCHERS} already watch the machines`);
    }
    watchers++;
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    const send = (text: string) => {
      if (raw.writableLength > MOST_UNREAD_BYTES) raw.destroy();
      else raw.write(text);
    };
    const sendMachine = (machine: MachineView) =>
      send(`event: machine\nid: ${machine.id}\ndata: ${JSON.stringify(machine)}\n\n`);
    let cancel = () => {};
    const beat = () => {
      machines.sweep();
      send(': still here\n\n');
      cancel = timers.after(HEARTBEAT_MS, beat);
    };
    const unsubscribe = machines.subscribe(sendMachine);
    raw.on('close', () => {
      watchers--;
      cancel();
      unsubscribe();
    });
    for (const machine of machines.list().reverse()) sendMachine(machine);
    beat();
    return reply;
  };
}
