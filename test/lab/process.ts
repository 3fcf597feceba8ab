// Starts real programs, follows their output line by line as events, and ends them by their pid.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Runs a command to its end and returns what it printed; rejects with its standard error. */
export async function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string } = {},
): Promise<string> {
  try {
    const { stdout } = await execFileAsync(command, [...args], { ...options, maxBuffer: 64 << 20 });
    return stdout;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed: ${stderr?.trim() || String(error)}`, {
      cause: error,
    });
  }
}

/** All lines so far, and a promise for one that is still to come. */
export class LineLog {
  readonly lines: string[] = [];
  private readonly listeners = new Set<(line: string | undefined) => void>();
  private ended = false;

  push(line: string): void {
    this.lines.push(line);
    for (const listener of this.listeners) listener(line);
  }

  end(): void {
    this.ended = true;
    for (const listener of this.listeners) listener(undefined);
  }

  /** Calls `listener` for every line from now on; `undefined` once at the end. Returns how to stop. */
  listen(listener: (line: string | undefined) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The first line, from index `from` on, for which `match` gives something. */
  waitFor<T>(
    match: (line: string) => T | undefined,
    options: { readonly timeoutMs: number; readonly what: string; readonly from?: number },
  ): Promise<T> {
    for (const line of this.lines.slice(options.from ?? 0)) {
      const found = match(line);
      if (found !== undefined) return Promise.resolve(found);
    }
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        stop();
        settle();
      };
      const fail = (why: string) =>
        finish(() =>
          reject(new Error(`${why}: ${options.what}\nlast lines:\n${this.lines.slice(-12).join('\n')}`)),
        );
      const timer = setTimeout(() => fail(`not within ${options.timeoutMs} ms`), options.timeoutMs);
      const stop = this.listen((line) => {
        if (line === undefined) return fail('the program ended before');
        const found = match(line);
        if (found !== undefined) finish(() => resolve(found));
      });
      if (this.ended) fail('the program ended before');
    });
  }
}

export interface Running {
  readonly pid: number;
  readonly log: LineLog;
  /** Exit status, or the name of the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Signals the process (SIGTERM unless told otherwise) and waits; SIGKILL after five seconds. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  /** Network namespace to run in. `ip netns exec` replaces itself, so the pid stays the program's own. */
  readonly namespace?: string;
  readonly logFile?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?=]*[A-Za-z]|\\r`, 'g');

/** A login prompt waits on its line without ending it. */
const PROMPT = /login: $/;

/** Calls `onLine` for each line without its terminal escapes, and for a prompt. */
function followLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line.replaceAll(ESCAPES, ''));
    if (!PROMPT.test(rest)) return;
    onLine(rest.replaceAll(ESCAPES, ''));
    rest = '';
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest.replaceAll(ESCAPES, ''));
  });
}

/** Starts a program whose output lines (both streams, terminal escapes taken out) become events. */
export function start(command: string, args: readonly string[], options: StartOptions = {}): Running {
  const words =
    options.namespace === undefined
      ? [command, ...args]
      : ['ip', 'netns', 'exec', options.namespace, command, ...args];
  const child: ChildProcess = spawn(words[0] as string, words.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const log = new LineLog();
  const file = options.logFile === undefined ? undefined : createWriteStream(options.logFile, { flags: 'a' });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    followLines(stream, (line) => {
      file?.write(`${line}\n`);
      log.push(line);
    });
  }
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('error', (error) => {
      log.push(`cannot start ${command}: ${error.message}`);
      log.end();
      resolve(127);
    });
    child.on('close', (status, signal) => {
      log.end();
      file?.end();
      resolve(status ?? signal ?? 0);
    });
  });
  return {
    pid: child.pid ?? -1,
    log,
    exited,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(hard);
    },
  };
}
