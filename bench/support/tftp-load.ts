// A process that fetches a file by TFTP with atftp, so many clients at once, and says how long it took until all had it.
// Its argument is a TftpLoad as JSON; it prints the ms.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface TftpLoad {
  readonly address: string;
  readonly file: string;
  readonly blksize: number;
  readonly windowsize: number;
  readonly clients: number;
}

const load = JSON.parse(process.argv[2] ?? '{}') as TftpLoad;
const words = [
  ...['--option', `blksize ${load.blksize}`],
  ...(load.windowsize > 1 ? ['--option', `windowsize ${load.windowsize}`] : []),
  ...['-g', '-r', load.file, '-l', '/dev/null', load.address],
];
const fetch = promisify(execFile);
const began = performance.now();
await Promise.all(Array.from({ length: load.clients }, () => fetch('atftp', words, { timeout: 120_000 })));
console.log(performance.now() - began);
