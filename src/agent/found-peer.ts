// The way to a peer that nobody named, or that is gone: asked for on the wire, and kept as long as it answers.
import type { CheckIn, CheckInAnswer, ProgressAnswer, ProgressReport } from '../api/agent.ts';
import { isPeerbootError, PeerbootError } from '../base/errors.ts';
import type { PeerPort } from './ports.ts';

export interface FoundPeerOptions {
  /** `http://ip:port` of the peer on the kernel command line; undefined when it names none (a unified kernel image). */
  readonly told: string | undefined;
  /** Bases of the peers that would boot this machine, in the order in which they answered. */
  readonly find: () => Promise<readonly string[]>;
  readonly connect: (base: string) => PeerPort;
}

/**
 * Checks in with the peer it has, else with each that it finds, and stays with the one that answers. Whom it finds it
 * need not believe: what is written to disk is proved by the publisher's signatures alone.
 */
export function createFoundPeer({ told, find, connect }: FoundPeerOptions): PeerPort {
  let current = told === undefined ? undefined : connect(told);
  /** It left a report unanswered: asking it first would cost ten seconds more. */
  let isDoubted = false;

  async function checkIn(question: CheckIn): Promise<CheckInAnswer> {
    const known = current;
    let silence: unknown;
    const tried = new Set<string>();
    const ask = async (peer: PeerPort): Promise<CheckInAnswer | undefined> => {
      tried.add(peer.base);
      try {
        const answer = await peer.checkIn(question);
        current = peer;
        isDoubted = false;
        return answer;
      } catch (error) {
        if (!isPeerbootError(error, 'PB-PEER-SILENT')) throw error;
        silence = error;
        return undefined;
      }
    };
    const first = known === undefined || isDoubted ? undefined : await ask(known);
    if (first !== undefined) return first;
    for (const base of await find()) {
      if (tried.has(base)) continue;
      const answer = await ask(base === known?.base ? known : connect(base));
      if (answer !== undefined) return answer;
    }
    const last = known === undefined || tried.has(known.base) ? undefined : await ask(known);
    if (last !== undefined) return last;
    throw (
      silence ?? new PeerbootError('PB-PEER-NOT-FOUND', 'no boot host answers on this network; asking again')
    );
  }

  return {
    get base() {
      return current?.base ?? '';
    },
    checkIn,
    async report(report: ProgressReport): Promise<ProgressAnswer> {
      if (current === undefined) throw new PeerbootError('PB-PEER-NOT-FOUND', 'nobody to report to');
      try {
        const answer = await current.report(report);
        isDoubted = false;
        return answer;
      } catch (error) {
        isDoubted = true;
        throw error;
      }
    },
  };
}

/** The peers behind what answered a probe (service/dhcp-probe): whoever offers our script lives where it is. */
export function peersOffered(files: readonly (string | undefined)[], scriptPath: string): readonly string[] {
  const bases = files.flatMap((file) => {
    const match = /^(http:\/\/\d{1,3}(?:\.\d{1,3}){3}:\d{1,5})(\/.*)$/.exec(file ?? '');
    return match?.[1] !== undefined && match[2] === scriptPath ? [match[1]] : [];
  });
  return [...new Set(bases)];
}
