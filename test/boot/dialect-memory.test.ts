// Which dialect a machine is answered in, as scripts in time: retries, copies, refusals, failures, and what is learnt of them.
import { describe, expect, it } from 'vitest';
import type { Mac } from '../../src/base/addresses.ts';
import {
  type DialectFactHeard,
  DialectMemory,
  describeDialect,
  otherDialect,
} from '../../src/boot/dialect-memory.ts';
import { DialectRows } from '../../src/boot/dialect-rows.ts';
import type { Dialect, DialectRule } from '../../src/boot/quirks.ts';

const MAC = '52:54:00:77:00:01' as Mac;
const OTHER = '52:54:00:77:00:02' as Mac;
const ADDRESS = '10.77.0.100';
const UEFI: DialectRule = { dialect: 'binl', patience: 0 };
const BIOS: DialectRule = { dialect: 'offered-file', patience: 1 };

/** One boot host and its clock in seconds. */
class Host {
  readonly memory = new DialectMemory();
  s = 0;

  /** A DISCOVER at this second, answered: `binl retry`. */
  asks(
    s: number,
    options: { mac?: Mac; xid?: number; make?: string; rule?: DialectRule; silent?: boolean } = {},
  ) {
    this.s = s;
    const { mac = MAC, xid = 1, make = 'make', rule = UEFI, silent = false } = options;
    const choice = this.memory.asked({ mac, xid, fingerprint: make, rule }, s * 1000, s * 1000);
    if (!silent) this.memory.gave(mac, choice.dialect);
    return `${choice.dialect} ${choice.reason}`;
  }

  hears(...facts: DialectFactHeard[]): this {
    for (const fact of facts) this.memory.heard(fact, this.s * 1000);
    return this;
  }

  row(make = 'make') {
    const row = this.memory.rows.of(make);
    return row === undefined ? undefined : `${row.dialect} ${row.machines}`;
  }
}

const offered = (mac = MAC, xid = 1): DialectFactHeard => ({ kind: 'address-offered', mac, xid });
const chose = (mac = MAC): DialectFactHeard => ({ kind: 'chose', mac, address: ADDRESS });
const asked4011 = (mac = MAC): DialectFactHeard => ({ kind: 'asked-4011', mac, address: ADDRESS });
const fetches: DialectFactHeard = { kind: 'fetches', address: ADDRESS };
const choseUntold: DialectFactHeard = { kind: 'chose', mac: MAC, address: undefined };
const runs: DialectFactHeard = { kind: 'runs', mac: MAC };

describe('within one attempt', () => {
  it('UEFI is answered in the other dialect at once, and then in turn', () => {
    const host = new Host();
    expect([0, 4, 12, 28].map((s) => host.asks(s))).toEqual([
      'binl rule',
      'offered-file retry',
      'binl retry',
      'offered-file retry',
    ]);
  });

  it('a BIOS ROM is told the same once more, for it may only wait for an address', () => {
    const host = new Host();
    expect([0, 4, 12, 28].map((s) => host.asks(s, { rule: BIOS }))).toEqual([
      'offered-file rule',
      'offered-file rule',
      'binl retry',
      'offered-file retry',
    ]);
  });

  it('but not when an address was offered: then it is our offer that it refuses', () => {
    const host = new Host();
    host.asks(0, { rule: BIOS });
    host.hears(offered());
    expect(host.asks(4, { rule: BIOS })).toBe('binl retry');
  });

  it('an address that was offered in another transaction, or while another boot host answered, proves nothing', () => {
    const host = new Host();
    host.asks(0, { rule: BIOS });
    host.hears(offered(MAC, 2));
    expect(host.asks(4, { rule: BIOS })).toBe('offered-file rule');
    const silent = new Host();
    silent.asks(0, { rule: BIOS, silent: true });
    silent.hears(offered());
    expect(silent.asks(4, { rule: BIOS })).toBe('offered-file rule');
  });

  it('a copy of the packet gets what the packet got', () => {
    const host = new Host();
    host.asks(0);
    expect(host.asks(0.4)).toBe('binl rule');
    expect(host.asks(4)).toBe('offered-file retry');
    expect(host.asks(4.2)).toBe('offered-file retry');
  });

  it('who has gone on and comes back with the same transaction had its address withdrawn: its offers are still good', () => {
    const host = new Host();
    host.asks(0);
    host.hears(choseUntold);
    expect(host.asks(5)).toBe('binl rule');
  });

  it('the same transaction later than any retry is another attempt', () => {
    const host = new Host();
    host.asks(0);
    expect(host.asks(4)).toBe('offered-file retry');
    expect(host.asks(60)).toBe('binl rule');
  });
});

