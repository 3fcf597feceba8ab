// `peerboot doctor --probe`: what a machine that boots from the network would be answered here, and by whom.
import { PeerbootError } from '../base/errors.ts';
import {
  fileOf,
  type ProbeAnswer,
  type ProbeFinding,
  type ProbeResult,
  probeFindings,
} from '../boot/probe.ts';
import { systemTimers } from '../io/clock.ts';
import { chooseInterfaces, type HostInterface } from '../io/interfaces.ts';
import { openUdp } from '../io/udp.ts';
import { probeNetwork } from '../service/network-probe.ts';
import { configOf, type PeerOptions } from './flags.ts';
import { colours, EXIT, formatBytes, formatTable, printJson } from './terminal.ts';

/** A server that pings an address before it offers it takes three seconds. */
const LISTEN_S = 3.6;
const LONGEST_LISTEN_S = 60;
const ANSWER_MS = 2_400;

/** Resolves with 1 when machines would not boot. Rejects with PB-PORT-DENIED without the rights for port 68. */
export async function doctorProbe({ json, ...options }: PeerOptions, listenS = LISTEN_S): Promise<number> {
  if (!(listenS > 0 && listenS <= LONGEST_LISTEN_S)) {
    throw new PeerbootError('PB-CONFIG-INVALID', `--listen takes 1 to ${LONGEST_LISTEN_S} seconds`);
  }
  const { config } = configOf(options);
  // Asking without a MAC of our own would set an address aside that nobody takes.
  const interfaces = chooseInterfaces(config.interfaces).filter(({ mac }) => mac !== undefined);
  const probed = await Promise.all(
    interfaces.map(async (one) => ({ one, results: await probe(one, listenS * 1000) })),
  );
  const report = probed.map(({ one, results }) => ({ one, results, findings: probeFindings(results) }));
  const ok = report.every(({ findings }) => findings.every(({ status }) => status !== 'fail'));
  if (json === true) {
    const rows = report.map(({ one, results, findings }) => ({
      interface: one.name,
      address: one.address,
      clients: results.map(({ answers, boots, firmware }) => ({ firmware, boots: boots ?? null, answers })),
      findings,
    }));
    printJson({ ok, interfaces: rows });
  } else {
    for (const { one, results, findings } of report) console.log(`${show(one, results, findings)}\n`);
  }
  return ok ? EXIT.ok : EXIT.failed;
}

async function probe(
  { address, mac, name }: HostInterface,
  listenMs: number,
): Promise<readonly ProbeResult[]> {
  if (mac === undefined) throw new PeerbootError('PB-INTERFACE-UNKNOWN', `${name} has no MAC address`);
  return probeNetwork({
    openUdp,
    head,
    address,
    mac,
    timers: systemTimers,
    random: { next: Math.random },
    listenMs,
    answerMs: ANSWER_MS,
  });
}

async function head(url: string): Promise<number> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const answer = await fetch(url, { method: 'HEAD', redirect: 'manual', signal }).catch((error: Error) => {
    throw new Error(
      `no answer by HTTP (${(error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.name})`,
    );
  });
  if (answer.status !== 200) throw new Error(`the server answers ${answer.status}`);
  return Number(answer.headers.get('content-length') ?? 0);
}

const MARKS = { ok: colours.green('✔'), warn: colours.yellow('!'), fail: colours.red('✖') };

function show(
  { name, address }: HostInterface,
  results: readonly ProbeResult[],
  findings: readonly ProbeFinding[],
): string {
  const blocks = results.map(({ firmware, answers, boots }) => {
    const rows = answers.map((one) => [
      `  ${one.server === boots ? colours.green('▸') : ' '} ${one.server}`,
      roleOf(one),
      bootText(one),
    ]);
    return [`${colours.bold(firmware)}`, rows.length === 0 ? '    nobody answers' : formatTable(rows)].join(
      '\n',
    );
  });
  return [
    `${colours.bold(name)} ${address}   ${colours.dim('▸ whom this firmware would boot from')}`,
    ...blocks,
    ...findings.map(({ status, what, code, remedy }) =>
      [
        `${MARKS[status]} ${code === undefined ? '' : `${code}  `}${what}`,
        ...(remedy === undefined ? [] : [`    ${colours.cyan('→')} ${remedy}`]),
      ].join('\n'),
    ),
  ].join('\n');
}

function roleOf({ offers, claims }: ProbeAnswer): string {
  const gives = offers === undefined ? [] : [`gives ${offers}`];
  return [...gives, ...(claims === undefined ? [] : [`boot server (${claims})`])].join(', ') || 'answers';
}

function bootText(answer: ProbeAnswer): string {
  if (answer.port4011 === 'silent') return colours.red('silent at port 4011');
  const boot = fileOf(answer);
  if (boot === undefined) return '';
  const { reach } = answer;
  const size = reach?.failed === undefined ? formatBytes(reach?.sizeBytes ?? 0) : colours.red(reach.failed);
  const asked = answer.port4011 === undefined ? '' : ', named at port 4011';
  return `${boot.file} (${size}${asked})`;
}
