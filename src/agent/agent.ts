// The agent's life: network, check-in, the peer's plan, and again after every failure until the machine is done.
import { AGENT_API_VERSION, type CheckInAnswer, type Plan } from '../api/agent.ts';
import { ROUTES } from '../api/routes.ts';
import { isPeerbootError, PeerbootError, unreachable } from '../base/errors.ts';
import { FollowImage } from './follow-image.ts';
import { Narrator } from './narrator.ts';
import type { Address, AgentPorts } from './ports.ts';
import type { ScreenState } from './screen.ts';

export interface AgentOptions {
  readonly version: string;
  /** Random per boot. */
  readonly bootId: string;
  readonly timing?: AgentTiming;
}

export interface AgentTiming {
  /** After a failure the plan is asked for again this often, so that a permission given meanwhile takes effect. */
  readonly askAgainMs: number;
  readonly reportMs: number;
  /** A boot host from which nothing was heard for so long is left for another one. */
  readonly silentMs: number;
  /** How long a silent peer may keep a finished machine from restarting. */
  readonly farewellMs: number;
  /** How long the last picture stays before the restart. */
  readonly lingerMs: number;
  /** How long the line may stand still before chunks come over HTTP. */
  readonly lineMs?: number;
}

export const DEFAULT_TIMING: AgentTiming = {
  askAgainMs: 5_000,
  reportMs: 1_000,
  silentMs: 5_000,
  farewellMs: 5 * 60_000,
  lingerMs: 3_000,
};

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** Resolves when the machine was told to restart or to stay as it is; failures never end it. */
export async function runAgent(ports: AgentPorts, options: AgentOptions): Promise<void> {
  const { network, peer, machine, log } = ports;
  const timing = options.timing ?? DEFAULT_TIMING;
  const narrator = new Narrator(options.version, ports.screen);
  const { identity } = machine.facts();
  narrator.tell({
    ...(peer.base === '' ? {} : { peer: peer.base }),
    product: [identity.manufacturer, identity.product].filter(Boolean).join(' '),
    serial: identity.serial,
    mac: identity.macs[0],
  });
  const address = await network.up((why) => narrator.tell({ note: why === '' ? undefined : why }));
  narrator.step('check-in', { mac: address.mac, address: `${address.ipv4} on ${address.nic}` });

  const ask = () =>
    peer.checkIn({
      ...orderedFacts(ports, address),
      apiVersion: AGENT_API_VERSION,
      bootId: options.bootId,
      wallMs: ports.clock.wallMs(),
      ...(follow.ticket === undefined ? {} : { ticket: follow.ticket }),
    });
  const follow = new FollowImage(ports, narrator, { bootId: options.bootId, timing, ask });

  for (;;) {
    const answer = await insist(ports, narrator, ask);
    // A peer that had to be looked for has its address only now, and another one may have taken its place.
    narrator.tell({ peer: peer.base, site: answer.site, machine: answer.machine });
    log.info({ machine: answer.machine, plan: answer.plan }, 'checked in');
    const left = await followPlan(answer, answer.plan);
    if (left) return;
  }

  function approvalOf(code: string | undefined): ScreenState['approval'] {
    return code === undefined ? undefined : { code, page: peer.base + ROUTES.approve };
  }

  async function followPlan(answer: CheckInAnswer, plan: Plan): Promise<boolean> {
    switch (plan.kind) {
      case 'wait':
        narrator.step('wait', { note: plan.reason, approval: approvalOf(plan.code) });
        await pause(ports, plan.retryAfterMs);
        return false;
      case 'local-boot':
        narrator.step('leave');
        await Promise.all([pause(ports, timing.lingerMs), follow.end()]);
        await machine.leave('reboot');
        return true;
      case 'image':
        return tryImage(answer, plan);
      default:
        return unreachable(plan);
    }
  }

  async function tryImage(answer: CheckInAnswer, plan: Extract<Plan, { kind: 'image' }>): Promise<boolean> {
    try {
      return await follow.image(answer, plan);
    } catch (error) {
      await follow.failed(answer.machine, asPeerbootError(error));
      await pause(ports, timing.askAgainMs);
      return false;
    }
  }
}

/** Our own bugs are shown like every other failure: nobody can read a stack on a till. */
function asPeerbootError(error: unknown): PeerbootError {
  if (isPeerbootError(error)) return error;
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new PeerbootError('PB-AGENT-FAILED', what, { cause: error });
}

/** The card that leads to the peer comes first: it is the one that booted. */
function orderedFacts(ports: AgentPorts, address: Address) {
  const facts = ports.machine.facts();
  const others = facts.identity.macs.filter((mac) => mac !== address.mac);
  return { ...facts, identity: { ...facts.identity, macs: [address.mac, ...others] } };
}

/** Asks until there is an answer, ever less often; a failure already on the screen stays there. */
async function insist(
  ports: AgentPorts,
  narrator: Narrator,
  ask: () => Promise<CheckInAnswer>,
): Promise<CheckInAnswer> {
  for (let tries = 0; ; tries++) {
    try {
      const answer = await ask();
      if (narrator.state.step !== 'failed') narrator.tell({ note: undefined });
      return answer;
    } catch (error) {
      if (!isPeerbootError(error)) throw error;
      ports.log.info({ code: error.code, err: error }, 'check-in failed');
      if (narrator.state.step !== 'failed') narrator.tell({ note: `${error.code}: ${error.message}` });
      await pause(ports, Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS));
    }
  }
}

export function pause(ports: Pick<AgentPorts, 'timers'>, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    ports.timers.after(delayMs, resolve);
  });
}
