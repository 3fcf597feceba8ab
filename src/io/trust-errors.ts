// From what tuf-js throws to our codes: forged, rolled back, mixed.
import { LengthOrHashMismatchError, UnsignedMetadataError } from '@tufjs/models/dist/error.js';
import { BadVersionError, EqualVersionError } from 'tuf-js/dist/error.js';
import type { ErrorCode } from '../base/error-table.ts';
import { PeerbootError } from '../base/errors.ts';

export const isUnsigned = (error: unknown): boolean => error instanceof UnsignedMetadataError;
export const isEqualVersion = (error: unknown): boolean => error instanceof EqualVersionError;
export const isWrongVersion = (error: unknown): boolean => error instanceof BadVersionError;
/** The bytes are not those that the file above them names. */
export const belongsElsewhere = (error: unknown): boolean => error instanceof LengthOrHashMismatchError;

/**
 * `genuine` tells whether the bytes carry good signatures: bytes that are not those named may be a true file of
 * another set (mixed) or anything at all (forged).
 */
export function asTrustError(
  error: unknown,
  source: string,
  file: string,
  genuine: () => boolean = () => false,
): PeerbootError {
  const what = `${source}: ${file}: ${error instanceof Error ? error.message : String(error)}`;
  return new PeerbootError(codeOf(error, genuine), what, { cause: error });
}

function codeOf(error: unknown, genuine: () => boolean): ErrorCode {
  if (belongsElsewhere(error)) return genuine() ? 'PB-TRUST-MIXED' : 'PB-TRUST-FORGED';
  if (!(error instanceof Error)) return 'PB-TRUST-FORGED';
  // tuf-js has one class for both: a version below one that was seen, and a version other than the one named.
  if (isWrongVersion(error))
    return / less than /.test(error.message) ? 'PB-TRUST-ROLLBACK' : 'PB-TRUST-MIXED';
  if (/^Missing file .* in new snapshot$/.test(error.message)) return 'PB-TRUST-ROLLBACK';
  return 'PB-TRUST-FORGED';
}
