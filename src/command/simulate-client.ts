// `peerboot simulate-client`: emulated machines that boot from the real network, many at once, and how long each stage took.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { PeerbootError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import type { Dialect } from '../boot/quirks.ts';
import { openClientWire } from '../io/client-wire.ts';
import { systemClock, systemTimers } from '../io/clock.ts';
import { chooseInterfaces } from '../io/interfaces.ts';
import { bootCrowd, type CrowdReport, reportCrowd } from '../sim/firmware/crowd.ts';
import type { FirmwareName } from '../sim/firmware/names.ts';
import { colours, EXIT, formatTable, printJson } from './terminal.ts';

export interface SimulateOptions {
  readonly firmware: FirmwareName;
  readonly count: number;
  readonly interface?: string;
  readonly macPrefix: string;
  readonly until: 'script' | 'agent';
  readonly takesOnly?: Dialect;
  /** Seconds. */
  readonly within: number;
  readonly timeout: number;
  readonly json?: boolean;
}

const MOST_CLIENTS = 4096;
const LOOK_MS = 5;

/** What the emulation itself took: time that no network is to blame for. */
interface OwnShare {
  readonly cpuMs: number;
  /** How late this process came to what had arrived or was due: the worst, and 99 of 100 times. A boot has some six such waits. */
  readonly lateMs: { readonly p99: number; readonly max: number };
}

/** Resolves with 1 when any machine did not boot. */
export async function simulateClient(options: SimulateOptions): Promise<number> {
  const { firmware, count, macPrefix, until, takesOnly } = options;
  if (!Number.isInteger(count) || count < 1 || count > MOST_CLIENTS) {
    throw new PeerbootError('PB-CONFIG-INVALID', `--count: a whole number from 1 to ${MOST_CLIENTS}`);
  }
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){2}$/i.test(macPrefix) || (Number.parseInt(macPrefix, 16) & 1) === 1) {
    throw new PeerbootError(
      'PB-CONFIG-INVALID',
      '--mac-prefix: three bytes such as 52:54:77, the first one even',
    );
  }
  if (takesOnly !== undefined && firmware !== 'edk2' && firmware !== 'bios') {
    throw new PeerbootError('PB-CONFIG-INVALID', '--takes-only: of --firmware edk2 or bios');
  }
  if (!(options.timeout > 0)) {
    throw new PeerbootError('PB-CONFIG-INVALID', '--timeout: seconds, more than none');
  }
  if (!(options.within >= 0)) throw new PeerbootError('PB-CONFIG-INVALID', '--within: seconds, or 0');
  const served = chooseInterfaces(options.interface === undefined ? [] : [options.interface])[0];
  if (served === undefined) throw new PeerbootError('PB-INTERFACE-UNKNOWN', 'no interface to boot from');
  const wire = await openClientWire(served);
  const interrupted = () => void wire.close().finally(() => process.exit(EXIT.failed));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  let ended = 0;
  const watch = watchOwnShare();
  try {
    const clients = await bootCrowd({
      firmware,
      count,
      until,
      takesOnly,
      macPrefix,
      wire,
      clock: systemClock,
      timers: systemTimers,
      random: seededRandom(Date.now() >>> 0),
      withinMs: options.within * 1000,
      timeoutMs: options.timeout * 1000,
      onEnd: () => {
        ended += 1;
        if (process.stderr.isTTY) process.stderr.write(`\r${ended} of ${count} have ended`);
      },
    });
    const own = watch();
    const report = reportCrowd(firmware, clients);
    const isOk = report.booted === count;
    if (options.json === true) printJson({ ok: isOk, interface: served.name, ...report, own });
    else show(report, own);
    return isOk ? EXIT.ok : EXIT.failed;
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await wire.close();
  }
}

/** Call what it returns to end it. */
function watchOwnShare(): () => OwnShare {
  const delays = monitorEventLoopDelay({ resolution: LOOK_MS });
  const before = process.cpuUsage();
  delays.enable();
  return () => {
    delays.disable();
    const { user, system } = process.cpuUsage(before);
    const late = (nanoseconds: number) => Math.max(0, Math.round(nanoseconds / 1e6 - LOOK_MS));
    return {
      cpuMs: Math.round((user + system) / 1000),
      lateMs: { p99: late(delays.percentile(99)), max: late(delays.max) },
    };
  };
}

function show({ firmware, count, booted, stagesMs, failures }: CrowdReport, own: OwnShare): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const rows = Object.entries(stagesMs).map(([stage, { p50, p99, max }]) => [
    stage,
    `${p50} ms`,
    `${p99} ms`,
    `${max} ms`,
  ]);
  console.log(formatTable([['since power-on', 'median', 'p99', 'last'], ...rows]));
  const words = `${booted} of ${count} machines (${firmware}) have their orders`;
  console.log(booted === count ? colours.green(`\n✔ ${words}`) : colours.red(`\n✖ ${words}`));
  console.log(`  this process itself: ${own.cpuMs} ms of CPU, up to ${own.lateMs.max} ms late`);
  for (const [why, machines] of Object.entries(failures)) console.log(`  ${machines} × ${why}`);
}