describe('what is learnt', () => {
  it('a request for our file proves the dialect that was taken', () => {
    const host = new Host();
    host.asks(0);
    host.asks(4);
    host.hears(chose(), fetches);
    expect(host.row()).toBe('offered-file 1');
    expect(host.asks(60, { mac: OTHER })).toBe('offered-file remembered');
  });

  it('port 4011 tells which one of two it was', () => {
    const host = new Host();
    host.asks(0);
    host.asks(4);
    host.hears(asked4011(), fetches);
    expect(host.row()).toBe('binl 1');
  });

  it('whoever takes the file out of an offer without option 43 has taken that offer', () => {
    const host = new Host();
    host.asks(0);
    host.hears(chose(), fetches);
    expect(host.row()).toBe('binl 1');
  });

  it('nothing of what another boot host offered, of strangers, or of what comes after', () => {
    const host = new Host();
    host.asks(0, { silent: true });
    host.hears({ ...fetches, address: '10.77.0.9' }, chose(), fetches, chose(OTHER), runs);
    expect(host.row()).toBeUndefined();
    expect(host.asks(30, { xid: 2 })).toBe('binl rule');
  });

  it('machines are counted once each', () => {
    const host = new Host();
    for (const [xid, mac] of [
      [1, MAC],
      [2, MAC],
      [3, OTHER],
    ] as const) {
      host.asks(xid * 100, { xid, mac });
      host.hears(asked4011(mac), fetches, fetches);
    }
    expect(host.row()).toBe('binl 2');
    expect(describeDialect({ dialect: 'binl', reason: 'remembered', machines: 2 })).toBe(
      'binl (remembered of 2 machines of this firmware)',
    );
    expect(host.memory.choiceOf(OTHER)).toEqual({ dialect: 'binl', reason: 'remembered', machines: 1 });
    expect(host.memory.choiceOf('52:54:00:77:00:99')).toBeUndefined();
  });

  it('a remembered dialect is repeated once before the other one is tried', () => {
    const host = new Host();
    host.asks(0);
    host.hears(asked4011(), fetches);
    expect([100, 104, 112].map((s) => host.asks(s, { mac: OTHER }))).toEqual([
      'binl remembered',
      'binl remembered',
      'offered-file retry',
    ]);
  });

  it('a machine with another firmware begins anew', () => {
    const host = new Host();
    host.asks(0);
    host.asks(4);
    host.hears(chose(), fetches);
    expect(host.asks(60, { make: 'after an update', xid: 2 })).toBe('binl rule');
  });
});

describe('what contradicts it', () => {
  /** Taught by a machine that is gone. */
  function taught(dialect: Dialect): Host {
    const host = new Host();
    host.memory.rows.adopt([{ fingerprint: 'make', dialect, machines: 7, atMs: 1 }]);
    return host;
  }

  it('two machines that refuse it and take the other one', () => {
    const host = taught('offered-file');
    for (const [i, mac] of [MAC, OTHER].entries()) {
      expect(host.row()).toBe('offered-file 7');
      host.asks(i * 100, { mac });
      host.hears(offered(mac));
      expect(host.asks(i * 100 + 4, { mac })).toBe('binl retry');
      host.hears(asked4011(mac), fetches);
    }
    expect(host.row()).toBe('binl 1');
  });

  it('not those that took the other one while no address was there', () => {
    const host = taught('offered-file');
    for (const [i, mac] of [MAC, OTHER].entries()) {
      for (const s of [0, 4, 12]) host.asks(i * 100 + s, { mac });
      host.hears(asked4011(mac), fetches);
    }
    expect(host.row()).toBe('offered-file 7');
    // But each of them is answered as it took it.
    expect(host.asks(300, { mac: OTHER, xid: 5 })).toBe('binl remembered');
  });

  it('two machines that had an address, took nothing of ours, and came back; one alone speaks for itself', () => {
    const host = taught('offered-file');
    for (const xid of [1, 2]) {
      expect(host.asks(xid * 60, { xid })).toBe('offered-file remembered');
      host.hears(chose());
    }
    expect(host.asks(180, { xid: 3 })).toBe('binl failed');
    expect(host.row()).toBe('offered-file 7');
    host.asks(180, { mac: OTHER });
    host.hears(chose(OTHER));
    expect(host.asks(240, { mac: OTHER, xid: 2 })).toBe('binl failed');
    expect(host.row()).toBe('binl 0');
    expect(describeDialect({ dialect: 'binl', reason: 'failed', machines: 0 })).toBe(
      'binl (the other one failed)',
    );
  });

  it.each([
    ['had no address', (_: Host) => {}, 60],
    [
      'ran something else: another boot host’s file, or its own disk',
      (host: Host) => host.hears(chose(), runs),
      60,
    ],
    ['came back after an hour', (host: Host) => host.hears(chose()), 3600],
    [
      'got both',
      (host: Host) => {
        host.asks(host.s + 4, { xid: host.s / 3600 });
        host.asks(host.s + 8, { xid: (host.s - 4) / 3600 });
        host.hears(chose());
      },
      60,
    ],
  ])('not a machine that %s', (_, happens, pause) => {
    const host = taught('offered-file');
    let s = 3600;
    for (let xid = 1; xid < 5; xid++) {
      expect(host.asks(s, { xid: s / 3600 })).toBe('offered-file remembered');
      happens(host);
      s = host.s + pause;
    }
    expect(host.row()).toBe('offered-file 7');
  });

  it('success in between wipes failures out', () => {
    const host = taught('binl');
    const mac = (n: number) => `52:54:00:77:01:0${n}` as Mac;
    for (const n of [1, 2, 3]) {
      host.asks(n * 100, { mac: mac(n) });
      host.hears(chose(mac(n)));
      host.asks(n * 100 + 50, { mac: mac(n), xid: 2 });
      host.hears(asked4011(mac(n)), fetches);
    }
    expect(host.row()).toBe('binl 10');
  });
});

