// The transfer machine as scripts in time: at this moment this happens, and that is sent.
import { describe, expect, it } from 'vitest';
import type { Agreement } from '../../src/tftp/negotiate.ts';
import type { TftpOption } from '../../src/tftp/packet.ts';
import { Transfer, type TransferAction, type TransferEvent } from '../../src/tftp/transfer.ts';

const ANY_OPTION: readonly TftpOption[] = [['tsize', '0']];
const BLKSIZE = 100;

interface Given extends Partial<Agreement> {
  /** Blocks that carry data; the last one is half full. */
  readonly blocks?: number;
}

function transferOf({ blocks = 3, ...change }: Given = {}): Transfer {
  return new Transfer({
    file: 'snponly.efi',
    sizeBytes: blocks * BLKSIZE - BLKSIZE / 2,
    blksize: BLKSIZE,
    windowsize: 1,
    timeoutMs: undefined,
    options: [],
    ...change,
  });
}

function say(action: TransferAction): string {
  switch (action.kind) {
    case 'send-oack':
      return 'oack';
    case 'send-data':
      return `${action.again ? 'again' : 'data'} ${action.first === action.last ? action.first : `${action.first}-${action.last}`}`;
    case 'send-error':
      return `error ${action.code}`;
    case 'end':
      return Object.values(action.outcome).join(' ');
  }
}

type Row = readonly [atMs: number, event: TransferEvent | number | 'wake' | 'start', sends: string];

/** A number is an acknowledgement. `sends` lists the actions, separated by commas. */
function play(transfer: Transfer, rows: readonly Row[]): void {
  for (const [at, given, sends] of rows) {
    const event: TransferEvent =
      typeof given === 'number'
        ? { kind: 'ack', block: given }
        : typeof given === 'string'
          ? { kind: given }
          : given;
    const actions = transfer.step(event, at).map(say).join(', ');
    expect(`${at} ms ${JSON.stringify(given)}: ${actions}`).toBe(
      `${at} ms ${JSON.stringify(given)}: ${sends}`,
    );
  }
}

describe('without loss', () => {
  it('one block after the other (RFC 1350)', () => {
    play(transferOf(), [
      [0, 'start', 'data 1'],
      [1, 1, 'data 2'],
      [2, 2, 'data 3'],
      [3, 3, 'completed true'],
      [4, 3, ''],
    ]);
  });

  it('a wake-up before the start sends nothing', () => {
    const transfer = transferOf();
    expect(transfer.nextWake()).toBeUndefined();
    play(transfer, [
      [0, 'wake', ''],
      [1, 'start', 'data 1'],
    ]);
  });

  it('OACK first when options were agreed (RFC 2347)', () => {
    play(transferOf({ options: ANY_OPTION }), [
      [0, 'start', 'oack'],
      [1, 0, 'data 1'],
      [2, 1, 'data 2'],
    ]);
  });

  it('windows (RFC 7440)', () => {
    play(transferOf({ options: ANY_OPTION, windowsize: 4, blocks: 6 }), [
      [0, 'start', 'oack'],
      [1, 0, 'data 1-4'],
      [2, 4, 'data 5-6'],
      [3, 6, 'completed true'],
    ]);
  });

  it('a file of whole blocks ends with an empty one, an empty file is one empty block', () => {
    play(transferOf({ sizeBytes: 2 * BLKSIZE }), [
      [0, 'start', 'data 1'],
      [1, 1, 'data 2'],
      [2, 2, 'data 3'],
      [3, 3, 'completed true'],
    ]);
    play(transferOf({ sizeBytes: 0 }), [
      [0, 'start', 'data 1'],
      [1, 1, 'completed true'],
    ]);
  });

  it('block numbers on the wire go from 65535 to 0', () => {
    const transfer = transferOf({ blocks: 65_540, windowsize: 4, options: ANY_OPTION });
    transfer.step({ kind: 'start' }, 0);
    transfer.step({ kind: 'ack', block: 0 }, 0);
    for (let block = 4; block <= 65_532; block += 4) transfer.step({ kind: 'ack', block }, 0);
    play(transfer, [
      [1, 0, 'data 65537-65540'],
      [2, 4, 'completed true'],
    ]);
  });
});

