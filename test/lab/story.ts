// The whole story of one target, power-on to the login of its new system, as moments in time.
import type { Peer } from './peer.ts';
import type { Firmware, Target } from './target.ts';

/** Seconds from power-on to each moment, read off the peer's log and the target's serial line. */
export interface StorySeconds {
  offer?: number;
  script?: number;
  agent?: number;
  imaged?: number;
  ready?: number;
}

export interface StoryResult {
  readonly mac: string;
  readonly firmware: Firmware;
  ready: boolean;
  readonly seconds: StorySeconds;
}

export type Moment = keyof StorySeconds;

/** Emulated machines on a busy two-core host: generous, but a hang still ends. */
export const STORY_LIMIT_MS = 700_000;

/** What the new system prints on the serial line once it has started from its own disk. */
const SIGNS = [
  [/PEERBOOT-READY/, 'the new system prints its ready marker'],
  [/login: *$/, 'the new system prints its login'],
] as const;

/** Firmware that is given the agent as one program of UEFI: there is no script. */
export const STARTS_AGENT_ITSELF: ReadonlySet<Firmware> = new Set(['secureboot', 'arm64']);

/**
 * Follows a target until the system on its own disk has printed the ready marker and its login. `moment` is called as each is reached.
 * Rejects when a moment is not reached in time or the machine fails.
 */
export async function followStory(
  target: Target,
  peer: Peer,
  moment: (name: Moment, seconds: number) => void = () => {},
): Promise<StoryResult> {
  const result: StoryResult = { mac: target.mac, firmware: target.firmware, ready: false, seconds: {} };
  const note = (name: Moment) => {
    const seconds = Math.round((performance.now() - target.poweredOnAt) / 100) / 10;
    result.seconds[name] = seconds;
    moment(name, seconds);
  };
  const timeoutMs = STORY_LIMIT_MS;
  await peer.reached(target.mac, 'seen', { timeoutMs });
  note('offer');
  if (!STARTS_AGENT_ITSELF.has(target.firmware)) {
    await peer.reached(target.mac, 'script', { timeoutMs });
    note('script');
  }
  await peer.reached(target.mac, 'agent', { timeoutMs });
  note('agent');
  await peer.reached(target.mac, 'done', { timeoutMs });
  note('imaged');
  for (const [sign, what] of SIGNS) {
    await target.serial.waitFor((line) => (sign.test(line) ? line : undefined), { timeoutMs, what });
  }
  note('ready');
  result.ready = true;
  return result;
}
