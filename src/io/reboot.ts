// Restarts or switches off the target: everything is synced, there is no init to ask.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Does not return when it works; the magic key of the kernel is the last resort (Documentation/admin-guide/sysrq). */
export async function leave(how: 'reboot' | 'power-off'): Promise<void> {
  await promisify(execFile)('sync', []).catch(() => {});
  try {
    await promisify(execFile)(how === 'reboot' ? 'reboot' : 'poweroff', ['-f']);
  } catch {
    await writeFile('/proc/sysrq-trigger', how === 'reboot' ? 'b' : 'o');
  }
}
