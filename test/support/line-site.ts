// Machines of a line as real processes in a site network: started, told to fetch, watched, and proved.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, start } from '../lab/process.ts';
import type { LineContent } from './line-content.ts';
import type { LineProcessEvent, LineProcessOptions } from './line-process.ts';
import type { SiteEndpoint } from './site-network.ts';

const PROCESS = fileURLToPath(new URL('./line-process.ts', import.meta.url));

/** Starts a program at an endpoint; whoever hands it in sees to its end. */
export type Launch = (at: SiteEndpoint, command: string, ...words: string[]) => Running;

export interface LineMember {
  readonly at: SiteEndpoint;
  readonly folder: string;
  readonly process: Running;
  /** Random for each process. */
  readonly id: string;
  events(): readonly LineProcessEvent[];
  /** Rows that it has kept since it began, in the order of their coming, with their moments. */
  rows(): readonly { readonly row: number; readonly atMs: number }[];
  /** Resolves once so many others have been seen. */
  sees(others: number, timeoutMs: number): Promise<void>;
  /** Begin to fetch. */
  go(): void;
  signal(name: NodeJS.Signals): void;
  isAlive(): boolean;
  /** The moment at which it had everything; rejects when it failed or `timeoutMs` are over. */
  done(timeoutMs: number): Promise<number>;
}

function parse(line: string): LineProcessEvent | undefined {
  if (!line.startsWith('{"event"')) return undefined;
  return JSON.parse(line) as LineProcessEvent;
}

export async function startLineMember(
  at: SiteEndpoint,
  content: LineContent,
  options: Omit<LineProcessOptions, 'list'>,
  launch: Launch = (where, command, ...words) => start(command, words, { namespace: where.namespace }),
): Promise<LineMember> {
  const words: LineProcessOptions = { ...options, list: content.list };
  const process = launch(at, globalThis.process.execPath, PROCESS, JSON.stringify(words));
  const ready = await process.log.waitFor(
    (line) => {
      const event = parse(line);
      return event?.event === 'ready' ? event : undefined;
    },
    { timeoutMs: 30_000, what: 'a machine of the line is ready' },
  );
  let ended = false;
  void process.exited.then(() => {
    ended = true;
  });
  const events = () => process.log.lines.flatMap((line) => parse(line) ?? []);
  const signal = (name: NodeJS.Signals) => {
    // In the log of what it said, so that a failure can be read in time.
    process.log.push(`signalled ${name} at ${new Date().toISOString()}`);
    globalThis.process.kill(process.pid, name);
  };
  return {
    at,
    folder: options.folder,
    process,
    id: ready.id,
    events,
    rows: () => events().filter((event) => event.event === 'row'),
    async sees(others, timeoutMs) {
      const seen = new Set<string>();
      if (others === 0) return;
      await process.log.waitFor(
        (line) => {
          const came = /"peer":"([0-9a-f]+)".*"msg":"peer came"/.exec(line)?.[1];
          if (came !== undefined) seen.add(came);
          return seen.size >= others || undefined;
        },
        { timeoutMs, what: `${at.address} sees ${others} others` },
      );
    },
    go: () => signal('SIGUSR2'),
    signal,
    isAlive: () => !ended,
    async done(timeoutMs) {
      const end = await process.log.waitFor(
        (line) => {
          const event = parse(line);
          return event?.event === 'done' || event?.event === 'failed' ? event : undefined;
        },
        { timeoutMs, what: `${at.address} has everything` },
      );
      if (end.event === 'failed') throw new Error(`${at.address}: ${end.why}`);
      return end.atMs;
    },
  };
}

/** Rows whose bytes on disk are not those of the content: none, when all is well. */
export function wrongRows(folder: string, content: LineContent): readonly number[] {
  const chunkBytes = content.bytes.length / content.rows;
  return Array.from({ length: content.rows }, (_, row) => row).filter((row) => {
    const file = join(folder, String(row));
    if (!existsSync(file)) return true;
    return !readFileSync(file).equals(content.bytes.subarray(row * chunkBytes, (row + 1) * chunkBytes));
  });
}
