// Who is who: shared dongles, placeholder UUIDs, swapped bytes and several NICs never make two machines one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineIdentity } from '../../src/api/identity.ts';
import { type Depth, type Facts, type Likeness, likeness } from '../../src/boot/identity.ts';

const U1 = '4c4c4544-0042-3010-8052-b9c04f4e3332';
const U1_SWAPPED = '44454c4c-4200-1030-8052-b9c04f4e3332';
const U2 = 'aaaaaaaa-0042-3010-8052-b9c04f4e3332';
const [A, B, DONGLE] = ['52:54:00:00:00:0a', '52:54:00:00:00:0b', '52:54:00:00:00:dd'];

const facts = (depth: Depth, identity: Partial<MachineIdentity>): Facts => ({ depth, identity });
const hint = (identity: Partial<MachineIdentity>) => facts('hint', identity);
const board = (identity: Partial<MachineIdentity>) => facts('board', identity);
const whole = (identity: Partial<MachineIdentity>) => facts('whole', identity);

const till = { uuid: U1, serial: 'SN-1', manufacturer: 'Acme', product: 'Till' };

const rows: [string, Facts, Facts, Likeness][] = [
  [
    'script and agent of one machine',
    whole({ ...till, macs: [A, B] }),
    board({ ...till, macs: [A] }),
    'same',
  ],
  ['with a dongle', board({ ...till, macs: [DONGLE] }), whole({ ...till, macs: [A] }), 'same'],
  [
    'UUID in the other byte order',
    board({ uuid: U1_SWAPPED, macs: [A] }),
    whole({ uuid: U1, macs: [A] }),
    'same',
  ],
  [
    'serial typed in other letters',
    board({ serial: ' sn 1', macs: [A] }),
    whole({ serial: 'SN-1', macs: [A] }),
    'same',
  ],
  [
    'iPXE without serial, agent with that of the board',
    whole({ uuid: U1, serial: 'BB', boardSerial: 'BB', macs: [A] }),
    board({ uuid: U1, macs: [A] }),
    'same',
  ],
  [
    'a serial that iPXE cut at &',
    whole({ uuid: U1, serial: 'R&D 7', macs: [A] }),
    board({ uuid: U1, serial: 'R', macs: [A] }),
    'same',
  ],
  ['DHCP alone, by MAC', hint({ macs: [A] }), whole({ ...till, macs: [A] }), 'same'],
  [
    'DHCP with a GUID in the place of the MAC',
    hint({ uuid: U1, macs: [] }),
    whole({ ...till, macs: [A] }),
    'same',
  ],
  ['boards without any name', board({ macs: [A] }), whole({ macs: [A, B] }), 'same'],
  [
    'a shared dongle',
    board({ uuid: U2, serial: 'SN-2', macs: [DONGLE] }),
    whole({ ...till, macs: [A, DONGLE] }),
    'other',
  ],
  [
    'a shared dongle, UUIDs by DHCP',
    hint({ uuid: U2, macs: [DONGLE] }),
    whole({ ...till, macs: [DONGLE] }),
    'other',
  ],
  [
    'a shared dongle on a board without a name',
    board({ macs: [DONGLE] }),
    whole({ ...till, macs: [DONGLE] }),
    'doubtful',
  ],
  [
    'one UUID on boards with serials',
    board({ ...till, serial: 'SN-2', macs: [B] }),
    whole({ ...till, macs: [A] }),
    'other',
  ],
  [
    'one UUID and serial, two boards',
    whole({ uuid: U1, serial: '1', boardSerial: 'X1', macs: [B] }),
    whole({ uuid: U1, serial: '1', boardSerial: 'X2', macs: [A] }),
    'other',
  ],
  [
    'one UUID, no serial, other NIC',
    board({ uuid: U1, macs: [B] }),
    whole({ uuid: U1, macs: [A] }),
    'doubtful',
  ],
  [
    'one serial, other NIC',
    board({ serial: 'SN-1', macs: [B] }),
    whole({ serial: 'SN-1', macs: [A] }),
    'doubtful',
  ],
  [
    'one UUID, no serial, a dongle that both had',
    whole({ uuid: U1, macs: [B, DONGLE] }),
    whole({ uuid: U1, macs: [A, DONGLE] }),
    'doubtful',
  ],
  [
    'one UUID, other models',
    board({ uuid: U1, product: 'Kiosk', macs: [A] }),
    whole({ ...till, macs: [A] }),
    'other',
  ],
  ['nothing in common', board({ uuid: U2, macs: [B] }), whole({ ...till, macs: [A] }), 'other'],
];

