// What boot hosts remember of firmwares: kept over a restart, told to each other, forgotten by order, and shown with machines.
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import type { MachineEvent } from '../../src/boot/progress.ts';
import { OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { chainedMachines, chainsOf } from '../../src/service/chained-machines.ts';
import {
  createFirmwareMemory,
  type FirmwareMemory,
  type KeptFirmware,
} from '../../src/service/firmware-memory.ts';
import { clientPacket } from '../support/dhcp-packets.ts';
import { type Logbook, logbook } from '../support/logbook.ts';
import { checkIn, registry } from './peer.ts';

const MAC = '52:54:00:77:00:01' as Mac;
const ADDRESS = '10.77.0.100';
const UEFI = { dialect: 'binl', patience: 0 } as const;
const HOSTS = [
  { id: 'a', address: '10.77.0.3' as never, httpPort: 8067 },
  { id: 'b', address: '10.77.0.4' as never, httpPort: 8067 },
];

interface World {
  readonly memory: FirmwareMemory;
  readonly log: Logbook;
  readonly saved: KeptFirmware[];
  /** Lets this much time pass. */
  pass(ms: number): void;
}

function world(
  options: {
    kept?: KeptFirmware;
    answers?: (host: string) => unknown;
    diskIsFull?: boolean;
    wallMs?: number;
    hosts?: () => typeof HOSTS;
  } = {},
): World {
  let now = 0;
  let timers: { at: number; wake: () => void }[] = [];
  const saved: KeptFirmware[] = [];
  const log = logbook();
  const memory = createFirmwareMemory({
    store: {
      load: () => options.kept ?? { dialects: [], secureBoot: [] },
      save(kept) {
        if (options.diskIsFull === true) throw new Error('no space left');
        saved.push(kept);
      },
    },
    hosts: options.hosts ?? (() => (options.answers === undefined ? [] : HOSTS)),
    ask: async ({ id }) => options.answers?.(id),
    clock: { nowMs: () => now, wallMs: () => (options.wallMs ?? 1_000_000) + now },
    timers: {
      after(ms, wake) {
        const timer = { at: now + ms, wake };
        timers.push(timer);
        return () => {
          timers = timers.filter((one) => one !== timer);
        };
      },
    },
    log,
  });
  const pass = (ms: number) => {
    now += ms;
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { wake } of due) wake();
  };
  return { memory, log, saved, pass };
}

/** The machine refuses the first dialect, takes the other one, and its firmware refuses what it has fetched. */
function learn({ memory, pass }: World): void {
  const ask = () => memory.asked({ mac: MAC, xid: 1, fingerprint: 'uefi-x64-1', rule: UEFI });
  for (const _ of [0, 1]) {
    memory.gaveDialect(MAC, ask().dialect);
    pass(4_000);
  }
  const dhcp: MachineEvent = { kind: 'dhcp', mac: MAC, address: ADDRESS as never };
  memory.observe(dhcp);
  memory.gaveFile(MAC, { chain: 'ipxe', name: 'snponly.efi' });
  memory.heard({ kind: 'chose', mac: MAC, address: ADDRESS });
  memory.heard({ kind: 'fetches', address: ADDRESS });
  memory.observe({ kind: 'file', address: ADDRESS, name: 'snponly.efi', via: 'tftp' });
  memory.firmwareAsks(MAC);
}

describe('what was learnt', () => {
  it('is kept a moment later, all of it at once, and holds after a restart', () => {
    const before = world();
    learn(before);
    expect(before.saved.length).toBe(0);
    before.pass(1_000);
    expect(before.saved.length).toBe(1);
    const [kept] = before.saved;
    expect(kept?.dialects).toMatchObject([
      { fingerprint: 'uefi-x64-1', dialect: 'offered-file', machines: 1 },
    ]);
    expect(kept?.secureBoot).toMatchObject([{ mac: MAC, enforced: true }]);
    const { memory, pass, saved } = world({ kept: kept as KeptFirmware });
    expect(memory.enforcesSecureBoot(MAC)).toBe(true);
    expect(memory.asked({ mac: MAC, xid: 9, fingerprint: 'uefi-x64-1', rule: UEFI })).toEqual({
      dialect: 'offered-file',
      reason: 'remembered',
      machines: 1,
    });
    expect(memory.dialectOf(['52:54:00:00:00:00', MAC])?.reason).toBe('remembered');
    pass(5_000);
    memory.stop();
    expect(saved).toEqual([]);
  });

  it('is kept when the peer stops, even if that moment has not come', () => {
    const one = world();
    learn(one);
    one.memory.stop();
    expect(one.saved.length).toBe(1);
  });

  it('holds in memory when the disk is full, and that is told', () => {
    const one = world({ diskIsFull: true });
    learn(one);
    one.pass(1_000);
    expect(one.memory.enforcesSecureBoot(MAC)).toBe(true);
    expect(one.log.lines.filter(({ level }) => level === 'error').length).toBe(1);
  });

  it('is told with its age, since clocks differ; what is later holds, and nothing comes back', async () => {
    const teller = world({ wallMs: 50_000_000 });
    learn(teller);
    teller.pass(3_000);
    const hearer = world({
      answers: (id) => (id === 'a' ? teller.memory.facts() : undefined),
      wallMs: 9_000,
    });
    hearer.memory.start();
    await Promise.resolve();
    await hearer.memory.sync();
    expect(hearer.memory.enforcesSecureBoot(MAC)).toBe(true);
    expect(hearer.memory.facts().dialects).toEqual(teller.memory.facts().dialects);
    expect(hearer.log.lines.map(({ message }) => message)).toEqual([
      'learnt of firmwares from another boot host',
    ]);
    expect(hearer.memory.forget(MAC.toUpperCase())).toBe(1);
    expect(hearer.memory.forget('uefi-x64-1')).toBe(1);
    await hearer.memory.sync();
    expect(hearer.memory.enforcesSecureBoot(MAC)).toBe(false);
    expect(hearer.memory.facts().dialects).toMatchObject([{ dialect: null }]);
    expect(hearer.memory.forget(undefined)).toBe(0);
    hearer.memory.stop();
  });

  it('nonsense and broken connections teach nothing', async () => {
    const { memory, log } = world({
      answers(id) {
        if (id === 'a') throw new Error('connection reset');
        return {
          dialects: [{ fingerprint: 'no such letters: <script>', dialect: 'binl', machines: 1, ageMs: 0 }],
        };
      },
    });
    await memory.sync();
    expect(memory.facts()).toEqual({ dialects: [], secureBoot: [] });
    expect(log.lines.map(({ level }) => level)).toEqual(['debug']);
  });
});

