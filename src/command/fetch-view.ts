// Shows how a fetch goes: one line on a terminal, JSON lines with --json, only the end into a pipe.
import type { Log, LogFields } from '../base/log.ts';
import type { FetchProgress } from '../service/fetch-ports.ts';
import type { Receipt } from './fetch-receipt.ts';
import { colours, formatBytes, printJson } from './terminal.ts';

/** Who feeds us, and whom we feed. */
export interface FeedState {
  /** `wan`: by ourselves; else a peer. Undefined while nobody does. */
  readonly feeder: string | undefined;
  readonly followers: number;
}

export interface FetchView {
  started(facts: Readonly<Record<string, unknown>>): void;
  progress(progress: FetchProgress, feed: FeedState): void;
  done(receipt: Receipt, path: string): void;
  /** Clears the line. */
  end(): void;
  /** Of the parts below: lines with --json, nothing on a terminal, which has the progress. */
  readonly log: Log;
}

const RATE_WINDOW_MS = 5_000;

export function createFetchView(
  kind: 'bar' | 'json' | 'none',
  nowMs: () => number,
  write: (text: string) => void,
): FetchView {
  let shownMs = Number.NEGATIVE_INFINITY;
  let feeder: string | undefined;
  const samples: { readonly ms: number; readonly bytes: number }[] = [];

  /** Stored bytes a second over the last seconds. */
  function rate(ms: number, bytes: number): number {
    samples.push({ ms, bytes });
    while (samples.length > 2 && ms - (samples[1]?.ms ?? ms) > RATE_WINDOW_MS) samples.shift();
    const [first] = samples;
    return first === undefined || ms <= first.ms ? 0 : ((bytes - first.bytes) * 1000) / (ms - first.ms);
  }

  return {
    started(facts) {
      if (kind === 'json') printJson({ event: 'started', ...facts });
    },
    progress(progress, feed) {
      if (kind === 'none') return;
      if (kind === 'json' && feed.feeder !== feeder && feed.feeder !== undefined) {
        printJson({ event: 'attached', feeder: feed.feeder });
      }
      feeder = feed.feeder;
      const ms = nowMs();
      if (ms - shownMs < (kind === 'json' ? 1000 : 100)) return;
      shownMs = ms;
      const bytesPerSecond = Math.round(rate(ms, progress.heldBytes));
      if (kind === 'json') printJson({ event: 'progress', ...progress, bytesPerSecond, ...feed });
      else write(`\r\u001b[2K${line(progress, bytesPerSecond, feed)}`);
    },
    done(receipt, path) {
      if (kind === 'json') printJson({ event: 'done', ok: true, path, receipt });
      else console.log(summary(receipt, path));
    },
    end() {
      if (kind === 'bar' && shownMs > 0) write('\r\u001b[2K');
    },
    log: kind === 'json' ? jsonLog({}) : jsonLog(undefined),
  };
}

function line(
  { heldBytes, storedBytes, doneBytes, totalBytes, trouble }: FetchProgress,
  bytesPerSecond: number,
  { feeder, followers }: FeedState,
): string {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const full = Math.round(share * 24);
  const bar = colours.cyan('█'.repeat(full)) + colours.dim('░'.repeat(24 - full));
  const from = feeder === undefined ? '' : `  from ${feeder}`;
  const to = followers === 0 ? '' : `, feeding ${followers}`;
  const rest =
    trouble === undefined
      ? `${formatBytes(bytesPerSecond)}/s${from}${to}`
      : colours.yellow(trouble.slice(0, 60));
  const held = `${formatBytes(heldBytes)} of ${formatBytes(storedBytes)}`;
  return `${bar} ${`${Math.floor(share * 100)} %`.padStart(5)}  ${held}  ${rest}`;
}

function summary(receipt: Receipt, path: string): string {
  const { name, version, files, archiveBytes, bytes, resumedBytes, reusedBytes, seconds } = receipt;
  const sources = (['peers', 'parent', 'origin'] as const)
    .filter((source) => bytes[source] > 0)
    .map((source) => `${formatBytes(bytes[source])} from ${source === 'peers' ? 'peers' : `the ${source}`}`);
  if (resumedBytes > 0) sources.push(`${formatBytes(resumedBytes)} held from before`);
  if (reusedBytes > 0) sources.push(`${formatBytes(reusedBytes)} reused from what lay there`);
  const what = `${files} ${files === 1 ? 'file' : 'files'}, ${formatBytes(archiveBytes)}`;
  return [
    `${colours.green('✔')} ${colours.bold(`${name}@${version}`)} is at ${path} (${what}, ${seconds.toFixed(1)} s)`,
    colours.dim(`  ${sources.join(', ') || 'nothing had to be fetched'}`),
  ].join('\n');
}

function jsonLog(bound: LogFields | undefined): Log {
  const say = (level: string) => (fields: LogFields, message: string) => {
    if (bound !== undefined) printJson({ event: 'note', level, message, ...bound, ...plain(fields) });
  };
  return {
    debug: () => {},
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (fields) => jsonLog(bound === undefined ? undefined : { ...bound, ...fields }),
  };
}

/** Errors have nothing that JSON.stringify sees. */
function plain(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  );
}
