// What a technician sees: golden pictures, the lines on the serial port, and properties of every picture.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { paint } from '../../src/agent/paint.ts';
import { renderScreen, type ScreenState, serialLine, toneOf, VGA_TEXT } from '../../src/agent/screen.ts';

const GOLDENS = fileURLToPath(new URL('../fixtures/screens/', import.meta.url));
const MIB = 2 ** 20;

const machine = {
  version: '0.1.0',
  site: 'Store 12, Lisbon',
  peer: 'http://10.77.0.2:8067',
  machine: 'till-7',
  product: 'Contoso POS 300',
  serial: 'C0FFEE42',
  mac: '52:54:00:12:34:56',
  address: '10.77.0.104/24 on eth0',
};
const target = { ...machine, image: 'debian-12 1', disk: 'sda (Kingston A400, 223.6 GiB)' };
const source = 'http://10.77.0.2:8067/content';

const states: Readonly<Record<string, ScreenState>> = {
  network: {
    step: 'network',
    version: '0.1.0',
    peer: machine.peer,
    product: machine.product,
    mac: machine.mac,
  },
  'no-cable': {
    step: 'network',
    version: '0.1.0',
    peer: machine.peer,
    mac: machine.mac,
    note: 'PB-NETWORK-DOWN: no cable, or no link at its other end',
  },
  waiting: {
    ...machine,
    step: 'wait',
    note: 'debian-12 is assigned to it, but this peer has no such image yet',
  },
  approval: {
    ...machine,
    step: 'wait',
    note: 'no image is assigned to it; it waits to be approved',
    approval: { code: 'BCDFGHJK', page: 'http://10.77.0.2:8067/approve' },
  },
  imaging: {
    ...target,
    step: 'imaging',
    source,
    progress: {
      percent: 43,
      doneBytes: 162 * MIB,
      totalBytes: 377 * MIB,
      bytesPerSecond: 12_340_000,
      secondsLeft: 19,
    },
  },
  'peer-gone': {
    ...target,
    step: 'imaging',
    source,
    note: 'PB-SOURCE-FAILED: http://10.77.0.2:8067/content: connection refused',
    progress: { percent: 43, doneBytes: 162 * MIB, totalBytes: 377 * MIB, bytesPerSecond: 0 },
  },
  verifying: {
    ...target,
    step: 'verifying',
    progress: {
      percent: 100,
      doneBytes: 512 * MIB,
      totalBytes: 512 * MIB,
      bytesPerSecond: 180_000_000,
      secondsLeft: 0,
    },
  },
  done: { ...target, step: 'done' },
  leave: { ...target, step: 'leave' },
  failed: {
    ...target,
    disk: undefined,
    step: 'failed',
    failure: {
      code: 'PB-DISK-NOT-BLANK',
      what: 'sda holds a gpt table with sda1 vfat, sda2 ntfs "Windows", sda3 ntfs "Recovery"',
      remedy:
        'If the data may go, assign the image again with `--allow-non-blank`; the target goes on by itself.',
    },
  },
};

describe.each(Object.entries(states))('%s', (name, state) => {
  it('looks as drawn (PEERBOOT_UPDATE_GOLDENS=1 draws anew)', () => {
    const picture = `${[...renderScreen(state).map((line) => line.trimEnd()), '', toneOf(state), serialLine(state).line].join('\n')}\n`;
    const path = join(GOLDENS, `${name}.txt`);
    if (process.env.PEERBOOT_UPDATE_GOLDENS === '1') writeFileSync(path, picture);
    expect(picture).toBe(readFileSync(path, 'utf8'));
  });
});

it('fills a large console, with larger letters', () => {
  const lines = renderScreen(states.imaging as ScreenState, { columns: 240, rows: 67 });
  expect(lines.length).toBe(67);
  expect(lines.every((line) => line.length === 240)).toBe(true);
  expect(lines.filter((line) => line.includes('████████')).length).toBeGreaterThan(10);
});

const text = fc.option(fc.string({ unit: 'binary', maxLength: 200 }), { nil: undefined });
const anyState = fc.record({
  step: fc.constantFrom(
    ...([
      'network',
      'check-in',
      'wait',
      'prepare',
      'imaging',
      'verifying',
      'done',
      'leave',
      'failed',
    ] as const),
  ),
  version: fc.string({ maxLength: 12 }),
  site: text,
  product: text,
  image: text,
  disk: text,
  note: text,
  failure: fc.option(
    fc.record({
      code: fc.string(),
      what: fc.string({ unit: 'binary', maxLength: 600 }),
      remedy: fc.string({ maxLength: 600 }),
    }),
    { nil: undefined },
  ),
});

it('any text from outside, however long or strange, leaves a picture of the right size without control codes', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const lines = renderScreen(state);
      expect(lines.length).toBe(VGA_TEXT.rows);
      for (const line of lines) {
        expect(line).toHaveLength(VGA_TEXT.columns);
        expect(line).toMatch(/^[\x20-\x7e█░─√■·]*$/);
      }
      expect(serialLine(state).line).toMatch(/^[\x20-\x7e]*$/);
    }),
  );
});

it('says whom it feeds, on the screen and on the line, without making a new topic of it', () => {
  const progress = { percent: 43, doneBytes: 43, totalBytes: 100, bytesPerSecond: 12_300_000 };
  const alone: ScreenState = { step: 'imaging', version: '1', progress };
  const one = { ...alone, feeding: { peers: 1, bytesPerSecond: 11_040_000 } };
  expect(serialLine(one).line).toBe('peerboot: imaging 43% 12.3 MB/s feeding 1 peer 11.0 MB/s');
  expect(serialLine(one).topic).toBe(serialLine(alone).topic);
  expect(renderScreen(one).some((line) => /Feeding +1 peer 11.0 MB\/s/.test(line))).toBe(true);
  expect(renderScreen(alone).some((line) => line.includes('Feeding'))).toBe(false);
  const idle = { step: 'done', version: '1', feeding: { peers: 2, bytesPerSecond: 0 } } as const;
  expect(serialLine(idle).line).toMatch(/^peerboot: done .* feeding 2 peers 0.0 MB\/s$/);
});

it('draws again only the lines that changed', () => {
  const before = { lines: ['a', 'b', 'c'], tone: 'work' as const };
  expect(paint(['a', 'B', 'c'], 'work', before)).toBe('\u001b[2;1H\u001b[0;1;37;44mB');
  expect(paint(['a', 'b', 'c'], 'work', before)).toBe('');
  expect(paint(['a', 'b', 'c'], 'failed', before).match(/\[0;1;37;41m/g)).toHaveLength(2);
});