it('machines are shown with the way that their firmware was given, in which words and why', () => {
  const one = world();
  const { machines, assignments } = registry();
  const shown = chainedMachines(machines, one.memory);
  const unknown = shown.observe({ kind: 'dhcp', mac: '52:54:00:77:00:09' as Mac });
  expect([unknown?.chain, unknown?.dialect]).toEqual([undefined, undefined]);
  learn({ ...one, memory: { ...one.memory, observe: (event) => void shown.observe(event) } });
  const expected = { chain: 'ipxe', dialect: { dialect: 'offered-file', reason: 'retry', machines: 0 } };
  const told: unknown[] = [];
  shown.subscribe((machine) => told.push(machine));
  shown.observe({ kind: 'dhcp', mac: MAC });
  const ports = chainsOf(machines, one.memory);
  const listed = shown.list().find(({ identity }) => identity.macs.includes(MAC));
  for (const view of [listed, shown.find(MAC), told[0]]) expect(view).toMatchObject(expected);
  expect(shown.find('nobody')).toBeUndefined();
  expect([ports.facts(MAC), ports.facts(undefined)]).toEqual([{ secureBoot: true }, { secureBoot: false }]);
  assignments.putList([], [{ machine: MAC, tags: ['tills'] }]);
  expect(ports.facts(MAC)).toEqual({ secureBoot: true, tags: ['tills'] });
  expect(shown.checkIn(ADDRESS, checkIn({ macs: [MAC], secureBoot: true })).machine).toMatchObject(expected);
});

it('asks the other boot hosts every ten seconds, until it is stopped', async () => {
  const asked: string[] = [];
  const { memory, pass } = world({ answers: (id) => void asked.push(id) });
  memory.start();
  for (const count of [2, 4, 6]) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked.length).toBe(count);
    pass(10_000);
  }
  await new Promise((resolve) => setImmediate(resolve));
  memory.stop();
  pass(60_000);
  expect(asked.length).toBe(8);
});

it('who has just started looks every second for boot hosts that may know something', async () => {
  const hosts: (typeof HOSTS)[number][] = [];
  const asked: string[] = [];
  const { memory, pass } = world({ answers: (id) => void asked.push(id), hosts: () => hosts });
  memory.start();
  await new Promise((resolve) => setImmediate(resolve));
  hosts.push(...HOSTS);
  pass(1_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toEqual(['a', 'b']);
  memory.stop();
  // Stopped while it asks: it does not begin again.
  memory.start();
  memory.stop();
  await new Promise((resolve) => setImmediate(resolve));
  pass(60_000);
  expect(asked.length).toBe(4);
});

it('an address that a DHCP server offered is taken from its answer; nothing else of what servers say is', () => {
  const choices = [
    { type: 'OFFER', yiaddr: '10.77.0.100' },
    { type: 'OFFER', yiaddr: '0.0.0.0' },
    { type: 'ACK', yiaddr: '10.77.0.100' },
    { type: 'OFFER', yiaddr: '10.77.0.100', chaddr: new Uint8Array(16) },
  ].map(({ type, ...fields }) => {
    const { memory, pass } = world();
    const ask = () =>
      memory.asked({
        mac: MAC,
        xid: 7,
        fingerprint: 'bios-1',
        rule: { dialect: 'offered-file', patience: 1 },
      });
    memory.gaveDialect(MAC, ask().dialect);
    const packet = clientPacket({ number: 1, fields: { xid: 7, ...fields } as never });
    memory.heardReply({ ...packet, options: new Map([optionEntry(OPTIONS.messageType, type as 'OFFER')]) });
    pass(4_000);
    return ask().reason;
  });
  expect(choices).toEqual(['retry', 'rule', 'rule', 'rule']);
});
