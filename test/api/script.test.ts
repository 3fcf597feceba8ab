// The query of a script, as iPXE really sends it and as nobody should.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseScriptQuery } from '../../src/api/script.ts';

const UUID = '4c4c4544-0042-3010-8052-b9c04f4e3332';

describe('parseScriptQuery', () => {
  it.each<[string, string, object]>([
    [
      'what iPXE sends',
      `mac=52-54-00-12-34-56&uuid=${UUID}&serial=S/N%201&manufacturer=QEMU&product=Box&asset=&buildarch=x86_64&platform=efi`,
      {
        mac: '52:54:00:12:34:56',
        uuid: UUID,
        serial: 'S/N 1',
        manufacturer: 'QEMU',
        product: 'Box',
        buildarch: 'x86_64',
        platform: 'efi',
      },
    ],
    ['letters beyond ASCII, sign-extended', 'product=B%FFFFFFFFFFFFC3%FFFFFFFFFFFFB6x', { product: 'Böx' }],
    ['bytes that are no UTF-8', 'product=B%FFFFFFFFFFFFF6x', { product: 'B\ufffdx' }],
    ['a plus is a plus', 'serial=A+B', { serial: 'A+B' }],
    [
      'the first of two counts',
      'mac=52-54-00-12-34-56&serial=a&mac=1&serial=b',
      { mac: '52:54:00:12:34:56', serial: 'a' },
    ],
    ['no MAC, a placeholder', 'mac=zz&uuid=00000000-0000-0000-0000-000000000000', {}],
    ['broken escapes', 'serial=%&product=%zz', { serial: '%', product: '%zz' }],
    ['nothing', '', {}],
  ])('%s', (_, query, expected) => {
    const told = Object.entries(parseScriptQuery(query)).filter(([, value]) => value !== undefined);
    expect(Object.fromEntries(told)).toEqual(expected);
  });

  it('reads anything, in bounds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        for (const value of Object.values(parseScriptQuery(`serial=${text}&${text}`))) {
          expect((value ?? '').length).toBeLessThanOrEqual(128);
        }
      }),
      { numRuns: 500 },
    );
  });
});
