// `peerboot doctor`: can this endpoint answer PXE now? Each check says ok, warn or fail, and what to do. Or it judges a capture, or asks the network.
import { configOf, type PeerOptions } from './flags.ts';
import { colours, EXIT, printJson } from './terminal.ts';

export interface Finding {
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly what: string;
  /** From the table of errors, where it is one of those. */
  readonly code?: string;
  readonly remedy?: string;
}

export interface DoctorOptions extends PeerOptions {
  /** A capture to judge instead of this endpoint. */
  readonly replay?: string;
  /** Play booting machines on the network instead. */
  readonly probe?: boolean;
  /** How long offers may take, in seconds. */
  readonly listen?: number;
}

/** Resolves with 1 when any check failed. */
export async function doctor({ replay, probe, listen, ...options }: DoctorOptions): Promise<number> {
  if (probe === true) return (await import('./doctor-probe.ts')).doctorProbe(options, listen);
  const { json, ...rest } = options;
  if (replay !== undefined) return (await import('./doctor-replay.ts')).doctorReplay(replay, json === true);
  const { config } = configOf(rest);
  const { hostFindings, networkFindings } = await import('./doctor-checks.ts');
  const findings: Finding[] = [];
  const say = (finding: Finding) => {
    findings.push(finding);
    if (json !== true) print(finding);
  };
  for await (const finding of hostFindings(config)) say(finding);
  for await (const finding of networkFindings(config)) say(finding);
  const ok = findings.every(({ status }) => status !== 'fail');
  if (json === true) printJson({ ok, findings });
  else console.log(ok ? colours.green('This endpoint can answer PXE.') : colours.red('Not yet: see above.'));
  return ok ? EXIT.ok : EXIT.failed;
}

const MARKS = { ok: colours.green('✔'), warn: colours.yellow('!'), fail: colours.red('✖') };

function print({ status, check, what, code, remedy }: Finding): void {
  const coded = code === undefined ? '' : `${code}  `;
  console.log(`${MARKS[status]} ${colours.bold(check)}: ${coded}${what}`);
  if (remedy !== undefined) console.log(`    ${colours.cyan('→')} ${remedy}`);
}
