// A line as a script in time: what happens to one node at a moment, and what it does then, in short words.
import type { Ipv4 } from '../../src/base/addresses.ts';
import { createLine } from '../../src/swarm/line.ts';
import type { LineLimits } from '../../src/swarm/line-core.ts';
import type { FeederMessage, FollowerMessage, Standing } from '../../src/swarm/line-messages.ts';
import type { LineAction, LineEvent, LineMachine, LinePeer, Row } from '../../src/swarm/line-ports.ts';
import type { PeerRef } from '../../src/swarm/site.ts';

export const ROWS = 64;
export const BYTES = 1_000_000;
/** Has all. */
export const FULL = { held: ROWS };

export function refOf(id: string): PeerRef {
  return { id, address: `10.0.0.${(id.codePointAt(0) ?? 0) - 64}` as Ipv4, port: 8068 };
}

export function peer(id: string, change: Partial<LinePeer> = {}): LinePeer {
  return { ...refOf(id), role: 'peer', held: 0, freeUplinkBytesPerSecond: 0, fit: true, ...change };
}

export function standing(change: Partial<Standing> = {}): Standing {
  return { held: ROWS, depth: 0, above: [], rate: 0, ...change };
}

/** One word and what matters: `dial F`, `fetch 3 from F`, `tell B moved C (full)`. */
export function say(action: LineAction): string {
  switch (action.kind) {
    case 'dial':
      return `dial ${action.to.id}`;
    case 'hang-up':
      return `hang up ${action.feeder}`;
    case 'tell-feeder':
      return `tell ${action.feeder} ${ofFollower(action.message)}`;
    case 'fetch':
    case 'cancel':
      return `${action.kind} ${action.row} from ${action.from}`;
    case 'tell-follower':
      return `tell ${action.follower} ${ofFeeder(action.message)}`;
    case 'serve':
    case 'unserve':
      return `${action.kind} ${action.row} to ${action.follower}`;
    case 'drop-follower':
      return `drop ${action.follower}`;
    case 'give-up':
      return `give up ${action.row}: ${action.why}`;
    case 'suspect':
      return `suspect ${action.peer}`;
    case 'note':
      return `note ${action.what}${action.peer === undefined ? '' : ` ${action.peer}`}`;
  }
}

function ofFollower(message: FollowerMessage): string {
  if (message.kind === 'join') return 'join';
  return message.insteadOf === undefined ? 'attach' : `attach instead of ${message.insteadOf}`;
}

function ofFeeder(message: FeederMessage): string {
  switch (message.kind) {
    case 'attached':
    case 'standing':
      return `${message.kind} depth ${message.depth}`;
    case 'moved':
      return `moved ${message.to.id} (${message.why})`;
    case 'refused':
      return `refused ${message.why}`;
    case 'missing':
    case 'have':
      return `${message.kind} ${message.row}`;
    case 'holds':
      return 'holds';
  }
}

const HIDDEN = /^(note|tell \w+ (attach|standing))/;

export interface Script {
  readonly line: LineMachine;
  /** What it does at this moment, without notes and beats. */
  at(ms: number, ...events: LineEvent[]): string[];
  /** All of it. */
  allAt(ms: number, ...events: LineEvent[]): string[];
  /** Lets time pass until `ms`, waking it when it asks for that; `alive` are heard from all the while. */
  until(ms: number, alive?: () => LineEvent[]): string[];
}

export interface Given {
  readonly self?: string;
  readonly role?: 'peer' | 'target';
  readonly held?: (row: Row) => boolean;
  readonly limits?: Partial<LineLimits>;
  readonly make?: typeof createLine;
}

export function script({ self = 'M', role = 'target', held, limits, make = createLine }: Given = {}): Script {
  const setup = { self, role, rows: ROWS, storedBytes: () => BYTES, has: held ?? (() => false) };
  const line = make(setup, { random: { next: () => 0.5 }, ...(limits === undefined ? {} : { limits }) });
  const allAt = (ms: number, ...events: LineEvent[]) =>
    events.flatMap((event) => line.step(event, ms).map(say));
  const shown = (words: string[]) =>
    words.filter((word) => word.includes('instead of') || !HIDDEN.test(word));
  let now = 0;
  return {
    line,
    allAt: (ms, ...events) => {
      now = ms;
      return allAt(ms, ...events);
    },
    at: (ms, ...events) => {
      now = ms;
      return shown(allAt(ms, ...events));
    },
    until: (ms, alive = () => []) => {
      const words: string[] = [];
      for (let steps = 0; steps < 10_000; steps++) {
        const wake = Math.min(line.nextWake() ?? ms, now + 100);
        if (wake >= ms) break;
        now = Math.max(wake, now);
        words.push(...alive().flatMap((event) => allAt(now, event)), ...allAt(now, { kind: 'wake' }));
      }
      now = ms;
      return shown(words);
    },
  };
}

export const want = (...rows: Row[]): LineEvent[] => rows.map((row) => ({ kind: 'want', row }));
export const site = (designated: string | undefined, ...peers: LinePeer[]): LineEvent => ({
  kind: 'site',
  peers,
  designated,
});
export const open = (feeder: string): LineEvent => ({ kind: 'feeder-open', feeder });
export const lost = (feeder: string): LineEvent => ({ kind: 'feeder-lost', feeder, why: 'closed' });
export const says = (feeder: string, message: FeederMessage): LineEvent => ({
  kind: 'feeder-says',
  feeder,
  message,
});
export const attached = (feeder: string, change?: Partial<Standing>): LineEvent =>
  says(feeder, { kind: 'attached', ...standing(change) });
export const stands = (feeder: string, change?: Partial<Standing>): LineEvent =>
  says(feeder, { kind: 'standing', ...standing(change) });
export const moved = (feeder: string, to: string, why: 'full' | 'slow' | 'leaving' = 'full'): LineEvent =>
  says(feeder, { kind: 'moved', to: refOf(to), why });
export const came = (row: Row, from: string): LineEvent => ({ kind: 'arrived', row, from, bytes: BYTES });
export const asks = (follower: string, change: Partial<FollowerMessage> = {}): LineEvent => ({
  kind: 'follower-says',
  follower: refOf(follower),
  message: { kind: 'attach', held: 0, rate: 0, ...change } as FollowerMessage,
});
export const follows = (follower: string, ...rows: Row[]): LineEvent[] =>
  rows.map((row) => ({ kind: 'follower-wants', follower, row }));
export const served = (follower: string, row: Row): LineEvent => ({
  kind: 'served',
  follower,
  row,
  bytes: BYTES,
});

/** A node that follows `feeder`, which has all, and wants rows 0 to 3; then what else happens at once. */
export function following(feeder = 'F', change: Partial<Standing> = {}, ...more: LineEvent[]): Script {
  const it = script();
  const begun = [site(undefined, peer(feeder, FULL)), ...want(0, 1, 2, 3), open(feeder)];
  it.at(0, ...begun, attached(feeder, change), ...more);
  return it;
}
