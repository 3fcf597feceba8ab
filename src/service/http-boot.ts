// What a booting machine asks for: the scripts, the boot files, and the agent's check-in and reports.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CheckIn, type CheckInAnswer, ProgressReport } from '../api/agent.ts';
import { ROUTES } from '../api/routes.ts';
import { parseScriptQuery } from '../api/script.ts';
import { parseIpv4 } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type { NamedFiles } from '../base/named-files.ts';
import type { Clock } from '../base/time.ts';
import { type AgentArchitecture, agentArchitecture, agentFiles } from '../boot/agent-files.ts';
import { signedUki } from '../boot/chain.ts';
import { type PlanDecision, WAIT_MS } from '../boot/plan.ts';
import { renderScript, renderStartScript, type ScriptContext } from '../boot/script.ts';
import type { ScriptMachine } from '../boot/script-parts.ts';
import { checked } from './http-errors.ts';
import { sendStored } from './http-send.ts';
import type { Machines } from './machines.ts';
import type { Menus } from './menus.ts';

export interface BootRoutesOptions {
  readonly files: NamedFiles;
  readonly machines: Machines;
  readonly clock: Clock;
  readonly peerName: string;
  readonly site: string;
  /** Further bases of content for the agent when this peer fails. */
  readonly sources: () => readonly string[];
  /** Bases (`http://…`) of the site's other boot hosts, the next in rank for this machine first. */
  readonly others?: ((mac?: string) => readonly string[]) | undefined;
  /** Menus on the machines' screens; absent: there are none. */
  readonly menus?: Menus | undefined;
  /** How a machine that asked at this address of ours joins the site as a peer; undefined when there is no site node. */
  readonly swarm?: ((localAddress: string) => CheckInAnswer['swarm']) | undefined;
}

/** What a script needs to boot the agent of this processor, and is not there. */
export function missingAgentFiles(architecture: AgentArchitecture, files: NamedFiles): readonly string[] {
  const { kernel, initramfs } = agentFiles(architecture);
  return [kernel, initramfs].filter((name) => files.get(name) === undefined);
}

/** Disks with many partitions make long check-ins: 64 disks of 16 partitions stay below. */
const CHECK_IN_BYTES = 512 * 1024;
const REPORT_BYTES = 16 * 1024;

const SCRIPT_HEADERS = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };

