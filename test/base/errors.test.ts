// The three kinds of wrong: what each of them carries, and that ours stop us.
import { describe, expect, it } from 'vitest';
import { assert, isPeerbootError, PeerbootError, unreachable, WireError } from '../../src/base/errors.ts';

it('nonsense from outside says where it stands, when that is known', () => {
  expect(new WireError('odd', 7)).toMatchObject({ name: 'WireError', message: 'odd', offset: 7 });
  expect(new WireError('odd').offset).toBeUndefined();
});

describe('an operational failure', () => {
  const cause = new Error('EACCES');
  const plain = new PeerbootError('PB-DISK-NONE', 'no disk was found');
  const full = new PeerbootError('PB-PORT-IN-USE', 'port 67', { cause, details: { port: 67 } });

  it('carries its code, the remedy of the table, cause and details', () => {
    expect(full).toMatchObject({ code: 'PB-PORT-IN-USE', cause, details: { port: 67 } });
    expect(full.remedy).toMatch(/\w/);
    expect('cause' in plain).toBe(false);
    expect(plain.details).toEqual({});
  });
  it('is told from other errors, and by its code', () => {
    expect(isPeerbootError(plain)).toBe(true);
    expect(isPeerbootError(plain, 'PB-DISK-NONE')).toBe(true);
    expect(isPeerbootError(plain, 'PB-PORT-IN-USE')).toBe(false);
    expect(isPeerbootError(cause)).toBe(false);
  });
});

it('our own bugs stop us', () => {
  expect(() => assert(true, 'one is one')).not.toThrow();
  expect(() => assert(false, 'one is two')).toThrow('assertion failed: one is two');
  expect(() => unreachable({ kind: 'never' } as never)).toThrow('unreachable: {"kind":"never"}');
});
