// Which bytes of a file a request gets: preconditions and ranges of RFC 9110, decided purely.

export interface ByteRequest {
  readonly method: string;
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly range?: string | undefined;
  readonly ifRange?: string | undefined;
}

/** `end` is exclusive. */
export type ByteAnswer =
  | { readonly status: 200 | 206; readonly start: number; readonly end: number }
  | { readonly status: 304 | 412 | 416 };

/**
 * In the order of RFC 9110 §13.2.2. Of ranges we serve one per answer: several are answered with the whole, which
 * §14.2 permits (a server may ignore the field), and which no client can misread as one of its parts.
 */
export function selectBytes(request: ByteRequest, etag: string, sizeBytes: number): ByteAnswer {
  if (request.ifMatch !== undefined && !listed(request.ifMatch, etag, 'strong')) return { status: 412 };
  if (request.ifNoneMatch !== undefined && listed(request.ifNoneMatch, etag, 'weak')) return { status: 304 };
  const whole = { status: 200, start: 0, end: sizeBytes } as const;
  // §14.2: Range means something for GET only. §13.1.5: a date or another tag in If-Range makes it void.
  if (request.method !== 'GET' || request.range === undefined) return whole;
  if (request.ifRange !== undefined && request.ifRange.trim() !== etag) return whole;
  return selectRange(request.range, sizeBytes) ?? whole;
}

/** Undefined when the field is to be ignored: another unit, several ranges, or no range at all (§14.1.1, §14.2). */
function selectRange(range: string, sizeBytes: number): ByteAnswer | undefined {
  const match = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(range);
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? ''];
  if (match === null || (first === '' && last === '')) return undefined;
  if (first === '') {
    const suffix = Math.min(Number(last), sizeBytes);
    return suffix === 0 ? { status: 416 } : { status: 206, start: sizeBytes - suffix, end: sizeBytes };
  }
  const [start, end] = [Number(first), last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)];
  if (last !== '' && Number(last) < start) return undefined;
  return start >= sizeBytes ? { status: 416 } : { status: 206, start, end };
}

/** Strong comparison takes no weak tag (§8.8.3.2). */
function listed(field: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (field.trim() === '*') return true;
  const tags = field.match(/(?:W\/)?"[^"]*"/g) ?? [];
  return tags.some((tag) => (comparison === 'weak' ? tag.replace(/^W\//, '') : tag) === etag);
}
