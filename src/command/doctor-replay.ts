// `peerboot doctor --replay file`: the verdict on every boot attempt in a capture.
import { readFileSync, statSync } from 'node:fs';
import { PeerbootError, WireError } from '../base/errors.ts';
import { replay } from '../boot/replay.ts';
import type { Attempt } from '../boot/verdict.ts';
import { type CaptureFile, readCapture } from '../capture/file.ts';
import { colours, EXIT, printJson } from './terminal.ts';

/** A capture is read into memory whole; days of a store's DHCP and TFTP are less. */
const MOST_BYTES = 1024 * 1024 * 1024;

/** With `--json` one line `{"attempts":[…]}`. Rejects with PB-CAPTURE-UNREADABLE. */
export function doctorReplay(path: string, json: boolean): number {
  const capture = openCapture(path);
  const attempts = replay(capture);
  if (json) {
    printJson({ attempts: attempts.map(attemptJson), ...(capture.cutShort ? { cutShort: true } : {}) });
    return EXIT.ok;
  }
  for (const attempt of attempts) console.log(`${paragraph(attempt)}\n`);
  if (attempts.length === 0) {
    console.log(`No machine tried to boot in this capture of ${capture.frames.length} frames.`);
  }
  if (capture.cutShort) {
    console.log(colours.yellow('The file ends within a frame; what came before is judged.'));
  }
  return EXIT.ok;
}

function openCapture(path: string): CaptureFile {
  let bytes: Uint8Array;
  try {
    const { size } = statSync(path);
    if (size > MOST_BYTES) throw new Error(`${size} bytes are more than the ${MOST_BYTES} that are read`);
    bytes = readFileSync(path);
  } catch (cause) {
    throw new PeerbootError('PB-CAPTURE-UNREADABLE', `${path}: ${(cause as Error).message}`, { cause });
  }
  const capture = readCapture(bytes);
  if (!(capture instanceof WireError)) {
    if (capture.frames.length > 0 || capture.foreign === 0) return capture;
    throw new PeerbootError('PB-CAPTURE-UNREADABLE', `${path} was not captured on Ethernet`);
  }
  const at = capture.offset === undefined ? '' : ` (at byte ${capture.offset})`;
  throw new PeerbootError('PB-CAPTURE-UNREADABLE', `${path}: ${capture.message}${at}`);
}

/** The form that programs read; times are milliseconds since the capture's first frame. */
export function attemptJson(attempt: Attempt): object {
  const { mac, uuid, firmware, verdict, evidence, remedy, startedMs, endedMs } = attempt;
  return {
    mac: mac ?? null,
    ...(uuid === undefined ? {} : { uuid }),
    firmware,
    verdict,
    evidence,
    remedy,
    startedMs: Math.round(startedMs),
    endedMs: Math.round(endedMs),
  };
}

const WIDTH = 110;

function paragraph(attempt: Attempt): string {
  return bootParagraph(attempt.mac ?? attempt.uuid, attempt);
}

/** Who, the verdict, what was seen, and what to do. */
export function bootParagraph(
  who: string | undefined,
  {
    firmware,
    verdict,
    evidence,
    remedy,
  }: Pick<Attempt, 'firmware' | 'evidence' | 'remedy'> & { verdict: string },
): string {
  const fine = verdict === 'booted' || verdict === 'size-probe-only';
  const mark = fine ? colours.green('✔') : verdict === 'unknown' ? colours.yellow('?') : colours.red('✖');
  return [
    `${mark} ${colours.bold(who ?? 'a machine that told no MAC')} (${firmware}): ${colours.bold(verdict)}`,
    ...wrap(`${evidence.join('; ')}.`, '    '),
    ...wrap(remedy, `  ${colours.cyan('→')} `, '    '),
  ].join('\n');
}

function wrap(text: string, first: string, indent = first): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 5 > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((one, i) => (i === 0 ? first : indent) + one);
}
