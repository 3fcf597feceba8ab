// Says in an operator's words why a source failed: one reason per way a transfer can go wrong.
import { PeerbootError } from '../base/errors.ts';

/** Logged and counted as `reason`. */
export type SourceReason =
  | 'unreachable'
  | 'refused'
  | 'tls'
  | 'stalled'
  | 'broken'
  | 'truncated'
  | 'status'
  | 'redirect'
  | 'wrong-length'
  | 'wrong-range'
  | 'encoded'
  | 'protocol';

export function sourceFailed(
  name: string,
  reason: SourceReason,
  what: string,
  cause?: unknown,
): PeerbootError {
  return new PeerbootError('PB-SOURCE-FAILED', `${name}: ${what}`, {
    cause,
    details: { source: name, reason },
  });
}

/** Did the connection end in the middle, so that going on at the byte reached makes sense? */
export function isBroken(error: unknown): boolean {
  return (
    error instanceof PeerbootError &&
    (error.details.reason === 'broken' || error.details.reason === 'truncated')
  );
}

/** Connection ended in the middle: resets, half-closes, and a body shorter than its Content-Length. */
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);
const UNREACHABLE = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
]);
const STALLED = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT']);
/** OpenSSL's verification results have their own names; everything else of TLS begins with ERR_TLS or ERR_SSL. */
const TLS = /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|HOSTNAME_MISMATCH)/;

/** The failure behind what the HTTP library threw. */
export function transferError(name: string, error: unknown): PeerbootError {
  if (error instanceof PeerbootError) return error;
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  if (code === 'ECONNREFUSED') return sourceFailed(name, 'refused', 'connection refused', error);
  if (UNREACHABLE.has(code)) return sourceFailed(name, 'unreachable', `cannot be reached (${code})`, error);
  if (STALLED.has(code)) return sourceFailed(name, 'stalled', `no connection in time (${code})`, error);
  if (TLS.test(code)) return sourceFailed(name, 'tls', `TLS: ${text} (${code})`, error);
  if (BROKEN.has(code) || code.startsWith('HPE_INVALID_EOF_STATE')) {
    return sourceFailed(name, 'broken', `connection broken (${text})`, error);
  }
  return sourceFailed(name, 'protocol', `${text}${code === '' ? '' : ` (${code})`}`, error);
}

function codeOf(error: unknown): string {
  // Happy eyeballs reports all its attempts as one AggregateError.
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  return typeof inner === 'object' && inner !== null && 'code' in inner ? String(inner.code) : '';
}
