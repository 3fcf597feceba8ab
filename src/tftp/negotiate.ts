// Request → what will be sent and how: file, block size, window, options to acknowledge; or an error to answer.
import { TFTP_ERROR, type TftpOption, type TftpRequest } from './packet.ts';

/** Ethernet's 1500 less IP, UDP and TFTP headers: boot ROMs cannot reassemble fragments. */
export const MAX_BLKSIZE_ON_ETHERNET = 1468;
/** Without the option (RFC 1350). */
export const DEFAULT_BLKSIZE = 512;
/** A burst of 64 × 1468 bytes still fits the receive rings of small NICs. */
export const MAX_WINDOWSIZE = 64;

export interface Agreement {
  /** The catalogue's name, not the client's. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly blksize: number;
  readonly windowsize: number;
  /** Retransmission interval that the client asked for (RFC 2349), in ms. */
  readonly timeoutMs: number | undefined;
  /** What the OACK says, in the order asked; empty: answer with block 1 at once (RFC 2347). */
  readonly options: readonly TftpOption[];
}

export interface Refusal {
  readonly code: number;
  readonly message: string;
}

export interface NegotiationRules {
  /** The catalogue's entry for the name as the client wrote it. */
  find(requested: string): { readonly name: string; readonly sizeBytes: number } | undefined;
  /** Largest blksize to agree to: the link's MTU less 32. */
  readonly maxBlksize: number;
}

/** Never fails on an option: one we do not know or cannot read is left out of the answer (RFC 2347). */
export function negotiate(request: TftpRequest, rules: NegotiationRules): Agreement | Refusal {
  if (request.kind === 'write') return { code: TFTP_ERROR.accessViolation, message: 'read-only server' };
  // netascii would rewrite line ends inside binaries, and no boot ROM asks for it.
  if (request.mode.toLowerCase() !== 'octet')
    return { code: TFTP_ERROR.illegalOperation, message: 'octet (binary) mode only' };
  const file = rules.find(request.file);
  if (file === undefined) return { code: TFTP_ERROR.fileNotFound, message: 'no such file' };

  let blksize = DEFAULT_BLKSIZE;
  let windowsize = 1;
  let timeoutMs: number | undefined;
  const answers = new Map<string, TftpOption>();
  for (const [name, value] of request.options) {
    const key = name.toLowerCase();
    const asked = wholeNumber(value);
    // An option may be given once (RFC 2347): the first counts.
    if (asked === undefined || answers.has(key)) continue;
    if (key === 'blksize' && asked >= 8) {
      blksize = Math.min(asked, rules.maxBlksize, 65464);
      answers.set(key, [name, String(blksize)]);
    } else if (key === 'tsize') {
      answers.set(key, [name, String(file.sizeBytes)]);
    } else if (key === 'timeout' && asked >= 1 && asked <= 255) {
      timeoutMs = asked * 1000;
      answers.set(key, [name, value]);
    } else if (key === 'windowsize' && asked >= 1 && asked <= 65535) {
      windowsize = Math.min(asked, MAX_WINDOWSIZE);
      answers.set(key, [name, String(windowsize)]);
    }
  }
  return {
    file: file.name,
    sizeBytes: file.sizeBytes,
    blksize,
    windowsize,
    timeoutMs,
    options: [...answers.values()],
  };
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
