// Runs a program of the host to its end; when it fails, its last words are in the error.
import { spawn } from 'node:child_process';

export interface RunOptions {
  readonly cwd?: string;
  /** Added to our own environment; the locale is always C, so that output can be read. */
  readonly env?: Readonly<Record<string, string>>;
  /** Bytes for its standard input. */
  readonly input?: Uint8Array | string;
  /** Each line it says, on either stream, as it says it. */
  readonly onLine?: (line: string) => void;
}

const LAST_WORDS = 20;

/** Standard output as text; rejects with the command, its status and its last lines when it is not 0. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...sbinPath(), LC_ALL: 'C.UTF-8', LANGUAGE: '', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    const lines: string[] = [];
    const listen = (stream: NodeJS.ReadableStream) => {
      let rest = '';
      stream.on('data', (data: Buffer) => {
        const parts = (rest + data.toString('latin1')).split(/\r?\n|\r/);
        rest = parts.pop() ?? '';
        for (const line of parts) {
          lines.push(line);
          if (lines.length > LAST_WORDS) lines.shift();
          options.onLine?.(line);
        }
      });
      stream.on('end', () => rest !== '' && lines.push(rest));
    };
    child.stdout.on('data', (data: Buffer) => output.push(data));
    listen(child.stdout);
    listen(child.stderr);
    child.on('error', (cause) => reject(new Error(`${command}: ${cause.message}`, { cause })));
    // A program that reads nothing may be gone before its input is written: its status tells what matters.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);
    child.on('close', (status, signal) => {
      if (status === 0) resolve(Buffer.concat(output).toString('utf8'));
      else
        reject(
          new Error(
            `${command} ${args.join(' ')} ended with ${signal ?? `status ${status}`}:\n${lines.join('\n')}`,
          ),
        );
    });
  });
}

/** Debian keeps mkfs, sgdisk and others in sbin, which is not on an ordinary user's path. */
function sbinPath(): { PATH: string } {
  return { PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin` };
}
