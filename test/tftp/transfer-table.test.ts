// The transfer machine as one table: every state, every kind of event, and what is sent. The types keep it complete.
import { describe, expect, it } from 'vitest';
import { Transfer, type TransferAction, type TransferEvent } from '../../src/tftp/transfer.ts';

type Kind = TransferEvent['kind'];
const EVENTS: Readonly<{ [K in Kind]: Extract<TransferEvent, { kind: K }> }> = {
  start: { kind: 'start' },
  ack: { kind: 'ack', block: 1 },
  error: { kind: 'error', code: 8, message: 'no' },
  'request-again': { kind: 'request-again' },
  unreachable: { kind: 'unreachable' },
  'give-up': { kind: 'give-up', why: 'stopped' },
  wake: { kind: 'wake' },
};

/** How each state is reached: the events before it, in the same millisecond. */
type State = 'new' | 'offering' | 'first block sent' | 'last block sent' | 'ended';
const REACHED: Readonly<Record<State, readonly TransferEvent[]>> = {
  new: [],
  offering: [EVENTS.start],
  'first block sent': [EVENTS.start, { kind: 'ack', block: 0 }],
  'last block sent': [EVENTS.start, { kind: 'ack', block: 0 }, EVENTS.ack],
  ended: [EVENTS.start, EVENTS.unreachable],
};

/** A dash: nothing. `wake` comes when it is due, or after a second where nothing is. */
const TABLE: Readonly<Record<State, Readonly<Record<Kind, string>>>> = {
  new: {
    start: 'oack',
    ack: '-',
    error: 'end probed',
    'request-again': '-',
    unreachable: 'end gone',
    'give-up': 'error 0, end gave-up',
    wake: '-',
  },
  offering: {
    start: 'our bug',
    ack: '-',
    error: 'end probed',
    'request-again': 'oack',
    unreachable: 'end gone',
    'give-up': 'error 0, end gave-up',
    wake: 'oack',
  },
  'first block sent': {
    start: 'our bug',
    ack: 'data 2',
    error: 'end probed',
    'request-again': '-',
    unreachable: 'end gone',
    'give-up': 'error 0, end gave-up',
    wake: 'again 1',
  },
  'last block sent': {
    start: 'our bug',
    ack: '-',
    error: 'end aborted',
    'request-again': '-',
    unreachable: 'end completed',
    'give-up': 'error 0, end gave-up',
    wake: 'again 2',
  },
  ended: {
    start: '-',
    ack: '-',
    error: '-',
    'request-again': '-',
    unreachable: '-',
    'give-up': '-',
    wake: '-',
  },
};

function say(action: TransferAction): string {
  switch (action.kind) {
    case 'send-oack':
      return 'oack';
    case 'send-data':
      return `${action.again ? 'again' : 'data'} ${action.first}`;
    case 'send-error':
      return `error ${action.code}`;
    case 'end':
      return `end ${action.outcome.kind}`;
  }
}

describe.each(Object.entries(TABLE) as [State, Record<Kind, string>][])('%s', (state, row) => {
  it.each(Object.entries(row) as [Kind, string][])('%s: %s', (kind, expected) => {
    const transfer = new Transfer({
      ...{ file: 'snponly.efi', sizeBytes: 150, blksize: 100, windowsize: 1 },
      ...{ timeoutMs: undefined, options: [['tsize', '150']] },
    });
    for (const event of REACHED[state]) transfer.step(event, 0);
    const step = () => transfer.step(EVENTS[kind], kind === 'wake' ? (transfer.nextWake() ?? 1000) : 1);
    if (expected === 'our bug') expect(step).toThrow('assertion failed');
    else expect(step().map(say).join(', ') || '-').toBe(expected);
    const running = state !== 'ended' && !expected.includes('end ') && !(state === 'new' && kind !== 'start');
    expect(transfer.nextWake() !== undefined).toBe(running);
  });
});