describe('what was told, against what is known', () => {
  it.each<[string, Facts, Facts, Likeness]>([
    ['two names and no NIC', board(till), board(till), 'same'],
    ['one name, and a hint without a NIC', hint({ uuid: U1 }), board({ uuid: U1, macs: [A] }), 'same'],
    ['one name, and no NIC told by the other', hint({ uuid: U1, macs: [A] }), board({ uuid: U1 }), 'same'],
    ['one name, and no NIC told by either in full', whole({ uuid: U1 }), whole({ uuid: U1 }), 'doubtful'],
    ['nothing at all', hint({}), board({}), 'other'],
    ['no name, and no NIC', whole({}), whole({ macs: [A] }), 'other'],
  ])('%s', (_, told, known, expected) => {
    expect(likeness(told, known)).toBe(expected);
    expect(likeness(known, told)).toBe(expected);
  });

  it.each(rows)('%s', (_, told, known, expected) => {
    expect(likeness(told, known)).toBe(expected);
    expect(likeness(known, told)).toBe(expected);
  });
});

/** A machine as it is: names that its maker gave it, or not; NICs of its own. */
interface Box {
  readonly uuid: string | undefined;
  readonly serial: string | undefined;
  readonly macs: readonly string[];
}

const own = fc.record({
  uuid: fc.constantFrom(undefined, U1, U2),
  serial: fc.constantFrom(undefined, 'S1', 'S2'),
});
/** Two boxes with NICs of their own; either may have been booted by the store's one dongle. */
const boxes = fc.tuple(own, own).map(([a, b]): [Box, Box] => [
  { ...a, macs: [A] },
  { ...b, macs: [B] },
]);
const seen = fc.record({ depth: fc.constantFrom<Depth>('board', 'whole'), dongle: fc.boolean() });

function look({ uuid, serial, macs }: Box, { depth, dongle }: { depth: Depth; dongle: boolean }): Facts {
  const all = depth === 'whole' ? (dongle ? [DONGLE, ...macs] : macs) : dongle ? [DONGLE] : macs;
  return facts(depth, {
    ...(uuid === undefined ? {} : { uuid }),
    ...(serial === undefined ? {} : { serial }),
    macs: [...all],
  });
}

describe('for all boxes', () => {
  it('one that has a UUID and a serial is itself, by whatever NIC it comes', () => {
    fc.assert(
      fc.property(seen, seen, (first, again) => {
        const box: Box = { uuid: U1, serial: 'S1', macs: [A] };
        expect(likeness(look(box, again), look(box, first))).toBe('same');
      }),
    );
  });

  it('two that differ in any name are never the same', () => {
    fc.assert(
      fc.property(boxes, seen, seen, ([a, b], first, second) => {
        fc.pre(a.uuid !== b.uuid || a.serial !== b.serial);
        // A serial that only the agent found may be the board's, which iPXE does not read.
        fc.pre(first.depth === second.depth || (a.serial === undefined) === (b.serial === undefined));
        expect(likeness(look(b, second), look(a, first))).not.toBe('same');
      }),
    );
  });

  it('two of the same name are told apart by agents, and never made one by a common dongle', () => {
    fc.assert(
      fc.property(boxes, fc.boolean(), fc.boolean(), ([a], first, second) => {
        fc.pre(a.uuid === undefined || a.serial === undefined);
        const twin: Box = { ...a, macs: [B] };
        const told = look(twin, { depth: 'whole', dongle: second });
        expect(likeness(told, look(a, { depth: 'whole', dongle: first }))).not.toBe('same');
      }),
    );
  });

  it('it does not matter who was heard first', () => {
    fc.assert(
      fc.property(boxes, seen, seen, ([a, b], first, second) => {
        const [left, right] = [look(a, first), look(b, second)];
        expect(likeness(left, right)).toBe(likeness(right, left));
      }),
    );
  });
});
