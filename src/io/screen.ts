// Puts pictures on the target's screen (a virtual console) and lines on its serial port, where each exists.
import { constants, openSync, write } from 'node:fs';
import { WriteStream } from 'node:tty';
import { promisify } from 'node:util';

export interface TextTerminal {
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  /** Bytes that cannot be written at once wait; when too many wait, what is waiting is dropped for what is new. */
  write(text: string): void;
}

/** Undefined when the machine has no such device, or nothing behind it (a serial port that is not there gives EIO). */
export function openTerminal(path: string): TextTerminal | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
  const { columns, rows } = sizeOf(fd);
  let next: string | undefined;
  let busy = false;
  const drain = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    while (next !== undefined) {
      const bytes = Buffer.from(next);
      next = undefined;
      try {
        for (let done = 0; done < bytes.length; ) {
          done += (await promisify(write)(fd, bytes, done, bytes.length - done)).bytesWritten;
        }
      } catch {
        // Nothing is connected: there is nobody to tell.
        next = undefined;
      }
    }
    busy = false;
  };
  return {
    columns,
    rows,
    write(text) {
      next = (next ?? '') + text;
      void drain();
    },
  };
}

function sizeOf(fd: number): { columns: number | undefined; rows: number | undefined } {
  try {
    const stream = new WriteStream(fd);
    const [columns, rows] = stream.getWindowSize();
    return { columns, rows };
  } catch {
    return { columns: undefined, rows: undefined };
  }
}
