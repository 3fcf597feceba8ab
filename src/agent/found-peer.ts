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

  async function checkIn(question: CheckIn): Promise<CheckInAnswer> {
    let silent: unknown;
    const tried = current?.base;
    if (current !== undefined) {
      try {
        return await current.checkIn(question);
      } catch (error) {
        if (!isPeerbootError(error, 'PB-PEER-SILENT')) throw error;
        silent = error;
      }
    }
    for (const base of await find()) {
      if (base === tried) continue;
      const peer = connect(base);
      try {
        const answer = await peer.checkIn(question);
        current = peer;
        return answer;
      } catch (error) {
        if (!isPeerbootError(error, 'PB-PEER-SILENT')) throw error;
        silent = error;
      }
    }
    throw (
      silent ?? new PeerbootError('PB-PEER-NOT-FOUND', 'no boot host answers on this network; asking again')
    );
  }

  return {
    get base() {
      return current?.base ?? '';
    },
    checkIn,
    async report(report: ProgressReport): Promise<ProgressAnswer> {
      if (current === undefined) throw new PeerbootError('PB-PEER-NOT-FOUND', 'nobody to report to');
      return current.report(report);
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