describe('the table', () => {
  const row = (fingerprint: string, dialect: Dialect | null, atMs: number) =>
    ({ fingerprint, dialect, machines: 1, atMs }) as const;

  it('takes over what is later, from whomever, in any order', () => {
    const [a, b] = [row('make', 'binl', 5), row('make', 'offered-file', 6)];
    for (const told of [
      [a, b],
      [b, a],
    ]) {
      const rows = new DialectRows(4);
      expect(told.map((one) => rows.adopt([one]))).toEqual(told[0] === a ? [1, 1] : [1, 0]);
      expect(rows.list()).toEqual([b]);
    }
  });

  it('is bounded, and forgets what was learnt first', () => {
    const rows = new DialectRows(2);
    for (const name of ['a', 'b', 'c']) rows.worked(name, 'binl', { isNews: true, againstOther: false }, 1);
    expect(rows.list().map(({ fingerprint }) => fingerprint)).toEqual(['b', 'c']);
  });

  it('what was forgotten stays forgotten for the others, until it is learnt again', () => {
    const host = new Host();
    host.asks(0);
    host.hears(asked4011(), fetches);
    const before = host.memory.rows.list();
    expect(host.memory.forget('nothing', 1)).toBe(0);
    expect(host.asks(30, { xid: 2 })).toBe('binl remembered');
    expect(host.memory.forget('make', 0)).toBe(1);
    expect(host.memory.rows.adopt(before)).toBe(0);
    expect(host.asks(60, { xid: 3 })).toBe('binl rule');
    host.hears(asked4011(), fetches);
    expect(host.row()).toBe('binl 1');
    expect(host.memory.forget(undefined, 0)).toBe(1);
    expect(host.memory.forget(undefined, 0)).toBe(0);
  });

  it('what was forgotten at another boot host is forgotten here, of the machine itself, too', () => {
    const host = new Host();
    for (const mac of [MAC, OTHER]) {
      const make = mac;
      host.asks(0, { mac, make });
      host.asks(4, { mac, make });
      host.hears(chose(mac), fetches);
    }
    expect(host.memory.adopt([{ ...row(MAC, null, 99_000), machines: 0 }])).toBe(1);
    expect(host.asks(60, { xid: 2, make: MAC })).toBe('binl rule');
    expect(host.asks(60, { mac: OTHER, xid: 2, make: OTHER })).toBe('offered-file remembered');
  });

  it('knows when there is something to keep', () => {
    const rows = new DialectRows(2);
    rows.worked('make', 'binl', { isNews: true, againstOther: false }, 1);
    const { changes } = rows;
    rows.worked('make', 'binl', { isNews: false, againstOther: false }, 2);
    rows.failed('make', 'offered-file', 'm', 3);
    rows.failed('unknown', 'binl', 'm', 3);
    rows.failed('make', 'binl', 'm', 3);
    expect(rows.changes).toBe(changes);
    rows.failed('make', 'binl', 'n', 4);
    expect(rows.list()).toEqual([{ fingerprint: 'make', dialect: 'offered-file', machines: 0, atMs: 4 }]);
    rows.failed('make', 'offered-file', 'm', 5);
    rows.failed('make', 'offered-file', 'n', 5);
    expect(rows.of('make')?.dialect).toBe('binl');
  });
});

it('machines without end do not grow it', () => {
  const { memory } = new Host();
  for (let i = 0; i < 5000; i++) {
    const mac = `02:00:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`;
    memory.asked({ mac: mac as Mac, xid: i, fingerprint: `make ${i}`, rule: UEFI }, 0, 0);
    memory.heard({ kind: 'chose', mac: mac as Mac, address: `10.${i}` }, 0);
  }
  expect(memory.size).toBe(4096);
  memory.heard({ kind: 'fetches', address: '10.1' }, 0);
  expect(memory.rows.list()).toEqual([]);
});

it.each([
  ['rule', 0, 'binl (as the rule for its kind says)'],
  ['retry', 0, 'binl (it asked again)'],
  ['remembered', 1, 'binl (remembered of 1 machine of this firmware)'],
] as const)('is told with its reason: %s', (reason, machines, words) => {
  expect(describeDialect({ dialect: 'binl', reason, machines })).toBe(words);
});

it('each dialect has one other', () => {
  expect([otherDialect('binl'), otherDialect('offered-file')]).toEqual(['offered-file', 'binl']);
});
