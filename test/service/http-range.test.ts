// Preconditions and ranges as a table of rows from RFC 9110.
import { describe, expect, it } from 'vitest';
import { type ByteRequest, selectBytes } from '../../src/service/http-range.ts';

const SIZE = 1000;
const ETAG = '"v1"';
const whole = { status: 200, start: 0, end: SIZE };
const part = (start: number, end: number) => ({ status: 206, start, end });
const answer = (request: Partial<ByteRequest>, size = SIZE) =>
  selectBytes({ method: 'GET', ...request }, ETAG, size);

describe('ranges (§14.1.2, §14.2)', () => {
  it.each<[string, unknown]>([
    ['bytes=0-', part(0, 1000)],
    ['bytes=0-0', part(0, 1)],
    ['bytes=10-19', part(10, 20)],
    ['bytes=990-5000', part(990, 1000)],
    ['bytes=999-', part(999, 1000)],
    ['bytes=-1', part(999, 1000)],
    ['bytes=-5000', part(0, 1000)],
    ['BYTES = 1 - 2', part(1, 3)],
    ['bytes=1000-', { status: 416 }],
    ['bytes=1000-1001', { status: 416 }],
    ['bytes=-0', { status: 416 }],
    [`bytes=${'9'.repeat(400)}-`, { status: 416 }],
    // To be ignored: no range, the wrong way round, another unit, more than one.
    ['bytes=-', whole],
    ['bytes=5-4', whole],
    ['bytes=a-b', whole],
    ['bytes', whole],
    ['lines=1-2', whole],
    ['bytes=0-1,3-4', whole],
    ['bytes=0-0,-1', whole],
    ['bytes=0-1,', whole],
  ])('%s', (range, expected) => expect(answer({ range })).toEqual(expected));

  it('mean nothing but for GET', () => {
    expect(answer({ method: 'HEAD', range: 'bytes=0-1' })).toEqual(whole);
  });

  it('of an empty file cannot be satisfied', () => {
    expect(answer({ range: 'bytes=0-' }, 0)).toEqual({ status: 416 });
    expect(answer({}, 0)).toEqual({ status: 200, start: 0, end: 0 });
  });
});

describe('preconditions (§13.1, §13.2.2)', () => {
  it.each<[string, Partial<ByteRequest>, unknown]>([
    ['If-None-Match that matches', { ifNoneMatch: '"v1"' }, { status: 304 }],
    ['a weak tag matches there', { ifNoneMatch: 'W/"v1"' }, { status: 304 }],
    ['one of several', { ifNoneMatch: '"v0", "v1"' }, { status: 304 }],
    ['any', { ifNoneMatch: '*' }, { status: 304 }],
    ['another tag', { ifNoneMatch: '"v2"' }, whole],
    ['If-None-Match goes before Range', { ifNoneMatch: '"v1"', range: 'bytes=0-1' }, { status: 304 }],
    ['If-Match that matches', { ifMatch: '"v1"', range: 'bytes=0-1' }, part(0, 2)],
    ['If-Match of another version', { ifMatch: '"v0"', range: 'bytes=0-1' }, { status: 412 }],
    ['a weak tag is not enough there', { ifMatch: 'W/"v1"' }, { status: 412 }],
    ['If-Match goes before If-None-Match', { ifMatch: '"v0"', ifNoneMatch: '"v1"' }, { status: 412 }],
    ['If-Range of this version', { ifRange: '"v1"', range: 'bytes=5-' }, part(5, 1000)],
    ['If-Range of another version', { ifRange: '"v0"', range: 'bytes=5-' }, whole],
    ['If-Range with a weak tag', { ifRange: 'W/"v1"', range: 'bytes=5-' }, whole],
    ['If-Range with a date', { ifRange: 'Sat, 29 Oct 1994 19:43:31 GMT', range: 'bytes=5-' }, whole],
    [
      'If-Range of another version and a range beyond the end',
      { ifRange: '"v0"', range: 'bytes=5000-' },
      whole,
    ],
    ['If-Range without Range', { ifRange: '"v0"' }, whole],
  ])('%s', (_, request, expected) => expect(answer(request)).toEqual(expected));
});
