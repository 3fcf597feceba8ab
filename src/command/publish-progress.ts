// Shows how far a publication is: one bar on a terminal, a JSON line a second with --json, nothing into a pipe.
import type { PublishProgress } from '../service/publish-ports.ts';
import { colours, formatBytes, printJson } from './terminal.ts';

/** A rate over the last seconds tells what comes next better than the mean since the beginning. */
const RATE_WINDOW_MS = 5000;
const BAR_CELLS = 28;

export interface ProgressView {
  show(progress: PublishProgress): void;
  /** Clears the bar's line. */
  end(): void;
}

export interface ProgressOutput {
  readonly kind: 'bar' | 'json' | 'none';
  readonly nowMs: () => number;
  write(text: string): void;
}

export function createProgressView({ kind, nowMs, write }: ProgressOutput): ProgressView {
  const everyMs = kind === 'json' ? 1000 : 100;
  let phase = '';
  let shownMs = Number.NEGATIVE_INFINITY;
  let samples: { readonly ms: number; readonly bytes: number }[] = [];

  return {
    show(progress) {
      if (kind === 'none') return;
      const ms = nowMs();
      const isNew = progress.phase !== phase;
      if (isNew) samples = [{ ms, bytes: 0 }];
      phase = progress.phase;
      samples.push({ ms, bytes: progress.doneBytes });
      while (samples.length > 2 && ms - (samples[1]?.ms ?? ms) > RATE_WINDOW_MS) samples.shift();
      const isDone = progress.doneBytes === progress.totalBytes;
      if (!isNew && !isDone && ms - shownMs < everyMs) return;
      shownMs = ms;
      const first = samples[0] ?? { ms, bytes: 0 };
      const rate = ms > first.ms ? ((progress.doneBytes - first.bytes) * 1000) / (ms - first.ms) : 0;
      const secondsLeft = rate > 0 ? (progress.totalBytes - progress.doneBytes) / rate : undefined;
      if (kind === 'json')
        printJson({ event: 'progress', ...progress, bytesPerSecond: Math.round(rate), secondsLeft });
      else write(`\r\u001b[2K${line(progress, rate, secondsLeft)}`);
    },
    end() {
      if (kind === 'bar' && phase !== '') write('\r\u001b[2K');
    },
  };
}

function line(
  { phase, doneBytes, totalBytes }: PublishProgress,
  rate: number,
  secondsLeft: number | undefined,
): string {
  if (phase === 'signing') return colours.cyan('signing the catalogue');
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const full = Math.round(share * BAR_CELLS);
  const bar = colours.cyan('█'.repeat(full)) + colours.dim('░'.repeat(BAR_CELLS - full));
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const left = secondsLeft === undefined ? '' : `  ${formatSeconds(secondsLeft)} left`;
  return `${phase.padEnd(9)} ${bar} ${percent}  ${formatBytes(rate)}/s${left}`;
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