export function bootRoutes(app: FastifyInstance, options: BootRoutesOptions): void {
  const { clock, files, machines, site } = options;

  app.get(ROUTES.start, (request, reply) =>
    reply.headers(SCRIPT_HEADERS).send(renderStartScript(baseOf(request), options.others?.() ?? [])),
  );

  app.get(ROUTES.script, async (request, reply) => {
    await machines.sync();
    const query = parseScriptQuery(request.url.slice(request.url.indexOf('?') + 1));
    const known = machines.observe({ kind: 'script', address: addressOf(request), query });
    const decision = (known === undefined ? undefined : machines.decide(known.id)) ?? UNTOLD;
    const architecture = agentArchitecture(query.buildarch);
    const machine: ScriptMachine = {
      id: known?.id ?? 'unknown',
      mac: query.mac ?? known?.identity.macs[0],
      serial: query.serial,
      manufacturer: query.manufacturer,
      product: query.product,
    };
    const place = { base: baseOf(request), others: options.others?.(machine.mac) ?? [], site, machine };
    const hasAgent = missingAgentFiles(architecture, files).length === 0;
    const asked = known === undefined ? undefined : { machine: known, decision, query, place, hasAgent };
    const answer = asked && (await options.menus?.answer(asked, machines.choose));
    if (answer?.kind === 'script') return reply.headers(SCRIPT_HEADERS).send(answer.script);
    const told = bootable(answer?.decision ?? decision, architecture, files);
    const boots = bootsOf(told);
    const script = renderScript(told.plan, {
      ...place,
      architecture,
      reason: told.reason,
      ...(known?.chain === 'signed-ipxe' ? { uki: signedUki(architecture) } : {}),
      ...(query.platform === 'efi' && files.get(signedUki(architecture)) !== undefined
        ? { signedUki: signedUki(architecture) }
        : {}),
      boots,
    });
    return reply.headers(SCRIPT_HEADERS).send(script);
  });

  app.route<{ Params: { '*': string } }>({
    method: ['GET', 'HEAD'],
    url: `${ROUTES.files}/*`,
    handler: async (request, reply) => {
      // Shim asks for its second stage with two slashes: the folder of its own URL, and then `/grubx64.efi`.
      const file = files.get(request.params['*'].replaceAll(/\/+/g, '/').replace(/^\//, ''));
      if (file === undefined) {
        throw new PeerbootError(
          'PB-HTTP-NOT-FOUND',
          `no boot file is called ${JSON.stringify(request.params['*'])}`,
        );
      }
      const { name, sizeBytes, etag } = file;
      await sendStored(request, reply, {
        sizeBytes,
        etag,
        contentType: typeOf(name),
        cacheControl: 'no-cache',
        read: (offset, length) => file.read(offset, length),
        // What broke off has not arrived: else a machine that was switched off would pass for one that refuses its NBP.
        onEnd: () => machines.observe({ kind: 'file', address: addressOf(request), name, via: 'http' }),
      });
    },
  });

  app.post(ROUTES.checkIn, { bodyLimit: CHECK_IN_BYTES }, async (request): Promise<CheckInAnswer> => {
    const [address, question] = [addressOf(request), checked(CheckIn, request.body)];
    await machines.ready(address, question);
    const { machine, plan } = machines.checkIn(address, question);
    const swarm = options.swarm?.(plainAddress(request.socket.localAddress ?? ''));
    return {
      machine: machine.id,
      peer: options.peerName,
      site,
      wallMs: clock.wallMs(),
      sources: [...options.sources()],
      ...(swarm === undefined ? {} : { swarm }),
      plan,
    };
  });

  app.post(ROUTES.progress, { bodyLimit: REPORT_BYTES }, (request) =>
    machines.report(checked(ProgressReport, request.body)),
  );
}

const UNTOLD: PlanDecision = {
  plan: { kind: 'local-boot' },
  reason: 'it did not tell who it is, so no image can be assigned to it',
  assignment: undefined,
};

function bootsOf({ shell, unapproved }: PlanDecision): ScriptContext['boots'] {
  if (shell === true) return 'shell';
  // Only the agent can show a code and wait.
  return unapproved === true ? 'agent' : undefined;
}

/** Without kernel and agent there is nothing to boot: say so and wait, rather than fail at each file. */
function bootable(decision: PlanDecision, architecture: AgentArchitecture, files: NamedFiles): PlanDecision {
  const needsAgent = decision.plan.kind === 'image' || bootsOf(decision) !== undefined;
  if (!needsAgent || missingAgentFiles(architecture, files).length === 0) return decision;
  const reason = `PB-ASSETS-MISSING: this peer has no agent for ${architecture} to boot, build its boot assets`;
  return { plan: { kind: 'wait', retryAfterMs: WAIT_MS, reason }, reason, assignment: decision.assignment };
}

/**
 * How the machine reaches us: as it wrote in `Host` (a literal address, true also behind a port forwarding), else
 * the address its connection came in on. It goes into the script of this very machine only.
 */
function baseOf(request: FastifyRequest): string {
  const [host = '', port = '80'] = (request.headers.host ?? '').split(':');
  const address = parseIpv4(host);
  if (address !== undefined && /^\d{1,5}$/.test(port)) return `http://${address}:${port}`;
  const local = plainAddress(request.socket.localAddress ?? '127.0.0.1');
  return `http://${parseIpv4(local) ?? '127.0.0.1'}:${request.socket.localPort ?? 80}`;
}

export function addressOf(request: FastifyRequest): string {
  return plainAddress(request.socket.remoteAddress ?? '');
}

/** IPv4 as itself, also where a socket of both kinds writes it as `::ffff:10.0.0.1`. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:/i, '');
}

/** UEFI HTTP Boot takes a file for an NBP by this type or by its name. */
function typeOf(name: string): string {
  return /\.efi$/i.test(name) ? 'application/efi' : 'application/octet-stream';
}
