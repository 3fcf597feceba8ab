// Takes turns with the other boot hosts of the site: answers when it is ours to, and tells the others.
import type { Mac } from '../base/addresses.ts';
import type { Clock, Timers } from '../base/time.ts';
import { type BootRequest, BootTurns } from '../boot/turns.ts';
import { rankBootHosts } from '../swarm/boot-hosts.ts';
import type { Candidate } from '../swarm/election.ts';
import type { PeerId } from '../swarm/site.ts';

export interface TurnTaker {
  /** Our rank for this machine, 0 first; undefined: we are no boot host, and never answer. */
  rank(mac: Mac): number | undefined;
  /** One of the two is called, at once or when our turn has come. */
  take(request: BootRequest, rank: number, answer: () => void, silent: () => void): void;
  stop(): void;
}

export interface TurnTakerOptions {
  /** Of the site's label, '' without one. */
  readonly site: string;
  readonly ourselves: () => Candidate;
  readonly others: () => readonly Candidate[];
  readonly sayAnswered: (request: BootRequest) => void;
  /** Returns how to stop listening. */
  readonly onAnswered: (listener: (by: PeerId, request: BootRequest) => void) => () => void;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Turns that wait at a time; in a flood the rest is left to those before us. */
const MOST_WAITING = 512;

export function createTurnTaker(options: TurnTakerOptions): TurnTaker {
  const { clock, timers } = options;
  const turns = new BootTurns();
  const waiting = new Set<() => void>();

  const rankOf = (id: PeerId, mac: Mac): number =>
    rankBootHosts(options.site, mac, [options.ourselves(), ...options.others()]).findIndex(
      (one) => one.id === id,
    );

  const stopListening = options.onAnswered((by, request) => {
    const rank = rankOf(by, request.mac);
    // One that is no boot host has no word here.
    if (rank >= 0) turns.answered(request, rank, clock.nowMs());
  });

  return {
    rank(mac) {
      const rank = rankOf(options.ourselves().id, mac);
      return rank < 0 ? undefined : rank;
    },
    take(request, rank, answer, silent) {
      const speak = () => {
        answer();
        options.sayAnswered(request);
      };
      const waitMs = turns.asked(request, rank, clock.nowMs());
      if (waitMs === 0) return speak();
      if (waiting.size >= MOST_WAITING) return silent();
      const cancel = timers.after(waitMs, () => {
        waiting.delete(cancel);
        if (turns.mayAnswer(request, rank, clock.nowMs())) speak();
        else silent();
      });
      waiting.add(cancel);
    },
    stop() {
      stopListening();
      for (const cancel of waiting) cancel();
      waiting.clear();
    },
  };
}
