// The physics of the simulated network: shared links, half duplex, cuts, loss, resets and silences, and one seed one run.
import { describe, expect, it } from 'vitest';
import { Channel } from '../../src/sim/channel.ts';
import { makeFaultCase, runFaultCase } from '../../src/sim/fault-case.ts';
import { Host, Network } from '../../src/sim/network.ts';
import { realParts } from '../../src/sim/parts.ts';
import { Flow, Pipe } from '../../src/sim/pipes.ts';
import { EventQueue } from '../../src/sim/queue.ts';
import { reportOf } from '../../src/sim/report.ts';
import { DEFAULT_SCENARIO, runScenario } from '../../src/sim/scenario.ts';

const RATE = 1000;

function flows(...pipes: (readonly Pipe[])[]): Flow[] {
  const all = pipes.map((of) => new Flow(of, () => {}));
  for (const flow of all) flow.start();
  return all;
}

describe('pipes', () => {
  it('one pipe is shared evenly', () => {
    const pipe = new Pipe(RATE);
    expect(flows([pipe], [pipe], [pipe], [pipe]).map(({ rate }) => rate)).toEqual([250, 250, 250, 250]);
  });

  it('what a slower receiver leaves, the others get', () => {
    const up = new Pipe(RATE);
    const slow = new Pipe(100);
    const fast = new Pipe(RATE);
    expect(flows([up, slow], [up, fast]).map(({ rate }) => rate)).toEqual([100, 900]);
  });

  it('is max-min fair over several pipes', () => {
    const [a, b] = [new Pipe(RATE), new Pipe(RATE)];
    const three = flows([a], [a, b], [b], [b]);
    expect(three.map(({ rate }) => Math.round(rate))).toEqual([667, 333, 333, 333]);
  });

  it('one that ends leaves its share, and a cut stops all', () => {
    const pipe = new Pipe(RATE);
    const [first, second] = flows([pipe], [pipe]) as [Flow, Flow];
    first.stop();
    expect([first.rate, second.rate]).toEqual([0, 1000]);
    pipe.setRate(0);
    expect(second.rate).toBe(0);
    pipe.setRate(500);
    expect(second.rate).toBe(500);
  });

  it('half duplex: what is sent takes from what is received', () => {
    const host = new Host('h', { up: RATE, down: RATE, halfDuplex: true });
    expect(flows([host.up], [host.down]).map(({ rate }) => rate)).toEqual([500, 500]);
    const full = new Host('f', { up: RATE, down: RATE });
    expect(flows([full.up], [full.down]).map(({ rate }) => rate)).toEqual([1000, 1000]);
  });
});

/** A channel over one pipe, and what comes out of it. */
function channel(delayMs: number) {
  const queue = new EventQueue();
  const pipe = new Pipe(RATE);
  const came: [row: number, atMs: number][] = [];
  const ends = {
    sent: () => {},
    progress: () => {},
    arrived: ({ row }: { row: number }) => came.push([row, Math.round(queue.nowMs)]),
  };
  const run = () => {
    while (queue.next());
  };
  return { queue, pipe, came, run, channel: new Channel(queue, [pipe], delayMs, ends) };
}

const parcel = (row: number, bytes: number) => ({ row, from: 0, bytes, bad: false });

describe('a channel', () => {
  it('sends one chunk after the other; delay adds to each once', () => {
    const { channel: to, came, run } = channel(5);
    to.push(parcel(0, 10_000));
    to.push(parcel(1, 20_000));
    run();
    expect(came).toEqual([
      [0, 15],
      [1, 35],
    ]);
  });

  it('stands still while the line is cut, and loses nothing', () => {
    const { channel: to, came, run, queue, pipe } = channel(0);
    to.push(parcel(0, 10_000));
    queue.at(4, () => pipe.setRate(0));
    queue.at(104, () => pipe.setRate(RATE));
    run();
    expect(came).toEqual([[0, 110]]);
  });

  it('takes back what has not begun at once, what has begun at the end of its part', () => {
    const { channel: to, came, run, queue } = channel(0);
    to.push(parcel(0, 3_000_000));
    to.push(parcel(1, 10_000));
    to.push(parcel(2, 10_000));
    queue.at(1500, () => {
      to.remove(0);
      to.remove(1);
    });
    run();
    expect(came).toEqual([
      [0, 2097],
      [2, 2107],
    ]);
  });
});

describe('words', () => {
  function two() {
    const queue = new EventQueue();
    const network = new Network({ queue, delayMs: 1, loss: 0, seed: 1 });
    const [a, b] = ['a', 'b'].map((name) => network.add(new Host(name, { up: RATE, down: RATE }))) as [
      Host,
      Host,
    ];
    network.start(a);
    network.start(b);
    const heard: string[] = [];
    const say = () =>
      network.word(
        a,
        b,
        b.life,
        () => heard.push(`heard ${queue.nowMs}`),
        () => heard.push(`reset ${queue.nowMs}`),
      );
    const run = () => {
      while (queue.next());
      return heard;
    };
    return { queue, network, a, b, say, run };
  }

  it('takes its delay', () => {
    const { say, run } = two();
    say();
    expect(run()).toEqual(['heard 1']);
  });

  it('a dead process resets, a machine without power says nothing until it is back', () => {
    const dead = two();
    dead.say();
    dead.network.end(dead.b, 'down');
    expect(dead.run()).toEqual(['reset 2']);
    const off = two();
    off.say();
    off.network.end(off.b, 'off');
    off.queue.at(1000, () => off.network.start(off.b));
    expect(off.run()).toEqual(['reset 1200']);
  });

  it('a stopped process hears it when it goes on, a partition when it is over', () => {
    const stopped = two();
    stopped.network.stop(stopped.b);
    stopped.say();
    stopped.queue.at(500, () => stopped.network.goOn(stopped.b));
    expect(stopped.run()).toEqual(['heard 500']);
    const cut = two();
    cut.network.partition((host) => (host.name === 'a' ? 0 : 1));
    cut.say();
    cut.queue.at(500, () => cut.network.partition(() => 0));
    expect(cut.run()).toEqual(['heard 700']);
  });
});

describe('one seed, one run', () => {
  const scenario = { ...DEFAULT_SCENARIO, targets: 4, chunks: 60, troubles: { churn: 0.5, slow: 1 } };
  const report = (seed: number) =>
    JSON.stringify(reportOf(runScenario({ ...scenario, seed }, { parts: realParts() })));

  it('the same report, byte for byte', () => {
    expect(report(5)).toBe(report(5));
    expect(report(5)).not.toBe(report(6));
  });

  it('the same faults, event for event', () => {
    const run = () => JSON.stringify(runFaultCase(makeFaultCase(42), realParts()));
    expect(run()).toBe(run());
  });
});
