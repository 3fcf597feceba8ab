// `peerboot demo`: runs the demo of a checkout in a process of its own, in this terminal.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PeerbootError } from '../base/errors.ts';
import { PROGRAM_FOLDER } from '../io/config-defaults.ts';

/** Resolves with the demo's exit status. */
export function demo(words: readonly string[]): Promise<number> {
  const program = join(PROGRAM_FOLDER, 'test', 'lab', 'demo.ts');
  if (!existsSync(program)) {
    throw new PeerbootError('PB-DEMO-MISSING', `${program} is not part of this installation`);
  }
  const child = spawn(process.execPath, [program, ...words], { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches the demo by itself; it must clean up before we go.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve(status ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
}
