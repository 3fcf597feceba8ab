// Links as pipes: what flows through the same pipe shares it max-min fairly, as long-lived TCP connections about do.

/** Bytes per millisecond: 100 Mbit/s are 12,500. */
export type BytesPerMs = number;

/** One direction of a network card, a half-duplex card, or a site's WAN line. */
export class Pipe {
  readonly flows: Flow[] = [];
  /** What a flow may have that nothing else holds back. */
  level: BytesPerMs;
  dirty = false;
  #rate: BytesPerMs;

  constructor(rate: BytesPerMs) {
    this.#rate = rate;
    this.level = rate;
  }

  get rate(): BytesPerMs {
    return this.#rate;
  }

  /** 0: cut. */
  setRate(rate: BytesPerMs): void {
    this.#rate = rate;
    share([this], []);
  }
}

/** Something that wants to send as fast as its pipes let it. */
export class Flow {
  rate: BytesPerMs = 0;
  active = false;
  readonly pipes: readonly Pipe[];
  /** Whatever the pipes allow, never more than this (loss holds a TCP connection down). */
  readonly most: BytesPerMs;
  readonly #onRate: (rate: BytesPerMs) => void;

  /** `onRate` is called with every new rate, before `rate` changes. */
  constructor(pipes: readonly Pipe[], onRate: (rate: BytesPerMs) => void, most = Number.POSITIVE_INFINITY) {
    this.pipes = pipes;
    this.#onRate = onRate;
    this.most = most;
  }

  start(): void {
    if (this.active) return;
    this.active = true;
    for (const pipe of this.pipes) pipe.flows.push(this);
    share(this.pipes, [this]);
  }

  stop(): void {
    if (!this.active) return;
    this.active = false;
    for (const pipe of this.pipes) pipe.flows.splice(pipe.flows.indexOf(this), 1);
    this.take(0);
    share(this.pipes, []);
  }

  take(rate: BytesPerMs): void {
    if (rate === this.rate) return;
    this.#onRate(rate);
    this.rate = rate;
  }
}

/** Rounds of one sharing: far more than a site's traffic needs, and an end when it would not converge. */
const MOST_ROUNDS = 2000;

/**
 * Finds the levels anew from these pipes outwards, each from the present levels of its flows' other pipes,
 * until nothing changes: that is max-min fairness, found locally. A change in a line touches one flow.
 */
function share(pipes: readonly Pipe[], flows: readonly Flow[]): void {
  const touched = new Set(flows);
  const queue: Pipe[] = [...pipes];
  for (const pipe of queue) pipe.dirty = true;
  for (let round = 0; round < queue.length; round++) {
    const pipe = queue[round] as Pipe;
    pipe.dirty = false;
    const level = waterLevel(pipe);
    if (Math.abs(level - pipe.level) <= 1e-9 * level) continue;
    pipe.level = level;
    for (const flow of pipe.flows) {
      touched.add(flow);
      if (round > MOST_ROUNDS) continue;
      for (const other of flow.pipes) {
        if (other === pipe || other.dirty || other.flows.length < 2) continue;
        other.dirty = true;
        queue.push(other);
      }
    }
  }
  for (const flow of touched) if (flow.active) flow.take(allowed(flow, undefined));
}

/** What the flow may have, leaving one pipe out of account. */
function allowed(flow: Flow, but: Pipe | undefined): BytesPerMs {
  let least = flow.most;
  for (const pipe of flow.pipes) if (pipe !== but && pipe.level < least) least = pipe.level;
  return least;
}

/** The level to which the pipe fills: flows held back elsewhere leave their rest to the others. */
function waterLevel(pipe: Pipe): BytesPerMs {
  const { flows, rate } = pipe;
  if (flows.length < 2) return rate;
  const wishes = flows.map((flow) => allowed(flow, pipe)).sort((a, b) => a - b);
  let left = rate;
  for (const [i, wish] of wishes.entries()) {
    const fair = left / (wishes.length - i);
    if (wish >= fair) return fair;
    left -= wish;
  }
  // Nobody is held back here: whoever comes free elsewhere may have the rest.
  return (wishes.at(-1) as number) + left;
}