describe('loss', () => {
  it('what was sent is sent again after half a second, then one and two apart', () => {
    const transfer = transferOf({ options: ANY_OPTION });
    play(transfer, [
      [0, 'start', 'oack'],
      [499, 'wake', ''],
      [500, 'wake', 'oack'],
      [1499, 'wake', ''],
      [1500, 'wake', 'oack'],
    ]);
    expect(transfer.nextWake()).toBe(3500);
  });

  it('a client that never answered gets three sends, so that a forged address is hit little', () => {
    play(transferOf({ options: ANY_OPTION }), [
      [0, 'start', 'oack'],
      [500, 'wake', 'oack'],
      [1500, 'wake', 'oack'],
      [3500, 'wake', 'timed-out'],
    ]);
  });

  it('but block 1, which is many times its request, only once for each time that it asks', () => {
    play(transferOf(), [
      [0, 'start', 'data 1'],
      [500, 'wake', ''],
      [900, { kind: 'request-again' }, 'again 1'],
      [2900, 'wake', 'timed-out'],
    ]);
    play(transferOf(), [
      [0, 'start', 'data 1'],
      [500, 'wake', ''],
      [1500, 'wake', ''],
      [3400, 1, 'data 2'],
    ]);
  });

  it('a client that has answered is given up after twenty sends of one window', () => {
    const transfer = transferOf();
    transfer.step({ kind: 'start' }, 0);
    transfer.step({ kind: 'ack', block: 1 }, 10);
    const sends: string[] = [];
    for (let wake = transfer.nextWake(); wake !== undefined; wake = transfer.nextWake())
      sends.push(...transfer.step({ kind: 'wake' }, wake).map(say));
    expect(sends).toEqual([...Array.from({ length: 19 }, () => 'again 2'), 'timed-out']);
  });

  it('the time to wait follows the measured round trip, never below 50 ms', () => {
    const transfer = transferOf({ blocks: 100 });
    transfer.step({ kind: 'start' }, 0);
    for (let block = 1; block <= 20; block++) transfer.step({ kind: 'ack', block }, block * 200);
    expect(transfer.nextWake()).toBeGreaterThan(4000 + 200);
    expect(transfer.nextWake()).toBeLessThan(4000 + 300);
    for (let block = 21; block <= 80; block++) transfer.step({ kind: 'ack', block }, 4000 + block);
    expect(transfer.nextWake()).toBe(4080 + 50);
  });

  it('what was sent twice measures nothing (Karn)', () => {
    const transfer = transferOf({ blocks: 9, options: ANY_OPTION });
    play(transfer, [
      [0, 'start', 'oack'],
      [500, 'wake', 'oack'],
      [501, 0, 'data 1'],
    ]);
    expect(transfer.nextWake()).toBe(501 + 500);
  });

  it('a client’s own timer is never taken for the round trip for good', () => {
    const transfer = transferOf({ blocks: 9 });
    play(transfer, [
      [0, 'start', 'data 1'],
      [499, 1, 'data 2'],
    ]);
    expect(transfer.nextWake()).toBe(499 + 500);
  });

  it('resuming behind a gap is measured, so that a lossy link does not keep the first, long time', () => {
    const transfer = transferOf({ options: ANY_OPTION, windowsize: 4, blocks: 99 });
    play(transfer, [
      [0, 'start', 'oack'],
      [500, 'wake', 'oack'],
      [501, 0, 'data 1-4'],
    ]);
    expect(transfer.nextWake()).toBe(501 + 500);
    play(transfer, [
      [502, 2, 'again 3-6'],
      [503, 4, 'again 5-8'],
    ]);
    expect(transfer.nextWake()).toBe(503 + 50);
  });

  it('the timeout that the client asked for is the longest step (RFC 2349)', () => {
    const transfer = transferOf({ options: [['timeout', '1']], timeoutMs: 1000 });
    play(transfer, [
      [0, 'start', 'oack'],
      [500, 'wake', 'oack'],
      [1500, 'wake', 'oack'],
    ]);
    expect(transfer.nextWake()).toBe(2500);
  });

  it('a loss inside a window: an early acknowledgement resumes right behind it', () => {
    play(transferOf({ options: ANY_OPTION, windowsize: 4, blocks: 10 }), [
      [0, 'start', 'oack'],
      [1, 0, 'data 1-4'],
      [2, 2, 'again 3-6'],
      [3, 6, 'data 7-10'],
    ]);
  });

  it('a lost window is sent again as a whole', () => {
    const transfer = transferOf({ options: ANY_OPTION, windowsize: 4, blocks: 10 });
    play(transfer, [
      [0, 'start', 'oack'],
      [1, 0, 'data 1-4'],
      [2, 4, 'data 5-8'],
      [60, 'wake', 'again 5-8'],
    ]);
  });
});

