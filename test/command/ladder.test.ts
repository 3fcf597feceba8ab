// What people see of machines, and the stream of events it is drawn from.
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { MachineView } from '../../src/api/machines.ts';
import { age, bar, ladderLines } from '../../src/command/ladder.ts';
import { serverEvents } from '../../src/command/machines.ts';
import { formatBytes, formatTable } from '../../src/command/terminal.ts';

const machine = (fields: Partial<MachineView>): MachineView => ({
  id: 'm1',
  identity: { macs: ['52:54:00:12:34:56'] },
  rung: 'seen',
  reachedMs: {},
  lastSeenMs: 1_000,
  ...fields,
});

const lines = (...machines: MachineView[]) => ladderLines(machines, 6_000).map(stripVTControlCharacters);

describe('the ladder', () => {
  it('shows rung, bar, rate and source of a machine that is imaged', () => {
    const [line] = lines(
      machine({
        rung: 'imaging',
        percent: 43.2,
        bytesPerSecond: 12_300_000,
        image: 'till@2',
        source: 'http://10.77.0.2',
        identity: { macs: ['52:54:00:12:34:56'], product: 'OptiPlex', serial: 'A1' },
      }),
    );
    expect(line).toBe(
      'OptiPlex A1  52:54:00:12:34:56      ●●●●◐○○ imaging  till@2 █████████░░░░░░░░░░░  43 % 12.3 MB/s from http://10.77.0.2 5 s ago',
    );
  });

  it('names the way of its firmware, and the dialect of one that is answered otherwise than its kind', () => {
    const answered = (firmware: string, dialect: 'binl' | 'offered-file') =>
      lines(
        machine({ firmware, chain: 'ipxe', dialect: { dialect, reason: 'remembered', machines: 2 } }),
      )[0]?.split(/ {2,}/)[2];
    expect([
      answered('uefi', 'binl'),
      answered('uefi', 'offered-file'),
      answered('bios', 'binl'),
      answered('bios', 'offered-file'),
    ]).toEqual(['uefi ipxe', 'uefi ipxe offered-file', 'bios ipxe binl', 'bios ipxe']);
  });

  it('says what to do below a failed one', () => {
    const failure = { code: 'PB-DISK-TOO-SMALL', what: 'vda has 1 GB', remedy: 'Fit a larger disk.' };
    expect(lines(machine({ rung: 'failed', failure }))).toEqual([
      'm1  52:54:00:12:34:56      ✖ failed  PB-DISK-TOO-SMALL vda has 1 GB 5 s ago',
      '    → Fit a larger disk.',
    ]);
  });

  it('has a column for verdicts once there is one, and the remedy of a boot that failed', () => {
    const boot = { firmware: 'uefi-x64', evidence: [], wallMs: 0 };
    const [first, second, third] = lines(
      machine({ id: 'new', lastSeenMs: 5_000, boot: { ...boot, verdict: 'no-address', remedy: 'Mend it.' } }),
      machine({ boot: { ...boot, verdict: 'booted', remedy: 'Nothing is wrong.' } }),
    );
    expect([first, second, third]).toEqual([
      'new  52:54:00:12:34:56      ◐○○○○○○ seen  no-address   1 s ago',
      '    → Mend it.',
      'm1   52:54:00:12:34:56      ◐○○○○○○ seen  booted       5 s ago',
    ]);
  });

  it('has the one heard last first, and says so when there is none', () => {
    const [first] = lines(machine({ id: 'old' }), machine({ id: 'new', lastSeenMs: 5_000 }));
    expect(first).toMatch(/^new/);
    expect(lines()).toEqual(['No machine has been heard yet.']);
  });

  it.each([
    [0, '░'.repeat(20)],
    [50, `${'█'.repeat(10)}${'░'.repeat(10)}`],
    [100, '█'.repeat(20)],
    [120, '█'.repeat(20)],
  ])('bar of %d %%', (percent, drawn) => expect(bar(percent)).toBe(drawn));

  it.each([
    [-5, '0 s'],
    [59_000, '59 s'],
    [61_000, '1 min'],
    [7_200_000, '2 h'],
    [200_000_000, '2 d'],
  ])('age of %d ms', (ms, text) => expect(age(ms)).toBe(text));
});

describe('server-sent events', () => {
  async function read(...pieces: string[]) {
    const events: { name: string; data: string }[] = [];
    const bytes = async function* () {
      for (const piece of pieces) yield new TextEncoder().encode(piece);
    };
    for await (const event of serverEvents(bytes())) events.push(event);
    return events;
  }

  it('are joined over pieces; comments and unfinished ones are left out', async () => {
    const events = await read(
      'event: mach',
      'ine\nid: 1\ndata: {"a":',
      '1}\n',
      '\n: still here\n\ndata: x\n\ndata: cut',
    );
    expect(events).toEqual([
      { name: 'machine', data: '{"a":1}' },
      { name: 'message', data: 'x' },
    ]);
  });
});

it('sizes are in decimal units, tables ignore colours', () => {
  expect([999, 1_000, 1_234_567, 250e9].map(formatBytes)).toEqual(['999 B', '1.0 kB', '1.2 MB', '250 GB']);
  expect(
    formatTable([
      ['\u001b[1ma\u001b[22m', 'b'],
      ['ccc', 'd'],
    ]),
  ).toBe('\u001b[1ma\u001b[22m    b\nccc  d');
});