describe('repetitions', () => {
  it('a repeated acknowledgement sends nothing (Sorcerer’s Apprentice)', () => {
    play(transferOf({ blocks: 5 }), [
      [0, 'start', 'data 1'],
      [1, 1, 'data 2'],
      [2, 1, ''],
      [3, 1, ''],
      [4, 2, 'data 3'],
      [5, 1, ''],
    ]);
  });

  it('nor does it put off the time to send again', () => {
    const transfer = transferOf({ blocks: 5 });
    transfer.step({ kind: 'start' }, 0);
    transfer.step({ kind: 'ack', block: 1 }, 1);
    const before = transfer.nextWake();
    transfer.step({ kind: 'ack', block: 1 }, 40);
    expect(transfer.nextWake()).toBe(before);
  });

  it('repeated acknowledgements of a window’s start, as a client sends for every block after a gap', () => {
    play(transferOf({ options: ANY_OPTION, windowsize: 4, blocks: 10 }), [
      [0, 'start', 'oack'],
      [1, 0, 'data 1-4'],
      [2, 1, 'again 2-5'],
      [3, 1, ''],
      [4, 1, ''],
      [5, 5, 'data 6-9'],
    ]);
  });

  it('an acknowledgement of a block never sent is ignored', () => {
    play(transferOf({ blocks: 5 }), [
      [0, 'start', 'data 1'],
      [1, 2, ''],
      [2, 65_535, ''],
      [3, 1, 'data 2'],
    ]);
  });

  it('a repeated request repeats the first answer, but only while the client has not answered', () => {
    play(transferOf({ options: ANY_OPTION }), [
      [0, 'start', 'oack'],
      [100, { kind: 'request-again' }, 'oack'],
      [101, 0, 'data 1'],
      [102, { kind: 'request-again' }, ''],
    ]);
  });

  it('repeated requests count as tries', () => {
    const transfer = transferOf();
    transfer.step({ kind: 'start' }, 0);
    const answers = Array.from({ length: 10 }, () => transfer.step({ kind: 'request-again' }, 1).length);
    expect(answers).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('ends', () => {
  it.each([8, 0])('error %i after the OACK is a size probe', (code) => {
    play(transferOf({ options: ANY_OPTION }), [
      [0, 'start', 'oack'],
      [1, { kind: 'error', code, message: 'User aborted the transfer' }, 'probed'],
    ]);
  });

  it('EDK2 aborts after the first block as well', () => {
    play(transferOf({ options: ANY_OPTION }), [
      [0, 'start', 'oack'],
      [1, 0, 'data 1'],
      [2, { kind: 'error', code: 8, message: '' }, 'probed'],
    ]);
  });

  it('an error in the middle is an abort and is never answered', () => {
    play(transferOf({ options: ANY_OPTION }), [
      [0, 'start', 'oack'],
      [1, 0, 'data 1'],
      [2, 1, 'data 2'],
      [3, { kind: 'error', code: 3, message: 'disk full' }, 'aborted 3 disk full'],
      [4, { kind: 'error', code: 3, message: 'disk full' }, ''],
      [5, 2, ''],
      [9999, 'wake', ''],
    ]);
  });

  it('a closed port ends it: complete when all was sent, else gone', () => {
    play(transferOf({ blocks: 2 }), [
      [0, 'start', 'data 1'],
      [1, 1, 'data 2'],
      [2, { kind: 'unreachable' }, 'completed false'],
    ]);
    play(transferOf({ blocks: 3 }), [
      [0, 'start', 'data 1'],
      [1, 1, 'data 2'],
      [2, { kind: 'unreachable' }, 'gone'],
    ]);
    play(transferOf({ blocks: 1 }), [
      [0, 'start', 'data 1'],
      [1, { kind: 'unreachable' }, 'gone'],
    ]);
  });

  it('giving up tells the client', () => {
    play(transferOf(), [
      [0, 'start', 'data 1'],
      [1, { kind: 'give-up', why: 'server stops' }, 'error 0, gave-up server stops'],
    ]);
  });

  it('an ended transfer never wakes', () => {
    const transfer = transferOf({ blocks: 1 });
    expect(transfer.nextWake()).toBeUndefined();
    transfer.step({ kind: 'start' }, 0);
    transfer.step({ kind: 'ack', block: 1 }, 1);
    expect(transfer.nextWake()).toBeUndefined();
  });
});
